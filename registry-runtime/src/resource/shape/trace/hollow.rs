//! Looks for fields that are not written when they are empty, by making such values and sending them there and back.
//!
//! A type cannot be asked whether it leaves a field out, only be seen doing so. Beside each pass that made a full value
//! there are some that make the same one with the fields of some types hollow: no element, no text, zero. First the types on
//! top, then those within them, which would otherwise not be there.

use std::any::type_name;
use std::collections::BTreeSet;
use std::mem;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::misfit::Misfit;
use super::{ELEMENTS_MAX, Form, STEPS_MAX, Stuck, Tracer, Type, pass, there_and_back};

/// A type, and for an enum the number of the variant.
type Place = (Type, usize);

/// What was hollow already, and what is in this pass.
#[derive(Clone, Default)]
pub(super) struct Hollow {
    done: BTreeSet<Place>,
    now: Vec<Place>,
    /// Nothing but this.
    only: Option<Place>,
    /// And of it only the field of this number.
    field: Option<usize>,
    /// Whether there was such a field.
    met: bool,
    /// Types that refuse the empty value; they get a sample instead.
    pub(super) refused: BTreeSet<Type>,
    /// The values asked for in all passes.
    steps: usize,
}

impl Hollow {
    /// Repeats a pass that went well, with fields hollow that were not before; `before` is what was known then.
    pub(super) fn look<T: Serialize + DeserializeOwned>(&mut self, before: &Tracer) -> Result<(), Misfit> {
        while self.steps <= STEPS_MAX {
            let outcome = self.pass::<T>(before);
            if self.now.is_empty() {
                break;
            }
            let outcome = outcome.map(|value| there_and_back(&value));
            if let Ok(Ok(())) = outcome {
                continue;
            }
            // Something refused to be made so, or did not come back: look at each alone.
            for place in mem::take(&mut self.now) {
                self.alone::<T>(place, before)?;
            }
            if let Ok(Err(fault)) = outcome {
                return Err(Misfit { ty: type_name::<T>(), fault });
            }
        }
        Ok(())
    }

    /// Makes one type alone hollow; if it refuses, because of one field's rules, then its fields one by one.
    fn alone<T: Serialize + DeserializeOwned>(&mut self, place: Place, before: &Tracer) -> Result<(), Misfit> {
        let misfit = |fault| Misfit { ty: place.0.value, fault };
        self.only = Some(place);
        let mut outcome = self.pass::<T>(before).map(|value| there_and_back(&value));
        for field in 0..ELEMENTS_MAX {
            if outcome.is_ok() {
                break;
            }
            (self.field, self.met) = (Some(field), false);
            let alone = self.pass::<T>(before).map(|value| there_and_back(&value));
            match alone {
                Ok(Err(_)) => outcome = alone,
                _ if !self.met => break,
                _ => {}
            }
        }
        (self.only, self.field) = (None, None);
        outcome.unwrap_or(Ok(())).map_err(misfit)
    }

    /// One pass, and as many again as types refuse the empty value.
    fn pass<T: DeserializeOwned>(&mut self, before: &Tracer) -> Result<T, Stuck> {
        loop {
            self.now.clear();
            let refused = self.refused.len();
            let mut tracer = before.clone();
            tracer.steps = self.steps;
            tracer.hollow = Some(mem::take(self));
            let outcome = pass(&mut tracer, &mut Form::Unknown);
            *self = tracer.hollow.take().unwrap_or_default();
            self.steps = tracer.steps;
            if outcome.is_ok() || self.refused.len() == refused {
                return outcome;
            }
            for place in &self.now {
                self.done.remove(place);
            }
        }
    }

    fn takes(&mut self, place: Place) -> bool {
        match self.only {
            Some(only) => only == place,
            None if self.done.insert(place) => {
                self.now.push(place);
                true
            }
            None => false,
        }
    }

    /// Whether a hollow type's field of that number is to be hollow.
    pub(super) fn takes_field(&mut self, number: usize) -> bool {
        let takes = self.field.is_none_or(|field| field == number);
        self.met |= takes;
        takes
    }
}

impl Tracer {
    /// Whether the fields of the type, or of a variant of it, are to be hollow in this pass.
    pub(super) fn hollows(&mut self, ty: Type, variant: usize) -> bool {
        self.hollow.as_mut().is_some_and(|hollow| hollow.takes((ty, variant)))
    }
}
