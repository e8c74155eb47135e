//! Checks of the execution of a pipeline.
//!
//! Status and message are what the API told. Which connector was used, and why, the real API does not tell: that comes
//! from the journal.

use testbed::{
    diagnostic::Span,
    journal::{ConnectorReason, Entry, Event},
};

use super::{Checks, list};
use crate::format::{ExecutionStatus, PipelineExpect};

/// One execution, as the API and the journal told it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Execution {
    /// `Success`, `Failed`.
    pub(crate) status: String,
    /// The failure's message; empty if there is none.
    pub(crate) message: String,
    /// For each stage that got that far: its connector (`none` if it has none) and why.
    pub(crate) choices: Vec<(String, ConnectorReason)>,
    /// All images, as the container runtime was asked for them.
    pub(crate) images: Vec<String>,
    /// The delegates that stages ran on.
    pub(crate) delegates: Vec<String>,
}

impl Execution {
    /// What the journal's `entries` tell about the execution called `id`.
    pub(crate) fn read<'a>(
        id: &str,
        status: String,
        message: String,
        entries: impl Iterator<Item = &'a Entry>,
    ) -> Self {
        let mut execution = Self { status, message, ..Self::default() };
        for entry in entries {
            match &entry.event {
                Event::StageResolved(stage) if stage.execution.as_deref() == Some(id) => {
                    if let Ok(choice) = &stage.outcome {
                        let connector = choice.connector.clone().unwrap_or_else(|| String::from("none"));
                        execution.choices.push((connector, choice.because));
                    }
                    execution.images.extend(stage.images.iter().cloned());
                }
                Event::DelegateSelected(selected) if selected.execution.as_deref() == Some(id) => {
                    execution.delegates.push(selected.delegate.clone());
                }
                _ => {}
            }
        }
        execution
    }
}

/// Notes the checks of one execution. Without any expectation it must succeed; the step stands at `step`.
pub(crate) fn execution(expect: &PipelineExpect, name: &str, seen: &Execution, step: Span, checks: &mut Checks) {
    let Execution { status, message, .. } = seen;
    let told = if message.is_empty() { status.clone() } else { format!("{status}: {message}") };
    let default = if expect.message.is_some() { ExecutionStatus::Failed } else { ExecutionStatus::Success };
    let (want, span) = expect.status.as_ref().map_or((default, step), |want| (want.value, want.span));
    checks.note(format!("status of {name}"), want, told, want.to_string() == *status, span);

    if let Some(want) = &expect.message {
        let passed = want.value.admits(message);
        checks.note(format!("failure message of {name}"), &want.value, format!("`{message}`"), passed, want.span);
    }
    if let Some(want) = &expect.connector {
        let passed = !seen.choices.is_empty() && seen.choices.iter().all(|(connector, _)| *connector == want.value);
        let is = list(seen.choices.iter().map(|(connector, _)| connector));
        checks.note(format!("connector of {name}"), &want.value, is, passed, want.span);
    }
    if let Some(want) = &expect.because {
        let passed = !seen.choices.is_empty() && seen.choices.iter().all(|(_, because)| *because == want.value);
        let is = list(seen.choices.iter().map(|(_, because)| because));
        checks.note(format!("reason for the connector of {name}"), want.value, is, passed, want.span);
    }
    if let Some(want) = &expect.delegate {
        let passed = !seen.delegates.is_empty() && seen.delegates.iter().all(|delegate| *delegate == want.value);
        checks.note(format!("delegate of {name}"), &want.value, list(&seen.delegates), passed, want.span);
    }
    for want in &expect.images {
        let passed = seen.images.contains(&want.value);
        checks.note(format!("images of {name}"), &want.value, list(&seen.images), passed, want.span);
    }
}

#[cfg(test)]
mod tests {
    use testbed::{diagnostic::Source, yaml};

    use super::*;

    /// Evaluates the expectation `text` of an execution that failed, and says which of its checks are false.
    fn check(text: &str, expect: &[&str]) {
        let expectation: PipelineExpect = yaml::from_str(&Source::new("x.yaml", text)).unwrap();
        let seen = Execution {
            status: String::from("Failed"),
            message: String::from("ErrImagePull: no"),
            choices: vec![(String::from("account.harnessImage"), ConnectorReason::AccountDefault)],
            images: vec![String::from("harness/ci-addon:1")],
            delegates: vec![String::from("build-1")],
        };
        let mut checks = Checks::from_entries(0, 0);
        execution(&expectation, "p", &seen, Span::default(), &mut checks);
        let failed: Vec<_> = checks.done().into_iter().filter(|check| !check.passed).map(|check| check.what).collect();
        assert_eq!(failed, expect, "{text}");
    }

    #[test]
    fn every_expectation_of_an_execution_can_be_true_and_false() {
        check("status: Failed", &[]);
        check("{}", &["status of p"]);
        check("status: Success", &["status of p"]);
        check("message: { contains: ErrImagePull }", &[]);
        check("message: ErrImagePull", &["failure message of p"]);
        check("{ status: Failed, connector: account.harnessImage }", &[]);
        check("{ status: Failed, connector: none }", &["connector of p"]);
        check("{ status: Failed, because: account-default }", &[]);
        check("{ status: Failed, because: stage-override }", &["reason for the connector of p"]);
        check("{ status: Failed, delegate: build-1 }", &[]);
        check("{ status: Failed, delegate: build-2 }", &["delegate of p"]);
        check("{ status: Failed, images: ['harness/ci-addon:1'] }", &[]);
        check("{ status: Failed, images: ['harness/ci-addon:2'] }", &["images of p"]);
    }
}
