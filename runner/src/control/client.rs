//! The other side of the control API.

use http::{Method, StatusCode};
use reqwest::{Response, redirect::Policy};
use serde_json::Value;
use testbed::{Secret, tls::client_config};
use thiserror::Error;
use url::Url;

use super::error::{ErrorBody, Refused};
use crate::world::with_causes;

/// A control API, as `pullrig ctl` asks it.
#[derive(Clone, Debug)]
pub struct Client {
    base: Url,
    token: Option<Secret>,
    http: reqwest::Client,
}

/// Why something was not done.
#[derive(Debug, Error)]
pub enum ClientError {
    /// What is given is no URL of a control API.
    #[error("`{0}` is no URL; write `http://127.0.0.1:7878`")]
    Url(String),
    /// Nobody answers.
    #[error("no control API answers at {url}: {cause}")]
    Unreachable {
        /// Where.
        url: Url,
        /// Why not.
        cause: String,
    },
    /// It was refused.
    #[error("{}", .refused.message)]
    Refused {
        /// The status of the answer.
        status: StatusCode,
        /// What went wrong, and what to do.
        refused: Refused,
    },
    /// Whoever answers is no control API.
    #[error("{url} answered {status}, and not as a control API does")]
    Strange {
        /// Where.
        url: Url,
        /// The status of the answer.
        status: StatusCode,
    },
}

impl ClientError {
    /// What may help.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Url(_) => None,
            Self::Unreachable { .. } => Some(
                "start `pullrig serve` with `--control`, or say where it is with `--control URL` or PULLRIG_CONTROL",
            ),
            Self::Refused { refused, .. } => refused.hint.as_deref(),
            Self::Strange { .. } => Some("`pullrig serve` tells the URL of its control API: `ready control URL`"),
        }
    }
}

impl Client {
    /// The control API at `url`.
    ///
    /// # Errors
    /// That is no URL.
    pub fn new(url: &str, token: Option<Secret>) -> Result<Self, ClientError> {
        let base = Url::parse(url).ok().filter(|url| url.has_host() && !url.cannot_be_a_base());
        let base = base.ok_or_else(|| ClientError::Url(String::from(url)))?;
        let strange =
            |error: &dyn std::error::Error| ClientError::Unreachable { url: base.clone(), cause: with_causes(error) };
        let tls = client_config(&[]).map_err(|error| strange(&error))?;
        // The world is this machine's, whatever proxy its user has.
        let http =
            reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().redirect(Policy::none()).build();
        let http = http.map_err(|error| strange(&error))?;
        Ok(Self { base, token, http })
    }

    /// GET of the path of `segments` below `/v1`.
    ///
    /// # Errors
    /// Nobody answers, or it is refused.
    pub async fn get(&self, segments: &[&str]) -> Result<Value, ClientError> {
        self.send(Method::GET, segments, None).await
    }

    /// POST of `body` to the path of `segments` below `/v1`.
    ///
    /// # Errors
    /// Nobody answers, or it is refused.
    pub async fn post(&self, segments: &[&str], body: &Value) -> Result<Value, ClientError> {
        self.send(Method::POST, segments, Some(body)).await
    }

    /// PUT of `body` to the path of `segments` below `/v1`.
    ///
    /// # Errors
    /// Nobody answers, or it is refused.
    pub async fn put(&self, segments: &[&str], body: &Value) -> Result<Value, ClientError> {
        self.send(Method::PUT, segments, Some(body)).await
    }

    /// PATCH with `body` of the path of `segments` below `/v1`.
    ///
    /// # Errors
    /// Nobody answers, or it is refused.
    pub async fn patch(&self, segments: &[&str], body: &Value) -> Result<Value, ClientError> {
        self.send(Method::PATCH, segments, Some(body)).await
    }

    /// DELETE of the path of `segments` below `/v1`.
    ///
    /// # Errors
    /// Nobody answers, or it is refused.
    pub async fn delete(&self, segments: &[&str]) -> Result<Value, ClientError> {
        self.send(Method::DELETE, segments, None).await
    }

    /// GET of the path of `segments` below `/v1` with `query`: hands each piece of the answer to `take` as it comes, until
    /// that returns false.
    ///
    /// # Errors
    /// Nobody answers, or it is refused.
    pub async fn read(
        &self,
        segments: &[&str],
        query: &[(&str, String)],
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), ClientError> {
        let mut url = self.url(segments);
        url.query_pairs_mut().extend_pairs(query);
        let mut response = self.open(Method::GET, url.clone(), None).await?;
        while let Some(piece) = response.chunk().await.map_err(|error| unreachable_at(&url, &error))? {
            if !take(&piece) {
                break;
            }
        }
        Ok(())
    }

    async fn send(&self, method: Method, segments: &[&str], body: Option<&Value>) -> Result<Value, ClientError> {
        let url = self.url(segments);
        let response = self.open(method, url.clone(), body).await?;
        let status = response.status();
        let text = response.text().await.map_err(|error| unreachable_at(&url, &error))?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|_| ClientError::Strange { url, status })
    }

    async fn open(&self, method: Method, url: Url, body: Option<&Value>) -> Result<Response, ClientError> {
        let mut request = self.http.request(method, url.clone());
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| unreachable_at(&url, &error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        match response.json::<ErrorBody>().await {
            Ok(ErrorBody { error: refused }) => Err(ClientError::Refused { status, refused }),
            Err(_) => Err(ClientError::Strange { url, status }),
        }
    }

    fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        // It can be a base, which `new` looked at.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("v1").extend(segments);
        }
        url
    }
}

fn unreachable_at(url: &Url, error: &reqwest::Error) -> ClientError {
    let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), with_causes);
    ClientError::Unreachable { url: url.clone(), cause }
}
