//! Types that people may write in more than one shape.

use std::{any::TypeId, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeOwned, Error, MapAccess, SeqAccess, Unexpected, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};

use super::node::{Node, NodeValue};

/// The newtype struct that asks our deserializer for the shape first; any other takes it for a plain newtype.
pub(super) const MARK: &str = "$pullrig::Shapes";

/// A type with a short form and a long one, or several: `layers: 2MiB` and `layers: [2MiB, {size: 1MiB}]`.
///
/// The shape is looked at first and then read as that one type, so that what is wrong in it keeps its place; `untagged`
/// tries all in turn and can only say that none fitted. The scalar forms all arrive as the text that was written.
///
/// ```
/// use serde::{Deserialize, Deserializer};
/// use testbed::yaml::{NoShape, Shapes, deserialize_shapes};
///
/// struct Layers(Vec<String>);
///
/// impl Shapes for Layers {
///     const EXPECTING: &'static str = "a size, or a list of sizes";
///     type Element = String;
///     type Mapping = NoShape;
///
///     fn from_text(text: &str) -> Option<Result<Self, String>> {
///         Some(Ok(Layers(vec![text.to_owned()])))
///     }
///
///     fn from_list(elements: Vec<String>) -> Result<Self, String> {
///         Ok(Layers(elements))
///     }
/// }
///
/// impl<'de> Deserialize<'de> for Layers {
///     fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
///         deserialize_shapes(deserializer)
///     }
/// }
/// ```
pub trait Shapes: Sized {
    /// What may be written, for complaints: `a size, or a list of sizes`.
    const EXPECTING: &'static str;
    /// What a list is made of; [`NoShape`] where none may be written.
    type Element: DeserializeOwned + 'static;
    /// What a mapping is read as; [`NoShape`] where none may be written.
    type Mapping: DeserializeOwned + 'static;

    /// From a scalar's text; `None` where none may be written.
    fn from_text(text: &str) -> Option<Result<Self, String>> {
        let _ = text;
        None
    }

    /// From a list. Called unless `Element` is [`NoShape`].
    ///
    /// # Errors
    /// What is wrong with the list as a whole.
    fn from_list(elements: Vec<Self::Element>) -> Result<Self, String> {
        let _ = elements;
        Err(format!("expected {}, found a list", Self::EXPECTING))
    }

    /// From a mapping. Called unless `Mapping` is [`NoShape`].
    ///
    /// # Errors
    /// What is wrong with the mapping as a whole.
    fn from_mapping(mapping: Self::Mapping) -> Result<Self, String> {
        let _ = mapping;
        Err(format!("expected {}, found a mapping", Self::EXPECTING))
    }
}

/// The shape that a type does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoShape {}

impl<'de> Deserialize<'de> for NoShape {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("nothing can be written here"))
    }
}

/// The schema that nothing fits.
impl JsonSchema for NoShape {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "NoShape".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        false.into()
    }
}

/// The body of `Deserialize::deserialize` for a type of several shapes.
///
/// # Errors
/// As the deserializer, the shape's type and the type itself say.
pub fn deserialize_shapes<'de, T: Shapes, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_newtype_struct(MARK, ShapesVisitor(PhantomData))
}

/// What our deserializer says before it hands over the value.
pub(super) enum ShapeKind {
    Nothing = 0,
    Text = 1,
    List = 2,
    Mapping = 3,
}

impl ShapeKind {
    pub(super) fn of(node: &Node) -> Self {
        match node.value {
            NodeValue::Null => Self::Nothing,
            NodeValue::Bool(_) | NodeValue::Integer(_) | NodeValue::Float(_) | NodeValue::String { .. } => Self::Text,
            NodeValue::Sequence(_) => Self::List,
            NodeValue::Mapping(_) => Self::Mapping,
        }
    }
}

impl From<ShapeKind> for u64 {
    fn from(kind: ShapeKind) -> Self {
        kind as u64
    }
}

struct ShapesVisitor<T>(PhantomData<T>);

impl<T: Shapes> ShapesVisitor<T> {
    fn text<E: Error>(&self, text: &str, found: Unexpected<'_>) -> Result<T, E> {
        match T::from_text(text) {
            Some(read) => read.map_err(E::custom),
            None => Err(E::invalid_type(found, &T::EXPECTING)),
        }
    }

    fn list<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<T, D::Error> {
        T::from_list(Vec::deserialize(deserializer)?).map_err(D::Error::custom)
    }

    fn check_list<E: Error>(&self) -> Result<(), E> {
        let is_none = TypeId::of::<T::Element>() == TypeId::of::<NoShape>();
        if is_none { Err(E::invalid_type(Unexpected::Seq, &T::EXPECTING)) } else { Ok(()) }
    }

    fn check_mapping<E: Error>(&self) -> Result<(), E> {
        let is_none = TypeId::of::<T::Mapping>() == TypeId::of::<NoShape>();
        if is_none { Err(E::invalid_type(Unexpected::Map, &T::EXPECTING)) } else { Ok(()) }
    }
}

