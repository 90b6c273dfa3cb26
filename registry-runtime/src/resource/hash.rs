//! The hash that spreads keys.

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

/// Encodings up to this many bytes need no allocation: numbers, UUIDs, and names of a usual length.
const INLINE_BYTES: usize = 64;

/// The 64-bit hash of a routing key, the same on every platform, process and release.
///
/// It is XXH3 (64 bits, seed 0; <https://github.com/Cyan4973/xxHash>) over the key's encoding in the postcard wire format,
/// version 1 (<https://postcard.jamesmunns.com/wire-format>): whole numbers of more than 8 bits as LEB128 varints, signed
/// ones zigzagged before that, strings and sequences behind their length as a varint, structs and tuples as their fields one
/// after the other, enums as the number of the variant and its content. Field and type names are no part of it, and a
/// newtype hashes as what it wraps.
///
/// The values are pinned: where a key lives depends on them. A key that refuses to be encoded hashes as the empty
/// encoding.
pub fn stable_hash<T: Serialize + ?Sized>(key: &T) -> u64 {
    let mut buffer = [0; INLINE_BYTES];
    match postcard::to_slice(key, &mut buffer) {
        Ok(encoded) => xxh3_64(encoded),
        Err(_) => stable_hash_of_long(key),
    }
}

#[cold]
fn stable_hash_of_long<T: Serialize + ?Sized>(key: &T) -> u64 {
    xxh3_64(&postcard::to_stdvec(key).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Composite {
        region: String,
        number: u64,
    }

    #[derive(Serialize)]
    struct Newtype(u64);

    #[derive(Serialize)]
    enum Choice {
        #[expect(dead_code, reason = "only its place counts")]
        First,
        Second(u16),
    }

    fn check<T: Serialize + ?Sized>(key: &T, expected: u64) {
        assert_eq!(stable_hash(key), expected, "found {:#018x}", stable_hash(key));
    }

    /// The expected values come from another implementation of XXH3 (the reference one in C) over encodings written down
    /// by hand. They may never change.
    #[test]
    fn keys_hash_to_the_pinned_values() {
        check(&(), 0x2d06_8005_38d3_94c2);
        check(&0_u64, 0xc44b_dff4_074e_ecdb);
        check(&1_u64, 0xe12e_f9d2_eb86_ceeb);
        check(&42_u64, 0x79d0_3016_b7ae_ed0d);
        check(&127_u64, 0x2a14_0471_f45f_f181);
        check(&128_u64, 0xcbb6_2e26_b39e_4890);
        check(&(1_u64 << 32), 0x2668_b81e_0bb4_9396);
        check(&u64::MAX, 0x6d06_e806_da1f_9874);
        check(&u128::MAX, 0x4525_9ee8_23dd_04c3);
        check(&200_u8, 0xf0f2_8117_d57c_a107);
        check(&-1_i64, 0xe12e_f9d2_eb86_ceeb);
        check(&42_i64, 0x2094_8828_081d_dcb4);
        check("", 0xc44b_dff4_074e_ecdb);
        check("eu", 0x162c_e71d_8ad3_cbe1);
        check("order-1", 0xa12d_ad5e_d4f3_d6d4);
        check("größe", 0x7868_59fd_a177_1e5d);
        check(&"a".repeat(63), 0xbd91_290f_6ceb_1fc1);
        check(&"a".repeat(64), 0x48cf_5de0_f206_efc3);
        check(&"a".repeat(300), 0x4f06_aebb_cac6_07ca);
        check(&(1_u32, 7_u64), 0x869e_23d5_8dc6_2d16);
        check(&Composite { region: "eu".into(), number: 7 }, 0x5a9a_a03f_98fb_531d);
        check(&Newtype(42), 0x79d0_3016_b7ae_ed0d);
        check(&Choice::Second(300), 0xe96c_77ad_9f13_3d3a);
        check(&true, 0xe12e_f9d2_eb86_ceeb);
        check(&Some(5_u8), 0x3b08_003f_97fc_5a5b);
        check(&None::<u8>, 0xc44b_dff4_074e_ecdb);
        check(&[1_u8, 2, 3], 0xebce_9b76_32ae_733b);
        check(&vec![1_u8, 2, 3], 0xaff6_cd23_22cf_8a8d);
        check(&'ü', 0x129c_2270_10bb_2309);
    }

    #[test]
    fn the_width_of_a_number_is_no_part_of_its_hash() {
        assert_eq!(stable_hash(&7_u16), stable_hash(&7_u64));
        assert_eq!(stable_hash(&7_usize), stable_hash(&7_u32));
    }
}
