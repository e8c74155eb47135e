//! What a pull asks for, and in which order.
//!
//! Source: facts/registry E2.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ClientProfile,
    habits::{OnUnauthorized, TokenMethod},
    rule::RequestKind,
};

/// The order of a client's requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Order {
    /// Whether `GET /v2/` comes first.
    pub version_check: bool,
    /// When a reference is resolved with `HEAD`, and then asked for by digest.
    pub head: HeadTurn,
    /// Whether it is asked what refers to the image, for attestations.
    pub referrers: bool,
    /// When the config is asked for.
    pub config: ConfigTurn,
    /// Whether an image that is here already is asked for with `If-None-Match`.
    pub conditional: bool,
}

/// When `HEAD` is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HeadTurn {
    /// In each pull.
    Always,
    /// Where an image of that name is here already.
    IfCached,
    /// Never.
    Never,
}

/// When the config is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigTurn {
    /// Before any layer.
    First,
    /// As one of them.
    WithLayers,
}

/// What is pulled, as far as it decides what is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullShape {
    /// Whether the reference names an index.
    pub is_index: bool,
    /// Whether the reference is a digest.
    pub by_digest: bool,
    /// Different layers.
    pub n_layers: usize,
    /// Whether an image of that name and digest is here already.
    pub is_cached: bool,
    /// What the registry wants to see.
    pub login: Login,
    /// Whether the client has a password.
    pub has_password: bool,
}

/// What the registry wants to see, and what the client has by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// Nothing.
    None,
    /// A token, which the client has not.
    Cold,
    /// A token, which the client has.
    Warm,
}

/// What a request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Named {
    /// Nothing.
    Nothing,
    /// The reference as it was asked for.
    Reference,
    /// The digest that the reference means.
    Digest,
    /// The index's entry for the platform.
    Child,
    /// The config.
    Config,
    /// The layer of that number, from 0.
    Layer(usize),
}

/// A request of a pull in which nothing fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlannedRequest {
    /// Which kind.
    pub kind: RequestKind,
    /// `GET`, `HEAD` or `POST`.
    pub method: &'static str,
    /// What it names.
    pub of: Named,
    /// Whether it is answered with a 401 that asks for a token.
    pub is_challenged: bool,
}

impl Default for Order {
    fn default() -> Self {
        Self {
            version_check: false,
            head: HeadTurn::Never,
            referrers: false,
            config: ConfigTurn::First,
            conditional: false,
        }
    }
}

impl Default for PullShape {
    /// A tag that names an image with one layer, without login.
    fn default() -> Self {
        Self {
            is_index: false,
            by_digest: false,
            n_layers: 1,
            is_cached: false,
            login: Login::None,
            has_password: false,
        }
    }
}

impl Order {
    /// Whether `HEAD` comes first.
    pub fn asks_head(&self, is_cached: bool) -> bool {
        match self.head {
            HeadTurn::Always => true,
            HeadTurn::IfCached => is_cached,
            HeadTurn::Never => false,
        }
    }
}

impl ClientProfile {
    /// What this client asks for in a pull in which nothing fails, in order. Layers are several at a time, so theirs is the
    /// order in which they begin. Redirects to a second host come on top.
    pub fn requests_of_a_pull(&self, shape: &PullShape) -> Vec<PlannedRequest> {
        let mut plan = Plan { client: self, shape, needs_token: shape.login == Login::Cold, requests: Vec::new() };
        if self.order.version_check {
            plan.ping();
        }
        let asks_head = self.order.asks_head(shape.is_cached);
        if asks_head {
            plan.add(RequestKind::Head, "HEAD", Named::Reference);
            if shape.is_cached {
                return plan.requests;
            }
        }
        let of = if asks_head && !shape.by_digest { Named::Digest } else { Named::Reference };
        plan.add(RequestKind::Manifest, "GET", of);
        if shape.is_cached {
            return plan.requests;
        }
        if shape.is_index {
            plan.add(RequestKind::Manifest, "GET", Named::Child);
        }
        if self.order.referrers {
            plan.add(RequestKind::Referrers, "GET", Named::Digest);
        }
        plan.add(RequestKind::Config, "GET", Named::Config);
        for n in 0..shape.n_layers {
            plan.add(RequestKind::Layer, "GET", Named::Layer(n));
        }
        plan.requests
    }

