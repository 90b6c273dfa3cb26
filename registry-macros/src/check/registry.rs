//! The rules of a `registry!` block.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Ident, Path};

use super::clauses::Clauses;
use super::strategies::{failover, load_balancing, on_partition, reads, sharding};
use super::values::{concurrency, idempotency_window, queue, replicas, timeout, wire_name};
use super::words::fault_of_name;
use crate::model::registry::{Block, Failover, LoadBalancing, OnPartition, Reads, Registries, Registry, Sharding};
use crate::model::{Checked, Declared};
use crate::report::Report;
use crate::syntax::attribute::only;
use crate::syntax::registry as tree;

/// Checks one invocation.
pub(crate) fn registry(input: TokenStream) -> Checked<Registries> {
    let mut report = Report::default();
    let invocation = tree::read(input, &mut report);
    let blocks = &invocation.blocks;
    let blocks = blocks.iter().filter_map(|block| self::block(block, blocks, &mut report)).collect();
    let blocks = without_clashes(blocks, &mut report);
    Checked { model: Registries { runtime: invocation.runtime, blocks }, mistakes: report.read() }
}

/// Checks one of all blocks.
fn block(tree: &tree::Block, all: &[tree::Block], report: &mut Report) -> Option<Block> {
    let name = &tree.name;
    if syn::parse2::<Ident>(name.to_token_stream()).is_err() {
        report.at(
            name,
            format!("`{name}` is a reserved word: choose another name, and keep this one as `name \"{name}\"`"),
        );
        return None;
    }
    if is_named_like_its_resource(tree) {
        report.at(
            name,
            format!("the block becomes a module, and `{name}` is its resource: rename the block; `name \"{name}\"` keeps the wire name"),
        );
        return None;
    }
    for attribute in &tree.attributes {
        if !["doc", "cfg", "cfg_attr"].iter().any(|known| attribute.path().is_ident(known)) {
            report.at(
                attribute,
                "a block takes doc comments and `#[cfg(..)]`: put other attributes on a module around `registry!`",
            );
        }
    }
    let clauses = Clauses::sort(tree, report);
    let wire_name = clauses.name.and_then(|clause| wire_name(clause, report)).unwrap_or_else(|| {
        let own = name.unraw().to_string();
        if let Some(fault) = fault_of_name(&own) {
            report.at(name, fault);
        }
        own
    });
    let declared = declared(tree, all, &clauses, report);
    Some(Block {
        attributes: only(&tree.attributes, &["doc", "cfg"]),
        conditions: only(&tree.attributes, &["cfg"]),
        visibility: tree.visibility.clone(),
        name: name.clone(),
        wire_name,
        declared,
    })
}

fn is_named_like_its_resource(tree: &tree::Block) -> bool {
    let mut resources = tree.clauses.iter().filter(|clause| clause.word == "resource");
    resources.any(|clause| clause.path().is_ok_and(|(path, _)| path.is_ident(&tree.name)))
}

fn declared(
    tree: &tree::Block,
    all: &[tree::Block],
    clauses: &Clauses<'_>,
    report: &mut Report,
) -> Declared<Registry, syn::Error> {
    // Every clause is looked at, also when the block can be no more than a stub.
    let sharding =
        clauses.sharding.and_then(|clause| sharding(clause, report)).unwrap_or(Sharding::ConsistentHashing(None));
    let load_balancing =
        clauses.load_balancing.and_then(|clause| load_balancing(clause, report)).unwrap_or(LoadBalancing::LeastBusy);
    let failover = clauses.failover.and_then(|clause| failover(clause, report)).unwrap_or(Failover::AutoReassign);
    let replicas = clauses.replicas.and_then(|clause| replicas(clause, report));
    let reads = clauses.reads.and_then(|clause| reads(clause, replicas, report)).unwrap_or(Reads::Owner);
    let on_partition =
        clauses.on_partition.and_then(|clause| on_partition(clause, report)).unwrap_or(OnPartition::PauseMinority);
    let queue = clauses.queue.and_then(|clause| queue(clause, report));
    let concurrency = clauses.concurrency.and_then(|clause| concurrency(clause, report));
    let timeout = clauses.timeout.and_then(|clause| timeout(clause, report));
    let idempotency_window = clauses.idempotency_window.and_then(|clause| idempotency_window(clause, report));

    let resource = match clauses.resource {
        Some(clause) => clause.path().and_then(|path| not_hidden(path, tree, all)),
        None => {
            let name = &tree.name;
            let message = format!("the registry `{name}` names no resource: write `resource Order;` in its block");
            Err(syn::Error::new_spanned(name, message))
        }
    };
    match resource {
        Ok((resource, superfluous)) => {
            superfluous.into_iter().for_each(|mistake| report.push(mistake));
            Declared::Sound(Registry {
                resource,
                sharding,
                load_balancing,
                failover,
                replicas,
                reads,
                on_partition,
                queue,
                concurrency,
                timeout,
                idempotency_window,
            })
        }
        Err(because) => Declared::Stub(because),
    }
}

/// The modules that the blocks become would hide a crate or module of their name from the resource's path. Of a block with conditions
/// only rustc knows whether it is there.
fn not_hidden<T>(path: (Path, T), tree: &tree::Block, all: &[tree::Block]) -> syn::Result<(Path, T)> {
    let is_relative = path.0.leading_colon.is_none() && path.0.segments.len() > 1;
    let Some(first) = path.0.segments.first().filter(|_| is_relative).map(|segment| &segment.ident) else {
        return Ok(path);
    };
    let is_there = |block: &tree::Block| block.name == tree.name || only(&block.attributes, &["cfg"]).is_empty();
    if !all.iter().any(|block| block.name == *first && is_there(block)) {
        return Ok(path);
    }
    let whole = path.0.to_token_stream().to_string().replace(' ', "");
    let message = format!(
        "the block `{first}` becomes a module that hides `{first}` here: rename the block, or write `::{whole}` for a crate"
    );
    Err(syn::Error::new_spanned(first, message))
}

/// Reports blocks that would become one module, and registries that would be one on the wire. Of blocks with one name only
/// the first is kept, so that rustc does not complain as well.
fn without_clashes(blocks: Vec<Block>, report: &mut Report) -> Vec<Block> {
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
