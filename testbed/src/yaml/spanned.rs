//! A value that remembers where it was written.

use std::{
    borrow::Cow,
    fmt,
    hash::{Hash, Hasher},
    marker::PhantomData,
    ops::Deref,
};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, SeqAccess, Visitor},
};

use crate::diagnostic::Span;

/// The newtype struct that asks our deserializer for the place as well; any other takes it for a plain newtype.
pub(super) const MARK: &str = "$pullrig::Spanned";

/// A value and its place in the file; the place is empty when the value came from elsewhere, as from JSON.
///
/// Equality and hash are the value's.
#[derive(Clone, Copy, Default)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value at a place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// The value alone.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// Another value at the same place.
    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: map(self.value), span: self.span }
    }

    /// A reference to the value, at its place.
    pub fn as_ref(&self) -> Spanned<&T> {
        Spanned { value: &self.value, span: self.span }
    }
}

impl<T> From<T> for Spanned<T> {
    fn from(value: T) -> Self {
        Self { value, span: Span::default() }
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Spanned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T: fmt::Display> fmt::Display for Spanned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Spanned<T> {}

impl<T: Hash> Hash for Spanned<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

impl<T: Serialize> Serialize for Spanned<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(MARK, SpannedVisitor(PhantomData))
    }
}

struct SpannedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for SpannedVisitor<T> {
    type Value = Spanned<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    /// Any other deserializer: the value itself.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Spanned<T>, D::Error> {
        T::deserialize(deserializer).map(Spanned::from)
    }

    /// Our deserializer: the value, then its start and end.
    fn visit_seq<A: SeqAccess<'de>>(self, mut stages: A) -> Result<Spanned<T>, A::Error> {
        let incomplete = || A::Error::custom("incomplete place");
        let value = stages.next_element()?.ok_or_else(incomplete)?;
        let start = stages.next_element()?.ok_or_else(incomplete)?;
        let end = stages.next_element()?.ok_or_else(incomplete)?;
        Ok(Spanned { value, span: Span::new(start, end) })
    }
}

/// The value's own schema.
impl<T: JsonSchema> JsonSchema for Spanned<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }

    fn _schemars_private_non_optional_json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::_schemars_private_non_optional_json_schema(generator)
    }

    fn _schemars_private_is_option() -> bool {
        T::_schemars_private_is_option()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        diagnostic::Source,
        yaml::{from_node, from_str, parse},
    };

    #[test]
    fn a_place_is_the_value_as_written() {
        let source = Source::new("x.yaml", "ü: 'é'\r\nb: [1, 2]\nc: 3 # not this\nd: &d x\ne: *d\n");
        let values: BTreeMap<String, Spanned<serde_json::Value>> = from_str(&source).unwrap();
        let slices: Vec<_> = values.values().map(|value| source.slice(value.span)).collect();
        assert_eq!(slices, ["[1, 2]", "3", "x", "*d", "'é'"]);
        assert_eq!(source.line_col(values["c"].span.start), (3, 4));
    }

    #[test]
    fn options_and_keys_can_have_places() {
        let source = Source::new("x.yaml", "a: 1\nb: ~\n");
        let values: BTreeMap<String, Option<Spanned<u8>>> = from_str(&source).unwrap();
        assert_eq!(values["a"].map(|value| (value.value, value.span)), Some((1, Span::new(3, 4))));
        assert_eq!(values["b"], None);
        let keys: std::collections::HashMap<Spanned<String>, Option<u8>> = from_str(&source).unwrap();
        let mut spans: Vec<_> = keys.keys().map(|key| key.span).collect();
        spans.sort();
        assert_eq!(spans, [Span::new(0, 1), Span::new(5, 6)]);
    }

    #[test]
    fn a_wrong_value_keeps_its_place() {
        let source = Source::new("x.yaml", "[1, é, 300]");
        let complaints = from_str::<Vec<Spanned<u8>>>(&source).unwrap_err();
        let lines: Vec<_> = complaints.iter().map(|complaint| complaint.to_string()).collect();
        assert_eq!(
            lines,
            [
                "x.yaml:1:5: expected a whole number from 0 to 255, found text",
                "x.yaml:1:8: expected a whole number from 0 to 255, found 300"
            ]
        );
    }

    #[test]
    fn from_json_the_place_is_empty() {
        let values: Vec<Spanned<u8>> = serde_json::from_str("[1, 2]").unwrap();
        assert_eq!(values, [Spanned::from(1), Spanned::from(2)]);
        assert_eq!(values[1].span, Span::default());
        assert_eq!(serde_json::to_string(&values).unwrap(), "[1,2]");
    }

    #[test]
    fn a_part_of_a_tree_is_read_with_its_places() {
        let source = Source::new("x.yaml", "a: {b: [7]}");
        let root = parse(&source).unwrap();
        let part: Vec<Spanned<u8>> = from_node(&source, root.get("a").and_then(|a| a.get("b")).unwrap()).unwrap();
        assert_eq!(part[0].span, Span::new(8, 9));
        assert_eq!(part[0].map(u32::from), Spanned::from(7u32));
    }

    #[test]
    fn the_schema_is_the_values() {
        let schema = |schema: Schema| schema.to_value();
        assert_eq!(schema(schemars::schema_for!(Spanned<Option<u8>>)), schema(schemars::schema_for!(Option<u8>)));
    }
}
