//! A serializer around postcard's that counts levels and elements as the decoder's guard does, so that nothing is written down that nobody
//! could read.
//!
//! It is for values that have to be read for as long as they are kept. What is read once – arguments, replies – is refused where it
//! arrives, and its caller told.

use std::cell::Cell;

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::{DEPTH_MAX, EMPTY_ELEMENTS_MAX};

/// What a value has used up of what a decoder allows.
#[derive(Default)]
pub(super) struct Measure {
    elements: Cell<usize>,
    is_too_deep: Cell<bool>,
}

impl Measure {
    /// Whether it nests deeper than a decoder goes.
    pub(super) fn is_too_deep(&self) -> bool {
        self.is_too_deep.get()
    }

    /// Whether it has more elements than a decoder takes in an encoding of that many bytes.
    pub(super) fn has_too_many_elements(&self, bytes: usize) -> bool {
        self.elements.get() > bytes.saturating_add(EMPTY_ELEMENTS_MAX)
    }

    fn count(&self) {
        self.elements.set(self.elements.get().saturating_add(1));
    }

    #[cold]
    fn refuse<E: Error>(&self) -> E {
        self.is_too_deep.set(true);
        E::custom("over a limit")
    }
}

/// A value, serializer or compound with the level that it stands on. `COUNTED` as with the decoder's guard: elements of sequences and maps
/// are counted, parts of tuples and structures are not.
pub(super) struct Measured<'m, T, const COUNTED: bool = false> {
    inner: T,
    measure: &'m Measure,
    depth: usize,
}

impl<'m, T> Measured<'m, T> {
    /// Stands at the outermost level.
    pub(super) fn new(inner: T, measure: &'m Measure) -> Self {
        Self { inner, measure, depth: 0 }
    }
}

impl<'m, T, const COUNTED: bool> Measured<'m, T, COUNTED> {
    fn here<U>(&self, inner: U) -> Measured<'m, U> {
        Measured { inner, measure: self.measure, depth: self.depth }
    }
}

impl<T: Serialize + ?Sized> Serialize for Measured<'_, &T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.inner.serialize(self.here(to))
    }
}

/// So many levels down.
fn deeper<'m, S: Serializer, U, const COUNTED: bool>(
    from: Measured<'m, S>,
    levels: usize,
    make: impl FnOnce(S) -> Result<U, S::Error>,
) -> Result<Measured<'m, U, COUNTED>, S::Error> {
    let Measured { inner, measure, depth } = from;
    let depth = depth.saturating_add(levels);
    if depth > DEPTH_MAX {
        return Err(measure.refuse());
    }
    Ok(Measured { inner: make(inner)?, measure, depth })
}

macro_rules! plain {
    ($($method:ident($type:ty))*) => {$(
        fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.inner.$method(value)
        }
    )*};
}

impl<'m, S: Serializer> Serializer for Measured<'m, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Measured<'m, S::SerializeSeq, true>;
    type SerializeTuple = Measured<'m, S::SerializeTuple>;
    type SerializeTupleStruct = Measured<'m, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Measured<'m, S::SerializeTupleVariant>;
    type SerializeMap = Measured<'m, S::SerializeMap, true>;
    type SerializeStruct = Measured<'m, S::SerializeStruct>;
    type SerializeStructVariant = Measured<'m, S::SerializeStructVariant>;

    plain! {
        serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64) serialize_i128(i128)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64) serialize_u128(u128)
        serialize_f32(f32) serialize_f64(f64) serialize_char(char) serialize_str(&str) serialize_bytes(&[u8])
        serialize_unit_struct(&'static str)
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_none()
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let Measured { inner: to, measure, depth } = deeper::<S, S, false>(self, 1, Ok)?;
        to.serialize_some(&Measured::<_, false> { inner: value, measure, depth })
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<S::Ok, S::Error> {
        let Measured { inner: to, measure, depth } = deeper::<S, S, false>(self, 1, Ok)?;
        to.serialize_newtype_struct(name, &Measured::<_, false> { inner: value, measure, depth })
    }

    fn serialize_unit_variant(self, name: &'static str, index: u32, variant: &'static str) -> Result<S::Ok, S::Error> {
        let Measured { inner: to, .. } = deeper::<S, S, false>(self, 1, Ok)?;
        to.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let Measured { inner: to, measure, depth } = deeper::<S, S, false>(self, 1, Ok)?;
        to.serialize_newtype_variant(name, index, variant, &Measured::<_, false> { inner: value, measure, depth })
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        deeper(self, 1, |to| to.serialize_seq(len))
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        deeper(self, 1, |to| to.serialize_tuple(len))
    }

    fn serialize_tuple_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeTupleStruct, S::Error> {
        deeper(self, 1, |to| to.serialize_tuple_struct(name, len))
    }

    // A variant is one level, and what it holds another.
    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        deeper(self, 2, |to| to.serialize_tuple_variant(name, index, variant, len))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        deeper(self, 1, |to| to.serialize_map(len))
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct, S::Error> {
        deeper(self, 1, |to| to.serialize_struct(name, len))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        deeper(self, 2, |to| to.serialize_struct_variant(name, index, variant, len))
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

impl<C: SerializeSeq> SerializeSeq for Measured<'_, C, true> {
    type Ok = C::Ok;
    type Error = C::Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        self.measure.count();
        let value = self.here(value);
        self.inner.serialize_element(&value)
    }

    fn end(self) -> Result<C::Ok, C::Error> {
        self.inner.end()
    }
}

impl<C: SerializeMap> SerializeMap for Measured<'_, C, true> {
    type Ok = C::Ok;
    type Error = C::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        self.measure.count();
        let key = self.here(key);
        self.inner.serialize_key(&key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        let value = self.here(value);
        self.inner.serialize_value(&value)
    }

    fn end(self) -> Result<C::Ok, C::Error> {
        self.inner.end()
    }
}

/// The compounds whose parts the type counts, without names and with.
macro_rules! parts {
    ($($compound:ident::$method:ident)*) => {$(
        impl<C: $compound> $compound for Measured<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                let value = self.here(value);
                self.inner.$method(&value)
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    )*};
}

macro_rules! named_parts {
    ($($compound:ident)*) => {$(
        impl<C: $compound> $compound for Measured<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), C::Error> {
                let value = self.here(value);
                self.inner.serialize_field(name, &value)
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    )*};
}

parts! { SerializeTuple::serialize_element SerializeTupleStruct::serialize_field SerializeTupleVariant::serialize_field }
named_parts! { SerializeStruct SerializeStructVariant }
