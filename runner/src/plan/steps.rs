//! What is wrong with steps: names that nothing has, requests that none could answer, expectations that contradict.

use std::path::Path;

use mock_registry::RegistryConfig;
use oci::ByteSize;
use puller::{ClientProfile, MirroredRegistries};
use reqwest::header::HeaderName;
use testbed::{
    diagnostic::{Diagnostic, Source, Span},
    rule::RuleFor,
    yaml::Spanned,
};
use url::Url;

use super::{MAX_PUSHED_BYTES, Planner};
use crate::{
    format::{
        AnswerExpect, Caller, Entries, HttpStep, LimitStep, PipelineExpect, PullExpect, PullResult, PullStep, RuleStep,
        Step,
    },
    run::variable_names,
    world::HARNESS_API,
};

impl Planner<'_> {
    pub(super) fn steps(&mut self, steps: &[Spanned<Step>], read: &dyn Fn(&Path) -> Result<Source, Diagnostic>) {
        for step in steps {
            self.step(step, read);
        }
    }

    fn step(&mut self, step: &Spanned<Step>, read: &dyn Fn(&Path) -> Result<Source, Diagnostic>) {
        let span = step.span;
        match &step.value {
            Step::HarnessApi(api) => {
                self.need_harness(span, "harness-api");
                match api.request() {
                    Ok((_, path)) if !path.starts_with('/') => {
                        self.complain(
                            span,
                            format!("`{}` is no path of the Harness API", testbed::redact::target(path)),
                            "begin it with `/`",
                        );
                    }
                    Ok((_, path)) => self.filled(path, span),
                    Err(error) => self.complain(span, error, "give one method with its path, as in `get: /ng/api/…`"),
                }
                self.filled(&api.json.as_ref().map(ToString::to_string).unwrap_or_default(), span);
                self.answer(&api.capture, &api.expect);
            }
            Step::Http(http) => self.http(http, span),
            Step::Pipeline(pipeline) => {
                self.need_harness(span, "pipeline");
                self.pipeline(pipeline, read);
                self.executions(&pipeline.expect, span);
            }
            Step::Pull(pull) => self.pull(pull, span),
            Step::Tags(step) => self.caller(step.caller(), span),
            Step::Head(step) => {
                self.caller(step.caller(), span);
                if step.expect.failure.is_some() && step.expect.digest.is_some() {
                    self.complain(span, "a `head` that fails gives no digest", "take out `digest`, or `failure`");
                }
            }
            Step::Referrers(step) => self.caller(step.caller(), span),
            Step::Push(push) => {
                self.caller(push.caller(), span);
                let total = push.layers.iter().fold(0_u64, |sum, size| sum.saturating_add(size.bytes()));
                if total > MAX_PUSHED_BYTES {
                    let most = ByteSize(MAX_PUSHED_BYTES);
                    let message = format!("a pushed image is held in memory, and has at most {most}");
                    self.complain(span, message, "push less, or let the registry make the image up");
                }
            }
            Step::Advance(_) => {}
            Step::Rule(rule) => {
                self.rule(rule, span);
                self.steps(&rule.during, read);
            }
            Step::Limit(limit) => {
                self.registry(&limit.on);
                let LimitStep { anonymous, accounts, set, add, remove, .. } = &**limit;
                let changes_nothing = anonymous.is_none() && accounts.is_none() && set.is_empty();
                if changes_nothing && add.is_none() && remove.is_none() {
                    self.complain(
                        span,
                        "this step changes no limit",
                        "give `anonymous`, `accounts`, `set`, `add` or `remove`",
                    );
                }
                if let Some(add) = add {
                    let limits = Some(vec![add.clone()]);
                    self.registry_part(&RegistryConfig { limits, ..RegistryConfig::default() }, span);
                }
            }
            Step::Image(image) => {
                self.registry(&image.on);
                let images = vec![image.add.clone()];
                self.registry_part(&RegistryConfig { images, ..RegistryConfig::default() }, span);
            }
            Step::Parallel(steps) => self.steps(steps, read),
            Step::Repeat(repeat) => {
                if repeat.steps.is_empty() {
                    self.complain(span, "there is nothing to repeat", "give at least one step");
                }
                self.steps(&repeat.steps, read);
            }
        }
    }

    fn http(&mut self, http: &HttpStep, span: Span) {
        match http.request() {
            Ok((_, url)) => {
                self.filled(url, span);
                let is_url = Url::parse(url).is_ok_and(|url| url.has_host() && url.scheme().starts_with("http"));
                // One with variables in it is looked at when they have values.
                if !url.contains("${") && !is_url {
                    self.complain(
                        span,
                        format!("`{url}` is no URL of a registry"),
                        "write `https://registry-1.docker.io/v2/`",
                    );
                }
            }
            Err(error) => self.complain(span, error, "give one method with its URL, as in `get: https://…`"),
        }
        for (name, value) in &http.headers {
            if HeaderName::try_from(name).is_err() {
                self.complain(span, format!("`{name}` is no name of a header"), "use letters, digits and `-`");
            }
            self.filled(value, span);
        }
        self.filled(http.body.as_deref().unwrap_or_default(), span);
        if http.basic.as_ref().is_some_and(|basic| !basic.expose().contains(':')) {
            self.complain(span, "`basic` has no colon", "write `user:password`");
        }
        self.delegate(http.from.as_ref());
        self.answer(&http.capture, &http.expect);
    }

    /// What is wrong with who asks, in any step that asks as a client does.
    fn caller(&mut self, caller: Caller<'_>, span: Span) {
        self.delegate(caller.from);
        self.client(caller.like);
        self.login(caller.username.is_some(), caller.password.is_some(), span);
        if caller.from.is_some() && caller.source.is_some() {
            self.complain(span, "both `from` and `source` say where the pull comes from", "keep one of them");
        }
        if caller.source.is_some_and(|source| !source.is_loopback()) {
            self.complain(span, "a pull comes from this machine", "use an address like 127.0.0.7");
        }
        let profile = caller.like.and_then(|like| ClientProfile::find(&like.value));
        if !caller.mirrors.is_empty() && profile.is_some_and(|profile| profile.mirrors.of == MirroredRegistries::None) {
            self.complain(span, "this client has no mirrors", "take out `mirrors`, or be like another client");
        }
    }

    fn pull(&mut self, pull: &PullStep, span: Span) {
        let secret = pull.password.as_ref().or(pull.refresh_token.as_ref());
        self.caller(Caller { password: secret, ..pull.caller() }, span);
        if let Some(token) = &pull.refresh_token {
            self.filled(token.expose(), span);
            if pull.password.is_some() {
                self.complain(span, "a refresh token stands in place of a password", "keep one of them");
            }
        }
        let PullExpect { last, .. } = &pull.expect;
        self.pulls(&pull.expect, span);
        if let Some(last) = last {
            self.pulls(last, span);
            if last.last.is_some() {
                self.complain(span, "`last` has no `last` of its own", "take it out");
            }
        }
    }

    /// What a pull cannot be at once.
    fn pulls(&mut self, expect: &PullExpect, span: Span) {
        let result = expect.result.as_ref();
        let fails = expect.failure.is_some() || result.is_some_and(|result| result.value != PullResult::Pulled);
        if expect.failure.is_some() && result.is_some_and(|result| result.value == PullResult::Pulled) {
            self.complain(span, "a pull that succeeds has no `failure`", "take out `failure`, or `result: pulled`");
        }
        if fails && (expect.digest.is_some() || expect.layers.is_some() || expect.resumed.is_some()) {
            let message = "a pull that fails gives no image to look at";
            self.complain(span, message, "take out `digest`, `layers` and `resumed`");
        }
    }

    fn login(&mut self, has_username: bool, has_password: bool, span: Span) {
        if has_username != has_password {
            self.complain(span, "`username` and `password` belong together", "give both, or none");
        }
    }

    fn executions(&mut self, expect: &PipelineExpect, span: Span) {
        self.delegate(expect.delegate.as_ref());
        if let Some(last) = &expect.last {
            self.delegate(last.delegate.as_ref());
            if last.last.is_some() {
                self.complain(span, "`last` has no `last` of its own", "take it out");
            }
        }
    }

    fn rule(&mut self, rule: &RuleStep, span: Span) {
        let of = if rule.on.value == HARNESS_API {
            self.need_harness(rule.on.span, "rule");
            RuleFor::Api
        } else {
            self.registry(&rule.on);
            RuleFor::Registry
        };
        if let Some(rule) = &rule.add {
            for problem in rule.value.problems(of) {
                self.complain(rule.span, problem.message, problem.hint);
            }
        }
        match (&rule.add, &rule.remove) {
            (None, None) => self.complain(span, "this step neither adds nor removes a rule", "give `add` or `remove`"),
            (_, Some(name)) => {
                let known: Vec<_> = self.rules.iter().filter(|(on, _)| *on == rule.on.value).collect();
                // Rules without a name are called by their number.
                if !name.value.starts_with("rule-") && !known.iter().any(|(_, known)| *known == name.value) {
                    let message = format!("{} has no rule `{}`", rule.on.value, name.value);
                    self.complain(name.span, message, "name a rule that is there by then");
                }
            }
            (Some(_), None) => {}
        }
        if !rule.during.is_empty() && rule.add.is_none() {
            self.complain(
                span,
                "`during` is about the rule that is added",
                "give `add`, or make these steps of their own",
            );
        }
        if let Some(name) = rule.add.as_ref().and_then(|rule| rule.value.name.clone()) {
            self.rules.push((rule.on.value.clone(), name));
        }
    }

    /// Complains about `${name}` in `text` that no earlier step has captured.
    fn filled(&mut self, text: &str, span: Span) {
        for name in variable_names(text) {
            let is_given = name == "harness.url"
                || self.captured.iter().any(|captured| captured == name)
                || self.scenario.registries.names().any(|registry| name == format!("registry.{registry}.url"));
            if !is_given {
                let known = match self.captured.len() {
                    0 => String::from("add `capture` to an earlier step"),
                    _ => format!("captured by then: {}", self.captured.join(", ")),
                };
                self.complain(span, format!("no earlier step captures `{name}`"), known);
            }
        }
    }

    fn answer(&mut self, capture: &Entries<String>, expect: &AnswerExpect) {
        for (name, path) in capture.iter() {
            self.json_path(path, name.span);
            self.captured.push(name.value.clone());
        }
        for (path, want) in &expect.json {
            self.json_path(path, want.span);
        }
    }
}
