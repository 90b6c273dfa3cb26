#![allow(unused)]

use registry_runtime::Resource;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Address {
    street: String,
}

#[derive(Clone, Serialize, Deserialize, Resource)]
#[serde(tag = "kind")]
struct Order {
    #[key]
    #[serde(skip)]
    id: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip_deserializing)]
    total: u64,
    #[serde(flatten)]
    address: Address,
    #[serde(skip)]
    cache: u64,
    #[serde(rename = "lines", default)]
    articles: Vec<String>,
}

fn main() {}
