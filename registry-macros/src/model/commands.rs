//! What a valid `#[commands]` block is.

use proc_macro2::{Span, TokenStream};
use syn::{Attribute, Ident, Path, Visibility};

use super::{Declared, Written};

/// A block, as it was written and as it is understood.
pub(crate) struct Block {
    /// The user's item without our attributes.
    pub(crate) item: TokenStream,
    /// `None` when the item as a whole cannot hold commands.
    pub(crate) commands: Option<Commands>,
}

/// The commands of a resource.
pub(crate) struct Commands {
    /// Where the runtime is found; `None` for the crate `registry_runtime`.
    pub(crate) runtime: Option<Path>,
    /// Conditions on the whole block.
    pub(crate) conditions: Vec<Attribute>,
    /// What lints are not to say about the whole block.
    pub(crate) allowed: Vec<Attribute>,
    pub(crate) resource: Path,
    /// The type that the derive named.
    pub(crate) client: Path,
    pub(crate) methods: Vec<Method>,
    pub(crate) clashes: Vec<Clash>,
}

/// Two methods that cannot both be there, and may be, as far as the macro sees.
pub(crate) struct Clash {
    /// The conditions of both: the attributes of one item hold together.
    pub(crate) conditions: Vec<Attribute>,
    pub(crate) mistakes: [syn::Error; 2],
}

/// A method of the block.
pub(crate) struct Method {
    /// Documentation, deprecation and conditions, for the client's method.
    pub(crate) attributes: Vec<Attribute>,
    /// What lints are not to say there.
    pub(crate) allowed: Vec<Attribute>,
    /// Conditions alone, for everything else that is made of the method.
    pub(crate) conditions: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) name: Ident,
    pub(crate) declared: Declared<Command, Stub>,
}

/// A command.
pub(crate) struct Command {
    pub(crate) wire_name: String,
    /// Its place in the block, counted over all methods.
    pub(crate) number: u16,
    pub(crate) idempotent: bool,
    pub(crate) is_async: bool,
    pub(crate) kind: Kind,
    /// What the method takes, in its order, without the receiver.
    pub(crate) inputs: Vec<Input>,
    pub(crate) output: Output,
    /// The travelling types as written, the same text from every compiler.
    pub(crate) written: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Create,
    Read,
    Update,
    Destroy,
    /// `stated` by an attribute, so that its return type needs no look behind its name.
    Action {
        stated: bool,
    },
}

pub(crate) enum Input {
    /// The key of a create, under the name that the user gave it.
    Key { name: Ident, allowed: Vec<Attribute>, ty: Written },
    /// An argument.
    Argument { name: Ident, allowed: Vec<Attribute>, ty: Written },
    /// `&Context`.
    Context { span: Span },
}

/// What a method returns.
pub(crate) struct Output {
    pub(crate) ty: Written,
    /// Whether the type is a name that could hide another type.
    pub(crate) is_name: bool,
    pub(crate) fallible: Option<Fallible>,
}

/// A return type whose last segment is `Result`.
pub(crate) struct Fallible {
    /// The types, where the return type names both; else only the compiler knows them.
    pub(crate) written: Option<[Written; 2]>,
    /// Whether the error is written `Infallible`, which does not travel.
    pub(crate) never: bool,
}

/// A method that is no command: enough for a client method that swallows its arguments.
pub(crate) struct Stub {
    pub(crate) because: syn::Error,
    /// How many values a caller would hand in; `None` where a client can have no method of that name.
    pub(crate) arity: Option<usize>,
}
