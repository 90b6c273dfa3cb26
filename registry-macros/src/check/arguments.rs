//! A strategy and its arguments.

use quote::ToTokens;
use syn::Ident;

use super::words::one_of;
use crate::report::Report;
use crate::syntax::registry::{Argument, Clause, Head, Setting};

/// A word that names a strategy.
pub(super) fn strategy<T: Copy>(
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

pub(super) fn no_arguments(word: &Ident, setting: &Setting, why: &str, report: &mut Report) {
    if let Some((parentheses, _)) = &setting.arguments {
        let message = format!("`{word}` takes no argument, because {why}: write `{word}`");
        report.push(syn::Error::new(parentheses.span.join(), message));
    }
}

/// The arguments of one strategy, taken out one by one; what is left in the end is superfluous.
pub(super) struct Arguments {
    strategy: Ident,
    left: Vec<Argument>,
    taken: Vec<Ident>,
}

impl Arguments {
    pub(super) fn of(word: &Ident, setting: Setting, report: &mut Report) -> Self {
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
        Self { strategy: word.clone(), left, taken: Vec::new() }
    }

    pub(super) fn positional(&mut self) -> Option<Head> {
        let place = self.left.iter().position(|argument| argument.name.is_none())?;
        Some(self.left.remove(place).value)
    }

    pub(super) fn named(&mut self, name: &str) -> Option<Head> {
        let place = self.left.iter().position(|argument| argument.name.as_ref().is_some_and(|found| found == name))?;
        let argument = self.left.remove(place);
        self.taken.extend(argument.name);
        Some(argument.value)
    }

    pub(super) fn finish(self, example: &str, report: &mut Report) {
        for argument in self.left {
            let first = self.taken.iter().find(|first| argument.name.as_ref() == Some(first));
            if let Some(first) = first {
                report.at(&argument.name, format!("`{first}` is given twice: remove one"));
                report.at(first, format!("`{first}` is given here first"));
                continue;
            }
            let place = match &argument.name {
                Some(name) => name.to_token_stream(),
                None => argument.value.tokens(),
            };
            report.at(&place, format!("`{}` takes no argument `{place}` here: write `{example}`", self.strategy));
        }
    }
}
