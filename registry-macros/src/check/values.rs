//! The clauses that hold a plain value, and the values.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Lit;

use super::time::time;
use super::words::fault_of_name;
use crate::report::Report;
use crate::syntax::registry::{Clause, Head};

/// More commands than this at once on one node are a mistake in writing.
const COMMANDS_MAX: u32 = 1_000_000;

/// An opening asks every replica, and seven outlive three crashes at once.
const REPLICAS_MAX: u8 = 7;

pub(super) fn replicas(clause: &Clause, report: &mut Report) -> Option<u8> {
    let value = plain(clause, "3", report)?;
    number(&value, 1, u32::from(REPLICAS_MAX), "replicas", report).and_then(|number| u8::try_from(number).ok())
}

pub(super) fn timeout(clause: &Clause, report: &mut Report) -> Option<Duration> {
    span(clause, "5s", report)
}

pub(super) fn idempotency_window(clause: &Clause, report: &mut Report) -> Option<Duration> {
    span(clause, "10min", report)
}

pub(super) fn queue(clause: &Clause, report: &mut Report) -> Option<u32> {
    limit(clause, "1024", "queue", report)
}

pub(super) fn concurrency(clause: &Clause, report: &mut Report) -> Option<u32> {
    limit(clause, "256", "concurrency", report)
}

pub(super) fn wire_name(clause: &Clause, report: &mut Report) -> Option<String> {
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

fn span(clause: &Clause, example: &str, report: &mut Report) -> Option<Duration> {
    let value = plain(clause, example, report)?;
    duration(&value, report).map(|(span, _)| span)
}

fn limit(clause: &Clause, example: &str, what: &str, report: &mut Report) -> Option<u32> {
    let value = plain(clause, example, report)?;
    number(&value, 1, COMMANDS_MAX, what, report)
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

impl Head {
    /// What was written.
    pub(super) fn tokens(&self) -> TokenStream {
        match self {
            Self::Word(word) => word.to_token_stream(),
            Self::Literal(literal) => literal.to_token_stream(),
        }
    }
}

pub(super) fn number(value: &Head, least: u32, most: u32, what: &str, report: &mut Report) -> Option<u32> {
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

pub(super) fn duration(value: &Head, report: &mut Report) -> Option<(Duration, TokenStream)> {
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