impl<'de, T: Shapes> Visitor<'de> for ShapesVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTING)
    }

    /// Any other deserializer: by the value's type.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(AnyVisitor(self))
    }

    /// Our deserializer: the shape, then the value.
    fn visit_seq<A: SeqAccess<'de>>(self, mut stages: A) -> Result<T, A::Error> {
        let incomplete = || A::Error::custom("incomplete shape");
        match stages.next_element::<u64>()?.ok_or_else(incomplete)? {
            1 => {
                let text: String = stages.next_element()?.ok_or_else(incomplete)?;
                self.text(&text, Unexpected::Str(&text))
            }
            2 => {
                self.check_list()?;
                T::from_list(stages.next_element()?.ok_or_else(incomplete)?).map_err(A::Error::custom)
            }
            3 => {
                self.check_mapping()?;
                T::from_mapping(stages.next_element()?.ok_or_else(incomplete)?).map_err(A::Error::custom)
            }
            _ => Err(A::Error::invalid_type(Unexpected::Unit, &self)),
        }
    }
}

/// Takes a value by its type.
struct AnyVisitor<T>(ShapesVisitor<T>);

impl<'de, T: Shapes> Visitor<'de> for AnyVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<T, E> {
        self.0.text(&value.to_string(), Unexpected::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        self.0.text(&value.to_string(), Unexpected::Signed(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        self.0.text(&value.to_string(), Unexpected::Unsigned(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<T, E> {
        self.0.text(&value.to_string(), Unexpected::Float(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        self.0.text(text, Unexpected::Str(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<T, A::Error> {
        self.0.check_list()?;
        self.0.list(SeqAccessDeserializer::new(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<T, A::Error> {
        self.0.check_mapping()?;
        let mapping = T::Mapping::deserialize(MapAccessDeserializer::new(entries))?;
        T::from_mapping(mapping).map_err(A::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{diagnostic::Source, yaml::from_str};

    #[derive(Debug, PartialEq)]
    enum Layer {
        Short(String),
        Long(Long),
        Many(Vec<Layer>),
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Long {
        size: u8,
    }

    impl Shapes for Layer {
        const EXPECTING: &'static str = "a size, a layer, or a list of them";
        type Element = Layer;
        type Mapping = Long;

        fn from_text(text: &str) -> Option<Result<Self, String>> {
            let is_size = text.starts_with(|first: char| first.is_ascii_digit());
            Some(if is_size {
                Ok(Self::Short(text.to_owned()))
            } else {
                Err(format!("`{text}` is no size such as `2MiB`"))
            })
        }

        fn from_list(elements: Vec<Layer>) -> Result<Self, String> {
            if elements.is_empty() { Err("a list of no layers".to_owned()) } else { Ok(Self::Many(elements)) }
        }

        fn from_mapping(mapping: Long) -> Result<Self, String> {
            Ok(Self::Long(mapping))
        }
    }

    impl<'de> Deserialize<'de> for Layer {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserialize_shapes(deserializer)
        }
    }

    /// Written only as text.
    #[derive(Debug, PartialEq)]
    struct Word(String);

    impl Shapes for Word {
        const EXPECTING: &'static str = "a word";
        type Element = NoShape;
        type Mapping = NoShape;

        fn from_text(text: &str) -> Option<Result<Self, String>> {
            Some(Ok(Self(text.to_owned())))
        }
    }

    impl<'de> Deserialize<'de> for Word {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserialize_shapes(deserializer)
        }
    }

    #[track_caller]
    fn check<T: DeserializeOwned>(yaml: &str, expected: &[&str]) {
        let complaints =
            from_str::<T>(&Source::new("x.yaml", yaml)).map(|_| Vec::new()).unwrap_or_else(|complaints| complaints);
        let lines: Vec<_> = complaints.iter().map(|complaint| complaint.to_string()).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn each_shape_is_read_as_its_type() {
        let expected = Layer::Many(vec![Layer::Short("3.10".to_owned()), Layer::Long(Long { size: 3 })]);
        assert_eq!(from_str(&Source::new("x.yaml", "[3.10, {size: 3}]")), Ok(expected));
        let from_json: Layer = serde_json::from_str(r#"["2MiB", {"size": 3}]"#).unwrap();
        assert_eq!(from_json, Layer::Many(vec![Layer::Short("2MiB".to_owned()), Layer::Long(Long { size: 3 })]));
        assert!(serde_json::from_str::<Layer>(r#"[{"sise": 3}]"#).is_err());
    }

    #[test]
    fn complaints_stay_inside_the_shape() {
        check::<Layer>(
            "[x, {size: y, sise: 1}, [{}], [], ~, 2MiB]",
            &[
                "x.yaml:1:2: `x` is no size such as `2MiB`",
                "x.yaml:1:12: expected a whole number from 0 to 255, found text",
                "x.yaml:1:15: unknown key `sise` in a long",
                "x.yaml:1:26: missing key `size` in a long",
                "x.yaml:1:31: a list of no layers",
                "x.yaml:1:35: expected a size, a layer, or a list of them, found nothing",
            ],
        );
    }

    #[test]
    fn shapes_that_a_type_lacks_are_refused() {
        check::<Vec<Word>>(
            "[[], {a: 1}, 1.50, x]",
            &["x.yaml:1:2: expected a word, found a list", "x.yaml:1:6: expected a word, found a mapping"],
        );
        assert!(serde_json::from_str::<Word>("[]").unwrap_err().to_string().contains("expected a word"));
    }
}
