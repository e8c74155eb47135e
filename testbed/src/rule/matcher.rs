//! Which exchange a rule is about.

use std::{collections::BTreeMap, fmt, net::IpAddr, time::Duration};

use http::Method;
use oci::{EndpointKind, Principal, Reference, RepositoryName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Occurrences, Pattern};

/// An exchange as rules see it.
#[derive(Clone, Debug)]
pub struct Occasion {
    /// What is asked.
    pub call: Call,
    /// The request's method.
    pub method: Method,
    /// The repository, if the endpoint has one.
    pub repository: Option<RepositoryName>,
    /// The tag or digest, if the endpoint has one.
    pub reference: Option<Reference>,
    /// Which layer of its manifest the blob is, from 1.
    pub layer: Option<usize>,
    /// Who asks.
    pub principal: Principal,
    /// From which address.
    pub source: IpAddr,
    /// With which `User-Agent`.
    pub user_agent: Option<String>,
    /// Request headers, names in lower case. Of `authorization` there is the scheme alone.
    pub headers: BTreeMap<String, String>,
    /// How often this principal at this address has asked exactly this, from 1.
    pub attempt: u32,
    /// The number of the connection that it came on, from 1.
    pub connection: u64,
    /// The host that is asked.
    pub host: String,
    /// The parameters of the query, as they were sent.
    pub query: Vec<(String, String)>,
    /// How much policy time has passed since the actor's start.
    pub since_start: Duration,
}

/// What is asked: an endpoint of a registry, or a path of the Harness API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// A registry's endpoint.
    Registry(EndpointKind),
    /// A path of the Harness API, without the query.
    Api(String),
}

/// Which exchanges: one endpoint key or none (then every endpoint), and any number of further conditions.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Matcher {
    /// `GET /v2/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ping: Option<MethodMatch>,
    /// `/v2/<name>/manifests/<reference>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<MethodMatch>,
    /// `/v2/<name>/blobs/<digest>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<MethodMatch>,
    /// A blob at the registry's second host, where a redirect leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cdn: Option<MethodMatch>,
    /// `/v2/<name>/tags/list`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<MethodMatch>,
    /// `/v2/<name>/referrers/<digest>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrers: Option<MethodMatch>,
    /// The registry's list of repositories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog: Option<MethodMatch>,
    /// The token endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<MethodMatch>,
    /// `/v2/<name>/blobs/uploads/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<MethodMatch>,
    /// The Harness API; `path` says which part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<MethodMatch>,
    /// A pattern for the path of the Harness API: `/ng/api/connectors*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Pattern>,
    /// A pattern for the repository: `harness/*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<Pattern>,
    /// A pattern for the tag or digest: `1.16.*`, `sha256:*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Pattern>,
    /// The number of the layer in its manifest, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<Occurrences>,
    /// Who asks: `anonymous`, `account:ci`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal>,
    /// The client's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// A pattern for the `User-Agent`: `skopeo/*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Pattern>,
    /// Header names and patterns for their values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Pattern>,
    /// How often the same client has asked the same: `1` is its first attempt, `1..3` its first three.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Occurrences>,
    /// The number of the connection at this actor, from 1: `1` is on the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<Occurrences>,
    /// A pattern for the host that is asked: `production.*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Pattern>,
    /// Parameters of the query, and patterns for their values: `{ ns: docker.io }`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, Pattern>,
    /// The actor's state, which `set-state` sets. It begins as `start`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// Which methods of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MethodMatch {
    /// Every method.
    Any,
    /// GET only: a HEAD is not one.
    Get,
    /// HEAD only.
    Head,
    /// POST only.
    Post,
    /// PUT only.
    Put,
    /// PATCH only.
    Patch,
    /// DELETE only.
    Delete,
}

impl MethodMatch {
    fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any method",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    fn admits(self, method: &Method) -> bool {
        self == Self::Any || self.as_str() == method.as_str()
    }
}

impl fmt::Display for MethodMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Matcher {
    /// Whether `occasion` meets all conditions at an actor in `state`.
    pub fn admits(&self, occasion: &Occasion, state: &str) -> bool {
        self.n_mismatches(occasion, state, 1) == 0
    }

    /// The conditions that `occasion` does not meet at an actor in `state`, told for people; empty if it matches.
    pub fn mismatches(&self, occasion: &Occasion, state: &str) -> Vec<String> {
        let mut missed = Vec::new();
        self.compare(occasion, state, &mut |miss| {
            missed.push(miss.to_string());
            true
        });
        missed
    }

    /// How many conditions `occasion` does not meet; counts no further than `enough`.
    pub(super) fn n_mismatches(&self, occasion: &Occasion, state: &str, enough: usize) -> usize {
        let mut n = 0;
        self.compare(occasion, state, &mut |_| {
            n += 1;
            n < enough
        });
        n
    }

    /// The one kind of endpoint that it is about; `None` if it is about every one, or about the Harness API.
    pub(super) fn endpoint(&self) -> Option<EndpointKind> {
        self.endpoints().find_map(|(kind, method)| method.and(kind))
    }

