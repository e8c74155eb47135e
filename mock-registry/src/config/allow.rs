//! How much a limit allows: `100/6h`, `500GiB/30d`, `10`, `none`.

use std::{fmt, str::FromStr, time::Duration};

use oci::{ByteSize, PullLimit};

use super::scalar::scalar_form;

/// The longest window: what counts is remembered for so long.
const MAX_WINDOW: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// How much a limit allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Allow {
    /// Anything: the limit is switched off, and tells nothing.
    Unlimited,
    /// So many units in each window.
    Rate {
        /// Requests or bytes, at least one.
        units: u64,
        /// From a millisecond to 31 days.
        window: Duration,
    },
    /// So many at once.
    AtOnce(u64),
}

impl Allow {
    /// The units: in a window, or at once; `None` where there is no limit.
    pub fn units(self) -> Option<u64> {
        match self {
            Self::Unlimited => None,
            Self::Rate { units, .. } | Self::AtOnce(units) => Some(units),
        }
    }

    /// The window, if there is one.
    pub fn window(self) -> Option<Duration> {
        match self {
            Self::Rate { window, .. } => Some(window),
            Self::Unlimited | Self::AtOnce(_) => None,
        }
    }
}

impl From<PullLimit> for Allow {
    fn from(limit: PullLimit) -> Self {
        Self::Rate { units: limit.pulls().get().into(), window: limit.window() }
    }
}

impl From<Option<PullLimit>> for Allow {
    fn from(limit: Option<PullLimit>) -> Self {
        limit.map_or(Self::Unlimited, Self::from)
    }
}

impl FromStr for Allow {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::Unlimited);
        }
        let (units, window) = match text.split_once('/') {
            Some((units, window)) => (units, Some(window)),
            None => (text, None),
        };
        let units: ByteSize = units.trim().parse().map_err(|_| {
            format!("`{text}` is no allowance; write `100/6h`, `500GiB/30d`, `10` for so many at once, or `none`")
        })?;
        let units = units.bytes();
        if units == 0 {
            return Err(format!("`{text}` would refuse everything; allow at least 1, or write `none` for no limit"));
        }
        let Some(window) = window else { return Ok(Self::AtOnce(units)) };
        let window = parse_window(window.trim())?;
        Ok(Self::Rate { units, window })
    }
}

/// `6h`, `250ms`, or the unit of one: `min`.
fn parse_window(text: &str) -> Result<Duration, String> {
    let begins_with_digit = text.starts_with(|c: char| c.is_ascii_digit());
    let written = if begins_with_digit { text.to_owned() } else { format!("1{text}") };
    // A day is as long as its hours here.
    let days = ["d", "day", "days"].iter().find_map(|unit| written.strip_suffix(unit)?.parse::<u64>().ok());
    let written = days.and_then(|days| days.checked_mul(24)).map_or(written, |hours| format!("{hours}h"));
    let window =
        testbed::duration::parse(&written).map_err(|_| format!("`{text}` is no window; write `6h`, `1min` or `s`"))?;
    if window < Duration::from_millis(1) || window > MAX_WINDOW {
        return Err(format!("a window of `{text}` is impossible: it has from 1 ms to 31 days"));
    }
    Ok(window)
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("none"),
            Self::Rate { units, window } => {
                write!(f, "{units}/{}", testbed::duration::print(*window).replace(' ', ""))
            }
            Self::AtOnce(units) => units.fmt(f),
        }
    }
}

scalar_form!(Allow, "how much is allowed: 100/6h, 500GiB/30d, 10 for so many at once, or none", ["string", "integer"]);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expect: Result<&str, &str>) {
        let read = text.parse::<Allow>().map(|allow| allow.to_string());
        assert_eq!(read, expect.map(String::from).map_err(String::from), "{text}");
    }

    #[test]
    fn allowances_are_read_as_people_write_them() {
        check("100/6h", Ok("100/6h"));
        check("60000/min", Ok("60000/1m"));
        check("1/s", Ok("1/1s"));
        check("500GiB/30d", Ok("536870912000/720h"));
        check("10", Ok("10"));
        check("none", Ok("none"));
        check("0/6h", Err("`0/6h` would refuse everything; allow at least 1, or write `none` for no limit"));
        check("1/40d", Err("a window of `40d` is impossible: it has from 1 ms to 31 days"));
        check("1/soon", Err("`soon` is no window; write `6h`, `1min` or `s`"));
        assert!("many".parse::<Allow>().is_err());
    }

    proptest! {
        #[test]
        fn an_allowance_prints_as_it_is_read(units in 1_u64..u64::MAX, ms in 1_u64..2_678_400_000) {
            let allow = Allow::Rate { units, window: Duration::from_millis(ms) };
            prop_assert_eq!(allow.to_string().parse(), Ok(allow));
        }
    }
}
