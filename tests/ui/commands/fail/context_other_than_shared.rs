#![allow(unused)]

use registry_runtime::{Context, Context as Cx, Resource, commands};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
struct Order {
    #[key]
    id: u64,
    total: u64,
}

#[commands]
impl Order {
    fn one(&self, cx: &mut Context) {}

    fn two(&self, cx: &'static Context) {}

    fn three(&self, cx: Context) {}

    fn four(&self, cx: &Cx) {}
}

fn main() {}
