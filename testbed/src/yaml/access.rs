//! What visitors get to see of lists, mappings and variants: only what has not failed in an earlier round.

use serde::{
    Deserializer as _,
    de::{self, DeserializeSeed, IntoDeserializer, Visitor, value::StrDeserializer},
};

use super::{
    deserializer::NodeDeserializer,
    ledger::Ledger,
    message::{ReadError, Wording},
    node::{Node, NodeValue},
    stand_in::StandIn,
};

/// Reads a child node. What fails is settled there, so that what goes up is only that something did.
fn read<'de, S: DeserializeSeed<'de>>(de: NodeDeserializer<'_>, seed: S) -> Result<S::Value, ReadError> {
    seed.deserialize(de).map_err(|error| de.ledger.settle(de.node, error))
}

/// The elements of a list.
pub(super) struct ElementAccess<'a> {
    elements: std::slice::Iter<'a, Node>,
    ledger: &'a Ledger<'a>,
    /// Elements are told apart by position, so that one that is left out needs a stand-in.
    is_tuple: bool,
}

impl<'a> ElementAccess<'a> {
    pub(super) fn list(elements: &'a [Node], ledger: &'a Ledger<'a>) -> Self {
        Self { elements: elements.iter(), ledger, is_tuple: false }
    }

    pub(super) fn tuple(elements: &'a [Node], ledger: &'a Ledger<'a>) -> Self {
        Self { elements: elements.iter(), ledger, is_tuple: true }
    }
}

impl<'de> de::SeqAccess<'de> for ElementAccess<'_> {
    type Error = ReadError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ReadError> {
        for element in self.elements.by_ref() {
            if !self.ledger.is_dropped(element) {
                return read(NodeDeserializer::value(element, self.ledger), seed).map(Some);
            }
            if self.is_tuple {
                return StandIn::default().play(seed).map(Some);
            }
        }
        Ok(None)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.elements.len())
    }
}

/// The entries of a mapping, and stand-ins for those that it lacks.
pub(super) struct EntryAccess<'a> {
    entries: std::vec::IntoIter<&'a (Node, Node)>,
    stand_ins: std::vec::IntoIter<(&'static str, StandIn)>,
    /// What belongs to the key that was read last.
    value: Option<EntryValue<'a>>,
    mapping: &'a Node,
    ledger: &'a Ledger<'a>,
}

enum EntryValue<'a> {
    Node(&'a Node),
    StandIn(&'static str, StandIn),
}

impl<'a> EntryAccess<'a> {
    pub(super) fn new(entries: Vec<&'a (Node, Node)>, mapping: &'a Node, ledger: &'a Ledger<'a>) -> Self {
        let stand_ins = ledger.stand_ins(mapping).into_iter();
        Self { entries: entries.into_iter(), stand_ins, value: None, mapping, ledger }
    }
}

impl<'de> de::MapAccess<'de> for EntryAccess<'_> {
    type Error = ReadError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ReadError> {
        let Self { entries, ledger, .. } = self;
        if let Some((key, value)) = entries.find(|(key, value)| !ledger.is_dropped(key) && !ledger.is_dropped(value)) {
            self.value = Some(EntryValue::Node(value));
            return read(NodeDeserializer::key(key, self.ledger), seed).map(Some);
        }
        let Some((key, stand_in)) = self.stand_ins.next() else { return Ok(None) };
        self.value = Some(EntryValue::StandIn(key, stand_in));
        seed.deserialize(StrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, ReadError> {
        match self.value.take() {
            Some(EntryValue::Node(value)) => read(NodeDeserializer::value(value, self.ledger), seed),
            Some(EntryValue::StandIn(key, stand_in)) => {
                stand_in.play(seed).map_err(|_| self.ledger.replace_stand_in(self.mapping, key, stand_in))
            }
            None => Err(ReadError::new("a value was asked for before its key")),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// A variant by its name, known to be one of the enum's, and what it holds.
pub(super) struct VariantAccess<'a> {
    pub(super) name: &'a str,
    pub(super) content: Option<&'a Node>,
    pub(super) ledger: &'a Ledger<'a>,
}

impl<'a> VariantAccess<'a> {
    /// Reads the content, which the variant cannot do without.
    fn read_content<T>(self, read: impl FnOnce(NodeDeserializer<'a>) -> Result<T, ReadError>) -> Result<T, ReadError> {
        let Self { name, content, ledger } = self;
        let Some(content) = content else {
            return Err(Wording::new(format!("`{name}` needs a value")).hint(format!("write `{name}: ..`")).into());
        };
        if ledger.is_dropped(content) {
            return Err(ReadError::Silent);
        }
        read(NodeDeserializer::value(content, ledger)).map_err(|error| {
            let settled = ledger.settle(content, error);
            if ledger.is_dropped(content) { ReadError::Silent } else { settled }
        })
    }
}

impl<'de> de::EnumAccess<'de> for VariantAccess<'_> {
    type Error = ReadError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), ReadError> {
        let name = seed.deserialize(StrDeserializer::<ReadError>::new(self.name))?;
        Ok((name, self))
    }
}

impl<'de> de::VariantAccess<'de> for VariantAccess<'_> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        if self.content.is_none() {
            return Ok(());
        }
        let name = self.name;
        self.read_content(|de| match de.node.value {
            NodeValue::Null => Ok(()),
            _ => Err(ReadError::new(format!("`{name}` takes no value, found {}", de.node.kind()))),
        })
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, ReadError> {
        self.read_content(|de| seed.deserialize(de))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.read_content(|de| de.deserialize_tuple(length, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let subject = format!("`{}`", self.name);
        self.read_content(|de| de.visit_struct(&subject, fields, visitor))
    }
}

/// A node between marks, for types of this crate that ask for more than a value.
pub(super) struct StageAccess<'a> {
    stages: std::vec::IntoIter<Stage<'a>>,
}

enum Stage<'a> {
    Mark(u64),
    Node(NodeDeserializer<'a>),
}

impl<'a> StageAccess<'a> {
    pub(super) fn new(before: &[u64], node: NodeDeserializer<'a>, after: &[u64]) -> Self {
        let marks = |marks: &[u64]| marks.iter().copied().map(Stage::Mark).collect::<Vec<_>>();
        let stages: Vec<_> = marks(before).into_iter().chain([Stage::Node(node)]).chain(marks(after)).collect();
        Self { stages: stages.into_iter() }
    }
}

impl<'de> de::SeqAccess<'de> for StageAccess<'_> {
    type Error = ReadError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ReadError> {
        match self.stages.next() {
            None => Ok(None),
            Some(Stage::Mark(mark)) => seed.deserialize(mark.into_deserializer()).map(Some),
            Some(Stage::Node(de)) => seed.deserialize(de).map(Some),
        }
    }
}
