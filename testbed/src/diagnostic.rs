//! Complaints about a user's file: what is wrong, where, and what to do now.
//!
//! A [`Diagnostic`] is plain data. Whoever reads a file collects them all; whoever talks to the user renders them. The
//! same form tells of a failed check at the line of the check, see [`Severity::Failure`].
//!
//! ```text
//! error: unknown key `limitt` in a registry                  <- message
//!  --> scenarios/x.yaml:7:5                                  <- source, span
//!   |
//! 7 |     limitt: 2/6h
//!   |     ^^^^^^ did you mean `limit`?                       <- label
//!   |
//!   = help: a registry has the keys `preset` and `limit`     <- hint
//!   = note: ...                                              <- notes
//! ```

use std::{
    borrow::Cow,
    collections::BTreeSet,
    fmt,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::{Serialize, Serializer, ser::SerializeStruct};

/// A text that complaints point into, and the name it is shown by. Clones share the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Source(Arc<SourceFile>);

struct SourceFile {
    name: String,
    text: String,
    /// The offset of the first byte of each line; never empty.
    line_starts: Vec<usize>,
    /// What excerpts must not show. It is found while the text is read, and by then the clones are everywhere.
    hidden: Mutex<BTreeSet<Span>>,
}

impl PartialEq for SourceFile {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.text) == (&other.name, &other.text)
    }
}

impl Eq for SourceFile {}

/// A piece of a [`Source`]: offsets in bytes, the end exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset after the last byte.
    pub end: usize,
}

/// How a complaint is introduced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file is wrong: `error: ..`.
    #[default]
    Error,
    /// A check came out false: `failed: ..`.
    Failure,
    /// The file is odd but can be used: `warning: ..`.
    Warning,
}

/// One complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How it is introduced.
    pub severity: Severity,
    /// The text it is about, if it is about one.
    pub source: Option<Source>,
    /// The place in that text; `None` means the text as a whole.
    pub span: Option<Span>,
    /// What is wrong: one line, a lowercase fragment without a full stop.
    pub message: String,
    /// A few words at the caret.
    pub label: Option<Box<str>>,
    /// What to do now.
    pub hint: Option<Box<str>>,
    /// What else there is to know.
    pub notes: Vec<String>,
}

impl Source {
    /// A text under the name that people know it by, usually a path relative to where they stand.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let line_ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(line_ends.map(|(at, _)| at + 1)).collect();
        Self(Arc::new(SourceFile { name: name.into(), text, line_starts, hidden: Mutex::default() }))
    }

    /// The name as shown.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Line and column of a byte offset, both counted from 1, the column in characters.
    ///
    /// An offset inside a character counts as its start, and one past the end as the end.
    pub fn line_col(&self, offset: usize) -> (usize, usize) {
        let offset = self.0.text.floor_char_boundary(offset);
        let line = self.line_index(offset);
        let column = self.0.text[self.0.line_starts[line]..offset].chars().count();
        (line + 1, column + 1)
    }

    /// The text of a span; empty where the span is not one of this text.
    pub fn slice(&self, span: Span) -> &str {
        self.0.text.get(span.start..span.end).unwrap_or_default()
    }

    /// Keeps a secret's place out of all excerpts: they show an asterisk for each character.
    ///
    /// Texts that are [read as YAML](crate::yaml) do this for each [`Secret`](crate::Secret) in them.
    pub fn hide(&self, span: Span) {
        if span.start < span.end {
            self.0.hidden.lock().unwrap_or_else(PoisonError::into_inner).insert(span);
        }
    }

    fn line_index(&self, offset: usize) -> usize {
        self.0.line_starts.partition_point(|start| *start <= offset) - 1
    }

    /// The line that holds `span`'s start, without its end; and the part of `span` that lies in it.
    fn excerpt(&self, span: Span) -> Excerpt<'_> {
        let text = &self.0.text;
        let start = text.floor_char_boundary(span.start);
        let line_index = self.line_index(start);
        let line_start = self.0.line_starts[line_index];
        let line = text[line_start..].split('\n').next().unwrap_or_default().trim_end_matches('\r');
        let start = (start - line_start).min(line.len());
        let end = line.floor_char_boundary(span.end.saturating_sub(line_start)).max(start);
        let (line, range) = self.veil(line, line_start, start..end);
        Excerpt { line_number: line_index + 1, line, range }
    }

    /// The line with asterisks where it is hidden, and the range as it is then. Characters stay in their columns.
    fn veil<'a>(&self, line: &'a str, line_start: usize, range: Range<usize>) -> (Cow<'a, str>, Range<usize>) {
        let line_end = line_start + line.len();
        let hidden = self.0.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hidden = hidden.range(..Span::at(line_end)).filter(|span| span.end > line_start).peekable();
        if hidden.peek().is_none() {
            return (Cow::Borrowed(line), range);
        }
        let mut veiled = String::with_capacity(line.len());
        let mut veiled_range = None..None;
        let mut hidden_up_to = 0;
        for (at, char) in line.char_indices() {
            if at == range.start {
                veiled_range.start = Some(veiled.len());
            }
            if at == range.end {
                veiled_range.end = Some(veiled.len());
            }
            while let Some(span) = hidden.next_if(|span| span.start <= line_start + at) {
                hidden_up_to = hidden_up_to.max(span.end);
            }
            veiled.push(if line_start + at < hidden_up_to { '*' } else { char });
        }
        let [start, end] = [veiled_range.start, veiled_range.end].map(|at| at.unwrap_or(veiled.len()));
        (Cow::Owned(veiled), start..end)
    }
}

