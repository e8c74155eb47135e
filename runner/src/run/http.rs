//! Steps that send one request and look at the answer.

use std::collections::BTreeMap;

use reqwest::{Method, RequestBuilder};
use testbed::{clock::Participant, net::Vantage};
use url::Url;

use super::Run;
use crate::{
    check::{self, Answer},
    format::{AnswerExpect, Entries, HttpStep},
    outcome::Check,
    world::with_causes,
};

/// The largest answer that is read, in bytes: 16 MiB.
const MAX_ANSWER_BYTES: usize = 16 << 20;

impl Run<'_> {
    pub(super) async fn http(
        &self,
        step: &HttpStep,
        before: u64,
        participant: &Participant,
    ) -> Result<Vec<Check>, String> {
        let (method, target) = step.request()?;
        let url = self.variables.fill(target)?;
        let url = Url::parse(&url).map_err(|error| format!("`{url}` is no URL: {error}"))?;
        let from = match &step.from {
            None => self.world.client(),
            Some(name) => self.world.delegate(&name.value).ok_or_else(|| format!("no delegate {}", name.value))?,
        };
        let mut all = Vec::new();
        for _ in 0..step.repeat.map_or(1, std::num::NonZeroU32::get) {
            let checks = self
                .until_true(step.expect.within.map(|within| within.0), participant, || async {
                    let request = self.http_request(step, from, method.clone(), &url)?;
                    let name = format!("{method} {url}");
                    let answer = send(request, &name).await?;
                    self.capture(&step.capture, &answer)?;
                    let mut checks = self.checks(before);
                    check::answer(&step.expect, &name, &answer, &mut checks);
                    Ok(checks.done())
                })
                .await?;
            all.extend(checks);
        }
        Ok(all)
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

    /// Keeps what a step captures of an answer.
    pub(super) fn capture(&self, capture: &Entries<String>, answer: &Answer) -> Result<(), String> {
        for (name, path) in capture.iter() {
            let value = answer.value(path).ok_or_else(|| {
                format!("cannot capture `{}`: {path} leads to nothing in the answer {}", name.value, answer.status)
            })?;
            self.variables.set(&name.value, value);
        }
        Ok(())
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

/// The one of `methods` that is given.
///
/// # Errors
/// None is, or several are.
pub(super) fn one_method<const N: usize>(methods: [(Method, &Option<String>); N]) -> Result<(Method, &str), String> {
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

/// Whether the step checks nothing: then any answer will do.
pub(super) fn expects_nothing(expect: &AnswerExpect) -> bool {
    expect.status.is_none() && expect.headers.is_empty() && expect.json.is_empty() && expect.body.is_none()
}
