#![allow(unused)]

use registry_runtime::Resource;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
struct Order<T> {
    #[key]
    id: u64,
    content: T,
}

fn main() {}
