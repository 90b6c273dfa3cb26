//! A key need not be `Copy`, and a newtype may bring its own ways to be named.
#![deny(warnings)]

use registry_runtime::{Context, IntoKey, Resource, commands, registry};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct OrderId(u64);

impl IntoKey<OrderId> for u64 {
    fn into_key(self) -> OrderId {
        OrderId(self)
    }
}

#[derive(Clone, Serialize, Deserialize, Resource)]
pub struct Order {
    #[key]
    pub id: OrderId,
}

#[derive(Clone, Serialize, Deserialize, Resource)]
pub struct Counter {
    #[key]
    pub name: String,
    #[key]
    pub path: Vec<String>,
}

#[derive(Clone, Serialize, Deserialize, Resource)]
pub struct Page {
    #[key]
    pub path: String,
}

pub trait Kept {
    type Place;
    const LEVELS: usize;
}

/// Whose key's types are those of its own trait.
#[derive(Clone, Serialize, Deserialize, Resource)]
pub struct Parcel {
    #[key]
    pub place: <Self as Kept>::Place,
    #[key]
    pub levels: [u8; <Self as Kept>::LEVELS],
}

impl Kept for Parcel {
    type Place = u64;
    const LEVELS: usize = 2;
}

#[commands]
impl Parcel {
    pub fn is_low(&self) -> bool {
        self.levels == [0; 2]
    }
}

#[commands]
impl Order {
    pub fn place(id: OrderId) -> Self {
        Self { id }
    }

    pub fn id(&self) -> OrderId {
        self.id.clone()
    }
}

#[commands]
impl Counter {
    pub fn make(key: CounterKey) -> Self {
        Self { name: key.name, path: key.path }
    }
}

#[commands]
impl Page {
    pub fn write(path: String, text: String) -> Self {
        drop(text);
        Self { path }
    }
}

registry! {
    pub orders { resource Order }
    pub counters { resource Counter; sharding by_attribute(path); }
    pub parcels { resource Parcel; sharding by_attribute(levels); }
    pub pages { resource Page; sharding singleton; }
}

pub fn calls(cx: &Context) {
    drop(orders::client(cx).place(42));
    drop(orders::client(cx).id(&OrderId(42)));
    drop(orders::client(cx).id(OrderId(42)));
    drop(counters::client(cx).make(("eu", vec!["a".to_string()])));
    drop(parcels::client(cx).is_low((1, [0, 1])));
    drop(pages::client(cx).write("/index", "text".into()));
    drop(pages::client(cx).write("/index".to_string(), "text".into()));
    drop(pages::client(cx).write(&"/index".to_string(), "text".into()));
}

pub(super) fn main() {}
