//! The deserializer that hands out samples.

use std::any::type_name;

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::{DEPTH_MAX, ELEMENTS_MAX, Entry, Fault, Form, Misfit, STEPS_MAX, Stuck, Tracer, Type, Variant};

/// What strings are tried, because many a type is a string with rules.
const STRINGS: &[&str] = &[
    "a",
    "",
    "0",
    "1970-01-01T00:00:00Z",
    "1970-01-01",
    "00000000-0000-0000-0000-000000000000",
    "127.0.0.1",
    "127.0.0.1:1",
    "http://a/",
    "a@a.a",
    "A",
];

/// Byte strings that are tried: nothing, and the lengths of the usual identifiers and digests.
const BYTES: &[&[u8]] = &[&[], &[0; 16], &[0; 32], &[0; 20], &[0; 12], &[0; 8], &[0; 4], &[0; 64]];

/// One value to be made: where to look up samples, and where to write down what was asked for.
pub(super) struct Source<'t> {
    pub(super) tracer: &'t mut Tracer,
    pub(super) form: &'t mut Form,
    /// The type that is made, as far as it has a name that a user would know; else the one around it.
    pub(super) ty: &'static str,
    /// Whether the emptiest value is wanted.
    pub(super) hollow: bool,
}

impl Source<'_> {
    /// How many elements a sequence or map gets.
    fn length(&self) -> usize {
        usize::from(!self.hollow && self.tracer.small == 0)
    }

    fn step(&mut self) -> Result<(), Stuck> {
        self.tracer.steps += 1;
        if self.tracer.steps > STEPS_MAX { Err(Stuck) } else { Ok(()) }
    }

    /// Writes down a leaf and offers the type one of the samples, or the empty one.
    fn leaf<'de, V: Visitor<'de>, S: Copy>(
        mut self,
        name: &'static str,
        samples: &[S],
        empty: S,
        visitor: V,
        visit: fn(V, S) -> Result<V::Value, Stuck>,
    ) -> Result<V::Value, Stuck> {
        self.step()?;
        *self.form = Form::Leaf(name);
        let ty = Type::of::<V>();
        if self.hollow
            && let Some(hollow) = &mut self.tracer.hollow
            && !hollow.refused.contains(&ty)
        {
            return visit(visitor, empty).inspect_err(|_| _ = hollow.refused.insert(ty));
        }
        let sample = samples.get(self.tracer.sample(ty, samples.len())).ok_or(Stuck)?;
        visit(visitor, *sample).inspect_err(|_| self.tracer.blame(ty))
    }

    /// Goes into a type of its own. Within itself it is only made small, and what is seen there is nothing new.
    fn enter<T>(
        mut self,
        ty: Type,
        inside: impl FnOnce(&mut Tracer, bool) -> Result<(T, Entry), Stuck>,
    ) -> Result<T, Stuck> {
        self.step()?;
        *self.form = Form::Named(ty);
        let tracer = self.tracer;
        if tracer.open.len() >= DEPTH_MAX {
            return Err(Stuck);
        }
        let small = tracer.small > 0 || tracer.open.contains(&ty);
        tracer.small += usize::from(small);
        tracer.open.push(ty);
        let outcome = inside(tracer, small);
        tracer.open.pop();
        tracer.small -= usize::from(small);
        let (value, entry) = outcome?;
        if !small {
            tracer.entries.insert(ty, entry);
        }
        Ok(value)
    }

    /// The wire format does not describe itself, so a type cannot ask what comes next.
    fn whatever_comes<T>(self, fault: Fault) -> Result<T, Stuck> {
        self.tracer.off_the_wire.get_or_insert(Misfit { ty: self.ty, fault });
        Err(Stuck)
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $ty:ty,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stuck> {
            // One comes before zero, because there are types that exclude zero.
            self.leaf(stringify!($ty), &[1 as $ty, 0 as $ty, 2 as $ty], 0 as $ty, visitor, V::$visit)
        }
    )*};
}

