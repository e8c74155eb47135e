//! From text to tree: the events of `saphyr-parser`, composed into [`Node`]s under limits.
//!
//! Aliases share the node of their anchor, so a tree costs what its text costs. What a tree is read into does not
//! share, so the limits count a shared node at each place where it stands.

use std::{collections::HashMap, sync::Arc};

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::{
    mapping::MappingContent,
    message::quote,
    node::{Node, NodeValue},
    read::sorted,
    scalar::{CoreTag, resolve_plain, resolve_tagged},
    secrets::{hide_in_scalar, hide_in_text},
    syntax::{Offsets, syntax_complaint, too_deep},
};
use crate::diagnostic::{Diagnostic, Source, Span};

/// The largest file that is read, in bytes.
pub const MAX_FILE_BYTES: usize = 4 << 20;
/// The most values a file may hold, aliases expanded; keys count too.
pub const MAX_VALUES: usize = 100_000;
/// The deepest that lists and mappings may lie in each other, aliases expanded.
pub const MAX_DEPTH: usize = 64;
/// The most text that aliases may add, in bytes.
pub const MAX_ALIASED_TEXT_BYTES: usize = 4 << 20;

/// The tree of a file's only document; an empty file is [`NodeValue::Null`].
///
/// # Errors
/// Every complaint about the file: at most one about its syntax or a limit, because nothing can be said of what lies
/// behind that, and any number about duplicate keys, tags and merges.
pub fn parse(source: &Source) -> Result<Node, Vec<Diagnostic>> {
    match compose(source) {
        (Some(node), complaints) if complaints.is_empty() => Ok(node),
        (_, complaints) => Err(sorted(complaints)),
    }
}

/// The tree, if it can be used for finding further complaints, and the complaints.
pub(super) fn compose(source: &Source) -> (Option<Node>, Vec<Diagnostic>) {
    let n_bytes = source.text().len();
    if n_bytes > MAX_FILE_BYTES {
        let message = format!("file of {n_bytes} bytes is larger than the {} MiB that are read", MAX_FILE_BYTES >> 20);
        return (None, vec![Diagnostic::about(source, message)]);
    }
    let mut composer = Composer::new(source);
    let root = composer.compose_stream().map_err(|fatal| composer.complaints.push(fatal)).ok();
    if root.is_none() {
        hide_in_text(source);
    }
    (root, composer.complaints)
}

struct Composer<'s> {
    source: &'s Source,
    offsets: Offsets,
    complaints: Vec<Diagnostic>,
    /// The lists and mappings around the current place, the innermost last.
    open: Vec<Collection>,
    /// Anchored nodes that are complete, by the parser's number for the anchor.
    anchors: HashMap<usize, Anchored>,
    size: Size,
    root: Option<Node>,
}

/// What counts towards the limits.
#[derive(Clone, Copy, Default)]
struct Size {
    n_values: usize,
    aliased_text_bytes: usize,
    text_bytes: usize,
}

#[derive(Clone)]
struct Anchored {
    node: Node,
    n_values: usize,
    text_bytes: usize,
    /// How deep lists and mappings lie in it: 0 for a scalar.
    height: usize,
}

struct Collection {
    content: Content,
    start: usize,
    anchor: usize,
    /// The size of everything before it.
    size_before: Size,
    height: usize,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping(MappingContent),
}

impl<'s> Composer<'s> {
    fn new(source: &'s Source) -> Self {
        Self {
            source,
            offsets: Offsets::of(source.text()),
            complaints: Vec::new(),
            open: Vec::new(),
            anchors: HashMap::new(),
            size: Size::default(),
            root: None,
        }
    }

