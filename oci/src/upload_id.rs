//! The names of upload sessions.

use std::str::FromStr;
use std::sync::Arc;

/// The name of an upload session, which the registry made up: `[A-Za-z0-9_.=-]`, at most 255. A
/// clone is a pointer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UploadId(Arc<str>);

/// Why a text is no upload id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("upload id `{text}` is not 1 to 255 characters of `A-Za-z0-9_.=-`")]
pub struct UploadIdError {
    text: String,
}

impl UploadId {
    /// The id as it is written in the path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

str_view!(UploadId);
text_form!(UploadId, "an upload id", pattern = "^[A-Za-z0-9_.=-]{1,255}$");

impl FromStr for UploadId {
    type Err = UploadIdError;

    fn from_str(text: &str) -> Result<Self, UploadIdError> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'=' | b'-');
        // `.` and `..` are paths of their own.
        if (1..=255).contains(&text.len()) && text.bytes().all(fits) && text != "." && text != ".." {
            Ok(UploadId(text.into()))
        } else {
            Err(UploadIdError { text: text.to_owned() })
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_of_one_segment_and_climb_nowhere() {
        for bad in ["", ".", "..", "a/b", "a b", "%2e", "\u{e9}", &"a".repeat(256)] {
            assert!(bad.parse::<UploadId>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(text in "[A-Za-z0-9_=-][A-Za-z0-9_.=-]{0,254}") {
            let id: UploadId = text.parse().expect("fits the grammar");
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }
    }
}
