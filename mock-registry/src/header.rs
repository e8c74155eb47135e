//! Header values out of text that was made here.

use http::HeaderValue;

/// `text` as a header's value. Digests, names, numbers, and paths that came over HTTP are all visible ASCII.
pub(crate) fn header_value(text: impl ToString) -> HeaderValue {
    HeaderValue::try_from(text.to_string()).unwrap_or(HeaderValue::from_static(""))
}
