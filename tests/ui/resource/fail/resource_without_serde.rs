#![allow(unused)]

use registry_runtime::Resource;

#[derive(Clone, Resource)]
struct Order {
    #[key]
    id: u64,
}

fn main() {}
