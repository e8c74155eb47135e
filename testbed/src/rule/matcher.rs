//! Which exchange a rule is about.

use std::{collections::BTreeMap, fmt, net::IpAddr};

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
    /// Request headers, names in lower case. `authorization` is not among them.
    pub headers: BTreeMap<String, String>,
    /// How often this principal at this address has asked exactly this, from 1.
    pub attempt: u32,
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
    fn admits(self, method: &Method) -> bool {
        self == Self::Any || self.to_string() == method.as_str()
    }
}

impl fmt::Display for MethodMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any method",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        })
    }
}

impl Matcher {
    /// The conditions that `occasion` does not meet, told for people; empty if it matches.
    pub fn mismatches(&self, occasion: &Occasion) -> Vec<String> {
        let mut missed = Vec::new();
        self.miss_endpoint(occasion, &mut missed);
        miss_glob("path", self.path.as_ref(), occasion.path(), &mut missed);
        miss_glob("repository", self.repository.as_ref(), text(occasion.repository.as_ref()), &mut missed);
        miss_glob("reference", self.reference.as_ref(), text(occasion.reference.as_ref()), &mut missed);
        miss_glob("client", self.client.as_ref(), occasion.user_agent.clone(), &mut missed);
        for (name, glob) in &self.headers {
            let value = occasion.headers.get(&name.to_ascii_lowercase()).cloned();
            miss_glob(&format!("header {name}"), Some(glob), value, &mut missed);
        }
        let layer = occasion.layer.and_then(|layer| u32::try_from(layer).ok());
        miss("layer", self.layer.as_ref(), layer, |want, is| want.contains(*is), &mut missed);
        miss("principal", self.principal.as_ref(), Some(&occasion.principal), |want, is| want == *is, &mut missed);
        miss("source", self.source.as_ref(), Some(occasion.source), |want, is| want == is, &mut missed);
        miss("attempt", self.attempt.as_ref(), Some(occasion.attempt), |want, is| want.contains(*is), &mut missed);
        missed
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

    fn miss_endpoint(&self, occasion: &Occasion, missed: &mut Vec<String>) {
        let is = match &occasion.call {
            Call::Registry(kind) => Some(*kind),
            Call::Api(_) => None,
        };
        for (kind, method) in self.endpoints() {
            let Some(method) = method else { continue };
            if kind != is {
                let told =
                    |kind: Option<EndpointKind>| kind.map_or_else(|| String::from("api"), |kind| kind.to_string());
                missed.push(format!("endpoint {} is not {}", told(is), told(kind)));
            } else if !method.admits(&occasion.method) {
                missed.push(format!("method {} is not {method}", occasion.method));
            }
        }
    }
}

impl Occasion {
    fn path(&self) -> Option<String> {
        match &self.call {
            Call::Api(path) => Some(path.clone()),
            Call::Registry(_) => None,
        }
    }
}

fn text(value: Option<&impl ToString>) -> Option<String> {
    value.map(ToString::to_string)
}

fn miss_glob(what: &str, want: Option<&Pattern>, is: Option<String>, missed: &mut Vec<String>) {
    miss(what, want, is, |want, is| want.admits(is), missed);
}

fn miss<W: fmt::Display, I: fmt::Display>(
    what: &str,
    want: Option<&W>,
    is: Option<I>,
    admits: impl Fn(&W, &I) -> bool,
    missed: &mut Vec<String>,
) {
    match (want, is) {
        (Some(want), Some(is)) if !admits(want, &is) => missed.push(format!("{what} {is} is not {want}")),
        (Some(want), None) => missed.push(format!("it has no {what}, and {want} is wanted")),
        _ => {}
    }
}
