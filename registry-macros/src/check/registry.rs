//! The rules of a `registry!` block.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Ident, Lit, Path};

use super::time::time;
use super::words::{fault_of_name, one_of};
use crate::model::registry::{Block, Failover, LoadBalancing, Registries, Registry, Sharding, Slots, Then};
use crate::model::{Checked, Declared};
use crate::report::Report;
use crate::syntax::attribute::only;
use crate::syntax::registry::{self as tree, Argument, Clause, Head, Setting};

const SLOTS_MAX: u32 = 65_536;
const REPLICAS_MAX: u8 = 7;

/// No failure detection is quicker than this, so a shorter wait would end before it began.
const WAIT_MIN: Duration = Duration::from_secs(1);

/// Checks one invocation.
pub(crate) fn registry(input: TokenStream) -> Checked<Registries> {
    let mut report = Report::default();
    let invocation = tree::read(input, &mut report);
    let blocks = invocation.blocks.iter().filter_map(|block| self::block(block, &mut report)).collect();
    let blocks = without_clashes(blocks, &mut report);
    Checked { model: Registries { runtime: invocation.runtime, blocks }, mistakes: report.read() }
}

fn block(tree: &tree::Block, report: &mut Report) -> Option<Block> {
    let name = &tree.name;
    if syn::parse2::<Ident>(name.to_token_stream()).is_err() {
        report.at(
            name,
            format!("`{name}` is a reserved word: choose another name, and keep this one as `name \"{name}\"`"),
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
    let declared = declared(tree, &clauses, report);
    Some(Block {
        attributes: only(&tree.attributes, &["doc", "cfg"]),
        conditions: only(&tree.attributes, &["cfg"]),
        visibility: tree.visibility.clone(),
        name: name.clone(),
        wire_name,
        declared,
    })
}

fn declared(tree: &tree::Block, clauses: &Clauses<'_>, report: &mut Report) -> Declared<Registry, syn::Error> {
    // Every clause is looked at, also when the block can be no more than a stub.
    let sharding =
        clauses.sharding.and_then(|clause| sharding(clause, report)).unwrap_or(Sharding::ConsistentHashing(None));
    let load_balancing =
        clauses.load_balancing.and_then(|clause| load_balancing(clause, report)).unwrap_or(LoadBalancing::LeastBusy);
    let failover = clauses.failover.and_then(|clause| failover(clause, report)).unwrap_or(Failover::AutoReassign);
    let replicas = clauses.replicas.and_then(|clause| replicas(clause, report));
    let timeout = clauses.timeout.and_then(|clause| timeout(clause, report));

    let resource = match clauses.resource {
        Some(clause) => clause.path().and_then(|path| not_hidden(&tree.name, path)),
        None => {
            let name = &tree.name;
            let message = format!("the registry `{name}` names no resource: write `resource Order;` in its block");
            Err(syn::Error::new_spanned(name, message))
        }
    };
    match resource {
        Ok((resource, superfluous)) => {
            superfluous.into_iter().for_each(|mistake| report.push(mistake));
            Declared::Sound(Registry { resource, sharding, load_balancing, failover, replicas, timeout })
        }
        Err(because) => Declared::Stub(because),
    }
}

/// The module that a block becomes would hide a crate or module of its name from the resource's path.
fn not_hidden<T>(name: &Ident, path: (Path, T)) -> syn::Result<(Path, T)> {
    let is_relative = path.0.leading_colon.is_none() && path.0.segments.len() > 1;
    match path.0.segments.first().filter(|first| is_relative && first.ident == *name) {
        None => Ok(path),
        Some(first) => {
            let whole = path.0.to_token_stream().to_string().replace(' ', "");
            let message = format!(
                "the block `{name}` becomes a module that hides `{name}` here: rename the block, or write `::{whole}` for a crate"
            );
            Err(syn::Error::new_spanned(&first.ident, message))
        }
    }
}

/// Finds the place that a word's clause has.
type Place<'a> = for<'b> fn(&'b mut Clauses<'a>) -> &'b mut Option<&'a Clause>;

/// The clauses of one block by their words.
#[derive(Default)]
struct Clauses<'a> {
    resource: Option<&'a Clause>,
    sharding: Option<&'a Clause>,
    load_balancing: Option<&'a Clause>,
    failover: Option<&'a Clause>,
    replicas: Option<&'a Clause>,
    timeout: Option<&'a Clause>,
    name: Option<&'a Clause>,
}

impl<'a> Clauses<'a> {
    fn sort(tree: &'a tree::Block, report: &mut Report) -> Self {
        let words: &[(&str, Place<'a>)] = &[
            ("resource", |clauses| &mut clauses.resource),
            ("sharding", |clauses| &mut clauses.sharding),
            ("load_balancing", |clauses| &mut clauses.load_balancing),
            ("failover", |clauses| &mut clauses.failover),
            ("replicas", |clauses| &mut clauses.replicas),
            ("timeout", |clauses| &mut clauses.timeout),
            ("name", |clauses| &mut clauses.name),
        ];
        let mut sorted = Self::default();
        for clause in &tree.clauses {
            let place = match one_of(&clause.word, "clause", words) {
                Ok(place) => place,
                Err(message) => {
                    report.at(&clause.word, message);
                    continue;
                }
            };
            match place(&mut sorted) {
                Some(first) => {
                    let word = &clause.word;
                    report.at(word, format!("`{word}` is given twice in this block: remove one"));
                    report.at(&first.word, format!("`{word}` is given here first"));
                }
                empty => *empty = Some(clause),
            }
        }
        sorted
    }
}

fn sharding(clause: &Clause, report: &mut Report) -> Option<Sharding> {
    #[derive(Clone, Copy)]
    enum Strategy {
        ConsistentHashing,
        ByAttribute,
        Singleton,
    }
    let words = &[
        ("consistent_hashing", Strategy::ConsistentHashing),
        ("by_attribute", Strategy::ByAttribute),
        ("singleton", Strategy::Singleton),
    ];
    let (word, strategy, setting) = strategy(clause, "sharding strategy", "consistent_hashing", words, report)?;
    match strategy {
        Strategy::Singleton => {
            no_arguments(&word, &setting, "all keys share one slot", report);
            Some(Sharding::Singleton)
        }
        Strategy::ConsistentHashing => {
            let mut arguments = Arguments::of(&word, setting, report);
            let slots = slots(&mut arguments, report);
            arguments.finish("consistent_hashing(slots = 4096)", report);
            Some(Sharding::ConsistentHashing(slots))
        }
        Strategy::ByAttribute => {
            let mut arguments = Arguments::of(&word, setting, report);
            let field = arguments.positional();
            let slots = slots(&mut arguments, report);
            arguments.finish("by_attribute(key_field, slots = 4096)", report);
            match field {
                Some(Head::Word(field)) => Some(Sharding::ByAttribute(field, slots)),
                Some(Head::Literal(literal)) => {
                    report.at(literal, "`by_attribute` takes the name of a key field: write `by_attribute(tenant_id)`");
                    None
                }
                None => {
                    report.at(&word, "`by_attribute` needs a key field: write `by_attribute(tenant_id)`");
                    None
                }
            }
        }
    }
}

fn slots(arguments: &mut Arguments, report: &mut Report) -> Slots {
    let value = arguments.named("slots")?;
    number(&value, 1, SLOTS_MAX, "slots", report)
}

fn load_balancing(clause: &Clause, report: &mut Report) -> Option<LoadBalancing> {
    let words = &[("least_busy", LoadBalancing::LeastBusy), ("round_robin", LoadBalancing::RoundRobin)];
    let (word, strategy, setting) = strategy(clause, "load-balancing strategy", "least_busy", words, report)?;
    no_arguments(&word, &setting, "it looks at the nodes alone", report);
    Some(strategy)
}

fn failover(clause: &Clause, report: &mut Report) -> Option<Failover> {
    let words = &[("auto_reassign", false), ("wait_for_node", true)];
    let (word, waits, setting) = strategy(clause, "failover strategy", "auto_reassign", words, report)?;
    if !waits {
        no_arguments(&word, &setting, "its slots open elsewhere at once", report);
        return Some(Failover::AutoReassign);
    }
    let mut arguments = Arguments::of(&word, setting, report);
    let wait = arguments.positional();
    let then = arguments.named("then").and_then(|value| then(&value, report)).unwrap_or(Then::Reassign);
    arguments.finish("wait_for_node(30s, then = fail)", report);
    match wait {
        Some(wait) => duration(&wait, report).map(|(span, place)| {
            if span < WAIT_MIN {
                report.at(
                    place,
                    "no failure detection is quicker than 1s, so this wait would be over before it begins: write `1s` or more, or `auto_reassign`",
                );
            }
            Failover::WaitForNode(span, then)
        }),
        None => {
            report.at(&word, "`wait_for_node` needs a time: write `wait_for_node(30s)`");
            None
        }
    }
}

fn then(value: &Head, report: &mut Report) -> Option<Then> {
    let words = &[("reassign", Then::Reassign), ("fail", Then::Fail)];
    match value {
        Head::Word(word) => match one_of(word, "way to go on", words) {
            Ok(then) => Some(then),
            Err(message) => {
                report.at(word, message);
                None
            }
        },
        Head::Literal(literal) => {
            report.at(literal, "`then` takes a word: write `then = reassign` or `then = fail`");
            None
        }
    }
}

fn replicas(clause: &Clause, report: &mut Report) -> Option<u8> {
    let value = plain(clause, "3", report)?;
    number(&value, 1, u32::from(REPLICAS_MAX), "replicas", report).and_then(|number| u8::try_from(number).ok())
}

fn timeout(clause: &Clause, report: &mut Report) -> Option<Duration> {
    let value = plain(clause, "5s", report)?;
    duration(&value, report).map(|(span, _)| span)
}

fn wire_name(clause: &Clause, report: &mut Report) -> Option<String> {
    match plain(clause, "\"orders\"", report)? {
        Head::Literal(Lit::Str(name)) => match fault_of_name(&name.value()) {
            None => Some(name.value()),
            Some(fault) => {
                report.at(name, fault);
                None
            }
        },
        other => {
            report.at(other.tokens(), "a wire name is a string: write `name \"orders\";`");
            None
        }
    }
}

/// A value without parentheses.
fn plain(clause: &Clause, example: &str, report: &mut Report) -> Option<Head> {
    let setting = clause.setting(example, report)?;
    if setting.arguments.is_some() {
        report.at(setting.head.tokens(), format!("`{0}` takes a plain value: write `{0} {example};`", clause.word));
        return None;
    }
    Some(setting.head)
}

/// A word that names a strategy.
fn strategy<T: Copy>(
    clause: &Clause,
    what: &str,
    example: &str,
    words: &[(&str, T)],
    report: &mut Report,
) -> Option<(Ident, T, Setting)> {
    let setting = clause.setting(example, report)?;
    match &setting.head {
        Head::Word(word) => match one_of(word, what, words) {
            Ok(found) => Some((word.clone(), found, setting)),
            Err(message) => {
                report.at(word, message);
                None
            }
        },
        Head::Literal(literal) => {
            report.at(literal, format!("`{0}` takes a word: write `{0} {example};`", clause.word));
            None
        }
    }
}

fn no_arguments(word: &Ident, setting: &Setting, why: &str, report: &mut Report) {
    if let Some((parentheses, _)) = &setting.arguments {
        let message = format!("`{word}` takes no argument, because {why}: write `{word}`");
        report.push(syn::Error::new(parentheses.span.join(), message));
    }
}

/// The arguments of one strategy, taken out one by one; what is left in the end is superfluous.
struct Arguments {
    strategy: Ident,
    left: Vec<Argument>,
}

impl Arguments {
    fn of(word: &Ident, setting: Setting, report: &mut Report) -> Self {
        let left = match setting.arguments {
            Some((_, arguments)) => {
                if arguments.is_empty() && word == "consistent_hashing" {
                    report.at(
                        word,
                        format!("nothing stands between the parentheses: write `{word}` or `{word}(slots = 4096)`"),
                    );
                }
                arguments
            }
            None => Vec::new(),
        };
        Self { strategy: word.clone(), left }
    }

    fn positional(&mut self) -> Option<Head> {
        let place = self.left.iter().position(|argument| argument.name.is_none())?;
        Some(self.left.remove(place).value)
    }

    fn named(&mut self, name: &str) -> Option<Head> {
        let place = self.left.iter().position(|argument| argument.name.as_ref().is_some_and(|found| found == name))?;
        Some(self.left.remove(place).value)
    }

    fn finish(self, example: &str, report: &mut Report) {
        for argument in self.left {
            let place = match &argument.name {
                Some(name) => name.to_token_stream(),
                None => argument.value.tokens(),
            };
            report.at(&place, format!("`{}` takes no argument `{place}` here: write `{example}`", self.strategy));
        }
    }
}

impl Head {
    fn tokens(&self) -> TokenStream {
        match self {
            Self::Word(word) => word.to_token_stream(),
            Self::Literal(literal) => literal.to_token_stream(),
        }
    }
}

fn number(value: &Head, least: u32, most: u32, what: &str, report: &mut Report) -> Option<u32> {
    let found = match value {
        Head::Literal(Lit::Int(number)) if number.suffix().is_empty() => number.base10_parse::<u32>().ok(),
        _ => None,
    };
    let fits = found.filter(|number| (least..=most).contains(number));
    if fits.is_none() {
        report.at(value.tokens(), format!("`{what}` is a whole number from {least} to {most}"));
    }
    fits
}

fn duration(value: &Head, report: &mut Report) -> Option<(Duration, TokenStream)> {
    let fault = match value {
        Head::Literal(literal) => match time(literal) {
            Ok(span) => return Some((span, value.tokens())),
            Err(fault) => fault,
        },
        Head::Word(word) => format!("expected a time instead of `{word}`: write `250ms`, `30s`, `5min` or `2h`"),
    };
    report.at(value.tokens(), fault);
    None
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
