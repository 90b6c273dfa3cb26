#![allow(unused)]

use registry_runtime::{Resource, commands};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
struct Order {
    #[key]
    id: u64,
    total: u64,
}

type Outcome<T> = Result<T, String>;

#[commands]
impl Order {
    fn pay(&mut self) -> Outcome<u64> {
        Err("no".into())
    }

    fn place(id: u64) -> Outcome<Self> {
        Ok(Self { id, total: 0 })
    }
}

fn main() {}
