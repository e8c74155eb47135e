//! From a text to a preset: what it has from its base, what it says itself, and every complaint with its place.

use std::{collections::BTreeMap, fmt, path::Path, sync::Arc};

use http::{HeaderName, HeaderValue};
use testbed::{
    diagnostic::{Diagnostic, Source, Span},
    evidence::{covers, source_of},
    yaml::{self, Node, NodeValue},
};

use super::{Evidence, Mark, PresetFile, builtin::no_preset, evidence::value_paths};
use crate::{
    Allow, ConfigError, LimitConfig, RegistryConfig,
    config::{check, limit_problems},
};

/// How a registry behaves: one of those that come with the program, or one that was read from a file.
///
/// ```
/// use mock_registry::{MockRegistry, Preset, testbed::diagnostic::Source};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let text = "about: Docker Hub as it may become\nbase: dockerhub\nlimit: 10/1h\n";
/// let preset = Preset::read("mine", &Source::new("mine.yaml", text)).map_err(|complaints| format!("{complaints:?}"))?;
/// let hub = MockRegistry::builder("hub").preset_file(preset).start().await?;
/// assert_eq!(hub.limits()[0].allow.to_string(), "10/1h");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Preset(Arc<Read>);

struct Read {
    name: String,
    text: String,
    file: PresetFile,
    /// The file with everything that it has from its base.
    tree: Node,
    /// How each value is known, by path; `None`: nothing is said.
    evidence: BTreeMap<String, Option<Evidence>>,
}

/// Whether what stands in the place of a preset's name is the path of a file: it has a slash, or ends in `.yaml`.
pub fn is_preset_file(preset: &str) -> bool {
    let extension = Path::new(preset).extension();
    preset.contains('/') || extension.is_some_and(|extension| extension == "yaml" || extension == "yml")
}

impl Preset {
    /// Reads a preset that is called `name`; its base, if it has one, is one of those that come with the program.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    pub fn read(name: &str, source: &Source) -> Result<Self, Vec<Diagnostic>> {
        Self::read_over(name, source, Self::find)
    }

    /// The same, with bases from `find`.
    pub(super) fn read_over(
        name: &str,
        source: &Source,
        find: impl FnOnce(&str) -> Option<Self>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let own = yaml::parse(source)?;
        let base = match own.get("base") {
            None => None,
            Some(at) => Some(find_base(source, at, find)?),
        };
        let tree = match &base {
            None => own.clone(),
            Some((base, at)) => derive(&base.0.tree, &own, *at),
        };
        let mut file: PresetFile = yaml::from_node(source, &tree)?;
        let mut complaints = Vec::new();
        for key in file.change_limits().err().unwrap_or_default() {
            let span = own.get(key).map(|node| node.span).unwrap_or_default();
            let complaint = Diagnostic::at(source, span, format!("`{key}` changes a limit that is not there"));
            complaints.push(complaint.hint("write the limit under `limits`, or name a `base` that has it"));
        }
        complaints.extend(complain_of_sources(source, &own, &file));
        let evidence = weigh(base.as_ref().map(|(base, _)| base), &own, &file.sources);
        let text = source.text().to_owned();
        let read = Self(Arc::new(Read { name: name.to_owned(), text, file, tree, evidence }));
        complaints.extend(read.complain(source, &own));
        complaints.sort_by_key(|complaint| complaint.span);
        if complaints.is_empty() { Ok(read) } else { Err(complaints) }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// One sentence about it.
    pub fn about(&self) -> &str {
        &self.0.file.about
    }

    /// The preset that it changes, if it does not say everything itself.
    pub fn base(&self) -> Option<&str> {
        self.0.file.base.as_deref()
    }

    /// Its file, to be copied and changed.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The limits that are in force.
    pub fn limits(&self) -> impl Iterator<Item = &LimitConfig> {
        self.0.file.limits.iter().filter(|limit| limit.allow != Allow::Unlimited)
    }

    /// How many limits are in force, that of a proxy's upstream included.
    pub fn n_limits(&self) -> usize {
        self.limits().count() + usize::from(self.0.file.upstream.is_some())
    }

    /// How each of its values is known, by the path of its key; none: it does not say.
    pub fn evidence(&self) -> impl Iterator<Item = (&str, Option<&Evidence>)> {
        self.0.evidence.iter().map(|(path, evidence)| (path.as_str(), evidence.as_ref()))
    }

    /// What it says.
    pub(crate) fn file(&self) -> &PresetFile {
        &self.0.file
    }

    /// Everything that is wrong with its values: what a registry's own configuration would be blamed for, too.
    fn complain(&self, source: &Source, own: &Node) -> Vec<Diagnostic> {
        let config = RegistryConfig { preset_file: Some(self.clone()), ..RegistryConfig::default() };
        let mut errors = check("registry", &config).err().unwrap_or_default();
        for (n, limit) in self.0.file.limits.iter().enumerate() {
            let wrong = limit_problems(limit).into_iter();
            errors.extend(wrong.map(|error| error.below(&format!("limits[{n}]"))));
        }
        for (name, value) in &self.0.file.headers {
            if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err() {
                let error = ConfigError::new(format!("headers.{name}"), format!("`{name}: {value}` is no header"));
                errors.push(error.hint("write a name such as `Server`, and one line of text"));
            }
        }
        let complaint = |error: ConfigError| {
            let span = locate(&self.0.tree, &error.field).unwrap_or_else(|| first_place(own));
            let complaint = Diagnostic::at(source, span, error.message);
            match error.hint {
                Some(hint) => complaint.hint(hint),
                None => complaint,
            }
        };
        errors.into_iter().map(complaint).collect()
    }
}

