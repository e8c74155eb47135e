//! Requirements: `connector=account.harnessImage`, with limits to some of the stages and containers.
//!
//! `stage=build*,container=*,host=*.example.test` is required of all containers of the stages whose identifiers begin with
//! `build`. Without a limit to containers or images a requirement is about Harness's own images.

use std::{fmt, str::FromStr};

use mock_harness::ImageResolution;
use serde::{Serialize, Serializer};
use testbed::diagnostic::{Diagnostic, Severity, Span};

use super::{ResolvedPipeline, ResolvedStage};

/// Something that must be so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    text: String,
    limits: Vec<Term<Limit>>,
    wanted: Term<Key>,
}

/// `key=pattern`, `key!=pattern`; several patterns stand beside each other: `a|b`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Term<K> {
    key: K,
    is_negated: bool,
    patterns: Vec<String>,
}

/// What a requirement may be limited by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Pipeline,
    Stage,
    Infrastructure,
    Container,
    Images,
}

/// What may be required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Connector,
    Rule,
    Because,
    Delegate,
    Warning,
    Host,
    Credentials,
    Image,
    PullPolicy,
}

const LIMITS: [(&str, Limit); 5] = [
    ("pipeline", Limit::Pipeline),
    ("stage", Limit::Stage),
    ("infrastructure", Limit::Infrastructure),
    ("container", Limit::Container),
    ("images", Limit::Images),
];

const KEYS: [(&str, Key); 9] = [
    ("connector", Key::Connector),
    ("rule", Key::Rule),
    ("because", Key::Because),
    ("delegate", Key::Delegate),
    ("warning", Key::Warning),
    ("host", Key::Host),
    ("credentials", Key::Credentials),
    ("image", Key::Image),
    ("pull-policy", Key::PullPolicy),
];

/// A text is no requirement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no requirement: {problem}; {hint}")]
pub struct RequirementError {
    text: String,
    problem: String,
    hint: String,
}

/// What became of a requirement.
#[derive(Clone, Debug, Serialize)]
pub struct Required {
    /// The requirement as it was written.
    pub requirement: Requirement,
    /// How many stages or images it is about.
    pub n_checked: usize,
    /// Where it is broken.
    pub broken: Vec<Broken>,
}

/// A place where a requirement is broken.
#[derive(Clone, Debug, Serialize)]
pub struct Broken {
    /// The pipeline's file.
    pub file: String,
    /// The line of the stage's identifier, or of the step's.
    pub line: usize,
    /// The stage.
    pub stage: String,
    /// The container, if it is about one.
    pub container: Option<String>,
    /// What it is in the place of what it must be.
    pub found: String,
    /// For people, with an excerpt.
    #[serde(skip)]
    pub complaint: Diagnostic,
}

impl Requirement {
    /// Holds it against what was resolved.
    pub fn check(&self, pipelines: &[ResolvedPipeline]) -> Required {
        let mut required = Required { requirement: self.clone(), n_checked: 0, broken: Vec::new() };
        for pipeline in pipelines.iter().filter(|pipeline| self.is_within(Limit::Pipeline, &pipeline.pipeline)) {
            for stage in &pipeline.stages {
                let is_meant = self.is_within(Limit::Stage, &stage.resolution.stage)
                    && self.is_within(Limit::Infrastructure, stage.resolution.infrastructure)
                    && stage.resolution.infrastructure != "no-containers";
                if is_meant {
                    self.check_stage(pipeline, stage, &mut required);
                }
            }
        }
        required
    }

    fn check_stage(&self, pipeline: &ResolvedPipeline, stage: &ResolvedStage, required: &mut Required) {
        let resolution = &stage.resolution;
        let mut hold = |found: &str, image: Option<&ImageResolution>| {
            required.n_checked += 1;
            if !self.admits(found) {
                let span = image.map_or(resolution.span, |image| image.span);
                required.broken.push(self.broken(pipeline, &resolution.stage, image, found, span));
            }
        };
        if let Some(error) = resolution.error() {
            // A stage that fails has nothing that is required of it, and pulls nothing that must not be.
            let error = error.lines().next().unwrap_or_default();
            if !self.wanted.is_negated {
                hold(&format!("a failure: {error}"), None);
            }
            return;
        }
        let names_containers = self.limits.iter().any(|limit| matches!(limit.key, Limit::Container | Limit::Images));
        match self.wanted.key {
            Key::Delegate => {
                let delegate = resolution.delegate.as_ref().ok().and_then(Option::as_deref);
                return hold(delegate.unwrap_or("none"), None);
            }
            Key::Warning => {
                let codes: Vec<_> = resolution.warnings.iter().map(|warning| warning.code.name()).collect();
                if self.wanted.is_negated {
                    for code in &codes {
                        hold(code, None);
                    }
                    if codes.is_empty() {
                        hold("none", None);
                    }
                } else if codes.iter().any(|code| self.admits(code)) {
                    required.n_checked += 1;
                } else {
                    hold(if codes.is_empty() { "none" } else { codes[0] }, None);
                }
                return;
            }
            Key::Connector | Key::Rule | Key::Because if !names_containers => {
                if let Ok(choice) = &resolution.choice {
                    let found = match self.wanted.key {
                        Key::Connector => choice.connector.clone().unwrap_or_else(|| String::from("none")),
                        Key::Rule => choice.because.rule().to_string(),
                        _ => choice.because.to_string(),
                    };
                    hold(&found, None);
                }
                return;
            }
            _ => {}
        }
        for image in resolution.images.iter().filter(|image| self.is_about(image)) {
            let rule = resolution.choice.as_ref().map(|choice| choice.because.rule().to_string());
            let found = match self.wanted.key {
                Key::Connector => image.connector.as_deref().unwrap_or("none"),
                Key::Rule if image.internal => rule.as_deref().unwrap_or("none"),
                Key::Because => image.because,
                Key::Host => image.host.as_deref().unwrap_or("none"),
                Key::Image => &image.after,
                Key::PullPolicy => image.pull_policy.as_deref().unwrap_or("none"),
                Key::Credentials => &image.credentials.to_string(),
                Key::Rule | Key::Delegate | Key::Warning => "none",
            };
            hold(found, Some(image));
        }
    }

