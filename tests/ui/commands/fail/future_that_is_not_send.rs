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
    async fn wait(&mut self) {
        let local = std::rc::Rc::new(1);
        std::future::ready(()).await;
        self.total += *local;
    }
}

fn main() {}
