//! The wait that an answer asks for: `Retry-After` in its two lawful forms, and in those that are seen.
//!
//! A wait of nothing, one that has passed and one that cannot be read say nothing: the client's own wait is kept, so that no
//! header makes it ask in a loop.
//!
//! Source: RFC 9110, "Retry-After"; facts/registry A9, E1, T28.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use testbed::Timestamp;

/// A form of `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HintForm {
    /// Whole seconds: `120`.
    Seconds,
    /// An HTTP date.
    Date,
    /// What Go reads as a duration once an `s` is put behind it: `0.5`, `1m30`.
    GoSeconds,
}

/// Reads a `Retry-After` header that may be in any of `forms`.
pub fn read_hint(text: &str, forms: &[HintForm], now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let read = |form: &HintForm| match form {
        HintForm::Seconds => text.parse().ok().map(Duration::from_secs),
        HintForm::Date => {
            let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
            Duration::try_from(at.duration_since(now)).ok()
        }
        HintForm::GoSeconds => go_duration(&format!("{text}s")),
    };
    forms.iter().find_map(read).filter(|wait| !wait.is_zero())
}

/// A positive duration as Go writes it: `1h15m30.918s`, `880.092µs`.
fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut nanos = 0_f64;
    while !rest.is_empty() {
        let n_number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, unit) = rest.split_at(n_number);
        let n_unit = unit.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(unit.len());
        let (unit, after) = unit.split_at(n_unit);
        let scale = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        nanos += number.parse::<f64>().ok()? * scale;
        rest = after;
    }
    Duration::try_from_secs_f64(nanos / 1e9).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use testbed::Clock;

    use super::*;

    const ALL: [HintForm; 3] = [HintForm::Seconds, HintForm::Date, HintForm::GoSeconds];

    #[test]
    fn each_form_is_read_by_who_understands_it() {
        let check = |text: &str, forms: &[HintForm], expected: Option<u64>| {
            let wait = read_hint(text, forms, Clock::DEFAULT_START);
            assert_eq!(wait, expected.map(Duration::from_millis), "{text}");
        };
        check(" 120 ", &[HintForm::Seconds], Some(120_000));
        check("Thu, 01 Jan 2026 00:01:00 GMT", &[HintForm::Date], Some(60_000));
        check("Thu, 01 Jan 2026 00:01:00 GMT", &[HintForm::Seconds, HintForm::GoSeconds], None);
        check("0.5", &[HintForm::GoSeconds], Some(500));
        check("1m30", &[HintForm::GoSeconds], Some(90_000));
        check("0.5", &[HintForm::Seconds, HintForm::Date], None);
        for odd in ["0", "-5", "Wed, 31 Dec 2025 23:59:00 GMT", "soon", "", ".", "5 6", "99999999999999999999999"] {
            check(odd, &[HintForm::Seconds, HintForm::Date], None);
        }
        check("-5", &ALL, None);
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_panic_and_never_as_nothing(text in ".*") {
            prop_assert_ne!(read_hint(&text, &ALL, Clock::DEFAULT_START), Some(Duration::ZERO));
        }

        #[test]
        fn numbers_of_any_size_are_read_without_panic(text in "[-+0-9.hmsuµ]{0,40}") {
            read_hint(&text, &ALL, Clock::DEFAULT_START);
        }
    }
}
