//! Lets a type deserialize itself from samples and writes down what it asks for, then sends the samples there and back.
//!
//! One pass sees one variant of each enum, so there are several; a pass that ends in an error tells which sample did not do,
//! and the next one offers another. A type within itself is cut off by its name, and given the smallest value that can
//! be found.

mod hollow;
mod source;
mod sum;

use std::any::type_name;
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde::de::{DeserializeOwned, Visitor};

use super::misfit::{Fault, Misfit};
use hollow::Hollow;
use source::Source;

/// Passes over one type: an enum of a thousand variants, or ten samples for each of a hundred types.
const PASSES_MAX: usize = 1024;

/// Values asked for in all passes over one type together: a thousand for each pass, so that no type holds up a start.
const STEPS_MAX: usize = 1_000_000;

/// Types within types. Deeper ones would not be decoded from a frame either.
const DEPTH_MAX: usize = 64;

/// The elements of a tuple that are looked at one by one; serde itself ends at 32.
const ELEMENTS_MAX: usize = 64;

/// The number that stands for a type's shape, `None` where no sample satisfies the type. Or what is wrong with the type.
pub(super) fn trace<T: Serialize + DeserializeOwned>() -> Result<Option<u64>, Misfit> {
    let mut tracer = Tracer::default();
    let mut hollow = Hollow::default();
    for _ in 0..PASSES_MAX {
        let before = tracer.clone();
        let mut form = Form::Unknown;
        match pass::<T>(&mut tracer, &mut form) {
            Ok(value) => {
                there_and_back(&value).map_err(|fault| Misfit { ty: type_name::<T>(), fault })?;
                hollow.look::<T>(&before)?;
                if tracer.is_complete() {
                    return Ok(sum::sum(&form, &tracer.entries));
                }
                if tracer.explored == before.explored {
                    return Ok(None);
                }
            }
            Err(Stuck) => match tracer.off_the_wire {
                Some(misfit) => return Err(misfit),
                None if tracer.is_hopeless() => return Ok(None),
                // Nobody in particular refused a sample: something that checks several values together. Try others for all.
                None if !tracer.blamed => tracer.offset += 1,
                None => {}
            },
        }
        tracer.open.clear();
        tracer.small = 0;
    }
    Ok(None)
}

/// Lets the type make one value of itself. One that panics over a sample has refused it, and nobody in particular is to blame.
fn pass<T: DeserializeOwned>(tracer: &mut Tracer, form: &mut Form) -> Result<T, Stuck> {
    tracer.blamed = false;
    let make = || T::deserialize(Source { tracer, form, ty: type_name::<T>(), hollow: false });
    catch_unwind(AssertUnwindSafe(make)).unwrap_or(Err(Stuck))
}

/// Whether a value is read as it was written. What the type itself has against the value is not held against it: a sample
/// may break a rule.
fn there_and_back<T: Serialize + DeserializeOwned>(value: &T) -> Result<(), Fault> {
    let travel = || {
        let bytes = match postcard::to_stdvec(value) {
            Ok(bytes) => bytes,
            Err(postcard::Error::SerdeSerCustom) => return Ok(()),
            Err(_) => return Err(Fault::Unwritable),
        };
        match postcard::take_from_bytes::<T>(&bytes) {
            Ok((_, [])) | Err(postcard::Error::SerdeDeCustom) => Ok(()),
            Ok(_) | Err(_) => Err(Fault::Uneven),
        }
    };
    // A type that panics over a sample says nothing about its form.
    catch_unwind(AssertUnwindSafe(travel)).unwrap_or(Ok(()))
}

/// A type of its own: what its visitor makes, and the visitor, for several types may be made of one value, as `SystemTime` is of a `Duration`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Type {
    value: &'static str,
    visitor: &'static str,
}

impl Type {
    fn of<'de, V: Visitor<'de>>() -> Self {
        Self { value: type_name::<V::Value>(), visitor: type_name::<V>() }
    }
}

/// What was seen of one value.
#[derive(Clone, Debug, PartialEq)]
enum Form {
    Unknown,
    Leaf(&'static str),
    Option(Box<Form>),
    Sequence(Box<Form>),
    Map(Box<(Form, Form)>),
    Tuple(usize, Vec<Form>),
    /// A type of its own, to be found among the entries.
    Named(Type),
}

/// What was seen of a type of its own.
#[derive(Clone, Debug)]
enum Entry {
    /// As good as what it wraps.
    Transparent(Form),
    Struct {
        names: &'static [&'static str],
        forms: Vec<Form>,
    },
    Enum {
        names: &'static [&'static str],
        variants: Vec<Option<Variant>>,
    },
}

#[derive(Clone, Debug)]
struct Variant {
    style: &'static str,
    names: &'static [&'static str],
    form: Form,
}

