//! What a node hosts.

use std::fmt::{self, Debug};
use std::sync::Arc;

use super::{AnyHost, Host, Setting};
use crate::resource::{Commands, Definition, misfits};
use crate::spec::Spec;

/// What a node hosts: the value of `orders::registry()`, to hand to `Node::builder().host(..)`.
#[derive(Clone, Copy)]
pub struct Hosted(&'static dyn Plan);

impl Hosted {
    /// A registry of `R`.
    #[doc(hidden)]
    pub fn of<R: Commands>(definition: &'static Definition<R>) -> Self {
        Self(definition)
    }

    /// What the registry's block says.
    pub fn spec(&self) -> &'static Spec {
        self.0.spec()
    }

    /// What of it does not survive the way between nodes, in words.
    pub(crate) fn misfits(&self) -> Vec<String> {
        self.0.misfits()
    }

    /// Makes what one node keeps of it.
    pub(crate) fn build(&self, setting: Setting) -> Arc<dyn AnyHost> {
        self.0.build(setting)
    }
}

impl Debug for Hosted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hosted").field(&self.spec().name).finish()
    }
}

/// A definition without the type of its resource.
trait Plan: Send + Sync {
    fn spec(&'static self) -> &'static Spec;
    fn misfits(&'static self) -> Vec<String>;
    fn build(&'static self, setting: Setting) -> Arc<dyn AnyHost>;
}

impl<R: Commands> Plan for Definition<R> {
    fn spec(&'static self) -> &'static Spec {
        &self.spec
    }

    fn misfits(&'static self) -> Vec<String> {
        misfits::<R>()
    }

    fn build(&'static self, setting: Setting) -> Arc<dyn AnyHost> {
        Arc::new(Host::new(self, setting))
    }
}
