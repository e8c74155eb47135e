//! Byte ranges: what a resumed download asks for and what it gets.
//!
//! A `Range` that is malformed or asks for several parts may be ignored, and a 200 with everything
//! answers it; one that is well formed and starts past the end is a 416. Hence the two errors.
//!
//! Source: RFC 9110, "Range Requests".

use std::fmt;
use std::str::FromStr;

/// One range of a `Range` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RangeRequest {
    /// `bytes=a-b`, both ends included; `first <= last`.
    Between {
        /// The first byte.
        first: u64,
        /// The last byte.
        last: u64,
    },
    /// `bytes=a-`: from there to the end.
    From {
        /// The first byte.
        first: u64,
    },
    /// `bytes=-n`: the last `n` bytes.
    Suffix {
        /// How many.
        length: u64,
    },
}

/// The bytes that a range means for content of a known size; both ends included and within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResolvedRange {
    /// The first byte.
    pub first: u64,
    /// The last byte.
    pub last: u64,
}

/// A `Content-Range` header of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContentRange {
    /// `bytes a-b/size`, or `bytes a-b/*` where the size is not known.
    Part {
        /// Which bytes follow.
        range: ResolvedRange,
        /// The size of the whole.
        size: Option<u64>,
    },
    /// `bytes */size`, which comes with a 416.
    Unsatisfied {
        /// The size of the whole.
        size: u64,
    },
}

/// Why a `Range` header is to be ignored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// The unit is not bytes.
    #[error("range `{text}` does not start with `bytes=`")]
    Unit {
        /// The value of the header.
        text: String,
    },
    /// More than one range.
    #[error("range `{text}` asks for several parts")]
    Multiple {
        /// The value of the header.
        text: String,
    },
    /// Not `a-b`, `a-` or `-n`, or the end lies before the start.
    #[error("range `{text}` is not `bytes=first-last`, `bytes=first-` or `bytes=-length`")]
    Syntax {
        /// The value of the header.
        text: String,
    },
}

/// The range has no byte in common with the content: 416.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("range {request} cannot be satisfied: the content has {size} bytes")]
pub struct Unsatisfiable {
    /// What was asked for.
    pub request: RangeRequest,
    /// The size of the content in bytes.
    pub size: u64,
}

/// A text that is no `Content-Range`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("content range `{text}` is not `bytes first-last/size` with first <= last < size")]
pub struct ContentRangeError {
    text: String,
}

impl RangeRequest {
    /// The bytes it means for content of `size` bytes; an end past the content is cut.
    ///
    /// # Errors
    /// No byte of the content is meant.
    pub fn resolve(self, size: u64) -> Result<ResolvedRange, Unsatisfiable> {
        let (first, last) = match self {
            RangeRequest::Between { first, last } => (first, last),
            RangeRequest::From { first } => (first, u64::MAX),
            RangeRequest::Suffix { length: 0 } => (size, size),
            RangeRequest::Suffix { length } => (size.saturating_sub(length), u64::MAX),
        };
        match size.checked_sub(1) {
            Some(end) if first <= end => Ok(ResolvedRange { first, last: last.min(end) }),
            _ => Err(Unsatisfiable { request: self, size }),
        }
    }
}

impl fmt::Display for RangeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RangeRequest::Between { first, last } => write!(f, "bytes={first}-{last}"),
            RangeRequest::From { first } => write!(f, "bytes={first}-"),
            RangeRequest::Suffix { length } => write!(f, "bytes=-{length}"),
        }
    }
}

impl FromStr for RangeRequest {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let spec = match text.trim().split_once('=') {
            Some((unit, spec)) if unit.eq_ignore_ascii_case("bytes") => spec.trim(),
            _ => {
                return Err(RangeError::Unit { text: text.to_owned() });
            }
        };
        if spec.contains(',') {
            return Err(RangeError::Multiple { text: text.to_owned() });
        }
        parse_spec(spec).ok_or_else(|| RangeError::Syntax { text: text.to_owned() })
    }
}

fn parse_spec(spec: &str) -> Option<RangeRequest> {
    match spec.split_once('-')? {
        ("", length) => Some(RangeRequest::Suffix { length: parse_number(length)? }),
        (first, "") => Some(RangeRequest::From { first: parse_number(first)? }),
        (first, last) => {
            let (first, last) = (parse_number(first)?, parse_number(last)?);
            (first <= last).then_some(RangeRequest::Between { first, last })
        }
    }
}

/// Digits only; a number too large for any content is as good as the largest.
fn parse_number(text: &str) -> Option<u64> {
    let digits_only = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits_only.then(|| text.parse().unwrap_or(u64::MAX))
}

