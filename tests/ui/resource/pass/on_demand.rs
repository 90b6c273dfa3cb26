//! A resource that comes into being at its first command; with it the path of a re-exported runtime.
#![deny(warnings)]

use serde::{Deserialize, Serialize};

mod framework {
    pub use registry_runtime as runtime;
}

use framework::runtime::Resource;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(on_demand, crate = framework::runtime)]
pub struct Counter {
    #[key]
    region: String,
    #[key]
    name: String,
    value: i64,
}

impl From<CounterKey> for Counter {
    fn from(CounterKey { region, name }: CounterKey) -> Self {
        Self { region, name, value: 0 }
    }
}

#[framework::runtime::commands(crate = framework::runtime)]
impl Counter {
    pub fn add(&mut self, by: i64) -> i64 {
        self.value += by;
        self.value
    }
}

pub(super) fn main() {
    let fresh = <Counter as Resource>::FRESH.unwrap();
    let mut counter = fresh(("eu".to_string(), "visits".to_string()).into());
    assert_eq!(counter, Counter { region: "eu".into(), name: "visits".into(), value: 0 });
    assert_eq!(counter.add(2), 2);
}