    /// Whether the value is what is wanted. A host is meant with its port and without.
    fn admits(&self, found: &str) -> bool {
        let without_port = match found.rsplit_once(':') {
            Some((host, _)) if self.wanted.key == Key::Host => host,
            _ => found,
        };
        let is_meant = |value| self.wanted.admits(value) != self.wanted.is_negated;
        (is_meant(found) || is_meant(without_port)) != self.wanted.is_negated
    }

    fn is_about(&self, image: &ImageResolution) -> bool {
        let names_containers = self.limits.iter().any(|limit| matches!(limit.key, Limit::Container | Limit::Images));
        let kind = if image.internal { "internal" } else { "own" };
        if names_containers {
            self.is_within(Limit::Container, &image.container) && self.is_within(Limit::Images, kind)
        } else {
            image.internal
        }
    }

    fn is_within(&self, limit: Limit, value: &str) -> bool {
        self.limits.iter().filter(|term| term.key == limit).all(|term| term.admits(value))
    }

    fn broken(
        &self,
        pipeline: &ResolvedPipeline,
        stage: &str,
        image: Option<&ImageResolution>,
        found: &str,
        span: Span,
    ) -> Broken {
        let container = image.map(|image| image.container.clone());
        let what = match &container {
            Some(container) => format!("container `{container}` of stage `{stage}`"),
            None => format!("stage `{stage}`"),
        };
        let key = KEYS.iter().find(|(_, key)| *key == self.wanted.key).map_or("", |(name, _)| name);
        let message = match found.strip_prefix("a failure: ") {
            Some(error) => format!("{what} does not keep `{self}`: it fails with: {error}"),
            None => format!("{what} does not keep `{self}`: its {key} is {found}"),
        };
        let mut complaint = Diagnostic::at(&pipeline.source, span, message).severity(Severity::Failure);
        if let Some(image) = image.filter(|image| image.after != found) {
            complaint = complaint.note(format!("it pulls {}", image.after));
        }
        Broken {
            file: pipeline.file.clone(),
            line: pipeline.source.line_col(span.start).0,
            stage: String::from(stage),
            container,
            found: String::from(found),
            complaint,
        }
    }
}

impl<K> Term<K> {
    fn admits(&self, value: &str) -> bool {
        // A login is told as `account:NAME`, and is meant by its name or by `login` too.
        let name = value.strip_prefix("account:");
        let is_meant = |pattern: &String| {
            matches(pattern, value) || name.is_some_and(|name| pattern == "login" || matches(pattern, name))
        };
        self.patterns.iter().any(is_meant) != self.is_negated
    }
}

/// Whether `text` is what `pattern` says, where `*` is any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(begin) else { return false };
    let mut parts: Vec<_> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(end)
}

impl FromStr for Requirement {
    type Err = RequirementError;