struct Excerpt<'a> {
    line_number: usize,
    line: Cow<'a, str>,
    range: Range<usize>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.0.name).finish()
    }
}

impl Span {
    /// From the first byte to the one after the last.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The empty span at an offset.
    pub fn at(offset: usize) -> Self {
        Self::new(offset, offset)
    }
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self::new(range.start, range.end)
    }
}

impl Severity {
    fn level(self) -> Level<'static> {
        match self {
            Self::Error => Level::ERROR,
            Self::Failure => Level::ERROR.with_name("failed"),
            Self::Warning => Level::WARNING,
        }
    }
}

impl Diagnostic {
    /// A complaint about a place.
    pub fn at(source: &Source, span: Span, message: impl Into<String>) -> Self {
        Self { source: Some(source.clone()), span: Some(span), ..Self::general(message) }
    }

    /// A complaint about a file as a whole.
    pub fn about(source: &Source, message: impl Into<String>) -> Self {
        Self { source: Some(source.clone()), ..Self::general(message) }
    }

    /// A complaint about no place.
    pub fn general(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            source: None,
            span: None,
            message: message.into(),
            label: None,
            hint: None,
            notes: Vec::new(),
        }
    }

    /// The same, introduced in another way.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// The same, with a few words at the caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<Box<str>>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The same, with what to do now.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Box<str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, with one thing more to know.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Line and column, both counted from 1, the column in characters.
    pub fn line_col(&self) -> Option<(usize, usize)> {
        Some(self.source.as_ref()?.line_col(self.span?.start))
    }

    /// The text for people, without a newline at its end. A span of several lines is shown by its first, and what is
    /// [hidden](Source::hide) by asterisks.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let mut group = Group::with_title(self.severity.level().primary_title(self.message.as_str()));
        match (&self.source, self.span) {
            (Some(source), Some(span)) => {
                // Only the one line is handed over, so that the cost does not grow with the file.
                let Excerpt { line_number, line, range } = source.excerpt(span);
                let caret = AnnotationKind::Primary.span(range).label(self.label.as_deref());
                group =
                    group.element(Snippet::source(line).path(source.name()).line_start(line_number).annotation(caret));
            }
            (Some(source), None) => group = group.element(Origin::path(source.name())),
            (None, _) => {}
        }
        let hint = self.hint.as_deref().map(|hint| Level::HELP.message(hint));
        let notes = self.notes.iter().map(|note| Level::NOTE.message(note.as_str()));
        renderer.render(&[group.elements(hint).elements(notes)])
    }
}

/// One line: `file:line:col: message`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(source) = &self.source {
            write!(f, "{}:", source.name())?;
            if let Some((line, column)) = self.line_col() {
                write!(f, "{line}:{column}:")?;
            }
            f.write_str(" ")?;
        }
        f.write_str(&self.message.replace('\n', " "))
    }
}

impl std::error::Error for Diagnostic {}

