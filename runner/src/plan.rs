//! From a scenario file to a plan: every name known, every file read, every complaint at once.

mod images;
mod presets;
mod steps;

use std::{collections::BTreeMap, io::Read as _, path::Path};

use judge::Judge;
use mock_harness::{Account, Pipeline, PlatformConfig, config::over_preset};
use mock_registry::{RegistryConfig, is_preset_file};
use puller::ClientProfile;
use serde_json::{Map, Value, json};
use serde_json_path::JsonPath;
use testbed::{
    diagnostic::{Diagnostic, Source, Span},
    rule::RuleFor,
    yaml::{self, Node, NodeValue, Spanned},
};

use crate::{
    format::{PipelineStep, Scenario},
    world::{Blueprint, HARNESS_API, own_host},
};

use images::{find_images, is_below};
use presets::find_presets;

/// The request headers that the journal keeps; of `authorization` the scheme.
const KEPT_HEADERS: [&str; 3] = ["range", "accept", "authorization"];

/// The most that a push step pushes, which is held in memory: 256 MiB.
const MAX_PUSHED_BYTES: u64 = 256 << 20;

/// A scenario that can be run: it names nothing unknown.
#[derive(Debug)]
pub struct Plan {
    /// The file.
    pub source: Source,
    /// The file, read.
    pub scenario: Scenario,
    /// What its world is made of.
    pub blueprint: Blueprint,
    pipelines: Vec<PipelineFile>,
}

/// A pipeline file that a scenario executes.
#[derive(Clone, Debug)]
pub(crate) struct PipelineFile {
    /// As the scenario names it, with its inputs.
    pub(crate) name: String,
    /// Its YAML.
    pub(crate) text: String,
    /// The input set for its runtime inputs, as YAML; empty if there are none.
    pub(crate) inputs: String,
    /// The pipeline's identifier.
    pub(crate) identifier: String,
    /// The query that addresses it: account, organisation, project.
    pub(crate) query: String,
}

impl Plan {
    /// Reads the scenario `file` and everything that it names.
    ///
    /// # Errors
    /// All complaints about it and the files that it names.
    pub fn load(file: &Path) -> Result<Self, Vec<Diagnostic>> {
        let source = read(file).map_err(|complaint| vec![complaint])?;
        let folder = file.parent().unwrap_or(Path::new(""));
        Self::new(&source, folder, |name| read(&folder.join(name)))
    }

    /// Plans the scenario in `source`, which lies in `folder`; `read` gives the text of a file beside it.
    ///
    /// # Errors
    /// All complaints about it and the files that it names.
    pub fn new(
        source: &Source,
        folder: &Path,
        read: impl Fn(&Path) -> Result<Source, Diagnostic>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let document = yaml::parse(source)?.with_changed("harness", over_preset);
        let mut scenario: Scenario = yaml::from_node(source, &document)?;
        let mut complaints = find_images(&mut scenario, source, folder);
        complaints.extend(find_presets(&mut scenario, source, &read));
        let rules = scenario.registries.iter().flat_map(|(registry, config)| {
            config.rules.iter().filter_map(|rule| Some((registry.value.clone(), rule.value.name.clone()?)))
        });
        let mut planner = Planner {
            source,
            document: &document,
            scenario: &scenario,
            complaints,
            pipelines: Vec::new(),
            captured: Vec::new(),
            rules: rules.collect(),
        };
        planner.registries();
        planner.harness();
        planner.steps(&scenario.steps, &read);
        planner.expectations();
        let Planner { mut complaints, pipelines, .. } = planner;
        if !complaints.is_empty() {
            complaints.sort_by_key(|complaint| complaint.span);
            return Err(complaints);
        }
        let registries = scenario.registries.iter().map(|(name, config)| (name.value.clone(), config.clone(), None));
        let blueprint =
            Blueprint { registries: registries.collect(), harness: scenario.harness.clone(), ..Blueprint::default() };
        Ok(Self { source: source.clone(), scenario, blueprint, pipelines })
    }

    /// The pipeline of a step.
    pub(crate) fn pipeline(&self, step: &PipelineStep) -> Option<&PipelineFile> {
        let name = pipeline_name(step);
        self.pipelines.iter().find(|file| file.name == name)
    }
}

