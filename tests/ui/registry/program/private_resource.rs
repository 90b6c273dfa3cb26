//! A private type behind a public registry.
#![deny(warnings)]

use registry_runtime::{Context, Resource, commands, registry};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
struct Id(u64);

#[derive(Clone, Serialize, Deserialize, Resource)]
struct Secret {
    #[key]
    id: Id,
}

#[derive(Serialize, Deserialize)]
struct Hint;

#[commands]
impl Secret {
    fn keep(id: Id) -> Self {
        Self { id }
    }

    pub fn hint(&self, cx: &Context) -> Hint {
        assert!(!cx.key().is_empty() && self.id.0 > 0);
        Hint
    }

    pub(crate) fn forget(self) {}
}

registry! {
    pub secrets {
        resource Secret;
        sharding by_attribute(id);
    }

    pub(crate) more_secrets {
        resource self::Secret;
    }
}

pub mod front {
    pub use crate::secrets::{client, registry};
}

fn main() {
    let _ = (front::registry(), more_secrets::registry());
    let calls = |cx: &Context| drop(front::client(cx).keep(Id(1)));
    let _ = calls;
}
