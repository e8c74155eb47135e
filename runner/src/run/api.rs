//! The step `harness-api`.

use reqwest::Method;
use testbed::{clock::Participant, diagnostic::Span};

use super::{
    Run,
    http::{expects_nothing, one_method, send},
};
use crate::{check, format::HarnessApiStep, outcome::Check};

impl Run<'_> {
    pub(super) async fn harness_api(
        &self,
        step: &HarnessApiStep,
        span: Span,
        before: u64,
        participant: &Participant,
    ) -> Result<Vec<Check>, String> {
        let harness = self.world.harness().ok_or("the scenario has no `harness` section")?;
        let (method, path) = step.request()?;
        let path = self.variables.fill(path)?;
        let url = format!("{}{path}", harness.url());
        let name = format!("{method} {path}");
        let json = step.json.as_ref().map(|json| self.variables.fill_json(json)).transpose()?;
        let key = step.key.as_ref().unwrap_or_else(|| harness.default_api_key());
        self.until_true(step.expect.within.map(|within| within.0), participant, || async {
            let mut request = self.api.request(method.clone(), &url);
            if !key.expose().is_empty() {
                request = request.header("x-api-key", key.expose());
            }
            if let Some(json) = &json {
                request = request.json(json);
            }
            let answer = send(request, &name).await?;
            let mut checks = self.checks(before);
            if expects_nothing(&step.expect) {
                // A call that is only made for its effect must at least have one.
                let passed = (200..300).contains(&answer.status);
                checks.note(
                    format!("status of {name}"),
                    "2xx",
                    format!("{}, {}", answer.status, answer.body),
                    passed,
                    span,
                );
            }
            check::answer(&step.expect, &name, &answer, &mut checks);
            self.capture(&step.capture, &answer)?;
            Ok(checks.done())
        })
        .await
    }
}

impl HarnessApiStep {
    /// The one method that is given, and its path.
    pub(crate) fn request(&self) -> Result<(Method, &str), String> {
        one_method([
            (Method::GET, &self.get),
            (Method::POST, &self.post),
            (Method::PUT, &self.put),
            (Method::DELETE, &self.delete),
        ])
    }
}