/// The form for machines: `file`, `line`, `column`, `severity`, `message`, `label`, `hint`, `notes`; `null` where there is none.
impl Serialize for Diagnostic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let place = self.line_col();
        let mut fields = serializer.serialize_struct("Diagnostic", 8)?;
        fields.serialize_field("file", &self.source.as_ref().map(Source::name))?;
        fields.serialize_field("line", &place.map(|(line, _)| line))?;
        fields.serialize_field("column", &place.map(|(_, column)| column))?;
        fields.serialize_field("severity", &self.severity)?;
        fields.serialize_field("message", &self.message)?;
        fields.serialize_field("label", &self.label)?;
        fields.serialize_field("hint", &self.hint)?;
        fields.serialize_field("notes", &self.notes)?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "hub:\n  héé: 1 # ünï\r\n\tlast: 2";

    fn check(span: Span, expected: &str) {
        let source = Source::new("x.yaml", TEXT);
        let shown = Diagnostic::at(&source, span, "odd").label("here").hint("do this").note("and know that");
        assert_eq!(shown.render(false), expected.trim_start());
    }

    #[test]
    fn a_place_is_shown_with_caret_hint_and_note() {
        check(
            Span::new(7, 12),
            "
error: odd
 --> x.yaml:2:3
  |
2 |   héé: 1 # ünï
  |   ^^^ here
  |
  = help: do this
  = note: and know that",
        );
    }

    #[test]
    fn a_span_of_many_lines_is_shown_by_its_first() {
        check(
            Span::new(7, TEXT.len()),
            "
error: odd
 --> x.yaml:2:3
  |
2 |   héé: 1 # ünï
  |   ^^^^^^^^^^^^ here
  |
  = help: do this
  = note: and know that",
        );
    }

    #[test]
    fn the_caret_stands_under_a_tabbed_key() {
        let start = TEXT.find("last").unwrap();
        check(
            Span::new(start, start + 4),
            "
error: odd
 --> x.yaml:3:2
  |
3 |     last: 2
  |     ^^^^ here
  |
  = help: do this
  = note: and know that",
        );
    }

    #[test]
    fn any_span_can_be_shown() {
        for text in ["", "\n", "é", "é\n", "\r\n", "a\u{0}b\u{1b}[31m\n\n"] {
            let source = Source::new("x.yaml", text);
            for start in 0..8 {
                for end in 0..8 {
                    let shown = Diagnostic::at(&source, Span::new(start, end), "odd");
                    assert!(shown.render(false).contains("x.yaml:"), "{text:?} {start}..{end}");
                    assert!(shown.to_string().starts_with("x.yaml:"));
                }
            }
        }
    }

    #[test]
    fn what_is_hidden_is_shown_as_asterisks_in_the_same_columns() {
        let text = "{ user: jö, password: \"gehäim\", key: 7, next: 1 }\nkey: |\n  a b\n  c\nlast: x";
        let source = Source::new("x.yaml", text);
        let place = |part: &str| Span::from(text.find(part).unwrap()..text.find(part).unwrap() + part.len());
        for part in ["\"gehäim\"", "gehäim", "7", "a b\n  c"] {
            source.hide(place(part));
        }
        source.hide(Span::at(3));
        for (part, line, caret) in [
            (
                "next",
                "{ user: jö, password: ********, key: *, next: 1 }",
                "                                        ^^^^",
            ),
            ("jö", "{ user: jö, password: ********, key: *, next: 1 }", "        ^^"),
            ("gehäim", "{ user: jö, password: ********, key: *, next: 1 }", "                       ^^^^^^"),
            (
                "7, next",
                "{ user: jö, password: ********, key: *, next: 1 }",
                "                                     ^^^^^^^",
            ),
            (
                "1 }",
                "{ user: jö, password: ********, key: *, next: 1 }",
                "                                              ^^^",
            ),
            ("  c", "***", "^^^"),
            ("last", "last: x", "^^^^"),
        ] {
            let shown = Diagnostic::at(&source, place(part), "odd").render(false);
            let lines: Vec<_> = shown.lines().skip(3).filter_map(|shown| shown.split_once(" | ")).collect();
            assert_eq!(lines.iter().map(|line| line.1).collect::<Vec<_>>(), [line, caret], "{shown}");
        }
    }

    #[test]
    fn what_is_hidden_makes_no_other_source() {
        let (open, hidden) = (Source::new("x.yaml", TEXT), Source::new("x.yaml", TEXT));
        hidden.clone().hide(Span::new(0, 3));
        assert!(open == hidden && Diagnostic::about(&open, "odd") == Diagnostic::about(&hidden, "odd"));
    }

    #[test]
    fn one_line_has_file_line_and_column() {
        let source = Source::new("x.yaml", TEXT);
        let line = |diagnostic: Diagnostic| diagnostic.to_string();
        assert_eq!(line(Diagnostic::at(&source, Span::new(15, 16), "odd\nthing")), "x.yaml:2:9: odd thing");
        assert_eq!(line(Diagnostic::about(&source, "too large")), "x.yaml: too large");
        assert_eq!(line(Diagnostic::general("no scenario matched")), "no scenario matched");
    }

    #[test]
    fn a_failed_check_is_not_called_an_error() {
        let source = Source::new("x.yaml", "pulls: 2\n");
        let shown =
            Diagnostic::at(&source, Span::new(7, 8), "expected 2, saw 3").severity(Severity::Failure).render(false);
        assert!(shown.starts_with("failed: expected 2, saw 3\n --> x.yaml:1:8\n"), "{shown}");
    }

    #[test]
    fn colour_adds_escapes_and_nothing_else() {
        let source = Source::new("x.yaml", "pulls: 2\n");
        let shown = Diagnostic::at(&source, Span::new(7, 8), "odd");
        assert!(shown.render(true).contains('\u{1b}'));
        assert!(!shown.render(false).contains('\u{1b}'));
    }

    #[test]
    fn machines_get_numbers_and_nulls() {
        let source = Source::new("x.yaml", TEXT);
        assert_eq!(
            serde_json::to_value(Diagnostic::at(&source, Span::new(7, 12), "odd").hint("do this")).unwrap(),
            serde_json::json!({
                "file": "x.yaml", "line": 2, "column": 3, "severity": "error",
                "message": "odd", "label": null, "hint": "do this", "notes": [],
            })
        );
    }
}