/// Reads a text file; a file that cannot be read, or is too large to be meant, is a complaint.
pub(crate) fn read(file: &Path) -> Result<Source, Diagnostic> {
    let name = file.display().to_string();
    let mut text = String::new();
    // One byte more than is allowed is enough for the parser to complain about the size.
    let bound = yaml::MAX_FILE_BYTES as u64 + 1;
    match std::fs::File::open(file).and_then(|file| file.take(bound).read_to_string(&mut text)) {
        Ok(_) => Ok(Source::new(name, text)),
        Err(error) => Err(Diagnostic::general(format!("cannot read {name}: {error}"))),
    }
}

fn pipeline_name(step: &PipelineStep) -> String {
    let inputs: Vec<_> = step.inputs.iter().map(|(path, value)| format!(" {path}={value}")).collect();
    format!("{}{}", step.file.value, inputs.concat())
}

/// The account that `config` describes, which was read from `section` of `source`.
///
/// # Errors
/// Everything that is wrong with it, each with its place.
pub(crate) fn account(
    config: &PlatformConfig,
    source: &Source,
    section: Option<&Node>,
) -> Result<Account, Vec<Diagnostic>> {
    let place = |at: &str| section.map(|section| place(section, at)).unwrap_or_default();
    Account::from_config(config).map_err(|errors| {
        errors.into_iter().map(|error| Diagnostic::at(source, place(&error.at), error.message)).collect()
    })
}

/// The place of what `path` leads to below `section`, or else its begin.
pub(crate) fn place(section: &Node, path: &str) -> Span {
    locate(Some(section), path).unwrap_or_else(|| first_line(section))
}

struct Planner<'a> {
    source: &'a Source,
    document: &'a Node,
    scenario: &'a Scenario,
    complaints: Vec<Diagnostic>,
    pipelines: Vec<PipelineFile>,
    /// The names that steps have captured so far.
    captured: Vec<String>,
    /// The names of the rules so far, with whose they are.
    rules: Vec<(String, String)>,
}