impl fmt::Debug for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Preset({})", self.name())
    }
}

fn find_base(
    source: &Source,
    at: &Node,
    find: impl FnOnce(&str) -> Option<Preset>,
) -> Result<(Preset, Span), Vec<Diagnostic>> {
    let name = at.scalar_text().unwrap_or_default();
    find(name).map(|base| (base, at.span)).ok_or_else(|| {
        let (message, hint) = no_preset(name);
        vec![Diagnostic::at(source, at.span, message).hint(hint)]
    })
}

/// The tree of a preset over that of its base, which is named at `at`: what is wrong with a value of the base is said
/// there.
fn derive(base: &Node, own: &Node, at: Span) -> Node {
    let own_says = |key: &str| own.get(key).is_some();
    let NodeValue::Mapping(entries) = &base.value else { return own.clone() };
    let is_inherited = |key: &str| match key {
        "about" | "base" | "sources" => false,
        "limit" | "account-limit" => !own_says("limits"),
        _ => true,
    };
    let inherited = entries.iter().filter(|(key, _)| key.scalar_text().is_some_and(is_inherited)).cloned();
    own.over(&base.with_value(NodeValue::Mapping(inherited.collect())).at_place(at))
}

/// How each value is known: those of the base as the base says, unless they are said anew.
fn weigh(
    base: Option<&Preset>,
    own: &Node,
    sources: &BTreeMap<String, Evidence>,
) -> BTreeMap<String, Option<Evidence>> {
    let mut evidence = base.map(|base| base.0.evidence.clone()).unwrap_or_default();
    if own.get("limits").is_some() {
        evidence.retain(|path, _| !covers("limits", path) && path != "limit" && path != "account-limit");
    }
    for path in value_paths(own) {
        let source = source_of(sources, &path).cloned();
        evidence.insert(path, source);
    }
    evidence
}

/// Sources of no value, and assumptions that do not say what is assumed.
fn complain_of_sources(source: &Source, own: &Node, file: &PresetFile) -> Vec<Diagnostic> {
    let Some(Node { value: NodeValue::Mapping(entries), .. }) = own.get("sources") else { return Vec::new() };
    let paths = value_paths(own);
    let mut complaints = Vec::new();
    for (key, _) in entries.iter() {
        let path = key.scalar_text().unwrap_or_default();
        if !paths.iter().any(|value| covers(path, value)) {
            let complaint = Diagnostic::at(source, key.span, format!("`{path}` is no value of this preset"));
            let nearest = paths.iter().min_by_key(|value| strsim::osa_distance(value, path));
            complaints.push(match nearest.filter(|value| strsim::osa_distance(value, path) <= 3) {
                Some(nearest) => complaint.label(format!("did you mean `{nearest}`?")),
                None => complaint.hint("name a key by its path, a limit by its name: `limits.anonymous.allow`"),
            });
        }
        let evidence = file.sources.get(path);
        if evidence.is_some_and(|evidence| evidence.mark == Mark::U && evidence.assumes.is_none()) {
            let complaint =
                Diagnostic::at(source, key.span, "what is not verified is assumed, and this does not say what");
            complaints.push(complaint.hint("add `assumes: …`, or another mark"));
        }
    }
    complaints
}

/// The place of the value that `path` (`limits[0].answer`) leads to, or of the nearest one above it.
fn locate(tree: &Node, path: &str) -> Option<Span> {
    let mut here = tree;
    let mut found = None;
    for part in path.split(['.', '[', ']']).filter(|part| !part.is_empty()) {
        let below = match (&here.value, part.parse::<usize>()) {
            (NodeValue::Sequence(items), Ok(n)) => items.get(n),
            _ => here.get(part),
        };
        let Some(below) = below else { break };
        here = below;
        found = Some(first_place(here));
    }
    found
}

