//! The rules of a `registry!` block.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Ident;
use syn::ext::IdentExt;

use super::clauses::Clauses;
use super::names::{is_named_like_its_resource, not_hidden, without_clashes};
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
        Some(clause) => clause.path().and_then(|(path, superfluous)| {
            not_hidden(&path, tree, all)?;
            Ok((path, superfluous))
        }),
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