impl Planner<'_> {
    fn complain(&mut self, span: Span, message: impl Into<String>, hint: impl Into<Box<str>>) {
        self.complaints.push(Diagnostic::at(self.source, span, message).hint(hint));
    }

    fn registries(&mut self) {
        let mut hosts: Vec<(String, String)> = Vec::new();
        for (name, config) in self.scenario.registries.iter() {
            if name.value == HARNESS_API {
                self.complain(
                    name.span,
                    "`harness-api` is the name of the Harness API",
                    "call the registry something else",
                );
                continue;
            }
            if own_host(&name.value).parse::<oci::RegistryHost>().is_err() || name.value.contains([':', '.']) {
                let message = format!("`{}` cannot be the name of a registry", name.value);
                self.complain(
                    name.span,
                    message,
                    "use small letters, digits and `-`: it becomes the host `<name>.test`",
                );
                continue;
            }
            let section = self.document.get("registries").and_then(|registries| registries.get(&name.value));
            for error in config.check().err().unwrap_or_default() {
                if error.field == "preset" && config.preset.as_ref().is_some_and(|preset| is_preset_file(preset)) {
                    // What is wrong with the file has been said.
                    continue;
                }
                let span = error.span.or_else(|| locate(section, &error.field)).unwrap_or(name.span);
                self.registry_complaint(error, span);
            }
            let own = own_host(&name.value);
            for host in config.host_names().into_iter().chain([own]).map(|host| host.to_ascii_lowercase()) {
                match hosts.iter().find(|(taken, _)| *taken == host) {
                    // A registry may list its own host.
                    Some((_, by)) if *by == name.value => {}
                    Some((_, by)) => {
                        let message = format!("`{}` and `{by}` both answer as {host}", name.value);
                        self.complain(name.span, message, "give one of them other `hosts`");
                    }
                    None => hosts.push((host, name.value.clone())),
                }
            }
        }
    }

    fn harness(&mut self) {
        let Some(config) = &self.scenario.harness else { return };
        if let Err(complaints) = account(config, self.source, self.document.get("harness")) {
            self.complaints.extend(complaints);
        }
    }

    fn expectations(&mut self) {
        for (name, expect) in self.scenario.expect.iter() {
            self.registry(name);
            for seen in &expect.seen {
                for problem in seen.value.when.problems(RuleFor::Registry) {
                    self.complain(seen.span, problem.message, problem.hint);
                }
                let is_kept = |name: &String| KEPT_HEADERS.iter().any(|kept| name.eq_ignore_ascii_case(kept));
                if !seen.value.when.headers.keys().all(is_kept) {
                    let message = format!("the journal keeps of the headers only {}", KEPT_HEADERS.join(", "));
                    self.complain(seen.span, message, "match by `client`, `principal` or `source`");
                }
                if seen.value.when.state.is_some() {
                    self.complain(seen.span, "the journal keeps no states", "match by what the rule did: `status`");
                }
            }
        }
        let judges = Judge::ALL.map(Judge::name);
        for (name, _) in self.scenario.verdicts.iter() {
            self.known("judge", name, &judges, "read `verdicts` in scenarios/README.md");
        }
        if self.scenario.steps.is_empty() && self.scenario.expect.is_empty() && self.scenario.verdicts.is_empty() {
            self.complain(self.scenario.scenario.span, "this scenario checks nothing", "add `steps`");
        }
    }

    fn need_harness(&mut self, span: Span, kind: &str) {
        if self.scenario.harness.is_none() {
            self.complain(
                span,
                format!("a `{kind}` step needs the Harness platform, which does not take part"),
                "add a section `harness: {}` to the scenario",
            );
        }
    }

    fn registry(&mut self, name: &Spanned<String>) {
        let known: Vec<_> = self.scenario.registries.names().collect();
        self.known("registry", name, &known, "add it under `registries`");
    }

    fn delegate(&mut self, name: Option<&Spanned<String>>) {
        let Some(name) = name else { return };
        let delegates = self.scenario.harness.iter().flat_map(|harness| &harness.delegates);
        let known: Vec<_> = delegates.map(|delegate| delegate.name.as_str()).collect();
        self.known("delegate", name, &known, "add it under `harness.delegates`");
    }

    fn client(&mut self, name: Option<&Spanned<String>>) {
        let Some(name) = name else { return };
        let known: Vec<_> = ClientProfile::names().collect();
        self.known("client", name, &known, "describe it in `puller/clients`");
    }

    fn known(&mut self, kind: &str, name: &Spanned<String>, known: &[&str], add: &str) {
        if known.contains(&name.value.as_str()) {
            return;
        }
        let near = known.iter().max_by(|a, b| {
            let score = |known: &str| strsim::jaro_winkler(known, &name.value);
            score(a).total_cmp(&score(b))
        });
        let hint = match near {
            Some(near) if strsim::jaro_winkler(near, &name.value) > 0.7 => format!("did you mean `{near}`?"),
            Some(_) => format!("there are: {}; or {add}", known.join(", ")),
            None => String::from(add),
        };
        self.complain(name.span, format!("there is no {kind} `{}`", name.value), hint);
    }

    /// Complains about a part of a registry's configuration that a step brings in.
    fn registry_part(&mut self, part: &RegistryConfig, step: Span) {
        for error in part.check().err().unwrap_or_default() {
            let span = error.span.unwrap_or(step);
            self.registry_complaint(error, span);
        }
    }

    fn registry_complaint(&mut self, error: mock_registry::ConfigError, span: Span) {
        let mut complaint = Diagnostic::at(self.source, span, error.message);
        if let Some(hint) = error.hint {
            complaint = complaint.hint(hint);
        }
        self.complaints.push(complaint);
    }

    fn json_path(&mut self, path: &str, span: Span) {
        if let Err(error) = JsonPath::parse(path) {
            self.complain(span, format!("`{path}` is no JSONPath: {error}"), "write it as `$.data.status`");
        }
    }

    fn pipeline(&mut self, step: &PipelineStep, read: &dyn Fn(&Path) -> Result<Source, Diagnostic>) {
        let name = pipeline_name(step);
        if self.pipelines.iter().any(|file| file.name == name) {
            return;
        }
        let Spanned { value: path, span } = &step.file;
        let path = Path::new(path);
        if !is_below(path) {
            self.complain(
                *span,
                format!("{} is not below the scenario's folder", path.display()),
                "name a file in the same folder or below it",
            );
            return;
        }
        let source = match read(path) {
            Ok(source) => source,
            Err(complaint) => {
                self.complain(*span, complaint.message, "the path is relative to the scenario's folder");
                return;
            }
        };
        match Pipeline::parse_with_inputs(&source, &step.inputs) {
            Ok(pipeline) => {
                let account = self.scenario.harness.as_ref().map_or("", |harness| &harness.account);
                let Pipeline { identifier, scope, .. } = pipeline;
                let query = query(account, scope.org.as_deref(), scope.project.as_deref());
                let text = String::from(source.text());
                self.pipelines.push(PipelineFile { name, text, inputs: input_set(&step.inputs), identifier, query });
            }
            Err(complaints) => self.complaints.extend(complaints),
        }
    }
}