/// The begin of a value: a caret under the whole of a section would say nothing.
fn first_place(node: &Node) -> Span {
    match node.value {
        NodeValue::Mapping(_) | NodeValue::Sequence(_) => Span::new(node.span.start, node.span.start + 1),
        _ => node.span,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Preset, Vec<String>> {
        Preset::read("mine", &Source::new("mine.yaml", text))
            .map_err(|complaints| complaints.iter().map(ToString::to_string).collect())
    }

    #[track_caller]
    fn check_wrong(text: &str, expect: &[&str]) {
        assert_eq!(read(text).err().unwrap_or_default(), expect, "{text}");
    }

    #[test]
    fn a_derived_preset_changes_keys_of_its_base() {
        let mine =
            read("about: x\nbase: dockerhub\nlimit: 10/1h\ntoken-life: 1m\ntoken: { expires-in: none }\n").unwrap();
        let hub = Preset::find("dockerhub").unwrap();
        let allows = |preset: &Preset| preset.limits().map(|limit| limit.allow.to_string()).collect::<Vec<_>>();
        assert_eq!(
            (allows(&hub), allows(&mine)),
            (vec!["100/6h".into(), "200/6h".into()], vec!["10/1h".into(), "200/6h".into()])
        );
        assert_eq!(mine.file().hosts, hub.file().hosts);
        assert_eq!(mine.file().token_life.as_secs(), 60);
        let token = mine.file().token.clone().unwrap();
        assert_eq!(token.fields, hub.file().token.clone().unwrap_or_default().fields);
        assert_eq!(token.expires_in, Some(crate::Told::Nothing));
        // What is said anew has no source any more.
        let evidence: BTreeMap<_, _> = mine.evidence().collect();
        assert!(evidence["hosts"].is_some() && evidence["token-life"].is_none() && evidence["limit"].is_none());
    }

    #[test]
    fn limits_of_ones_own_take_the_place_of_those_of_the_base() {
        let mine = read("about: x\nbase: dockerhub-anon\nlimits: [{ name: all, counts: { any: any }, allow: 5/1m }]\n")
            .unwrap();
        assert_eq!(mine.limits().map(|limit| limit.name.as_str()).collect::<Vec<_>>(), ["all"]);
        let limits: Vec<_> = mine.evidence().map(|(path, _)| path).filter(|path| path.contains("limit")).collect();
        assert_eq!(limits, ["limits.all.allow", "limits.all.counts"]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        check_wrong("about: x\nbase: dokerhub\n", &["mine.yaml:2:7: no preset `dokerhub`"]);
        check_wrong(
            "about: x\nhosst: [a.test]\nauth: beare\n",
            &["mine.yaml:2:1: unknown key `hosst` in a preset", "mine.yaml:3:7: `beare` is not an auth config"],
        );
        check_wrong(
            "about: x\nbase: dockerhub\nlimits:\n  - name: pulls\n    allow: 5\n  - { name: b, allow: 5/1m, answer: quai }\n\
             headers: { 'a b': c }\nchallenge: { body: acrr }\n",
            &[
                "mine.yaml:5:12: in which time is missing",
                "mine.yaml:6:37: no dialect `quai`",
                "mine.yaml:7:19: `a b: c` is no header",
                "mine.yaml:8:20: no dialect `acrr`",
            ],
        );
        check_wrong("about: x\nlimit: 5/1h\n", &["mine.yaml:2:8: `limit` changes a limit that is not there"]);
        check_wrong("- a\n", &["mine.yaml:1:1: expected a preset, found a list"]);
    }

    #[test]
    fn a_source_is_of_a_value_and_an_assumption_says_what_it_is() {
        check_wrong(
            "about: x\nhosts: [a.test]\nsources:\n  hots: { from: here, mark: D }\n  hosts: { from: here, mark: U }\n",
            &[
                "mine.yaml:4:3: `hots` is no value of this preset",
                "mine.yaml:5:3: what is not verified is assumed, and this does not say what",
            ],
        );
        check_wrong(
            "about: x\nhosts: [a.test]\nsources: { hosts: { from: here, mark: X } }\n",
            &["mine.yaml:3:39: `X` is not a mark"],
        );
    }

    #[test]
    fn files_are_told_from_names() {
        for (preset, is_file) in [("./a", true), ("mine.yaml", true), ("mine.yml", true), ("dockerhub-2020", false)] {
            assert_eq!(is_preset_file(preset), is_file, "{preset}");
        }
    }
}