impl ResolvedRange {
    /// How many bytes it has; at least one.
    pub fn size_bytes(self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}

impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ContentRange::Part { range: ResolvedRange { first, last }, size: Some(size) } => {
                write!(f, "bytes {first}-{last}/{size}")
            }
            ContentRange::Part { range: ResolvedRange { first, last }, size: None } => {
                write!(f, "bytes {first}-{last}/*")
            }
            ContentRange::Unsatisfied { size } => write!(f, "bytes */{size}"),
        }
    }
}

impl FromStr for ContentRange {
    type Err = ContentRangeError;

    fn from_str(text: &str) -> Result<Self, ContentRangeError> {
        parse_content_range(text.trim()).ok_or_else(|| ContentRangeError { text: text.to_owned() })
    }
}

fn parse_content_range(text: &str) -> Option<ContentRange> {
    let exact = |text: &str| parse_number(text).filter(|_| text.parse::<u64>().is_ok());
    let (unit, rest) = text.split_once(' ')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (range, size) = rest.trim().split_once('/')?;
    if range == "*" {
        return Some(ContentRange::Unsatisfied { size: exact(size)? });
    }
    let (first, last) = range.split_once('-')?;
    let (first, last) = (exact(first)?, exact(last)?);
    let size = match size {
        "*" => None,
        size => Some(exact(size)?),
    };
    let fits = first <= last && size.is_none_or(|size| last < size);
    fits.then_some(ContentRange::Part { range: ResolvedRange { first, last }, size })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Resolved against ten bytes.
    fn check(input: &str, expect: &str) {
        let actual = match input.parse::<RangeRequest>().map(|range| range.resolve(10)) {
            Ok(Ok(range)) => format!("{}-{} ({})", range.first, range.last, range.size_bytes()),
            Ok(Err(unsatisfiable)) => unsatisfiable.to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(actual, expect, "for {input}");
    }

    #[test]
    fn ranges_are_resolved_within_the_content() {
        check("bytes=0-0", "0-0 (1)");
        check("bytes=2-5", "2-5 (4)");
        check("Bytes=5-99999999999999999999999", "5-9 (5)");
        check("bytes=7-", "7-9 (3)");
        check("bytes=-3", "7-9 (3)");
        check("bytes=-30", "0-9 (10)");
        check("bytes=10-", "range bytes=10- cannot be satisfied: the content has 10 bytes");
        check("bytes=-0", "range bytes=-0 cannot be satisfied: the content has 10 bytes");
    }

    #[test]
    fn a_header_to_ignore_says_why() {
        check("items=0-1", "range `items=0-1` does not start with `bytes=`");
        check("bytes", "range `bytes` does not start with `bytes=`");
        check("bytes=0-1,3-4", "range `bytes=0-1,3-4` asks for several parts");
        for input in ["bytes=", "bytes=-", "bytes=5-2", "bytes=a-b", "bytes=+1-2", "bytes=1-2-3"] {
            check(input, &format!("range `{input}` is not `bytes=first-last`, `bytes=first-` or `bytes=-length`"));
        }
    }

    #[test]
    fn content_ranges_parse_only_when_they_make_sense() {
        for good in ["bytes 0-9/10", "bytes 3-3/*", "bytes */0"] {
            let parsed: ContentRange = good.parse().expect(good);
            assert_eq!(parsed.to_string(), good);
        }
        for bad in ["", "bytes", "bytes */*", "bytes 5-2/10", "bytes 0-10/10", "0-9", "items 0-9/10", "bytes 0-/10"] {
            assert!(bad.parse::<ContentRange>().is_err(), "{bad}");
        }
    }

    fn request() -> impl Strategy<Value = RangeRequest> {
        let small = || prop_oneof![0..20_u64, any::<u64>()];
        prop_oneof![
            (small(), small()).prop_map(|(a, b)| RangeRequest::Between { first: a.min(b), last: a.max(b) }),
            small().prop_map(|first| RangeRequest::From { first }),
            small().prop_map(|length| RangeRequest::Suffix { length }),
        ]
    }

    proptest! {
        #[test]
        fn a_resolved_range_lies_within_the_content(
            request in request(),
            size in prop_oneof![0..20_u64, any::<u64>()],
        ) {
            if let Ok(range) = request.resolve(size) {
                prop_assert!(range.first <= range.last && range.last < size);
                let answer = ContentRange::Part { range, size: Some(size) };
                prop_assert_eq!(answer.to_string().parse(), Ok(answer));
            }
        }

        #[test]
        fn what_is_printed_parses_to_the_same(request in request()) {
            prop_assert_eq!(request.to_string().parse(), Ok(request));
        }

        #[test]
        fn no_header_panics(text in "bytes[ =][0-9*/,-]{0,12}|.*") {
            let _ = (text.parse::<RangeRequest>(), text.parse::<ContentRange>());
        }
    }
}