/// An input set that gives each of `inputs` at its place.
fn input_set(inputs: &BTreeMap<String, String>) -> String {
    if inputs.is_empty() {
        return String::new();
    }
    let mut pipeline = Value::Object(Map::new());
    for (path, value) in inputs {
        let mut here = &mut pipeline;
        for part in path.split('.') {
            if !here.is_object() {
                *here = Value::Object(Map::new());
            }
            here = &mut here[part];
        }
        *here = Value::String(value.clone());
    }
    // JSON is YAML.
    json!({ "pipeline": pipeline }).to_string()
}

fn query(account: &str, organization: Option<&str>, project: Option<&str>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("accountIdentifier", account);
    if let Some(organization) = organization {
        query.append_pair("orgIdentifier", organization);
    }
    if let Some(project) = project {
        query.append_pair("projectIdentifier", project);
    }
    query.finish()
}

/// The place of the value that `path` (`images[0].name`) leads to below `node`, or of the nearest one above it.
fn locate(node: Option<&Node>, path: &str) -> Option<Span> {
    let mut here = node?;
    let mut found = None;
    for part in path.split(['.', '[', ']']).filter(|part| !part.is_empty()) {
        let below = match (&here.value, part.parse::<usize>()) {
            (NodeValue::Sequence(items), Ok(index)) => items.get(index),
            _ => here.get(part),
        };
        let Some(below) = below else { break };
        here = below;
        found = Some(first_line(here));
    }
    found
}

