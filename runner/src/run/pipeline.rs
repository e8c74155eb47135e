//! The step `pipeline`: stored, executed and looked at over the API, as a user's script would.

use reqwest::Method;
use serde_json::Value;
use testbed::{Event, clock::Participant, diagnostic::Span, journal::Entry};

use super::{Run, http::send};
use crate::{
    check::{self, Answer, Execution},
    format::PipelineStep,
    outcome::Check,
    plan::PipelineFile,
};

impl Run<'_> {
    pub(super) async fn pipeline(
        &self,
        step: &PipelineStep,
        span: Span,
        before: u64,
        participant: &Participant,
    ) -> Result<Vec<Check>, String> {
        let file = self.plan.pipeline(step).ok_or_else(|| format!("{} was not read", step.file.value))?;
        self.store(file).await?;
        let n_runs = step.repeat.map_or(1, std::num::NonZeroU32::get);
        let mut all = Vec::new();
        for n in 1..=n_runs {
            let execution = self.execute(file, before, participant).await?;
            let expect = step.expect.last.as_deref().filter(|_| n == n_runs).unwrap_or(&step.expect);
            let name = match n_runs {
                1 => format!("pipeline {}", file.identifier),
                _ => format!("pipeline {} (run {n} of {n_runs})", file.identifier),
            };
            let mut checks = self.checks(before);
            check::execution(expect, &name, &execution, span, &mut checks);
            let checks = checks.done();
            let is_false = checks.iter().any(|check| !check.passed);
            all.extend(checks);
            if is_false {
                break;
            }
        }
        Ok(all)
    }

    /// Creates the pipeline, or updates it if it is there.
    async fn store(&self, file: &PipelineFile) -> Result<(), String> {
        let base = "/pipeline/api/pipelines/v2";
        let create = format!("{base}?{}", file.query);
        let created = self.call(Method::POST, &create, Some(&file.text)).await?;
        if is_success(&created) {
            return Ok(());
        }
        let update = format!("{base}/{}?{}", file.identifier, file.query);
        let updated = self.call(Method::PUT, &update, Some(&file.text)).await?;
        if is_success(&updated) { Ok(()) } else { Err(refused("POST", &create, &created)) }
    }

    async fn execute(&self, file: &PipelineFile, before: u64, participant: &Participant) -> Result<Execution, String> {
        let execute = format!("/pipeline/api/pipeline/execute/{}?{}&moduleType=CI", file.identifier, file.query);
        let started = self.call(Method::POST, &execute, Some(&file.inputs)).await?;
        let id = started.value("$.data.planExecution.uuid").and_then(Value::as_str).map(String::from);
        let Some(id) = id.filter(|_| is_success(&started)) else {
            return Err(refused("POST", &execute, &started));
        };
        // A user's script would poll. Waiting for the journal instead keeps journals of the same seed alike.
        let is_end = |entry: &Entry| matches!(&entry.event, Event::ExecutionEnded(ended) if ended.execution == id);
        participant.wait_for(self.world.journal.wait_for(before, is_end)).await;
        let status_path = format!("/pipeline/api/pipelines/execution/v2/{id}?{}", file.query);
        let answer = self.call(Method::GET, &status_path, None).await?;
        let text = |path: &str| {
            let value = answer.value(&format!("$.data.pipelineExecutionSummary.{path}"));
            value.and_then(Value::as_str).map(String::from)
        };
        match text("status") {
            Some(status) if is_success(&answer) => {
                let message = text("failureInfo.message").unwrap_or_default();
                let entries = self.world.journal.since(before);
                Ok(Execution::read(&id, status, message, entries.iter().map(|entry| &**entry)))
            }
            _ => Err(refused("GET", &status_path, &answer)),
        }
    }

    async fn call(&self, method: Method, path: &str, yaml: Option<&str>) -> Result<Answer, String> {
        let name = format!("{method} {path}");
        let request = self.api_request(method, path, None)?;
        let request = match yaml {
            Some(yaml) => request.header("content-type", "application/yaml").body(yaml.to_owned()),
            None => request,
        };
        send(request, &name).await
    }
}

fn is_success(answer: &Answer) -> bool {
    (200..300).contains(&answer.status)
}

fn refused(method: &str, path: &str, answer: &Answer) -> String {
    format!("{method} {path} was answered {}: {}", answer.status, answer.body)
}