    /// Reads to the end of the first document and looks whether there is a second.
    fn compose_stream(&mut self) -> Result<Node, Diagnostic> {
        let source = self.source;
        let mut parser = Parser::new_from_str(source.text());
        let mut n_documents = 0;
        while let Some(event) = parser.next_event() {
            let (event, span) = match event {
                Ok(event) => event,
                Err(error) => return Err(syntax_complaint(source, &self.offsets, &error)),
            };
            let span = self.offsets.span(span);
            match event {
                Event::DocumentStart(_) => {
                    n_documents += 1;
                    if n_documents > 1 {
                        let complaint = self.at(span, "a second document begins here");
                        self.complaints
                            .push(complaint.hint("a file holds one document; move this one to its own file"));
                        break;
                    }
                }
                Event::Alias(anchor) => self.alias(anchor, span)?,
                Event::Scalar(text, style, anchor, tag) => self.scalar(&text, style, anchor, tag.as_deref(), span)?,
                Event::SequenceStart(anchor, tag) => {
                    self.begin(Content::Sequence(Vec::new()), CoreTag::Seq, anchor, tag.as_deref(), span)?;
                }
                Event::MappingStart(anchor, tag) => {
                    self.begin(
                        Content::Mapping(MappingContent::default()),
                        CoreTag::Map,
                        anchor,
                        tag.as_deref(),
                        span,
                    )?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.end(span),
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            }
        }
        Ok(self.root.take().unwrap_or_else(|| Node::scalar(NodeValue::Null, Span::default(), "".into())))
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        span: Span,
    ) -> Result<(), Diagnostic> {
        let plain = style == ScalarStyle::Plain;
        let value_span = self.value_span(span, anchor, tag, plain && text.is_empty());
        let text: Arc<str> = text.into();
        let untagged =
            || if plain { resolve_plain(&text) } else { NodeValue::String { text: text.clone(), plain: false } };
        let value = match tag {
            None => untagged(),
            Some(tag) if is_non_specific(tag) => NodeValue::String { text: text.clone(), plain: false },
            Some(tag) => match self.core_tag(tag, span) {
                None => untagged(),
                Some(core) => resolve_tagged(&text, plain, core).unwrap_or_else(|| {
                    let message = format!("tag asks for {}, and this is not that", core.noun());
                    let complaint = self.at(value_span, message);
                    self.complaints.push(complaint);
                    untagged()
                }),
            },
        };
        hide_in_scalar(self.source, value_span);
        self.count(1, text.len(), value_span)?;
        let node = Node::scalar(value, value_span, text.clone());
        if anchor != 0 {
            let anchored = Anchored { node: node.clone(), n_values: 1, text_bytes: text.len(), height: 0 };
            self.anchors.insert(anchor, anchored);
        }
        self.place(node);
        Ok(())
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Diagnostic> {
        let alias = quote(self.source.slice(span));
        let Some(Anchored { node, n_values, text_bytes, height }) = self.anchors.get(&anchor).cloned() else {
            return Err(self.at(span, format!("alias {alias} stands inside the value that it names")));
        };
        if self.size.n_values + n_values > MAX_VALUES {
            return Err(self.at(span, format!("alias expands to more than {MAX_VALUES} values")));
        }
        self.size.aliased_text_bytes += text_bytes;
        if self.size.aliased_text_bytes > MAX_ALIASED_TEXT_BYTES {
            let most = MAX_ALIASED_TEXT_BYTES >> 20;
            return Err(self.at(span, format!("aliases up to here expand to more than {most} MiB of text")));
        }
        if self.open.len() + height > MAX_DEPTH {
            return Err(self.at(span, format!("alias expands to values nested more than {MAX_DEPTH} deep")));
        }
        self.count(n_values, text_bytes, span)?;
        if let Some(parent) = self.open.last_mut() {
            parent.height = parent.height.max(height);
        }
        self.place(node.moved_to(span));
        Ok(())
    }

    fn begin(
        &mut self,
        content: Content,
        own_tag: CoreTag,
        anchor: usize,
        tag: Option<&Tag>,
        span: Span,
    ) -> Result<(), Diagnostic> {
        let start = self.value_span(span, anchor, tag, false).start;
        if let Some(tag) = tag.filter(|tag| !is_non_specific(tag))
            && let Some(core) = self.core_tag(tag, span)
            && core != own_tag
        {
            let message = format!("tag asks for {}, and this is {}", core.noun(), own_tag.noun());
            let complaint = self.at(span, message);
            self.complaints.push(complaint);
        }
        if self.open.len() == MAX_DEPTH {
            return Err(too_deep(self.source, Span::new(start, span.end.max(start))));
        }
        let size_before = self.size;
        self.count(1, 0, span)?;
        self.open.push(Collection { content, start, anchor, size_before, height: 0 });
        Ok(())
    }

    fn end(&mut self, span: Span) {
        // The parser's events are balanced.
        let Some(Collection { content, start, anchor, size_before, height }) = self.open.pop() else { return };
        // The parser's span goes on to the end of a comment behind the bracket.
        let flow_end = (span.end > span.start).then_some(span.start + 1);
        let (value, last_end) = match content {
            Content::Sequence(elements) => {
                let last_end = elements.last().map(|last| last.span.end);
                (NodeValue::Sequence(elements.into()), last_end)
            }
            Content::Mapping(mapping) => {
                let last_end = mapping.entries.last().map(|(key, value)| key.span.end.max(value.span.end));
                (NodeValue::Mapping(mapping.finish(self.source)), last_end)
            }
        };
        // A block ends where its last value does; the parser says where the next thing begins.
        let end = flow_end.or(last_end).unwrap_or(start).max(start);
        let node = Node::new(value, Span::new(start, end));
        let height = height + 1;
        if anchor != 0 {
            let n_values = self.size.n_values - size_before.n_values;
            let text_bytes = self.size.text_bytes - size_before.text_bytes;
            self.anchors.insert(anchor, Anchored { node: node.clone(), n_values, text_bytes, height });
        }
        if let Some(parent) = self.open.last_mut() {
            parent.height = parent.height.max(height);
        }
        self.place(node);
    }

    /// Puts a complete node where it belongs.
    fn place(&mut self, node: Node) {
        match self.open.last_mut().map(|collection| &mut collection.content) {
            None => self.root = Some(node),
            Some(Content::Sequence(elements)) => elements.push(node),
            Some(Content::Mapping(mapping)) => match mapping.key.take() {
                None => mapping.key = Some(node),
                Some(key) => {
                    let refused = mapping.insert(self.source, key, node).err();
                    self.complaints.extend(refused);
                }
            },
        }
    }

    fn count(&mut self, n_values: usize, text_bytes: usize, span: Span) -> Result<(), Diagnostic> {
        self.size.n_values += n_values;
        self.size.text_bytes += text_bytes;
        if self.size.n_values > MAX_VALUES {
            return Err(self.at(span, format!("file holds more than {MAX_VALUES} values")));
        }
        Ok(())
    }

    /// The core schema's tag, or a complaint.
    fn core_tag(&mut self, tag: &Tag, span: Span) -> Option<CoreTag> {
        let core = CoreTag::parse(&format!("{}{}", tag.handle, tag.suffix));
        if core.is_none() {
            let place = self.tag_span(span);
            let complaint = self.at(place, format!("unknown tag {}", quote(self.source.slice(place))));
            self.complaints.push(complaint.hint("remove the tag; only those of the YAML core schema are known"));
        }
        core
    }

    /// The span of an event without the anchor and tag that it begins with, and without blanks at its end.
    fn value_span(&self, span: Span, anchor: usize, tag: Option<&Tag>, empty: bool) -> Span {
        let text = self.source.slice(span);
        let mut rest = text;
        if anchor != 0 || tag.is_some() {
            while rest.starts_with(['&', '!']) {
                rest = rest.trim_start_matches(|char: char| !char.is_whitespace()).trim_start();
            }
        }
        let start = span.start + (text.len() - rest.len());
        match rest.trim_end() {
            // Nothing is written, or only an anchor.
            _ if empty => Span::at(span.start),
            "" => span,
            value => Span::new(start, start + value.len()),
        }
    }

    fn tag_span(&self, span: Span) -> Span {
        let text = self.source.text().get(span.start..).unwrap_or_default();
        let Some(at) = text.find('!') else { return span };
        let length = text[at..].find(|char: char| char.is_whitespace() || ",[]{}".contains(char));
        Span::new(span.start + at, span.start + at + length.unwrap_or(text.len() - at))
    }

    fn at(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::at(self.source, span, message)
    }
}

/// `!`, which makes a scalar text and says nothing of the rest (YAML 1.2, section 6.9.1).
fn is_non_specific(tag: &Tag) -> bool {
    tag.handle.is_empty() && tag.suffix == "!" || tag.handle == "!" && tag.suffix.is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The complaints, a line each.
    #[track_caller]
    fn check(yaml: &str, expected: &[&str]) {
        let source = Source::new("x.yaml", yaml);
        let complaints = parse(&source).map(|_| Vec::new()).unwrap_or_else(|complaints| complaints);
        let lines: Vec<_> = complaints.iter().map(|complaint| complaint.to_string()).collect();
        assert_eq!(lines, expected);
    }

    /// Every node's text, in the file's order.
    fn slices(yaml: &str) -> Vec<String> {
        fn collect(source: &Source, node: &Node, slices: &mut Vec<String>) {
            slices.push(source.slice(node.span).to_owned());
            match &node.value {
                NodeValue::Sequence(elements) => elements.iter().for_each(|element| collect(source, element, slices)),
                NodeValue::Mapping(entries) => {
                    entries.iter().flat_map(|(key, value)| [key, value]).for_each(|node| collect(source, node, slices));
                }
                _ => {}
            }
        }
        let source = Source::new("x.yaml", yaml);
        let mut slices = Vec::new();
        collect(&source, &parse(&source).unwrap(), &mut slices);
        slices
    }

    fn bomb(n_levels: usize) -> String {
        let level = |n: usize| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", "));
        let first = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        std::iter::once(first).chain((1..n_levels).map(level)).collect()
    }

