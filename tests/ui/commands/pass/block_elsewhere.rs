//! The block may stand in another module than the type; the client stands beside the type.
#![deny(warnings)]

use registry_runtime::{Context, registry};

mod model {
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Serialize, Deserialize, registry_runtime::Resource)]
    pub struct Order {
        #[key]
        pub id: u64,
    }
}

mod rules {
    use super::model;

    #[registry_runtime::commands]
    impl model::Order {
        pub fn place(id: u64) -> model::Order {
            Self { id }
        }

        pub async fn id(&self) -> u64 {
            self.id
        }
    }
}

mod imported {
    mod model {
        #[derive(Clone, serde::Serialize, serde::Deserialize, registry_runtime::Resource)]
        pub struct Parcel {
            #[key]
            pub id: u64,
        }
    }

    use model::{Parcel, ParcelClient};

    #[registry_runtime::commands]
    impl Parcel {
        pub fn send(id: u64) -> Self {
            Self { id }
        }
    }

    pub(super) fn send(parcels: &ParcelClient) {
        drop(parcels.send(1));
    }
}

registry! { orders { resource model::Order } }

pub(super) fn main() {
    let calls = |cx: &Context| {
        let client: model::OrderClient = orders::client(cx);
        drop(client.place(1));
        drop(client.id(1));
    };
    let _ = (calls, imported::send);
}
