//! What is asked of each preset.

/// One preset.
pub(crate) struct Row {
    pub(crate) preset: &'static str,
    /// The path in front of repositories.
    pub(crate) path: &'static str,
    /// Who pulls; nobody is anonymous.
    pub(crate) puller: Option<&'static str>,
    /// Each limit in force, in order: who asks for what until it refuses. `wrong` is a user with a wrong password.
    pub(crate) limits: &'static [(&'static str, Option<&'static str>, &'static str)],
}

const PING: &str = "GET /v2/";
const MANIFEST: &str = "GET /v2/team/app/manifests/1";
const LAYER: &str = "GET /v2/team/app/blobs/{layer}";
const UPLOAD: &str = "POST /v2/team/app/blobs/uploads/";
const TOKEN: &str = "GET token";
const CI: Option<&str> = Some("ci");

const fn row(
    preset: &'static str,
    puller: Option<&'static str>,
    limits: &'static [(&'static str, Option<&'static str>, &'static str)],
) -> Row {
    Row { preset, path: "", puller, limits }
}

const HUB: &[(&str, Option<&str>, &str)] = &[("anonymous", None, MANIFEST), ("accounts", CI, MANIFEST)];
const AZURE: &[(&str, Option<&str>, &str)] = &[("reads", CI, MANIFEST), ("writes", CI, UPLOAD)];

pub(crate) const ROWS: &[Row] = &[
    row("dockerhub", None, HUB),
    row("dockerhub-anon", None, &[("anonymous", None, MANIFEST)]),
    row("dockerhub-personal", None, &[("accounts", CI, MANIFEST)]),
    row("dockerhub-paid", CI, &[]),
    row("dockerhub-abuse", None, &[("abuse", None, "HEAD /v2/team/app/manifests/1")]),
    row("dockerhub-abuse-2019", None, &[("abuse", CI, LAYER)]),
    row("dockerhub-may-2020", None, &[("anonymous", None, MANIFEST)]),
    row("dockerhub-2020", None, HUB),
    row("dockerhub-hourly-plan", None, HUB),
    row("ghcr", None, &[("pulls", None, LAYER), ("pushes", CI, UPLOAD)]),
    row("ghcr-secondary", None, &[("secondary", None, MANIFEST)]),
    row(
        "quay",
        None,
        &[
            ("auth", None, TOKEN),
            ("generic-http1", None, PING),
            ("blobs-http1", None, LAYER),
            ("manifests-http1", None, MANIFEST),
            ("tags-http1", None, "GET /v2/team/app/tags/list"),
            ("catalog-http1", None, "GET /v2/_catalog"),
        ],
    ),
    row("ecr-public", None, &[("anonymous", None, MANIFEST), ("accounts", CI, MANIFEST), ("data", None, LAYER)]),
    row(
        "ecr-private",
        CI,
        &[
            ("batch-get-image", CI, MANIFEST),
            ("batch-check-layer-availability", CI, "HEAD /v2/team/app/blobs/{layer}"),
            ("get-download-url-for-layer", CI, LAYER),
            ("put-image", CI, "PUT /v2/team/app/manifests/2"),
        ],
    ),
    row(
        "gar",
        None,
        &[("requests", None, MANIFEST), ("writes", CI, UPLOAD), ("deletes", CI, "DELETE /v2/team/app/manifests/2")],
    ),
    row("gcr", None, &[("ten-minutes", None, MANIFEST), ("day", None, MANIFEST)]),
    row("k8s", None, &[("requests", None, MANIFEST)]),
    row("acr-basic", CI, AZURE),
    row("acr-standard", CI, AZURE),
    row("acr-premium", CI, AZURE),
    row("acr-cache", CI, AZURE),
    row("mcr", None, &[("front-door", None, LAYER)]),
    row(
        "gitlab",
        None,
        &[
            ("throttle-unauthenticated", None, TOKEN),
            ("throttle-authenticated", CI, TOKEN),
            ("failed-logins", Some("wrong"), TOKEN),
        ],
    ),
    row("gitlab-dependency-proxy", CI, &[("throttle-dependency-proxy", CI, MANIFEST)]),
    row("jfrog", None, &[]),
    row("harbor", None, &[]),
    row("harbor-proxy", None, &[]),
    row("nexus-proxy", None, &[]),
    Row { path: "registry/", ..row("harness-registry", None, &[]) },
    row("harness-ar", CI, &[]),
    row("harness-proxy", CI, &[]),
    row("wave-proxy", None, &[]),
    row("cloudflare", None, &[("edge", None, LAYER)]),
    row("distribution", None, &[]),
    row("distribution-proxy", None, &[]),
    row("zot", None, &[("rate", None, MANIFEST)]),
    row("olareg", None, &[("rate", None, MANIFEST)]),
    row("generic", None, &[]),
];
