//! Nothing that is generated trips over a lint that a strict crate turns on.
#![deny(warnings)]
#![deny(missing_docs, missing_debug_implementations, unreachable_pub, unused_qualifications, unsafe_code)]
#![deny(rust_2018_idioms, unnameable_types, let_underscore_drop, unused_lifetimes, single_use_lifetimes)]

use registry_runtime::{Context, Resource, commands, registry};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
struct User {
    #[key]
    tenant_id: u32,
    #[key]
    name: String,
    #[serde(default)]
    visits: u64,
}

#[commands]
impl User {
    async fn register(key: UserKey, cx: &Context) -> Result<Self, u64> {
        if cx.attempt() > 3 { Err(1) } else { Ok(Self { tenant_id: key.tenant_id, name: key.name, visits: 0 }) }
    }

    fn visit(&mut self) -> u64 {
        self.visits += 1;
        self.visits
    }
}

registry! {
    users {
        resource User;
        sharding by_attribute(tenant_id);
    }

    never_used {
        resource User;
    }
}

fn main() {
    let host = users::registry();
    assert_eq!(host.spec().name, "users");
}
