//! What the parser says of a text, in our terms: places in bytes, complaints with a hint.

use saphyr_parser::ScanError;

use super::{compose::MAX_DEPTH, message::quote};
use crate::diagnostic::{Diagnostic, Source, Span};

/// The complaint for a syntax error, with what to do about it where that is known.
pub(super) fn syntax_complaint(source: &Source, offsets: &Offsets, error: &ScanError) -> Diagnostic {
    let text = source.text();
    // An end that comes too early is shown behind the last thing there is.
    let start = offsets.byte(error.marker().index()).min(text.trim_end().len());
    let next = text[start..].chars().next().filter(|next| !next.is_control());
    let span = Span::new(start, start + next.map_or(0, char::len_utf8));
    let info = error.info();
    let known = |message: &str, hint: &str| Diagnostic::at(source, span, message).hint(hint);
    if info.contains("recursion limit") {
        too_deep(source, span)
    } else if info.contains("tab") && (info.contains("indentation") || info.contains("disallowed")) {
        known("a tab stands where only spaces may indent", "indent with spaces")
    } else if info.contains("unknown anchor") {
        let length = text[start..].find(|char: char| char.is_whitespace() || ",[]{}".contains(char));
        let span = Span::new(start, length.map_or(text.len(), |length| start + length));
        let alias = quote(source.slice(span));
        Diagnostic::at(source, span, format!("alias {alias} names no anchor that comes before it"))
    } else if info.contains("mapping values are not allowed") {
        known(
            "a `:` that cannot stand here",
            "quote text that holds `: `, or check the indentation of this line and the one before",
        )
    } else if info.contains("unexpected character") {
        known("text cannot begin with this character", "put the text in quotes")
    } else if info.contains("quoted scalar, found unexpected end of stream") {
        known("this quote is never closed", "close it")
    } else {
        Diagnostic::at(source, span, format!("not YAML: {info}"))
    }
}

/// The complaint for a list or mapping that begins too deep.
pub(super) fn too_deep(source: &Source, span: Span) -> Diagnostic {
    Diagnostic::at(source, span, format!("lists and mappings are nested more than {MAX_DEPTH} deep"))
}

/// From the parser's offsets, in characters, to bytes.
pub(super) struct Offsets {
    /// Byte offset of each character; `None` where all characters are bytes.
    bytes: Option<Vec<u32>>,
    n_bytes: usize,
}

impl Offsets {
    pub(super) fn of(text: &str) -> Self {
        let bytes = (!text.is_ascii()).then(|| {
            // A text of at most `MAX_FILE_BYTES` has no larger offset.
            text.char_indices().filter_map(|(at, _)| u32::try_from(at).ok()).collect()
        });
        Self { bytes, n_bytes: text.len() }
    }

    pub(super) fn byte(&self, char_index: usize) -> usize {
        match &self.bytes {
            None => char_index.min(self.n_bytes),
            Some(bytes) => bytes.get(char_index).map_or(self.n_bytes, |byte| *byte as usize),
        }
    }

    pub(super) fn span(&self, span: saphyr_parser::Span) -> Span {
        let start = self.byte(span.start.index());
        Span::new(start, self.byte(span.end.index()).max(start))
    }
}
