//! Conditions, documentation, deprecation and what is allowed go over to the client; places are counted over absent commands too.
#![deny(warnings)]
#![deny(missing_docs)]

use registry_runtime::resource::{Command, Commands, Visitor};
use registry_runtime::{Context, Resource, commands, registry};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// An order.
#[derive(Clone, Serialize, Deserialize, Resource)]
pub struct Order {
    /// Its id.
    #[key]
    pub id: u64,
}

#[commands]
#[allow(deprecated)]
impl Order {
    /// First.
    pub fn first(&self) {}

    /// Never there.
    #[cfg(any())]
    pub fn absent(&self, of: MissingType) -> AnotherMissingType {
        of.call()
    }

    /// There on one kind of machine.
    #[cfg(unix)]
    pub fn here(&self) -> u8 {
        1
    }

    /// And on the other.
    #[cfg(not(unix))]
    pub fn here(&self) -> u16 {
        1
    }

    /// Conditions behind conditions.
    #[cfg_attr(all(), cfg(any()), doc = "more")]
    pub fn also_absent(&self, of: MissingType) {}

    /// Old.
    #[deprecated(note = "use `here`")]
    #[must_use]
    #[allow(clippy::new_ret_no_self)]
    pub fn new(&self) -> u8 {
        1
    }

    /// Under another name.
    #[command(name = "last-one", idempotent)]
    #[inline]
    pub(crate) fn last(&mut self) {}

    /// Under a name that is to be allowed.
    #[allow(non_snake_case)]
    pub fn asItWas(&self) {}

    /// And one whose fault is expected. See [`Self::id`].
    #[expect(non_snake_case)]
    pub fn asItIs(&self, of: Old) -> Old {
        of
    }
}

/// A resource with attributes within its blocks.
#[derive(Clone, Serialize, Deserialize, Resource)]
pub struct Within {
    /// Its id.
    #[key]
    pub id: u64,
}

#[commands]
impl Within {
    #![cfg(any(unix, windows))]
    #![allow(non_snake_case)]
    //! Words.

    /// Under a name that is to be allowed.
    pub fn asItWas(&self) {}
}

#[commands]
impl Within {
    #![cfg(any())]

    /// Never there.
    pub fn absent(&self) {}
}

/// A resource that is on its way out.
#[deprecated]
#[derive(Clone, Serialize, Deserialize, Resource)]
pub struct Outgoing {
    /// Its id.
    #[key]
    pub id: u64,
    /// Its part.
    #[key]
    pub part: u64,
}

#[commands]
#[allow(deprecated)]
impl Outgoing {
    /// Under a name that is to be allowed.
    pub fn parts(&self, #[allow(non_snake_case)] asItWas: u64) -> u64 {
        self.part + asItWas
    }

    /// And one whose fault is expected.
    pub fn make(#[expect(non_snake_case)] theKey: OutgoingKey) -> Self {
        Self { id: theKey.id, part: theKey.part }
    }
}

/// A type that is on its way out.
#[deprecated]
#[derive(Serialize, Deserialize)]
pub struct Old;

registry! {
    /// Orders.
    pub orders { resource Order }

    /// Others.
    pub others { resource Within }
}

/// Calls.
pub fn calls(cx: &Context) {
    drop(orders::client(cx).here(1));
    drop(orders::client(cx).last(1));
    #[expect(deprecated)]
    drop(orders::client(cx).new(1));
}

struct Seen(Vec<(&'static str, u16, bool)>);

impl Visitor<Order> for Seen {
    fn command<A, T, E>(&mut self, command: &'static Command<Order, A, T, E>)
    where
        A: Serialize + DeserializeOwned + Send + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
        E: Send + 'static,
    {
        self.0.push((command.name, command.number, command.idempotent));
    }
}

pub(super) fn main() {
    let mut seen = Seen(Vec::new());
    Order::each(&mut seen);
    let here = if cfg!(unix) { 2 } else { 3 };
    assert_eq!(
        seen.0,
        [
            ("first", 0, true),
            ("here", here, true),
            ("new", 5, true),
            ("last-one", 6, true),
            ("asItWas", 7, true),
            ("asItIs", 8, true)
        ]
    );
}
