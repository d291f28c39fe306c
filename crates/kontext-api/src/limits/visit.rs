//! How serde hands the parts of a value to the check.

use serde::Serialize;
use serde::ser::{self, Impossible};

use super::check::{Check, Kind, List, Object, Unreadable, Visit};
use super::scalar;
use crate::request::uri;

/// Forwards every width of whole number to one place.
macro_rules! whole_numbers {
    ($($method:ident: $kind:ty),*) => {$(
        fn $method(self, value: $kind) -> Visit {
            self.number(scalar::Given::Whole(i128::from(value)))
        }
    )*};
}

impl<'a> ser::Serializer for Check<'a> {
    type Ok = bool;
    type Error = Unreadable;
    type SerializeSeq = List<'a>;
    type SerializeTuple = List<'a>;
    type SerializeTupleStruct = List<'a>;
    type SerializeTupleVariant = Impossible<bool, Unreadable>;
    type SerializeMap = Object<'a>;
    type SerializeStruct = Object<'a>;
    type SerializeStructVariant = Impossible<bool, Unreadable>;

    whole_numbers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64
    }

    fn serialize_bool(self, value: bool) -> Visit {
        self.scalar(Kind::Boolean, &|| value.to_string(), &|_| Vec::new())
    }

    fn serialize_f32(self, value: f32) -> Visit {
        self.serialize_f64(f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Visit {
        self.number(scalar::Given::Float(value))
    }

    fn serialize_char(self, value: char) -> Visit {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Visit {
        let is_valid_uri = self.is_valid_uri;
        self.scalar(Kind::String, &|| scalar::shown(value), &|limits| {
            scalar::string(value, is_valid_uri, limits)
        })
    }

    fn serialize_bytes(self, value: &[u8]) -> Visit {
        ser::Serializer::collect_seq(self, value)
    }

    fn serialize_none(self) -> Visit {
        Ok(false)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Visit {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Visit {
        Ok(false)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Visit {
        Ok(false)
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Visit {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        mut self,
        name: &'static str,
        value: &T,
    ) -> Visit {
        self.is_valid_uri = name == uri::VALID;
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Visit {
        Err(tagged(name))
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<List<'a>, Unreadable> {
        Ok(self.list())
    }

    fn serialize_tuple(self, _length: usize) -> Result<List<'a>, Unreadable> {
        Ok(self.list())
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<List<'a>, Unreadable> {
        Ok(self.list())
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeTupleVariant, Unreadable> {
        Err(tagged(name))
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Object<'a>, Unreadable> {
        Ok(self.object())
    }

    fn serialize_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<Object<'a>, Unreadable> {
        Ok(self.object())
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeStructVariant, Unreadable> {
        Err(tagged(name))
    }
}

/// The generator makes no externally tagged enums, so there is nothing to compare them with.
fn tagged(name: &str) -> Unreadable {
    Unreadable(format!("{name} is a tagged enum"))
}

impl ser::SerializeSeq for List<'_> {
    type Ok = bool;
    type Error = Unreadable;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unreadable> {
        self.item(value)
    }

    fn end(self) -> Visit {
        self.finish()
    }
}

impl ser::SerializeTuple for List<'_> {
    type Ok = bool;
    type Error = Unreadable;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unreadable> {
        self.item(value)
    }

    fn end(self) -> Visit {
        self.finish()
    }
}

impl ser::SerializeTupleStruct for List<'_> {
    type Ok = bool;
    type Error = Unreadable;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unreadable> {
        self.item(value)
    }

    fn end(self) -> Visit {
        self.finish()
    }
}

impl ser::SerializeMap for Object<'_> {
    type Ok = bool;
    type Error = Unreadable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unreadable> {
        self.key = match serde_json::to_value(key) {
            Ok(serde_json::Value::String(key)) => key,
            Ok(other) => other.to_string(),
            Err(error) => return Err(ser::Error::custom(error)),
        };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unreadable> {
        let key = std::mem::take(&mut self.key);
        self.field(&key, value)
    }

    fn end(self) -> Visit {
        self.finish()
    }
}

impl ser::SerializeStruct for Object<'_> {
    type Ok = bool;
    type Error = Unreadable;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Unreadable> {
        self.field(name, value)
    }

    fn end(self) -> Visit {
        self.finish()
    }
}
