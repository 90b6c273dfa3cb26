//! The options of our attributes, each at most once.

use syn::{Attribute, Error};

use crate::report::Report;
use crate::syntax::attribute::{Argument, arguments};

/// What all attributes of this name say together; `example` is one of its options, for the cure.
pub(super) fn options(attributes: &[Attribute], name: &str, example: &str, report: &mut Report) -> Vec<Argument> {
    let mut given = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident(name)) {
        match arguments(attribute, example) {
            Ok(arguments) => given.extend(arguments),
            Err(mistake) => report.push(mistake),
        }
    }
    each_once(given, report)
}

/// The first of each; that others are given again is reported.
pub(super) fn each_once(given: Vec<Argument>, report: &mut Report) -> Vec<Argument> {
    let mut once: Vec<Argument> = Vec::new();
    for argument in given {
        let word = &argument.word;
        match once.iter().find(|first| first.word == *word) {
            Some(first) => {
                let mut twice = Error::new_spanned(word, format!("`{word}` is given twice: remove one"));
                twice.combine(Error::new_spanned(&first.word, format!("`{word}` is given here first")));
                report.push(twice);
            }
            None => once.push(argument),
        }
    }
    once
}
