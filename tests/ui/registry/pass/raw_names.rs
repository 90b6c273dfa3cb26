//! Names that are words of the language.
#![deny(warnings)]

use registry_runtime::{Context, Resource, commands, registry};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
pub struct r#Move {
    #[key]
    r#type: u64,
    #[key]
    r#ref: String,
}

#[commands]
impl r#Move {
    pub fn r#match(&self, r#in: u64, key: String) -> u64 {
        self.r#type + r#in + key.len() as u64
    }
}

registry! {
    pub r#loop {
        resource r#Move;
        sharding by_attribute(r#type);
    }
}

pub(super) fn main() {
    assert_eq!(r#loop::Registry::NAME, "loop");
    let calls = |cx: &Context| r#loop::client(cx).r#match((1, "a"), 2, "b".into());
    let _ = calls;
}
