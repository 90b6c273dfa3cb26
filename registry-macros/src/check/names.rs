//! Names of blocks that get in the way of each other, or of resources.

use quote::ToTokens;
use syn::Path;

use crate::model::registry::Block;
use crate::report::Report;
use crate::syntax::attribute::only;
use crate::syntax::registry as tree;

/// Whether the block becomes a module beside a type of its name.
pub(super) fn is_named_like_its_resource(tree: &tree::Block) -> bool {
    let mut resources = tree.clauses.iter().filter(|clause| clause.word == "resource");
    is_unconditional(tree) && resources.any(|clause| clause.path().is_ok_and(|(path, _)| path.is_ident(&tree.name)))
}

/// Of a block with conditions only rustc knows whether it is there.
fn is_unconditional(block: &tree::Block) -> bool {
    only(&block.attributes, &["cfg"]).is_empty()
}

/// Refuses a resource's path whose crate or module would be hidden by a module that one of the blocks becomes.
pub(super) fn not_hidden(path: &Path, tree: &tree::Block, all: &[tree::Block]) -> syn::Result<()> {
    let is_relative = path.leading_colon.is_none() && path.segments.len() > 1;
    let Some(first) = path.segments.first().filter(|_| is_relative).map(|segment| &segment.ident) else {
        return Ok(());
    };
    let is_there = |block: &tree::Block| block.name == tree.name || is_unconditional(block);
    if !all.iter().any(|block| block.name == *first && is_there(block)) {
        return Ok(());
    }
    let whole = path.to_token_stream().to_string().replace(' ', "");
    let message = format!(
        "the block `{first}` becomes a module that hides `{first}` here: rename the block, or write `::{whole}` for a crate"
    );
    Err(syn::Error::new_spanned(first, message))
}

/// Reports blocks that would become one module, and registries that would be one on the wire. Of blocks with one name only
/// the first is kept, so that rustc does not complain as well.
pub(super) fn without_clashes(blocks: Vec<Block>, report: &mut Report) -> Vec<Block> {
    let mut kept: Vec<Block> = Vec::new();
    for block in blocks {
        // With a condition on each, at most one is meant to be there; rustc says so if both are.
        let conditional = |earlier: &Block| !block.conditions.is_empty() && !earlier.conditions.is_empty();
        let Block { name, wire_name, .. } = &block;
        if let Some(earlier) = kept.iter().find(|earlier| earlier.name == *name && !conditional(earlier)) {
            report.at(name, format!("two blocks are called `{name}`: rename one, or put `#[cfg(..)]` on each"));
            report.at(&earlier.name, format!("`{name}` is declared here first"));
            continue;
        }
        let on_the_wire = |earlier: &&Block| earlier.name != *name && earlier.wire_name == *wire_name;
        if let Some(earlier) = kept.iter().filter(on_the_wire).find(|earlier| !conditional(earlier)) {
            report.at(name, format!("two registries are called \"{wire_name}\" on the wire: change the `name` of one"));
            report.at(&earlier.name, format!("\"{wire_name}\" is declared here first"));
        }
        kept.push(block);
    }
    kept
}
