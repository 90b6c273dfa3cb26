#![allow(unused)]

use std::borrow::Cow;

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
    fn one(&self, of: Cow<str>, parts: Vec<Cow<'_, [u8]>>, more: Option<Cow<[u8]>>) {}

    fn two(&self) -> Cow<str> {
        "two".into()
    }

    fn three(&self) -> Cow<'static, str> {
        "three".into()
    }
}

fn main() {}
