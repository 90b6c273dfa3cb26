#![allow(unused)]

use registry_runtime::Resource;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
struct Sample {
    #[key]
    at: f64,
}

fn main() {}
