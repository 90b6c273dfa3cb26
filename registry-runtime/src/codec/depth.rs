//! A serializer around postcard's that stops where a value nests deeper than anybody would read.
//!
//! To write a value recurses as reading does, and most levels take a byte or none: so what bounds the bytes does not bound the stack.

use std::cell::Cell;

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::DEPTH_MAX;

/// A value, serializer or compound with the level that it stands on, counted as with the decoder's guard.
pub(super) struct Leveled<'m, T> {
    inner: T,
    is_too_deep: &'m Cell<bool>,
    depth: usize,
}

impl<'m, T> Leveled<'m, T> {
    /// Stands at the outermost level; notes when a value goes too deep.
    pub(super) fn new(inner: T, is_too_deep: &'m Cell<bool>) -> Self {
        Self { inner, is_too_deep, depth: 0 }
    }

    fn here<U>(&self, inner: U) -> Leveled<'m, U> {
        Leveled { inner, is_too_deep: self.is_too_deep, depth: self.depth }
    }
}

impl<T: Serialize + ?Sized> Serialize for Leveled<'_, &T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.inner.serialize(self.here(to))
    }
}

/// So many levels down.
fn deeper<'m, S: Serializer, U>(
    from: Leveled<'m, S>,
    levels: usize,
    make: impl FnOnce(S) -> Result<U, S::Error>,
) -> Result<Leveled<'m, U>, S::Error> {
    let Leveled { inner, is_too_deep, depth } = from;
    let depth = depth.saturating_add(levels);
    if depth > DEPTH_MAX {
        is_too_deep.set(true);
        return Err(S::Error::custom("over the limit"));
    }
    Ok(Leveled { inner: make(inner)?, is_too_deep, depth })
}

macro_rules! plain {
    ($($method:ident($type:ty))*) => {$(
        fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.inner.$method(value)
        }
    )*};
}

impl<'m, S: Serializer> Serializer for Leveled<'m, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Leveled<'m, S::SerializeSeq>;
    type SerializeTuple = Leveled<'m, S::SerializeTuple>;
    type SerializeTupleStruct = Leveled<'m, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Leveled<'m, S::SerializeTupleVariant>;
    type SerializeMap = Leveled<'m, S::SerializeMap>;
    type SerializeStruct = Leveled<'m, S::SerializeStruct>;
    type SerializeStructVariant = Leveled<'m, S::SerializeStructVariant>;

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
        let Leveled { inner: to, is_too_deep, depth } = deeper(self, 1, Ok)?;
        to.serialize_some(&Leveled { inner: value, is_too_deep, depth })
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<S::Ok, S::Error> {
        let Leveled { inner: to, is_too_deep, depth } = deeper(self, 1, Ok)?;
        to.serialize_newtype_struct(name, &Leveled { inner: value, is_too_deep, depth })
    }

    fn serialize_unit_variant(self, name: &'static str, index: u32, variant: &'static str) -> Result<S::Ok, S::Error> {
        let Leveled { inner: to, .. } = deeper(self, 1, Ok)?;
        to.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let Leveled { inner: to, is_too_deep, depth } = deeper(self, 1, Ok)?;
        to.serialize_newtype_variant(name, index, variant, &Leveled { inner: value, is_too_deep, depth })
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

/// What is made of parts: each of its methods takes one part, behind its name where it has one.
macro_rules! compounds {
    ($($compound:ident { $($method:ident($($name:ident)?))+ })*) => {$(
        impl<C: $compound> $compound for Leveled<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            $(fn $method<T: Serialize + ?Sized>(
                &mut self,
                $($name: &'static str,)?
                part: &T,
            ) -> Result<(), C::Error> {
                let part = self.here(part);
                self.inner.$method($($name,)? &part)
            })+

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    )*};
}

compounds! {
    SerializeSeq { serialize_element() }
    SerializeMap { serialize_key() serialize_value() }
    SerializeTuple { serialize_element() }
    SerializeTupleStruct { serialize_field() }
    SerializeTupleVariant { serialize_field() }
    SerializeStruct { serialize_field(name) }
    SerializeStructVariant { serialize_field(name) }
}
