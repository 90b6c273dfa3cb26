//! `Self` in parameters and returns means the resource in the client too, and generic names of ours hide none of the user's.
#![deny(warnings)]

use std::collections::BTreeMap;

use registry_runtime::{Context, Resource, commands, registry};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
pub struct Node {
    #[key]
    key: u64,
    children: Vec<Node>,
}

pub trait Labelled {
    type Label;
}

impl Labelled for Node {
    type Label = String;
}

impl Node {
    const WIDTH: usize = 4;
}

#[commands]
impl Node {
    pub fn grow(key: u64, children: Vec<Self>) -> Self {
        Self { key, children }
    }

    pub fn adopt(&mut self, key: Self, instance_key: Option<Box<Self>>) -> BTreeMap<u64, Self> {
        self.children.push(key);
        instance_key.into_iter().map(|node| (node.key, *node)).collect()
    }

    pub fn widths(&self, of: [u8; Self::WIDTH]) -> [u8; Self::WIDTH] {
        of
    }

    pub fn label(&self, visitor: <Self as Labelled>::Label) -> <Self as Labelled>::Label {
        format!("{visitor}{}", self.key)
    }
}

registry! { pub nodes { resource Node } }

pub fn calls(cx: &Context, node: Node) {
    drop(nodes::client(cx).grow(1, vec![]));
    drop(nodes::client(cx).adopt(1, node.clone(), Some(Box::new(node))));
    drop(nodes::client(cx).widths(1, [0; 4]));
    drop(nodes::client(cx).label(1, "label".into()));
}

pub(super) fn main() {}