/// What is known after some passes.
#[derive(Clone, Default)]
struct Tracer {
    entries: BTreeMap<Type, Entry>,
    /// The types that the pass is within.
    open: Vec<Type>,
    /// Within how many types that are open already, so that only a small value is wanted.
    small: usize,
    /// How many variants have been seen.
    explored: usize,
    /// For each type that refused samples, how many.
    refused: BTreeMap<Type, usize>,
    /// How many samples were passed over for all types.
    offset: usize,
    /// Whether the error of this pass is on somebody's account.
    blamed: bool,
    /// The first type that asked for what the wire does not have.
    off_the_wire: Option<Misfit>,
    /// In a pass of [`Hollow`], what that has seen.
    hollow: Option<Hollow>,
    steps: usize,
}

impl Tracer {
    /// Which of `count` samples the type gets.
    fn sample(&self, ty: Type, count: usize) -> usize {
        let passed = self.refused.get(&ty).copied().unwrap_or(0) + self.offset;
        passed % count.max(1)
    }

    /// The type refused its sample.
    fn blame(&mut self, ty: Type) {
        if !self.blamed {
            *self.refused.entry(ty).or_default() += 1;
            self.blamed = true;
        }
    }

    /// Begins to look at an enum; the variant to look at.
    fn begin_enum(&mut self, ty: Type, names: &'static [&'static str]) -> usize {
        self.entries.entry(ty).or_insert_with(|| Entry::Enum { names, variants: vec![None; names.len()] });
        self.next_variant(ty)
    }

    /// Ends looking at a variant; gives all that is known of the enum's.
    fn end_enum(&mut self, ty: Type, place: usize, seen: Option<Variant>, done: bool) -> Vec<Option<Variant>> {
        let Some(Entry::Enum { variants, .. }) = self.entries.get_mut(&ty) else { return Vec::new() };
        if seen.is_none() {
            // serde lists the other names of a variant among the names, so there may be fewer variants than names.
            variants.truncate(place);
            self.blamed = true;
        } else if done && let Some(variant) = variants.get_mut(place) {
            self.explored += usize::from(variant.is_none());
            *variant = seen;
        }
        variants.clone()
    }

    fn is_hopeless(&self) -> bool {
        /// More refusals than there are samples of any kind.
        const REFUSALS_MAX: usize = 16;
        self.steps > STEPS_MAX
            || self.offset > REFUSALS_MAX
            || self.refused.values().any(|refusals| *refusals > REFUSALS_MAX)
    }

    fn is_complete(&self) -> bool {
        self.entries.values().all(|entry| match entry {
            Entry::Enum { variants, .. } => variants.iter().all(Option::is_some),
            _ => true,
        })
    }

    /// Whether a variant is still to be seen somewhere behind the form.
    fn leads_on(&self, form: &Form, seen: &mut Vec<Type>) -> bool {
        match form {
            Form::Unknown | Form::Leaf(_) => false,
            Form::Option(inner) | Form::Sequence(inner) => self.leads_on(inner, seen),
            Form::Map(pair) => self.leads_on(&pair.0, seen) || self.leads_on(&pair.1, seen),
            Form::Tuple(_, forms) => forms.iter().any(|form| self.leads_on(form, seen)),
            Form::Named(ty) => {
                if seen.contains(ty) {
                    return false;
                }
                seen.push(*ty);
                match self.entries.get(ty) {
                    None => false,
                    Some(Entry::Transparent(form)) => self.leads_on(form, seen),
                    Some(Entry::Struct { forms, .. }) => forms.iter().any(|form| self.leads_on(form, seen)),
                    Some(Entry::Enum { variants, .. }) => variants.iter().any(|variant| match variant {
                        None => true,
                        Some(variant) => self.leads_on(&variant.form, seen),
                    }),
                }
            }
        }
    }

    /// The variant to look at next: one not seen yet, else one behind which another is still to be seen.
    fn next_variant(&self, ty: Type) -> usize {
        let Some(Entry::Enum { variants, .. }) = self.entries.get(&ty) else { return 0 };
        let new = variants.iter().position(Option::is_none);
        let onward = || variants.iter().flatten().position(|variant| self.leads_on(&variant.form, &mut vec![ty]));
        new.or_else(onward).unwrap_or(0)
    }

    /// The variant that makes the smallest value, as far as is known: the one that mentions the fewest types.
    fn small_variant(&self, ty: Type, count: usize) -> usize {
        let known = match self.entries.get(&ty) {
            Some(Entry::Enum { variants, .. }) => variants
                .iter()
                .enumerate()
                .filter_map(|(place, variant)| variant.as_ref().map(|variant| (mentions(&variant.form), place)))
                .min()
                .map(|(_, place)| place),
            _ => None,
        };
        known.filter(|_| !self.refused.contains_key(&ty)).unwrap_or_else(|| self.sample(ty, count))
    }
}

fn mentions(form: &Form) -> usize {
    match form {
        Form::Unknown | Form::Leaf(_) | Form::Option(_) | Form::Sequence(_) | Form::Map(_) => 0,
        Form::Tuple(_, forms) => forms.iter().map(mentions).sum(),
        Form::Named(_) => 1,
    }
}

/// A pass cannot go on; why is noted in the tracer.
#[derive(Debug)]
struct Stuck;

impl Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the sample does not do")
    }
}

impl std::error::Error for Stuck {}

impl serde::de::Error for Stuck {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}
