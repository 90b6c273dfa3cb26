#![allow(unused)]

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
    fn broken(&mut self, text: &str, amount: u64) -> u64 {
        amount
    }

    fn sound(&mut self, amount: u64) -> u64 {
        amount
    }
}

fn calls(client: OrderClient) {
    // No more about the broken one, whatever is done with it.
    let call = client.broken(1, "text".into(), 5);
    let _: String = call.anything();
    // Others are checked as ever.
    let _ = client.sound(1, "text");
}

fn main() {}
