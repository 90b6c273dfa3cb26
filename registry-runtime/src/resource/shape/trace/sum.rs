//! Forms to one number.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use super::{Entry, Form, Type};

/// Types visited while summing up; types that contain one another crosswise could be visited very often.
const VISITS_MAX: usize = 100_000;

/// The number that stands for the form, with the types that it names looked up.
pub(super) fn sum(form: &Form, entries: &BTreeMap<Type, Entry>) -> Option<u64> {
    let mut adder = Adder { entries, known: BTreeMap::new(), open: Vec::new(), visits: 0 };
    adder.form(form).map(|part| part.number)
}

/// The number of a form, and how far out the outermost open type lies that it mentions.
struct Part {
    number: u64,
    outermost: usize,
}

struct Adder<'e> {
    entries: &'e BTreeMap<Type, Entry>,
    /// Numbers of types that mention no open one, so that they are the same wherever the type stands.
    known: BTreeMap<Type, u64>,
    open: Vec<Type>,
    visits: usize,
}

impl Adder<'_> {
    fn form(&mut self, form: &Form) -> Option<Part> {
        match form {
            Form::Unknown => Some(leaf("unknown")),
            Form::Leaf(name) => Some(leaf(name)),
            Form::Option(inner) => self.all("option", &[], [&**inner]),
            Form::Sequence(inner) => self.all("sequence", &[], [&**inner]),
            Form::Map(pair) => self.all("map", &[], [&pair.0, &pair.1]),
            Form::Tuple(length, forms) => self.all(&format!("tuple {length}"), &[], forms),
            Form::Named(ty) => self.named(*ty),
        }
    }

    fn named(&mut self, ty: Type) -> Option<Part> {
        if let Some(number) = self.known.get(&ty) {
            return Some(Part { number: *number, outermost: usize::MAX });
        }
        if let Some(place) = self.open.iter().position(|open| *open == ty) {
            // By how many types further out it is, for its name is no part of the shape.
            let outward = self.open.len() - place;
            return Some(Part { number: leaf(&format!("the type {outward} further out")).number, outermost: place });
        }
        self.visits += 1;
        if self.visits > VISITS_MAX {
            return None;
        }
        let place = self.open.len();
        self.open.push(ty);
        let part = self.entry(ty);
        self.open.pop();
        let part = part?;
        if part.outermost < place {
            return Some(part);
        }
        self.known.insert(ty, part.number);
        Some(Part { number: part.number, outermost: usize::MAX })
    }

    fn entry(&mut self, ty: Type) -> Option<Part> {
        match self.entries.get(&ty)? {
            Entry::Transparent(form) => self.form(form),
            Entry::Struct { names, forms } => self.all("struct", names, forms),
            Entry::Enum { names, variants } => {
                let mut numbers = Vec::new();
                let mut outermost = usize::MAX;
                for variant in variants {
                    let variant = variant.as_ref()?;
                    let part = self.all(variant.style, variant.names, [&variant.form])?;
                    numbers.push(part.number);
                    outermost = outermost.min(part.outermost);
                }
                Some(Part { number: together("enum", names, &numbers), outermost })
            }
        }
    }

    fn all<'f>(&mut self, what: &str, names: &[&str], forms: impl IntoIterator<Item = &'f Form>) -> Option<Part> {
        let mut numbers = Vec::new();
        let mut outermost = usize::MAX;
        for form in forms {
            let part = self.form(form)?;
            numbers.push(part.number);
            outermost = outermost.min(part.outermost);
        }
        Some(Part { number: together(what, names, &numbers), outermost })
    }
}

fn leaf(name: &str) -> Part {
    Part { number: together(name, &[], &[]), outermost: usize::MAX }
}

/// Each text behind its length, so that no two lists of texts read the same.
fn together(what: &str, names: &[&str], numbers: &[u64]) -> u64 {
    let mut bytes = Vec::new();
    for text in std::iter::once(&what).chain(names) {
        bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes.extend_from_slice(&(names.len() as u64).to_le_bytes());
    for number in numbers {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    xxh3_64(&bytes)
}
