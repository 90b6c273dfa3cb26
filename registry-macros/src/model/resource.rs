//! What a valid `#[derive(Resource)]` is.

use syn::{Attribute, Generics, Ident, Path, Visibility};

use super::{Declared, Written};

/// A struct with its derive.
pub(crate) struct Derived {
    /// Where the runtime is found; `None` for the crate `registry_runtime`.
    pub(crate) runtime: Option<Path>,
    /// What lints are not to say about the struct.
    pub(crate) allowed: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) name: Ident,
    pub(crate) declared: Declared<Resource, Stub>,
}

/// A resource.
pub(crate) struct Resource {
    /// The key fields, in the order of the struct, at least one.
    pub(crate) first: KeyField,
    pub(crate) more: Vec<KeyField>,
    /// The word `on_demand`, where it stands.
    pub(crate) on_demand: Option<Ident>,
    /// What merges what two sides of a partition made of an instance.
    pub(crate) merge: Option<Path>,
}

/// A field marked `#[key]`.
pub(crate) struct KeyField {
    pub(crate) docs: Vec<Attribute>,
    pub(crate) name: Ident,
    pub(crate) ty: Written,
}

/// A type that cannot be a resource.
pub(crate) struct Stub {
    pub(crate) generics: Generics,
    pub(crate) because: syn::Error,
}
