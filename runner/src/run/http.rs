//! Steps that send one request and look at the answer: `http` and `harness-api`.

use std::{collections::BTreeMap, time::Duration};

use reqwest::{Method, RequestBuilder};
use testbed::{diagnostic::Span, net::Vantage};
use url::Url;

use super::Run;
use crate::{
    check::{self, Answer, Checks},
    format::{AnswerExpect, Entries, HarnessApiStep, HttpStep},
    outcome::Check,
    world::{HARNESS_API, own_host, with_causes},
};

/// The largest answer that is read, in bytes: 16 MiB.
const MAX_ANSWER_BYTES: usize = 16 << 20;
/// Between two requests that ask whether it is so by now, in wire time.
const PAUSE: Duration = Duration::from_millis(2);

/// What both kinds of steps have.
struct Question<'a> {
    /// How the request is named: `GET https://…`.
    name: String,
    expect: &'a AnswerExpect,
    capture: &'a Entries<String>,
    step: Span,
    before: u64,
}

impl Run<'_> {
    pub(super) async fn http(&self, step: &HttpStep, span: Span, before: u64) -> Result<Vec<Check>, String> {
        let (method, target) = step.request()?;
        let url = self.variables.fill(target)?;
        let url = Url::parse(&url).map_err(|error| format!("`{url}` is no URL: {error}"))?;
        let from = match &step.from {
            None => self.world.client(),
            Some(name) => self.world.delegate(&name.value).ok_or_else(|| format!("no delegate {}", name.value))?,
        };
        let name = format!("{method} {}", testbed::redact::target(url.as_str()));
        let question = Question { name, expect: &step.expect, capture: &step.capture, step: span, before };
        let mut all = Vec::new();
        for _ in 0..step.repeat.map_or(1, std::num::NonZeroU32::get) {
            let checks = self.ask(&question, || self.http_request(step, from, method.clone(), &url)).await?;
            let is_false = checks.iter().any(|check| !check.passed);
            all.extend(checks);
            if is_false {
                break;
            }
        }
        Ok(all)
    }

    pub(super) async fn harness_api(
        &self,
        step: &HarnessApiStep,
        span: Span,
        before: u64,
    ) -> Result<Vec<Check>, String> {
        let (method, path) = step.request()?;
        let path = self.variables.fill(path)?;
        let name = format!("{method} {}", testbed::redact::target(&path));
        let json = step.json.as_ref().map(|json| self.variables.fill_json(json)).transpose()?;
        let question = Question { name, expect: &step.expect, capture: &step.capture, step: span, before };
        self.ask(&question, || {
            let key = step.key.as_ref().map(|key| key.expose());
            let request = self.api_request(method.clone(), &path, key)?;
            Ok(match &json {
                Some(json) => request.json(json),
                None => request,
            })
        })
        .await
    }

    /// A request to the Harness API at `path`, with the account's first key unless another is given; an empty one sends
    /// none.
    pub(super) fn api_request(&self, method: Method, path: &str, key: Option<&str>) -> Result<RequestBuilder, String> {
        let harness = self.world.harness().ok_or("the scenario has no `harness` section")?;
        let base = format!("http://{}", own_host(HARNESS_API));
        // Joined as a text, a path could name another host; it is a path or nothing.
        let url = Url::parse(&base).and_then(|base| base.join(path)).map_err(|error| format!("`{path}`: {error}"))?;
        if !path.starts_with('/') || url.host_str() != Some(&own_host(HARNESS_API)) {
            return Err(format!(
                "`{}` is no path of the Harness API; it begins with one `/`",
                testbed::redact::target(path)
            ));
        }
        let request = self.world.client().request(method, &url).map_err(|error| with_causes(&error))?;
        let key = key.unwrap_or_else(|| harness.default_api_key().expose());
        Ok(if key.is_empty() { request } else { request.header("x-api-key", key) })
    }

    /// Asks until all checks are true, at most as long as the expectation says. The step works all the while: the clock
    /// does not move by itself under a request.
    async fn ask(
        &self,
        question: &Question<'_>,
        request: impl Fn() -> Result<RequestBuilder, String>,
    ) -> Result<Vec<Check>, String> {
        let Question { name, expect, capture, step, before } = question;
        #[expect(clippy::disallowed_methods, reason = "`within` is wire time")]
        let begin = std::time::Instant::now();
        loop {
            let is_over = expect.within.is_none_or(|within| begin.elapsed() >= within.0);
            match send(request()?, name).await {
                Err(error) if is_over => return Err(error),
                // Whatever settles on its own may not even listen yet.
                Err(_) => {}
                Ok(answer) => {
                    let mut checks = self.checks(*before);
                    check::answer(expect, name, &answer, *step, &mut checks);
                    self.capture(capture, name, &answer, &mut checks);
                    let checks = checks.done();
                    if is_over || checks.iter().all(|check| check.passed) {
                        return Ok(checks);
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Keeps what a step captures of an answer. What is not there is a false check.
    fn capture(&self, capture: &Entries<String>, name: &str, answer: &Answer, checks: &mut Checks) {
        for (variable, path) in capture.iter() {
            match answer.value(path) {
                Some(value) => self.variables.set(&variable.value, value),
                None => {
                    let what = format!("{path} in the answer to {name}, captured as `{}`", variable.value);
                    checks.note(
                        what,
                        "some value",
                        format!("no such value, status {}", answer.status),
                        false,
                        variable.span,
                    );
                }
            }
        }
    }

    fn http_request(
        &self,
        step: &HttpStep,
        from: &Vantage,
        method: Method,
        url: &Url,
    ) -> Result<RequestBuilder, String> {
        let mut request = from.request(method, url).map_err(|error| with_causes(&error))?;
        for (name, value) in &step.headers {
            request = request.header(name, self.variables.fill(value)?);
        }
        if let Some(basic) = &step.basic {
            let (username, password) =
                basic.expose().split_once(':').ok_or("`basic` has no colon; write `user:password`")?;
            request = request.basic_auth(username, Some(password));
        }
        if let Some(body) = &step.body {
            request = request.body(self.variables.fill(body)?);
        }
        Ok(request)
    }
}

impl HttpStep {
    /// The one method that is given, and its URL.
    pub(crate) fn request(&self) -> Result<(Method, &str), String> {
        one_method([
            (Method::GET, &self.get),
            (Method::HEAD, &self.head),
            (Method::POST, &self.post),
            (Method::PUT, &self.put),
            (Method::DELETE, &self.delete),
        ])
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

/// The one of `methods` that is given.
///
/// # Errors
/// None is, or several are.
fn one_method<const N: usize>(methods: [(Method, &Option<String>); N]) -> Result<(Method, &str), String> {
    let names = methods.iter().map(|(method, _)| method.as_str().to_lowercase()).collect::<Vec<_>>().join("`, `");
    let mut given = methods.into_iter().filter_map(|(method, target)| Some((method, target.as_deref()?)));
    match (given.next(), given.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(format!("a request has exactly one of `{names}`")),
    }
}

/// Sends `request` and reads the answer whole.
pub(super) async fn send(request: RequestBuilder, name: &str) -> Result<Answer, String> {
    let fail = |error: reqwest::Error| format!("{name}: {}", with_causes(&error.without_url()));
    let mut response = request.send().await.map_err(fail)?;
    let mut headers = BTreeMap::<String, String>::new();
    for (name, value) in response.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        headers
            .entry(String::from(name.as_str()))
            .and_modify(|known| {
                known.push_str(", ");
                known.push_str(&value);
            })
            .or_insert_with(|| value.to_string());
    }
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(fail)? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(format!("{name}: the answer is larger than {MAX_ANSWER_BYTES} bytes; use a `pull` step"));
        }
        body.extend_from_slice(&chunk);
    }
    let json = serde_json::from_slice(&body).ok();
    Ok(Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned(), json })
}
