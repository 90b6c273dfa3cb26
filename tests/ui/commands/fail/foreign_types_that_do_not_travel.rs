#![allow(unused)]

use registry_runtime::{Resource, commands};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
struct Order {
    #[key]
    id: u64,
}

#[commands]
impl Order {
    fn print(&self, at: std::time::Instant) -> Result<Vec<std::thread::ThreadId>, std::io::Error> {
        Ok(Vec::new())
    }
}

fn main() {}
