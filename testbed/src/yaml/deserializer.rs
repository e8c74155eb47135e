//! A [`serde::Deserializer`] over a [`Node`] that complains to a [`Ledger`] and goes on where it can.

use serde::{
    Deserializer,
    de::{self, Error as _, Unexpected, Visitor},
};

use super::{
    access::{ElementAccess, EntryAccess, StageAccess, VariantAccess},
    ledger::{Ledger, second_key},
    message::{ReadError, Wording, subject},
    node::{Node, NodeValue},
    shapes::{self, ShapeKind},
    spanned,
};
use crate::secret;

#[derive(Clone, Copy)]
pub(super) struct NodeDeserializer<'a> {
    pub(super) node: &'a Node,
    pub(super) ledger: &'a Ledger<'a>,
    /// Keys are text for whom it is all the same what they are.
    pub(super) is_key: bool,
}

impl<'a> NodeDeserializer<'a> {
    pub(super) fn value(node: &'a Node, ledger: &'a Ledger<'a>) -> Self {
        Self { node, ledger, is_key: false }
    }

    pub(super) fn key(node: &'a Node, ledger: &'a Ledger<'a>) -> Self {
        Self { node, ledger, is_key: true }
    }

    fn visit<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            NodeValue::Null => visitor.visit_unit(),
            NodeValue::Bool(value) => visitor.visit_bool(*value),
            NodeValue::Integer(value) => match (u64::try_from(*value), i64::try_from(*value)) {
                (Ok(value), _) => visitor.visit_u64(value),
                (_, Ok(value)) => visitor.visit_i64(value),
                _ => visitor.visit_i128(*value),
            },
            NodeValue::Float(value) => visitor.visit_f64(*value),
            NodeValue::String { text, .. } => visitor.visit_str(text),
            NodeValue::Sequence(elements) => visitor.visit_seq(ElementAccess::list(elements, self.ledger)),
            NodeValue::Mapping(entries) => {
                visitor.visit_map(EntryAccess::new(entries.iter().collect(), self.node, self.ledger))
            }
        }
    }

    /// Reads a scalar as it was written.
    fn visit_text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match (&self.node.value, self.node.scalar_text()) {
            (NodeValue::Null, _) if !self.is_key => visitor.visit_unit(),
            (_, Some(text)) => visitor.visit_str(text),
            (_, None) => self.visit(visitor),
        }
    }

    /// Reads a struct, or the fields of a variant, and complains about all keys that are not its own.
    pub(super) fn visit_struct<'de, V: Visitor<'de>>(
        self,
        subject: &str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let entries = match &self.node.value {
            NodeValue::Mapping(entries) => entries,
            // A derived visitor would take a list for the fields in their order.
            NodeValue::Sequence(_) => return Err(ReadError::invalid_type(Unexpected::Seq, &visitor)),
            _ => return self.visit(visitor),
        };
        let is_known = |key: &Node| key.scalar_text().is_some_and(|text| fields.contains(&text));
        let (known, unknown): (Vec<_>, Vec<_>) = entries.iter().partition(|(key, _)| is_known(key));
        for (key, value) in unknown {
            self.ledger.unknown_key(self.node, (key, value), fields, subject);
        }
        visitor.visit_map(EntryAccess::new(known, self.node, self.ledger)).map_err(|error| match error {
            ReadError::MissingKey { key, .. } => ReadError::MissingKey { key, subject: Some(subject.to_owned()) },
            other => other,
        })
    }

    /// Reads a list of a given length.
    pub(super) fn visit_tuple<'de, V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            NodeValue::Sequence(elements) if elements.len() > length => {
                Err(ReadError::new(format!("expected a list of {length}, found {}", elements.len())))
            }
            NodeValue::Sequence(elements) => visitor.visit_seq(ElementAccess::tuple(elements, self.ledger)),
            _ => self.visit(visitor),
        }
    }

    /// The entry of a mapping that names a variant, and complaints about those that are too many.
    fn variant_entry(
        self,
        entries: &'a [(Node, Node)],
        variants: &'static [&'static str],
        subject: &str,
    ) -> Result<&'a (Node, Node), ReadError> {
        let is_known = |key: &Node| key.scalar_text().is_some_and(|text| variants.contains(&text));
        let Some(entry) = entries.iter().find(|(key, _)| is_known(key)).or(entries.first()) else {
            return Err(Wording::new(format!("expected {subject}, found an empty mapping")).into());
        };
        if let Some((second, _)) = entries.iter().find(|candidate| !std::ptr::eq(*candidate, entry)) {
            let (span, wording) = second_key(second, subject);
            self.ledger.complain(span, wording);
        }
        Ok(entry)
    }
}

/// Methods that leave everything to the visitor, which refuses what it did not want.
macro_rules! forward {
    ($($method:ident => $to:ident),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> { self.$to(visitor) })*
    };
}

impl<'de> Deserializer<'de> for NodeDeserializer<'_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        if self.is_key { self.visit_text(visitor) } else { self.visit(visitor) }
    }

    forward! {
        deserialize_bool => visit,
        deserialize_i8 => visit, deserialize_i16 => visit, deserialize_i32 => visit, deserialize_i64 => visit,
        deserialize_i128 => visit,
        deserialize_u8 => visit, deserialize_u16 => visit, deserialize_u32 => visit, deserialize_u64 => visit,
        deserialize_u128 => visit,
        deserialize_f32 => visit, deserialize_f64 => visit,
        deserialize_char => visit_text, deserialize_str => visit_text, deserialize_string => visit_text,
        deserialize_identifier => visit_text,
        deserialize_unit => visit,
        deserialize_seq => visit, deserialize_map => visit,
        deserialize_byte_buf => deserialize_bytes,
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match (&self.node.value, self.node.scalar_text()) {
            (NodeValue::Null, _) | (_, None) => self.visit(visitor),
            (_, Some(text)) => visitor.visit_bytes(text.as_bytes()),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        if self.node.value == NodeValue::Null { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ReadError> {
        self.visit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let Self { node, .. } = self;
        match name {
            spanned::MARK => {
                let place = [node.span.start as u64, node.span.end as u64];
                visitor.visit_seq(StageAccess::new(&[], self, &place))
            }
            shapes::MARK => visitor.visit_seq(StageAccess::new(&[ShapeKind::of(node).into()], self, &[])),
            secret::MARK => {
                self.ledger.hide(node);
                visitor.visit_newtype_struct(self)
            }
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.visit_tuple(length, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.visit_tuple(length, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.visit_struct(&subject(&visitor), fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let subject = subject(&visitor);
        let (name, content) = match &self.node.value {
            NodeValue::Mapping(entries) => {
                let (key, value) = self.variant_entry(entries, variants, &subject)?;
                (key, Some(value))
            }
            _ => (self.node, None),
        };
        let text = match name.scalar_text() {
            Some(text) if name.value != NodeValue::Null || self.is_key || content.is_some() => text,
            _ => {
                let known = Wording::unknown_variant("", variants, None).hint;
                return Err(Wording {
                    hint: known,
                    ..Wording::new(format!("expected {subject}, found {}", name.kind()))
                }
                .into());
            }
        };
        if !variants.contains(&text) {
            self.ledger.complain(name.span, Wording::unknown_variant(text, variants, Some(&subject)));
            return Err(ReadError::Silent);
        }
        visitor.visit_enum(VariantAccess { name: text, content, ledger: self.ledger })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        // Nothing of it is wanted, so nothing in it is wrong.
        de::value::UnitDeserializer::new().deserialize_any(visitor)
    }
}