    #[test]
    fn spans_are_what_is_written() {
        assert_eq!(
            slices("é: [ü, {ö: 'ä'}] # ß\n"),
            ["é: [ü, {ö: 'ä'}]", "é", "[ü, {ö: 'ä'}]", "ü", "{ö: 'ä'}", "ö", "'ä'"]
        );
        assert_eq!(
            slices("é:\r\n  - ü  \r\n  -\r\nb:"),
            ["é:\r\n  - ü  \r\n  -\r\nb", "é", "- ü  \r\n  -", "ü", "", "b", ""]
        );
        assert_eq!(slices("\u{feff}a: 1"), ["a: 1", "a", "1"]);
        assert_eq!(
            slices("- &a !!str 5\n- *a\n- &b\n- |\n  x\n  y\n"),
            ["- &a !!str 5\n- *a\n- &b\n- |\n  x\n  y", "5", "*a", "", "x\n  y"]
        );
    }

    #[test]
    fn an_empty_file_is_null() {
        for yaml in ["", "\n", "# only a comment\n", "---\n", "---\n...\n"] {
            assert_eq!(parse(&Source::new("x.yaml", yaml)).unwrap().value, NodeValue::Null, "{yaml:?}");
        }
    }

    #[test]
    fn every_duplicate_key_is_named() {
        check(
            "a: 1\na: 2\nb: {c: 1, 'c': 2}\n\"a\": 3\n1: x\n'1': y\n",
            &[
                "x.yaml:2:1: key `a` is given twice",
                "x.yaml:3:11: key `c` is given twice",
                "x.yaml:4:1: key `a` is given twice",
                "x.yaml:6:1: key `1` is given twice",
            ],
        );
        let complaints = parse(&Source::new("x.yaml", "\na: 1\na: 2\n")).unwrap_err();
        assert_eq!(complaints[0].notes, ["the first `a` is at line 2"]);
    }

