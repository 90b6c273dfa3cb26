#![allow(unused)]

use registry_runtime::commands;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Order {
    id: u64,
}

#[commands]
impl Order {
    fn place(id: u64) -> Self {
        Self { id }
    }

    fn id(&self) -> u64 {
        self.id
    }

    async fn ship(&mut self, carrier: String) -> Result<(), String> {
        Err(carrier)
    }

    fn cancel(self) {}

    fn quote(lines: Vec<u64>) -> u64 {
        lines.iter().sum()
    }
}

fn main() {}