impl<'de> Deserializer<'de> for Source<'_> {
    type Error = Stuck;

    fn is_human_readable(&self) -> bool {
        false
    }

    numbers! {
        deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
        deserialize_i128 visit_i128 i128,
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
        deserialize_u128 visit_u128 u128,
        deserialize_f32 visit_f32 f32,
        deserialize_f64 visit_f64 f64,
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stuck> {
        self.leaf("bool", &[false, true], false, visitor, V::visit_bool)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stuck> {
        self.leaf("char", &['a', '0', 'A'], '\0', visitor, V::visit_char)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stuck> {
        self.leaf("string", STRINGS, "", visitor, |visitor, text| visitor.visit_borrowed_str(text))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stuck> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stuck> {
        self.leaf("bytes", BYTES, &[], visitor, |visitor, bytes| visitor.visit_borrowed_bytes(bytes))
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stuck> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stuck> {
        self.leaf("unit", &[()], (), visitor, |visitor, ()| visitor.visit_unit())
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Stuck> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Stuck> {
        self.step()?;
        if self.hollow || self.tracer.small > 0 {
            return visitor.visit_none();
        }
        let mut form = Form::Unknown;
        let ty = known(type_name::<V::Value>(), self.ty);
        let value = visitor.visit_some(Source { tracer: self.tracer, form: &mut form, ty, hollow: false })?;
        *self.form = Form::Option(Box::new(form));
        Ok(value)
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Stuck> {
        self.step()?;
        let length = self.length();
        let (value, mut forms) = elements(self.tracer, self.ty, false, length, visitor)?;
        *self.form = Form::Sequence(Box::new(forms.pop().unwrap_or(Form::Unknown)));
        Ok(value)
    }

    fn deserialize_tuple<V: Visitor<'de>>(mut self, length: usize, visitor: V) -> Result<V::Value, Stuck> {
        self.step()?;
        let (value, forms) = elements(self.tracer, self.ty, self.hollow, length, visitor)?;
        *self.form = Form::Tuple(length, forms);
        Ok(value)
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Stuck> {
        self.step()?;
        let left = self.length();
        let ty = known(type_name::<V::Value>(), self.ty);
        let mut entries = Entries { tracer: self.tracer, ty, key: Form::Unknown, value: Form::Unknown, left };
        let value = visitor.visit_map(&mut entries)?;
        *self.form = Form::Map(Box::new((entries.key, entries.value)));
        Ok(value)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Stuck> {
        let (ty, hollow) = (Type::of::<V>(), self.hollow);
        self.enter(ty, |tracer, _| {
            let mut form = Form::Unknown;
            let value = visitor.visit_newtype_struct(Source { tracer, form: &mut form, ty: ty.value, hollow })?;
            Ok((value, Entry::Transparent(form)))
        })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Stuck> {
        let (ty, hollow) = (Type::of::<V>(), self.hollow);
        self.enter(ty, |tracer, _| {
            let hollow = tracer.hollows(ty, 0) || hollow;
            let (value, forms) = elements(tracer, ty.value, hollow, length, visitor)?;
            Ok((value, Entry::Transparent(Form::Tuple(length, forms))))
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stuck> {
        let ty = Type::of::<V>();
        self.enter(ty, |tracer, _| {
            let hollow = tracer.hollows(ty, 0);
            let (value, forms) = elements(tracer, ty.value, hollow, names.len(), visitor)?;
            Ok((value, Entry::Struct { names, forms }))
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stuck> {
        let ty = Type::of::<V>();
        self.enter(ty, |tracer, small| {
            if small {
                let place = tracer.small_variant(ty, names.len());
                let mut choice = Choice { tracer, ty: ty.value, hollow: false, place, seen: None };
                let outcome = visitor.visit_enum(&mut choice).inspect_err(|_| choice.tracer.blame(ty));
                return outcome.map(|value| (value, Entry::Enum { names, variants: Vec::new() }));
            }
            let place = tracer.begin_enum(ty, names);
            let hollow = tracer.hollows(ty, place);
            let mut choice = Choice { tracer, ty: ty.value, hollow, place, seen: None };
            let outcome = visitor.visit_enum(&mut choice);
            let Choice { tracer, seen, .. } = choice;
            let variants = tracer.end_enum(ty, place, seen, outcome.is_ok());
            outcome.map(|value| (value, Entry::Enum { names, variants }))
        })
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stuck> {
        let expected = (&visitor as &dyn Expected).to_string();
        self.whatever_comes(if expected.starts_with("variant") { Fault::Tagged } else { Fault::Flattened })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stuck> {
        self.whatever_comes(Fault::Asks)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stuck> {
        let expected = (&visitor as &dyn Expected).to_string();
        self.whatever_comes(if expected.starts_with("internally tagged") { Fault::Tagged } else { Fault::Asks })
    }
}

/// The name of a type, unless it is one that a macro made up; then that of the type around it.
fn known(name: &'static str, around: &'static str) -> &'static str {
    if name.contains("__") { around } else { name }
}

fn elements<'de, V: Visitor<'de>>(
    tracer: &mut Tracer,
    ty: &'static str,
    hollow: bool,
    length: usize,
    visitor: V,
) -> Result<(V::Value, Vec<Form>), Stuck> {
    let mut elements = Elements { tracer, ty, hollow, forms: Vec::new(), length, left: length };
    let value = visitor.visit_seq(&mut elements)?;
    Ok((value, elements.forms))
}

struct Elements<'t> {
    tracer: &'t mut Tracer,
    /// The type that holds the elements.
    ty: &'static str,
    hollow: bool,
    forms: Vec<Form>,
    length: usize,
    left: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Stuck;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Stuck> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        let number = self.length.saturating_sub(self.left);
        self.left = left;
        let mut form = Form::Unknown;
        let ty = known(type_name::<T::Value>(), self.ty);
        let hollow = self.hollow && self.tracer.hollow.as_mut().is_some_and(|hollow| hollow.takes_field(number));
        let value = seed.deserialize(Source { tracer: self.tracer, form: &mut form, ty, hollow })?;
        if self.forms.len() < ELEMENTS_MAX {
            self.forms.push(form);
        }
        Ok(Some(value))
    }
}

struct Entries<'t> {
    tracer: &'t mut Tracer,
    /// The type that holds the entries.
    ty: &'static str,
    key: Form,
    value: Form,
    left: usize,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Stuck;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Stuck> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        // Whatever the key is called, what is wrong with it is wrong with the one that looks for it.
        seed.deserialize(Source { tracer: self.tracer, form: &mut self.key, ty: self.ty, hollow: false }).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Stuck> {
        let ty = known(type_name::<V::Value>(), self.ty);
        seed.deserialize(Source { tracer: self.tracer, form: &mut self.value, ty, hollow: false })
    }
}

/// One variant of an enum, and what was seen of it: `None` while the enum has not even accepted its number.
struct Choice<'t> {
    tracer: &'t mut Tracer,
    /// The enum.
    ty: &'static str,
    hollow: bool,
    place: usize,
    seen: Option<Variant>,
}

impl<'de> EnumAccess<'de> for &mut Choice<'_> {
    type Error = Stuck;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Stuck> {
        let number: U32Deserializer<Stuck> = u32::try_from(self.place).unwrap_or(u32::MAX).into_deserializer();
        let variant = seed.deserialize(number)?;
        self.seen = Some(Variant { style: "unit", names: &[], form: Form::Leaf("unit") });
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Choice<'_> {
    type Error = Stuck;

    fn unit_variant(self) -> Result<(), Stuck> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Stuck> {
        let mut form = Form::Unknown;
        let ty = known(type_name::<T::Value>(), self.ty);
        let value = seed.deserialize(Source { tracer: self.tracer, form: &mut form, ty, hollow: self.hollow })?;
        self.seen = Some(Variant { style: "newtype", names: &[], form });
        Ok(value)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Stuck> {
        let (value, forms) = elements(self.tracer, self.ty, self.hollow, length, visitor)?;
        self.seen = Some(Variant { style: "tuple", names: &[], form: Form::Tuple(length, forms) });
        Ok(value)
    }

    fn struct_variant<V: Visitor<'de>>(self, names: &'static [&'static str], visitor: V) -> Result<V::Value, Stuck> {
        let (value, forms) = elements(self.tracer, self.ty, self.hollow, names.len(), visitor)?;
        self.seen = Some(Variant { style: "struct", names, form: Form::Tuple(names.len(), forms) });
        Ok(value)
    }
}
