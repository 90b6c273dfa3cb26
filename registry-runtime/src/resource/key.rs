//! Keys, and the resource that they name.

use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A struct that commands act on, implemented by `#[derive(Resource)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a resource",
    label = "this type implements no `Resource`",
    note = "put `#[derive(Resource)]` on it and mark its key field with `#[key]`"
)]
pub trait Resource: Instance {
    /// What names an instance: the type of the `#[key]` field, or the struct made of several.
    type Key: Key;

    /// The key's fields by name and reference, for `by_attribute`.
    #[doc(hidden)]
    type KeyFields<'a>;

    /// Makes an instance that no command has touched; only an `on_demand` resource has it.
    #[doc(hidden)]
    const FRESH: Option<fn(Self::Key) -> Self> = None;

    /// Puts what another side of a partition made of the instance into this side's; only a resource with `merge` has it.
    #[doc(hidden)]
    const MERGE: Option<fn(&mut Self, Self)> = None;

    /// The instance's key.
    fn key(&self) -> Self::Key;

    #[doc(hidden)]
    fn key_fields(key: &Self::Key) -> Self::KeyFields<'_>;
}

/// What an instance must be able to do; implemented for every type that can.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a resource",
    label = "an instance must be copied, stored and sent",
    note = "a resource is `Clone + Serialize + DeserializeOwned + Send + Sync + 'static`",
    note = "put `#[derive(Clone, serde::Serialize, serde::Deserialize)]` on it"
)]
pub trait Instance: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static> Instance for T {}

/// What a key must be able to do; implemented for every type that can.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of a resource",
    label = "not a key",
    note = "a key is `Clone + Eq + Hash + Debug + Serialize + DeserializeOwned + Send + Sync + 'static`"
)]
pub trait Key: Clone + Eq + Hash + Debug + Serialize + DeserializeOwned + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Clone + Eq + Hash + Debug + Serialize + DeserializeOwned + Send + Sync + 'static> Key for T {}

/// Whatever names a key of type `K` in a call: the key, a reference to it, a `&str` for a `String`, a tuple of the fields of
/// a composite key.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a key of type `{K}`",
    label = "expected `{K}`, or a reference to one",
    note = "a `String` key takes `&str`, a composite key takes a tuple of its fields"
)]
pub trait IntoKey<K> {
    /// Makes the key.
    fn into_key(self) -> K;
}

impl<K> IntoKey<K> for K {
    fn into_key(self) -> K {
        self
    }
}

impl<K: Clone> IntoKey<K> for &K {
    fn into_key(self) -> K {
        self.clone()
    }
}

impl IntoKey<String> for &str {
    fn into_key(self) -> String {
        self.into()
    }
}

/// Hands the key of a new instance of `R` to the first parameter of a create.
#[diagnostic::on_unimplemented(
    message = "a create of `{R}` takes the key first: expected `{K}`, found `{Self}`",
    label = "expected `{K}`",
    note = "write `key: {K}`; several fields marked `#[key]` are one key, which the body takes apart and callers may hand in as a tuple"
)]
#[doc(hidden)]
pub trait CreateKey<K, R> {
    /// The key itself.
    fn take(key: K) -> Self;
}

#[diagnostic::do_not_recommend]
impl<K, R> CreateKey<K, R> for K {
    #[inline]
    fn take(key: K) -> Self {
        key
    }
}

/// Asks whether a type is an [`Instance`]. The inherent constant exists for those that are, and wins over that of
/// [`Stays`](super::Stays).
#[doc(hidden)]
pub struct Whole<T: ?Sized>(PhantomData<T>);

impl<T: Instance> Whole<T> {
    /// It is.
    pub const __CAN: bool = true;
}
