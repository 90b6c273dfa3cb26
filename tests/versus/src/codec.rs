//! The codec alone: what the guard around decoding costs.

use std::hint::black_box;
use std::time::Instant;

use registry_runtime::bench;

use crate::contestant::Message;

const TIMES: u32 = 2_000_000;

pub fn run() {
    let mut bytes = Vec::new();
    bench::encode(&Message { id: 1_000_000, note: "x".repeat(64) }, &mut bytes);
    let nested: Vec<(u32, Option<u16>, String)> = (0..8).map(|at| (at, Some(7), "name".to_owned())).collect();
    let mut nested_bytes = Vec::new();
    bench::encode(&nested, &mut nested_bytes);
    for round in 0..3 {
        time("plain decode, 64 B text", || drop(black_box(postcard::from_bytes::<Message>(black_box(&bytes)))));
        time("guarded decode, 64 B text", || drop(black_box(bench::decode::<Message>(black_box(&bytes)))));
        type Nested = Vec<(u32, Option<u16>, String)>;
        time("plain decode, 8 x 3 nested", || {
            drop(black_box(postcard::from_bytes::<Nested>(black_box(&nested_bytes))))
        });
        time("guarded decode, 8 x 3 nested", || drop(black_box(bench::decode::<Nested>(black_box(&nested_bytes)))));
        let message = Message { id: 1_000_000, note: "x".repeat(64) };
        let mut out = Vec::with_capacity(128);
        time("encode, 64 B text", || {
            out.clear();
            bench::encode(black_box(&message), &mut out);
        });
        if round < 2 {
            println!();
        }
    }
}

fn time(what: &str, mut work: impl FnMut()) {
    let begun = Instant::now();
    for _ in 0..TIMES {
        work();
    }
    println!("{what:<30} {:6.1} ns", begun.elapsed().as_nanos() as f64 / f64::from(TIMES));
}
