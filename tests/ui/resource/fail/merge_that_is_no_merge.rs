//! What merges is a function of `&mut Self` and `Self`.

use registry_runtime::Resource;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Resource)]
#[resource(merge)]
struct Unnamed {
    #[key]
    id: u64,
}

#[derive(Clone, Serialize, Deserialize, Resource)]
#[resource(merge = "Self::merge")]
struct Quoted {
    #[key]
    id: u64,
}

#[derive(Clone, Serialize, Deserialize, Resource)]
#[resource(merge = Self::merge)]
struct Other {
    #[key]
    id: u64,
}

impl Other {
    fn merge(self, _: Self) {}
}

fn main() {}
