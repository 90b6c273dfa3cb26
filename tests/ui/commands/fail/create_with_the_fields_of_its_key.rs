#![allow(unused)]

use registry_runtime::{Resource, commands};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
struct Account {
    #[key]
    bank: String,
    #[key]
    number: u64,
    cents: u64,
}

#[commands]
impl Account {
    fn open(bank: String, number: u64) -> Self {
        Self { bank, number, cents: 0 }
    }

    async fn open_later(parts: (String, u64)) -> Result<Self, String> {
        Ok(Self { bank: parts.0, number: parts.1, cents: 0 })
    }
}

fn main() {}