    fn from_str(text: &str) -> Result<Self, RequirementError> {
        let fail = |problem: String, hint: String| RequirementError { text: String::from(text), problem, hint };
        let mut limits = Vec::new();
        let mut wanted = None;
        for term in text.split(',').map(str::trim) {
            let Some((key, value)) = term.split_once('=') else {
                let problem = format!("`{term}` has no `=`");
                return Err(fail(problem, String::from("write `connector=account.harnessImage`, for example")));
            };
            let (key, is_negated) = match key.strip_suffix('!') {
                Some(key) => (key.trim(), true),
                None => (key.trim(), false),
            };
            let patterns: Vec<_> = value.split('|').map(|pattern| String::from(pattern.trim())).collect();
            if patterns.iter().any(String::is_empty) {
                let hint = String::from("write the value, or a pattern such as `*.example.test`; `none` is nothing");
                return Err(fail(format!("`{key}` has no value"), hint));
            }
            if let Some((_, limit)) = LIMITS.iter().find(|(name, _)| *name == key) {
                limits.push(Term { key: *limit, is_negated, patterns });
                continue;
            }
            let Some((_, known)) = KEYS.iter().find(|(name, _)| *name == key) else {
                return Err(fail(format!("there is no key `{key}`"), hint_for(key)));
            };
            if let Some((problem, hint)) = impossible(*known, &patterns) {
                return Err(fail(problem, hint));
            }
            if wanted.replace(Term { key: *known, is_negated, patterns }).is_some() {
                return Err(fail(String::from("it requires two things"), String::from("give each with `--require`")));
            }
        }
        let wanted = wanted.ok_or_else(|| {
            let names: Vec<_> = KEYS.iter().map(|(name, _)| *name).collect();
            fail(String::from("it has limits only"), format!("add what is required: {}", names.join(", ")))
        })?;
        Ok(Self { text: String::from(text), limits, wanted })
    }
}

/// A value that nothing ever has.
fn impossible(key: Key, patterns: &[String]) -> Option<(String, String)> {
    let known: Vec<&str> = match key {
        Key::Rule => vec!["1", "2", "3", "5", "none"],
        Key::Because => vec![
            "stage-override",
            "account-default",
            "no-account-connector",
            "no-default-configured",
            "step-connector",
            "no-step-connector",
        ],
        Key::Warning => {
            let codes = mock_harness::resolve::WarningCode::ALL.map(mock_harness::resolve::WarningCode::name);
            codes.into_iter().chain(["none"]).collect()
        }
        _ => return None,
    };
    let odd = patterns.iter().find(|pattern| !known.iter().any(|known| matches(pattern, known)))?;
    let near = known.iter().max_by(|a, b| strsim::jaro_winkler(a, odd).total_cmp(&strsim::jaro_winkler(b, odd)))?;
    let hint = if strsim::jaro_winkler(near, odd) > 0.7 {
        format!("did you mean `{near}`?")
    } else {
        format!("there are: {}", known.join(", "))
    };
    Some((format!("nothing is ever `{odd}`"), hint))
}

fn hint_for(key: &str) -> String {
    let names: Vec<_> = KEYS.iter().map(|(name, _)| *name).chain(LIMITS.iter().map(|(name, _)| *name)).collect();
    let near = names.iter().max_by(|a, b| strsim::jaro_winkler(a, key).total_cmp(&strsim::jaro_winkler(b, key)));
    match near {
        Some(near) if strsim::jaro_winkler(near, key) > 0.8 => format!("did you mean `{near}`?"),
        _ => format!("there are: {}", names.join(", ")),
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Requirement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_stars() {
        for (pattern, text, expect) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("*.example.test", "mirror.example.test", true),
            ("*.example.test", "example.test", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*a", "a", false),
            ("*é*", "caféteria", true),
        ] {
            assert_eq!(matches(pattern, text), expect, "{pattern} {text}");
        }
    }

    #[test]
    fn wrong_requirements_are_told_with_what_to_do() {
        let check = |text: &str, expect: &str| {
            let told = text.parse::<Requirement>().map_or_else(|error| error.to_string(), |read| format!("{read:?}"));
            assert!(told.ends_with(expect), "{text}: {told}");
        };
        check("connector", "`connector` has no `=`; write `connector=account.harnessImage`, for example");
        check("conector=x", "there is no key `conector`; did you mean `connector`?");
        check(
            "host=",
            "`host` has no value; write the value, or a pattern such as `*.example.test`; `none` is nothing",
        );
        check(
            "stage=build",
            "it has limits only; add what is required: connector, rule, because, delegate, warning, host, credentials, image, pull-policy",
        );
        check("host=a,image=b", "it requires two things; give each with `--require`");
        check("rule=4", "nothing is ever `4`; there are: 1, 2, 3, 5, none");
        check("because=stage-overide", "nothing is ever `stage-overide`; did you mean `stage-override`?");
        check("warning!=v2-in-pth", "nothing is ever `v2-in-pth`; did you mean `v2-in-path`?");
    }

    #[test]
    fn logins_are_meant_by_their_names() {
        let admits = |text: &str, value: &str| text.parse::<Requirement>().unwrap().admits(value);
        assert!(admits("credentials=login", "account:puller") && admits("credentials=puller", "account:puller"));
        assert!(admits("credentials!=anonymous", "account:puller") && !admits("credentials=login", "anonymous"));
        assert!(admits("host=a.test|*.b.test", "x.b.test") && !admits("host!=a.test|*.b.test", "a.test"));
        assert!(admits("host=*.b.test", "x.b.test:5000") && !admits("host!=*.b.test", "x.b.test:5000"));
        assert!(admits("host=*.b.test:5000", "x.b.test:5000") && !admits("host=*.b.test:5000", "x.b.test"));
    }
}
