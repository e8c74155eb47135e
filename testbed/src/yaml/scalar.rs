//! What a scalar means, by the YAML 1.2 core schema (section 10.3.2).

use std::sync::Arc;

use super::node::NodeValue;

/// The tags of the core schema, without their prefix `tag:yaml.org,2002:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CoreTag {
    Null,
    Bool,
    Int,
    Float,
    Str,
    Seq,
    Map,
}

impl CoreTag {
    pub(super) fn parse(tag: &str) -> Option<Self> {
        match tag.strip_prefix("tag:yaml.org,2002:")? {
            "null" => Some(Self::Null),
            "bool" => Some(Self::Bool),
            "int" => Some(Self::Int),
            "float" => Some(Self::Float),
            "str" => Some(Self::Str),
            "seq" => Some(Self::Seq),
            "map" => Some(Self::Map),
            _ => None,
        }
    }

    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool => "`true` or `false`",
            Self::Int => "a whole number",
            Self::Float => "a number",
            Self::Str => "text",
            Self::Seq => "a list",
            Self::Map => "a mapping",
        }
    }
}

/// The value of a plain scalar without a tag.
pub(super) fn resolve_plain(text: &Arc<str>) -> NodeValue {
    match &**text {
        "" | "~" | "null" | "Null" | "NULL" => NodeValue::Null,
        "true" | "True" | "TRUE" => NodeValue::Bool(true),
        "false" | "False" | "FALSE" => NodeValue::Bool(false),
        number => parse_integer(number)
            .or_else(|| parse_float(number).map(NodeValue::Float))
            .unwrap_or_else(|| NodeValue::String { text: text.clone(), plain: true }),
    }
}

/// The value of a scalar with a tag; `None` where the text is no such thing.
pub(super) fn resolve_tagged(text: &Arc<str>, plain: bool, tag: CoreTag) -> Option<NodeValue> {
    let value = match tag {
        CoreTag::Str => return Some(NodeValue::String { text: text.clone(), plain }),
        CoreTag::Seq | CoreTag::Map => return None,
        CoreTag::Null | CoreTag::Bool | CoreTag::Int | CoreTag::Float => resolve_plain(text),
    };
    match (tag, value) {
        (CoreTag::Null, value @ NodeValue::Null) => Some(value),
        (CoreTag::Bool, value @ NodeValue::Bool(_)) => Some(value),
        (CoreTag::Int, value @ NodeValue::Integer(_)) => Some(value),
        (CoreTag::Float, value @ NodeValue::Float(_)) => Some(value),
        (CoreTag::Float, NodeValue::Integer(_)) => text.parse().ok().map(NodeValue::Float),
        _ => None,
    }
}

/// `[-+]?[0-9]+`, `0o[0-7]+`, `0x[0-9a-fA-F]+`. A number too large for the wire types comes out as a float.
fn parse_integer(text: &str) -> Option<NodeValue> {
    let (digits, radix) = match (text.strip_prefix("0o"), text.strip_prefix("0x")) {
        (Some(octal), _) => (octal, 8),
        (_, Some(hexadecimal)) => (hexadecimal, 16),
        _ => (text.strip_prefix(['-', '+']).unwrap_or(text), 10),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    // The digits are checked, so what fails is too large even for this.
    let magnitude = i128::from_str_radix(digits, radix).unwrap_or(i128::MAX);
    let value = if text.starts_with('-') { -magnitude } else { magnitude };
    if (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value) {
        Some(NodeValue::Integer(value))
    } else if radix == 10 {
        text.parse().ok().map(NodeValue::Float)
    } else {
        Some(NodeValue::Float(value as f64))
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, `[-+]?.inf`, `.nan`.
fn parse_float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    match (unsigned, text) {
        (".inf" | ".Inf" | ".INF", _) => Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }),
        (_, ".nan" | ".NaN" | ".NAN") => Some(f64::NAN),
        // Rust's own syntax is this one plus words (`inf`, `nan`), which have no place here.
        _ if unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.')
            && unsigned.chars().all(|char| char.is_ascii_digit() || ".eE+-".contains(char)) =>
        {
            text.parse().ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: NodeValue) {
        assert_eq!(resolve_plain(&text.into()), expected, "{text}");
    }

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        for text in ["", "~", "null", "Null", "NULL"] {
            check(text, NodeValue::Null);
        }
        check("True", NodeValue::Bool(true));
        check("false", NodeValue::Bool(false));
        check("012", NodeValue::Integer(12));
        check("+12", NodeValue::Integer(12));
        check("-0", NodeValue::Integer(0));
        check("0o17", NodeValue::Integer(15));
        check("0xfF", NodeValue::Integer(255));
        check("18446744073709551615", NodeValue::Integer(i128::from(u64::MAX)));
        check("18446744073709551616", NodeValue::Float(18_446_744_073_709_551_616.0));
        check("-9223372036854775808", NodeValue::Integer(i128::from(i64::MIN)));
        check(&"9".repeat(50), NodeValue::Float(1e50));
        check("0xffffffffffffffffff", NodeValue::Float(4_722_366_482_869_645_213_695.0));
        check("3.10", NodeValue::Float(3.1));
        check(".5", NodeValue::Float(0.5));
        check("5.", NodeValue::Float(5.0));
        check("-1e-3", NodeValue::Float(-0.001));
        check("-.inf", NodeValue::Float(f64::NEG_INFINITY));
        assert!(matches!(resolve_plain(&".nan".into()), NodeValue::Float(nan) if nan.is_nan()));
    }

    #[test]
    fn everything_else_is_text() {
        for text in [
            "yes", "no", "on", "tRue", "nUll", "1_000", "0b1", "0x", "0o8", "-0x1", "--1", "+", "-", ".", "1.2.3",
            "1e", "e1", "inf", "nan", "-.nan", "infinity", "12:30", "1 2", "100/6h", "2MiB", "٣",
        ] {
            check(text, NodeValue::String { text: text.into(), plain: true });
        }
    }

    #[test]
    fn a_tag_decides_what_a_scalar_is() {
        let resolve = |text: &str, tag| resolve_tagged(&text.into(), false, tag);
        assert_eq!(resolve("5", CoreTag::Int), Some(NodeValue::Integer(5)));
        assert_eq!(resolve("5", CoreTag::Float), Some(NodeValue::Float(5.0)));
        assert_eq!(resolve("5", CoreTag::Str), Some(NodeValue::String { text: "5".into(), plain: false }));
        assert_eq!(resolve("x", CoreTag::Int), None);
        assert_eq!(resolve("", CoreTag::Map), None);
    }
}
