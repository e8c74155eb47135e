//! A value that plays another which could not be read, so that reading can go on behind it.
//!
//! serde's derived code stops at the first key that a struct lacks. To find the second, the next round gives it something
//! for the first: a number, a letter, an empty list, whatever the type asks for. The round's result is thrown away.

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, Visitor, value::StrDeserializer},
};

use super::message::ReadError;

/// What is said where text is asked for, one after another: a name or size, a duration, a limit.
const TEXTS: &[&str] = &["1", "1s", "1/1s"];

/// How deep stand-ins may lie in each other: types may be recursive.
const MAX_DEPTH: usize = 16;

#[derive(Clone, Copy, Default)]
pub(super) struct StandIn {
    depth: usize,
    n_failed: usize,
}

impl StandIn {
    /// Plays a value, or fails silently where the type is too choosy.
    pub(super) fn play<'de, S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, ReadError> {
        seed.deserialize(self).map_err(|_| ReadError::Silent)
    }

    /// How many others have failed before.
    pub(super) fn n_failed(self) -> usize {
        self.n_failed
    }

    /// Who might do better than one that has failed.
    pub(super) fn next(self) -> Option<Self> {
        let n_failed = self.n_failed + 1;
        (n_failed < TEXTS.len()).then_some(Self { n_failed, ..self })
    }

    fn text(self) -> &'static str {
        TEXTS.get(self.n_failed).copied().unwrap_or_default()
    }

    fn inner(self) -> Result<Self, ReadError> {
        let depth = self.depth + 1;
        if depth > MAX_DEPTH { Err(ReadError::Silent) } else { Ok(Self { depth, ..self }) }
    }
}

macro_rules! play {
    ($($method:ident => $visit:ident($($value:expr)?)),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> { visitor.$visit($($value)?) })*
    };
}

impl<'de> Deserializer<'de> for StandIn {
    type Error = ReadError;

    play! {
        deserialize_any => visit_unit(),
        deserialize_bool => visit_bool(false),
        deserialize_i8 => visit_i8(1), deserialize_i16 => visit_i16(1), deserialize_i32 => visit_i32(1),
        deserialize_i64 => visit_i64(1), deserialize_i128 => visit_i128(1),
        deserialize_u8 => visit_u8(1), deserialize_u16 => visit_u16(1), deserialize_u32 => visit_u32(1),
        deserialize_u64 => visit_u64(1), deserialize_u128 => visit_u128(1),
        deserialize_f32 => visit_f32(1.0), deserialize_f64 => visit_f64(1.0),
        deserialize_char => visit_char('1'),
        deserialize_bytes => visit_bytes(b"1"), deserialize_byte_buf => visit_bytes(b"1"),
        deserialize_option => visit_none(),
        deserialize_unit => visit_unit(), deserialize_ignored_any => visit_unit(),
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_str(self.text())
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_str(self.text())
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_str(self.text())
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_seq(StandIns { inner: self, keys: [].iter(), n_left: 0 })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_seq(StandIns { inner: self.inner()?, keys: [].iter(), n_left: length })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_map(StandIns { inner: self, keys: [].iter(), n_left: 0 })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_map(StandIns { inner: self.inner()?, keys: fields.iter(), n_left: 0 })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let name = variants.first().ok_or(ReadError::Silent)?;
        visitor.visit_enum(StandInVariant { name, inner: self.inner()? })
    }
}

struct StandIns {
    inner: StandIn,
    keys: std::slice::Iter<'static, &'static str>,
    n_left: usize,
}

impl<'de> de::SeqAccess<'de> for StandIns {
    type Error = ReadError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ReadError> {
        let Some(n_left) = self.n_left.checked_sub(1) else { return Ok(None) };
        self.n_left = n_left;
        seed.deserialize(self.inner).map(Some)
    }
}

impl<'de> de::MapAccess<'de> for StandIns {
    type Error = ReadError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ReadError> {
        self.keys.next().map(|key| seed.deserialize(StrDeserializer::new(key))).transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, ReadError> {
        seed.deserialize(self.inner)
    }
}

struct StandInVariant {
    name: &'static str,
    inner: StandIn,
}

impl<'de> de::EnumAccess<'de> for StandInVariant {
    type Error = ReadError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), ReadError> {
        let name = seed.deserialize(StrDeserializer::<ReadError>::new(self.name))?;
        Ok((name, self))
    }
}

impl<'de> de::VariantAccess<'de> for StandInVariant {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, ReadError> {
        seed.deserialize(self.inner)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.inner.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.inner.deserialize_struct("", fields, visitor)
    }
}