    /// Whether a 401 to a token can be outlived.
    pub fn refreshes(&self) -> bool {
        self.token.on_unauthorized == OnUnauthorized::Refresh
    }
}

struct Plan<'a> {
    client: &'a ClientProfile,
    shape: &'a PullShape,
    needs_token: bool,
    requests: Vec<PlannedRequest>,
}

impl Plan<'_> {
    fn ping(&mut self) {
        // It goes without a token, in each pull, and its challenge is answered before anything else is asked.
        let is_challenged = self.shape.login != Login::None;
        self.push(RequestKind::Ping, "GET", Named::Nothing, is_challenged);
        if self.needs_token {
            self.token();
        }
    }

    fn add(&mut self, kind: RequestKind, method: &'static str, of: Named) {
        if self.needs_token {
            self.push(kind, method, of, true);
            self.token();
        }
        self.push(kind, method, of, false);
    }

    fn token(&mut self) {
        self.needs_token = false;
        let posts = self.shape.has_password && self.client.token.with_password == TokenMethod::Post;
        self.push(RequestKind::Token, if posts { "POST" } else { "GET" }, Named::Nothing, false);
    }

    fn push(&mut self, kind: RequestKind, method: &'static str, of: Named, is_challenged: bool) {
        self.requests.push(PlannedRequest { kind, method, of, is_challenged });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The requests of a pull of an index with two layers and a cold token, as people write them.
    fn told(client: &str, shape: &PullShape) -> String {
        let requests = ClientProfile::find(client).unwrap().requests_of_a_pull(shape);
        let word = |request: PlannedRequest| match (request.kind, request.of) {
            (RequestKind::Ping, _) => String::from("ping"),
            (RequestKind::Token, _) => format!("{} token", request.method),
            (RequestKind::Config, _) => String::from("config"),
            (RequestKind::Layer, _) => String::from("layer"),
            (RequestKind::Referrers, _) => String::from("referrers"),
            (_, of) => format!("{} {}", request.method, format!("{of:?}").to_lowercase()),
        };
        let told = |request: PlannedRequest| word(request) + if request.is_challenged { " 401" } else { "" };
        requests.into_iter().map(told).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn each_client_asks_in_its_order() {
        let shape = PullShape { is_index: true, n_layers: 2, login: Login::Cold, ..PullShape::default() };
        let check = |client, expected: &str| assert_eq!(told(client, &shape), expected, "{client}");
        check("docker", "ping 401, GET token, HEAD reference, GET digest, GET child, config, layer, layer");
        let cold = "HEAD reference 401, GET token, HEAD reference, GET digest, GET child";
        check("containerd", &format!("{cold}, config, layer, layer"));
        check("docker-containerd", &format!("{cold}, referrers, config, layer, layer"));
        check("podman", "ping 401, GET token, GET reference, GET child, config, layer, layer");
        check("crane", "ping 401, GET token, GET reference, GET child, config, layer, layer");
        check("regclient", "GET reference 401, GET token, GET reference, GET child, config, layer, layer");
        check("oci-client", "ping 401, GET token, GET reference, GET child, config, layer, layer");
        check("pullrig", "GET reference 401, GET token, GET reference, GET child, config, layer, layer");
    }

    #[test]
    fn an_image_that_is_here_costs_a_head_or_a_get() {
        let shape = PullShape { is_cached: true, ..PullShape::default() };
        let check = |client, expected: &str| assert_eq!(told(client, &shape), expected, "{client}");
        check("containerd", "HEAD reference");
        check("docker", "ping, HEAD reference");
        check("podman", "ping, GET reference");
        check("pullrig", "HEAD reference");
    }

    #[test]
    fn an_index_costs_two_manifests_with_every_client() {
        let shape = PullShape { is_index: true, ..PullShape::default() };
        for client in ClientProfile::names() {
            let requests = ClientProfile::find(client).unwrap().requests_of_a_pull(&shape);
            let n_manifests = requests.iter().filter(|request| request.kind == RequestKind::Manifest).count();
            assert_eq!(n_manifests, 2, "{client}");
        }
    }
}
