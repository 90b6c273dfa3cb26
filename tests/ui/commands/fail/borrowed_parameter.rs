#![allow(unused)]

use std::path::Path;

use registry_runtime::{Resource, commands};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
struct Order {
    #[key]
    id: u64,
    total: u64,
}

#[commands]
impl Order {
    fn note(&mut self, text: &str, parts: &[u8], other: Option<&Order>) {}

    fn print(&self, to: &Path, words: &[&str], how: &dyn std::fmt::Debug) {}
}

fn main() {}