    #[test]
    fn keys_are_text() {
        check(
            "? [1]\n: 2\n{b: 1}: 3\n: 4\n",
            &[
                "x.yaml:1:3: a key is text, and this is a list",
                "x.yaml:3:1: a key is text, and this is a mapping",
                "x.yaml:4:1: a key is missing here",
            ],
        );
    }

    #[test]
    fn syntax_errors_say_where() {
        check("a:\n\tb: 1\n", &["x.yaml:2:2: a tab stands where only spaces may indent"]);
        check("a: b: c\n", &["x.yaml:1:5: a `:` that cannot stand here"]);
        check("a: [1, 2\n\n", &["x.yaml:1:9: not YAML: while parsing a flow sequence, expected ',' or ']'"]);
        check("é: \"x\n", &["x.yaml:1:4: this quote is never closed"]);
        check("a: @x\n", &["x.yaml:1:4: text cannot begin with this character"]);
        check(
            "a: 1\na: 2\nb: `x`\n",
            &["x.yaml:2:1: key `a` is given twice", "x.yaml:3:4: text cannot begin with this character"],
        );
    }

    #[test]
    fn a_second_document_is_refused() {
        check("a: 1\n---\nb: 2\n---\nc: 3\n", &["x.yaml:2:1: a second document begins here"]);
        check("---\na: 1\n...\n", &[]);
    }

    #[test]
    fn tags_of_the_core_schema_are_heeded_and_others_refused() {
        let source =
            Source::new("x.yaml", "[!!str 5, ! 6, !!int '7', !!float 8, !!null '', !<tag:yaml.org,2002:bool> 'true']");
        let NodeValue::Sequence(elements) = parse(&source).unwrap().value else { panic!("a list") };
        let kinds: Vec<_> = elements.iter().map(Node::kind).collect();
        assert_eq!(kinds, ["text", "text", "a number", "a number", "nothing", "a truth value"]);
        check(
            "a: &x !foo [1]\nb: !!set {}\nc: !!int x\nd: !!map []\n",
            &[
                "x.yaml:1:7: unknown tag `!foo`",
                "x.yaml:2:4: unknown tag `!!set`",
                "x.yaml:3:10: tag asks for a whole number, and this is not that",
                "x.yaml:4:4: tag asks for a mapping, and this is a list",
            ],
        );
    }

