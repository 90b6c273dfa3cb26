//! As many parameters as may travel, beside the receiver and the context.
#![deny(warnings)]

use registry_runtime::{Context, Resource, commands};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
pub struct Order {
    #[key]
    id: u64,
}

#[commands]
impl Order {
    #[expect(clippy::too_many_arguments)]
    pub fn sum(
        &self,
        a: u8,
        b: u8,
        c: u8,
        d: u8,
        e: u8,
        f: u8,
        g: u8,
        h: u8,
        i: u8,
        j: u8,
        k: u8,
        l: u8,
        m: u8,
        n: u8,
        o: u8,
        p: u8,
        cx: &Context,
    ) -> u32 {
        cx.attempt() + [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p].into_iter().map(u32::from).sum::<u32>()
    }
}

pub(super) fn main() {}