/// The begin of a value: a caret under a whole section would say nothing.
fn first_line(node: &Node) -> Span {
    match node.value {
        NodeValue::Mapping(_) | NodeValue::Sequence(_) => Span::new(node.span.start, node.span.start + 1),
        _ => node.span,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPELINE: &str = "pipeline:\n  identifier: build\n  stages:\n    - stage: { identifier: build, type: CI, spec: \
        { infrastructure: { type: KubernetesDirect, spec: { harnessImageConnectorRef: <+input> } } } }\n";

    /// Plans `text` beside one file, `p.yaml`, and compares the complaints, one a line.
    fn check(text: &str, expect: &[&str]) {
        let read = |name: &Path| match name.to_str() {
            Some("p.yaml") => Ok(Source::new("p.yaml", PIPELINE)),
            _ => Err(Diagnostic::general(format!("cannot read {}", name.display()))),
        };
        let complaints = Plan::new(&Source::new("x.yaml", text), Path::new(""), read).err().unwrap_or_default();
        let told: Vec<_> = complaints.iter().map(ToString::to_string).collect();
        assert_eq!(told, expect);
    }

    #[test]
    fn names_must_be_known() {
        check(
            "scenario: x\nregistries: { hub: {} }\nsteps:\n  - limit: { on: hbu, anonymous: none }\nexpect: { nobody: {} }\n",
            &["x.yaml:4:18: there is no registry `hbu`", "x.yaml:5:11: there is no registry `nobody`"],
        );
        check(
            "scenario: x\nsteps:\n  - pull: { image: alpine, from: build-1 }\n",
            &["x.yaml:3:34: there is no delegate `build-1`"],
        );
        check(
            "scenario: x\nsteps:\n  - pull: { image: alpine, like: contanerd }\n",
            &["x.yaml:3:34: there is no client `contanerd`"],
        );
    }

    #[test]
    fn two_registries_cannot_answer_as_one_host() {
        check(
            "scenario: x\nregistries:\n  a: { hosts: [quay.io] }\n  b: { hosts: [quay.io] }\nsteps: [advance: 1s]\n",
            &["x.yaml:4:3: `b` and `a` both answer as quay.io"],
        );
    }

    #[test]
    fn the_harness_api_needs_the_platform() {
        check(
            "scenario: x\nregistries: { harness-api: {} }\nsteps:\n  - harness-api: { get: /ng/api, post: /ng/api }\n",
            &[
                "x.yaml:2:15: `harness-api` is the name of the Harness API",
                "x.yaml:4:5: a `harness-api` step needs the Harness platform, which does not take part",
                "x.yaml:4:5: a request has exactly one of `get`, `post`, `put`, `delete`",
            ],
        );
    }

    #[test]
    fn pipelines_are_read_and_their_inputs_must_be_given() {
        check(
            "scenario: x\nharness: {}\nsteps:\n  - pipeline: { file: ../p.yaml }\n  - pipeline: { file: q.yaml }\n",
            &["x.yaml:4:23: ../p.yaml is not below the scenario's folder", "x.yaml:5:23: cannot read q.yaml"],
        );
        check(
            "scenario: x\nharness: {}\nsteps:\n  - pipeline: { file: p.yaml }\n",
            &["p.yaml:4:129: `harnessImageConnectorRef` is a runtime input, and no value is given for it"],
        );
        check(
            "scenario: x\nharness: {}\nsteps:\n  - pipeline:\n      file: p.yaml\n      inputs:\n        \
            stages.build.spec.infrastructure.spec.harnessImageConnectorRef: account.mirror\n",
            &[],
        );
    }

    #[test]
    fn images_are_in_files_below_the_scenario() {
        check(
            "scenario: x\nregistries:\n  hub: { images: [{ name: a/b, from: ../app.tar }] }\nsteps:\n  \
             - image: { on: hub, add: { name: a/c, from: src } }\n",
            &[
                "x.yaml:3:38: ../app.tar is not below the scenario's folder",
                "x.yaml:5:47: src is neither an OCI image layout nor an archive of `docker save`: it has no `index.json` and \
                 no `manifest.json`",
            ],
        );
    }

    #[test]
    fn presets_are_in_files_below_the_scenario() {
        check(
            "scenario: x\nregistries:\n  a: { preset: ../hub.yaml }\n  b: { preset: ./nowhere.yaml }\n  \
             c: { preset: p.yaml, accounts: [{ name: ci, password: x }] }\nsteps: [advance: 1s]\n",
            &[
                "p.yaml:1:1: unknown key `pipeline` in a preset",
                "p.yaml:1:1: missing key `about` in a preset",
                "x.yaml:3:16: ../hub.yaml is not below the scenario's folder",
                "x.yaml:4:16: cannot read ./nowhere.yaml",
            ],
        );
    }

    #[test]
    fn a_preset_of_ones_own_is_played() {
        let text = "scenario: x\nregistries: { hub: { preset: ./mine.yaml, limit: 3/1h } }\nsteps: [advance: 1s]\n";
        let mine = "about: x\nbase: dockerhub\nlimit: 10/1h\nhosts: [mine.test]\n";
        let read = |name: &Path| Ok(Source::new(name.display().to_string(), mine));
        let plan = Plan::new(&Source::new("x.yaml", text), Path::new(""), read);
        // It checks nothing, and has no other fault.
        let complaints = plan.err().unwrap_or_default();
        assert!(complaints.iter().all(|complaint| complaint.message.contains("checks nothing")), "{complaints:?}");
    }

    #[test]
    fn paths_into_answers_must_be_paths() {
        check(
            "scenario: x\nsteps:\n  - http: { get: 'https://x.test/', expect: { json: { data.x: 1 } } }\n",
            &["x.yaml:3:63: `data.x` is no JSONPath: at position 0, parser error"],
        );
    }

    #[test]
    fn complaints_about_a_section_point_into_it() {
        check(
            "scenario: x\nregistries:\n  hub:\n    auth: none\n    anonymous: false\nharness: { account: ' ' }\nsteps: [advance: 1s]\n",
            &["x.yaml:5:16: every pull needs an account, and nobody can log in", "x.yaml:6:21: cannot be empty"],
        );
    }

    /// Plans a scenario of one step, and compares the complaints without their places.
    fn check_step(step: &str, expect: &[&str]) {
        let text = format!("scenario: x\nregistries: {{ hub: {{}} }}\nharness: {{}}\nsteps:\n  - {step}\n");
        let read = |name: &Path| Err(Diagnostic::general(format!("cannot read {}", name.display())));
        let complaints = Plan::new(&Source::new("x.yaml", text), Path::new(""), read).err().unwrap_or_default();
        let told: Vec<_> = complaints.into_iter().map(|complaint| complaint.message).collect();
        assert_eq!(told, expect, "{step}");
    }

    #[test]
    fn steps_that_cannot_work_are_told() {
        check_step("http: { get: 'https://hub.test/v2/' }", &[]);
        check_step("http: { get: not a url }", &["`not a url` is no URL of a registry"]);
        check_step("http: { get: 'https://hub.test/${x}' }", &["no earlier step captures `x`"]);
        check_step("http: { get: '${registry.hub.url}/v2/' }", &[]);
        check_step("http: { get: 'https://hub.test/', basic: nocolon }", &["`basic` has no colon"]);
        check_step("http: { get: 'https://hub.test/', headers: { a b: c } }", &["`a b` is no name of a header"]);
        check_step("harness-api: { get: '@127.0.0.1/x' }", &["`@127.0.0.1/x` is no path of the Harness API"]);
        check_step("pull: { image: hub.test/a, source: 8.8.8.8 }", &["a pull comes from this machine"]);
        check_step("pull: { image: hub.test/a, password: x }", &["`username` and `password` belong together"]);
        check_step(
            "pull: { image: hub.test/a, username: ci, password: x, refresh-token: '${r}' }",
            &["no earlier step captures `r`", "a refresh token stands in place of a password"],
        );
        check_step(
            "pull: { image: hub.test/a, expect: { result: pulled, failure: { kind: egress } } }",
            &["a pull that succeeds has no `failure`"],
        );
        check_step(
            "pull: { image: hub.test/a, expect: { result: failed, layers: 1 } }",
            &["a pull that fails gives no image to look at"],
        );
        check_step(
            "push: { image: hub.test/a, layers: [200MiB, 100MiB] }",
            &["a pushed image is held in memory, and has at most 256MiB"],
        );
        check_step("limit: { on: hub }", &["this step changes no limit"]);
        check_step("rule: { on: hub }", &["this step neither adds nor removes a rule"]);
        check_step("rule: { on: hub, remove: nobody }", &["hub has no rule `nobody`"]);
        check_step(
            "rule: { on: harness-api, add: { when: { blob: get }, then: { delay: { for: 1s } } } }",
            &["the Harness API has no such endpoint"],
        );
        check_step("repeat: { times: 3, steps: [] }", &["there is nothing to repeat"]);
        check_step(
            "pipeline: { file: p.yaml, expect: { delegate: east } }",
            &["cannot read p.yaml", "there is no delegate `east`"],
        );
    }

    #[test]
    fn expectations_must_be_ones_that_can_be_false() {
        check(
            "scenario: x\nregistries: { hub: {} }\nsteps: [advance: 1s]\nexpect:\n  hub:\n    seen:\n      \
            - { when: { api: get } }\n      - { when: { headers: { cookie: x } } }\n",
            &[
                "x.yaml:7:9: `api` and `path` are about the Harness API",
                "x.yaml:8:9: the journal keeps of the headers only range, accept, authorization",
            ],
        );
        check("scenario: x\nsteps: []\n", &["x.yaml:1:11: this scenario checks nothing"]);
    }
}