    #[test]
    fn an_alias_stands_for_its_anchor() {
        let source = Source::new("x.yaml", "a: &a [1, 2]\nb: *a\n");
        let root = parse(&source).unwrap();
        assert_eq!(root.get("a").unwrap().value, root.get("b").unwrap().value);
        assert_eq!(source.slice(root.get("b").unwrap().span), "*a");
        check("a: *none\n", &["x.yaml:1:4: alias `*none` names no anchor that comes before it"]);
        check("&a [*a]\n", &["x.yaml:1:5: alias `*a` stands inside the value that it names"]);
        check("&a {b: [*a]}\n", &["x.yaml:1:9: alias `*a` stands inside the value that it names"]);
    }

    #[test]
    fn merged_keys_come_after_the_mappings_own() {
        let source = Source::new("x.yaml", "b: &b {x: 1, y: 2}\nc: {<<: [*b, {x: 9, z: 3}], y: 0}\n");
        let root = parse(&source).unwrap();
        let NodeValue::Mapping(entries) = &root.get("c").unwrap().value else { panic!("a mapping") };
        let texts = entries.iter().map(|(key, value)| [key, value].map(|node| node.scalar_text().unwrap()));
        assert_eq!(texts.collect::<Vec<_>>(), [["y", "0"], ["x", "1"], ["z", "3"]]);
        check(
            "a: {<<: 3}\nb: {<<: [{}, x]}\n",
            &[
                "x.yaml:1:9: `<<` merges a mapping, or a list of mappings, and this is a number",
                "x.yaml:2:14: `<<` merges a mapping, or a list of mappings, and this is text",
            ],
        );
    }

    #[test]
    fn an_alias_bomb_is_refused_at_the_alias_that_is_too_much() {
        check(&bomb(10), &["x.yaml:5:45: alias expands to more than 100000 values"]);
        assert!(parse(&Source::new("x.yaml", bomb(4))).is_ok());
    }

    #[test]
    fn a_bomb_of_text_is_refused() {
        let yaml = format!("a: &a {}\nb: [*a, *a, *a,\n  *a, *a]\n", "x".repeat(1 << 20));
        check(&yaml, &["x.yaml:3:7: aliases up to here expand to more than 4 MiB of text"]);
    }

    #[test]
    fn a_bomb_of_depth_is_refused() {
        let level = |n: usize| format!("a{n}: &a{n} [[[[[[*a{}]]]]]]\n", n.wrapping_sub(1));
        let yaml: String = std::iter::once("a0: &a0 x\n".to_owned()).chain((1..30).map(level)).collect();
        check(&yaml, &["x.yaml:12:17: alias expands to values nested more than 64 deep"]);
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deepest = "- ".repeat(MAX_DEPTH) + "x";
        check(&deepest, &[]);
        check(&"- ".repeat(10_000), &["x.yaml:1:129: lists and mappings are nested more than 64 deep"]);
        check(&"[".repeat(10_000), &["x.yaml:1:256: lists and mappings are nested more than 64 deep"]);
        check(&"{a: ".repeat(10_000), &["x.yaml:1:1021: lists and mappings are nested more than 64 deep"]);
    }

    #[test]
    fn large_files_are_refused() {
        check(&"- x\n".repeat(100_001), &["x.yaml:100000:3: file holds more than 100000 values"]);
        check(&"#".repeat(MAX_FILE_BYTES), &[]);
        check(
            &"#".repeat(MAX_FILE_BYTES + 1),
            &["x.yaml: file of 4194305 bytes is larger than the 4 MiB that are read"],
        );
    }

    /// Text that looks like YAML more often than chance would have it.
    fn yamlish() -> impl Strategy<Value = String> {
        let words = [
            "a",
            "k",
            "é",
            "1",
            "~",
            "- ",
            "-",
            ": ",
            ":",
            "? ",
            "[",
            "]",
            "{",
            "}",
            ",",
            "\n",
            "\n  ",
            " ",
            "\t",
            "\r",
            "\r\n",
            "&a ",
            "*a",
            "!!str ",
            "!x ",
            "!<",
            "<<: ",
            "\"",
            "'",
            "|\n",
            ">-\n",
            "#",
            "---\n",
            "...\n",
            "%YAML 1.2\n",
            "\u{feff}",
            "\0",
            "\u{85}",
            "\u{2028}",
            "\\u12",
            "@",
        ];
        proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..24).prop_map(|words| words.concat())
    }

    proptest! {
        #[test]
        fn no_text_makes_a_panic(text in prop_oneof![any::<String>(), "(?s).{0,40}", yamlish()]) {
            let source = Source::new("x.yaml", text.as_str());
            match parse(&source) {
                Ok(_) => drop(slices(&text)),
                Err(complaints) => {
                    prop_assert!(!complaints.is_empty());
                    for complaint in complaints {
                        prop_assert!(complaint.render(false).contains("x.yaml"));
                    }
                }
            }
        }
    }
}