    /// Hands each condition that `occasion` does not meet to `miss`, for as long as that wants to hear of more. Nothing is
    /// put into words unless it asks: most rules are not about most exchanges.
    fn compare(&self, occasion: &Occasion, state: &str, miss: Miss<'_>) -> Option<()> {
        let told = |kind: Option<EndpointKind>| kind.map_or("api", EndpointKind::as_str);
        let is = occasion.kind();
        for (kind, method) in self.endpoints() {
            let Some(method) = method else { continue };
            if kind != is {
                on(miss(&format_args!("endpoint {} is not {}", told(is), told(kind))))?;
            } else if !method.admits(&occasion.method) {
                on(miss(&format_args!("method {} is not {method}", occasion.method)))?;
            }
        }
        let repository = occasion.repository.as_ref().map(RepositoryName::as_str);
        let reference = || occasion.reference.as_ref().map(Reference::as_str);
        glob("repository", self.repository.as_ref(), || repository, miss)?;
        glob("reference", self.reference.as_ref(), reference, miss)?;
        glob("path", self.path.as_ref(), || occasion.path(), miss)?;
        glob("client", self.client.as_ref(), || occasion.user_agent.as_deref(), miss)?;
        glob("host", self.host.as_ref(), || Some(&occasion.host), miss)?;
        for (name, pattern) in &self.headers {
            let value = || occasion.headers.get(&name.to_ascii_lowercase()).map(String::as_str);
            glob(format_args!("header {name}"), Some(pattern), value, miss)?;
        }
        for (name, pattern) in &self.query {
            let value = || occasion.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
            glob(format_args!("query {name}"), Some(pattern), value, miss)?;
        }
        let layer = occasion.layer.and_then(|layer| u32::try_from(layer).ok());
        let connection = u32::try_from(occasion.connection).unwrap_or(u32::MAX);
        meets("layer", self.layer.as_ref(), layer, |want, is| want.contains(*is), miss)?;
        meets("principal", self.principal.as_ref(), Some(&occasion.principal), |want, is| want == *is, miss)?;
        meets("source", self.source.as_ref(), Some(occasion.source), |want, is| want == is, miss)?;
        meets("attempt", self.attempt.as_ref(), Some(occasion.attempt), |want, is| want.contains(*is), miss)?;
        meets("connection", self.connection.as_ref(), Some(connection), |want, is| want.contains(*is), miss)?;
        meets("state", self.state.as_ref(), Some(state), |want, is| want == is, miss)
    }

    /// How many endpoint keys are given. More than one can never match.
    pub fn n_endpoints(&self) -> usize {
        self.endpoints().filter(|(_, method)| method.is_some()).count()
    }

    fn endpoints(&self) -> impl Iterator<Item = (Option<EndpointKind>, Option<MethodMatch>)> {
        [
            (Some(EndpointKind::Ping), self.ping),
            (Some(EndpointKind::Manifest), self.manifest),
            (Some(EndpointKind::Blob), self.blob),
            (Some(EndpointKind::Cdn), self.cdn),
            (Some(EndpointKind::Tags), self.tags),
            (Some(EndpointKind::Referrers), self.referrers),
            (Some(EndpointKind::Catalog), self.catalog),
            (Some(EndpointKind::Token), self.token),
            (Some(EndpointKind::Upload), self.upload),
            (None, self.api),
        ]
        .into_iter()
    }
}

impl Occasion {
    /// The kind of endpoint; `None` at the Harness API.
    pub(super) fn kind(&self) -> Option<EndpointKind> {
        match &self.call {
            Call::Registry(kind) => Some(*kind),
            Call::Api(_) => None,
        }
    }

    fn path(&self) -> Option<&str> {
        match &self.call {
            Call::Api(path) => Some(path),
            Call::Registry(_) => None,
        }
    }
}

/// Hears of one condition that is not met, and says whether it wants to hear of more.
type Miss<'a> = &'a mut dyn FnMut(&dyn fmt::Display) -> bool;

/// Whether to look further.
fn on(goes_on: bool) -> Option<()> {
    goes_on.then_some(())
}

fn glob<'a>(
    what: impl fmt::Display,
    want: Option<&Pattern>,
    is: impl FnOnce() -> Option<&'a str>,
    miss: Miss<'_>,
) -> Option<()> {
    match want {
        Some(want) => meets(what, Some(want), is(), |want, is| want.admits(is), miss),
        None => Some(()),
    }
}

fn meets<W: fmt::Display, I: fmt::Display>(
    what: impl fmt::Display,
    want: Option<&W>,
    is: Option<I>,
    admits: impl Fn(&W, &I) -> bool,
    miss: Miss<'_>,
) -> Option<()> {
    match (want, is) {
        (Some(want), Some(is)) if !admits(want, &is) => on(miss(&format_args!("{what} {is} is not {want}"))),
        (Some(want), None) => on(miss(&format_args!("it has no {what}, and {want} is wanted"))),
        _ => Some(()),
    }
}
