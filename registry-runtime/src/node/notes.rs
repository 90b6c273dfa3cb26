//! A registry for tests of nodes.

use registry_macros::{Resource, commands, registry};
use serde::{Deserialize, Serialize};

registry! {
    crate crate;

    pub(super) notes { resource Note; }
}

#[derive(Clone, Serialize, Deserialize, Resource)]
#[resource(on_demand, crate = crate)]
pub(super) struct Note {
    #[key]
    id: u64,
}

impl From<u64> for Note {
    fn from(id: u64) -> Self {
        Self { id }
    }
}

#[commands(crate = crate)]
impl Note {
    pub(super) fn touch(&mut self) -> u64 {
        self.id
    }
}
