//! A deserializer around postcard's that counts levels and elements, so that a few bytes cannot ask for an endless value.
//!
//! Every compound goes through here, every plain value goes straight to its own visitor. All of it is inlined: the price
//! is one comparison for each level and each element.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::{DEPTH_MAX, DecodeError, EMPTY_ELEMENTS_MAX};

/// What one decoding may still use up, and what it broke.
pub(super) struct Guard {
    elements: Cell<usize>,
    broken: Cell<Option<Broken>>,
}

#[derive(Clone, Copy)]
enum Broken {
    Depth,
    Elements,
}

impl Guard {
    /// A guard for an input of that many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        Self { elements: Cell::new(bytes.saturating_add(EMPTY_ELEMENTS_MAX)), broken: Cell::new(None) }
    }

    /// Tells the guard's own refusals from those of postcard.
    pub(super) fn fault(&self, error: postcard::Error) -> DecodeError {
        match self.broken.get() {
            Some(Broken::Depth) => DecodeError::TooDeep,
            Some(Broken::Elements) => DecodeError::TooManyElements,
            None => DecodeError::Malformed(error),
        }
    }

    #[inline]
    fn take<E: Error>(&self) -> Result<(), E> {
        match self.elements.get().checked_sub(1) {
            Some(left) => {
                self.elements.set(left);
                Ok(())
            }
            None => Err(self.refuse(Broken::Elements)),
        }
    }

    #[cold]
    fn refuse<E: Error>(&self, broken: Broken) -> E {
        self.broken.set(Some(broken));
        E::custom("over a limit")
    }
}

/// One thing of serde's – deserializer, seed, visitor or access – with the guard and the level that it stands on.
///
/// `COUNTED` says whether the elements of this access are charged: those of sequences and maps are, since the peer chose
/// their number; the parts of tuples and structures are not, since the type did.
pub(super) struct Guarded<'g, T, const COUNTED: bool = false> {
    inner: T,
    guard: &'g Guard,
    depth: usize,
}

impl<'g, T> Guarded<'g, T> {
    /// Stands at the outermost level.
    pub(super) fn new(inner: T, guard: &'g Guard) -> Self {
        Self { inner, guard, depth: 0 }
    }
}

impl<'g, T, const COUNTED: bool> Guarded<'g, T, COUNTED> {
    #[inline]
    fn here<U, const ALSO: bool>(&self, inner: U) -> Guarded<'g, U, ALSO> {
        Guarded { inner, guard: self.guard, depth: self.depth }
    }

    #[inline]
    fn deeper<U, const ALSO: bool, E: Error>(&self, inner: U) -> Result<Guarded<'g, U, ALSO>, E> {
        if self.depth >= DEPTH_MAX {
            return Err(self.guard.refuse(Broken::Depth));
        }
        Ok(Guarded { inner, guard: self.guard, depth: self.depth.saturating_add(1) })
    }
}

/// Plain values nest nothing, so their visitors see postcard's deserializer itself.
macro_rules! plain {
    ($($method:ident)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Guarded<'_, D> {
    type Error = D::Error;

    plain! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string
        deserialize_bytes deserialize_byte_buf deserialize_unit
    }

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = self.here::<_, true>(visitor);
        self.inner.deserialize_any(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = self.here::<_, false>(visitor);
        self.inner.deserialize_option(visitor)
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_unit_struct(name, visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = self.here::<_, false>(visitor);
        self.inner.deserialize_newtype_struct(name, visitor)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = self.here::<_, true>(visitor);
        self.inner.deserialize_seq(visitor)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = self.here::<_, false>(visitor);
        self.inner.deserialize_tuple(len, visitor)
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.here::<_, false>(visitor);
        self.inner.deserialize_tuple_struct(name, len, visitor)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = self.here::<_, true>(visitor);
        self.inner.deserialize_map(visitor)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.here::<_, false>(visitor);
        self.inner.deserialize_struct(name, fields, visitor)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.here::<_, false>(visitor);
        self.inner.deserialize_enum(name, variants, visitor)
    }

    #[inline]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = self.here::<_, true>(visitor);
        self.inner.deserialize_identifier(visitor)
    }

    #[inline]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = self.here::<_, true>(visitor);
        self.inner.deserialize_ignored_any(visitor)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! plain_visits {
    ($($method:ident($type:ty))*) => {$(
        #[inline]
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>, const COUNTED: bool> Visitor<'de> for Guarded<'_, V, COUNTED> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    plain_visits! {
        visit_bool(bool) visit_i8(i8) visit_i16(i16) visit_i32(i32) visit_i64(i64) visit_i128(i128)
        visit_u8(u8) visit_u16(u16) visit_u32(u32) visit_u64(u64) visit_u128(u128)
        visit_f32(f32) visit_f64(f64) visit_char(char)
        visit_str(&str) visit_borrowed_str(&'de str) visit_string(String)
        visit_bytes(&[u8]) visit_borrowed_bytes(&'de [u8]) visit_byte_buf(Vec<u8>)
    }

    #[inline]
    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    #[inline]
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<V::Value, D::Error> {
        let from = self.deeper::<_, false, D::Error>(from)?;
        self.inner.visit_some(from)
    }

    #[inline]
    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<V::Value, D::Error> {
        let from = self.deeper::<_, false, D::Error>(from)?;
        self.inner.visit_newtype_struct(from)
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let access = self.deeper::<_, COUNTED, A::Error>(access)?;
        self.inner.visit_seq(access)
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let access = self.deeper::<_, COUNTED, A::Error>(access)?;
        self.inner.visit_map(access)
    }

    #[inline]
    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let access = self.deeper::<_, false, A::Error>(access)?;
        self.inner.visit_enum(access)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Guarded<'_, S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<S::Value, D::Error> {
        let from = self.here::<_, false>(from);
        self.inner.deserialize(from)
    }
}

impl<'de, A: SeqAccess<'de>, const COUNTED: bool> SeqAccess<'de> for Guarded<'_, A, COUNTED> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let seed = self.here::<_, false>(seed);
        let element = self.inner.next_element_seed(seed)?;
        if COUNTED && element.is_some() {
            self.guard.take()?;
        }
        Ok(element)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        // Never more than the input can hold: visitors reserve memory by this.
        self.inner.size_hint().map(|claimed| claimed.min(self.guard.elements.get()))
    }
}

impl<'de, A: MapAccess<'de>, const COUNTED: bool> MapAccess<'de> for Guarded<'_, A, COUNTED> {
    type Error = A::Error;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let seed = self.here::<_, false>(seed);
        let key = self.inner.next_key_seed(seed)?;
        if COUNTED && key.is_some() {
            self.guard.take()?;
        }
        Ok(key)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.here::<_, false>(seed);
        self.inner.next_value_seed(seed)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint().map(|claimed| claimed.min(self.guard.elements.get()))
    }
}

impl<'g, 'de, A: EnumAccess<'de>> EnumAccess<'de> for Guarded<'g, A> {
    type Error = A::Error;
    type Variant = Guarded<'g, A::Variant>;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (guard, depth) = (self.guard, self.depth);
        let seed = self.here::<_, false>(seed);
        let (value, variant) = self.inner.variant_seed(seed)?;
        Ok((value, Guarded { inner: variant, guard, depth }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Guarded<'_, A> {
    type Error = A::Error;

    #[inline]
    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.here::<_, false>(seed);
        self.inner.newtype_variant_seed(seed)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        let visitor = self.here::<_, false>(visitor);
        self.inner.tuple_variant(len, visitor)
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let visitor = self.here::<_, false>(visitor);
        self.inner.struct_variant(fields, visitor)
    }
}
