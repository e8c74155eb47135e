//! A world with one registry in it, `registry.test`, which is sane wherever a test does not make it odd.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use oci::RangeRequest;
use puller::{LocalImage, Puller, PullerBuilder, RetryPolicy};
use testbed::{
    Clock, Event, Journal, Secret, Seed,
    net::{Names, Vantage},
    task::{Credentials, PullFailure, PullTask, PulledImage},
};
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

pub(crate) const MANIFEST: &str = "/v2/app/manifests/1";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// See the module. It prints its journal when the test fails.
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) journal: Journal,
    pub(crate) names: Names,
    pub(crate) server: MockServer,
    pub(crate) image: LocalImage,
}

impl World {
    /// A world whose registry answers `odd(request, n)`, where it is the `n`th request (from 1) of that method for that
    /// path, and sanely where that is `None`.
    pub(crate) async fn new(
        image: LocalImage,
        odd: impl Fn(&Request, usize) -> Option<ResponseTemplate> + Send + Sync + 'static,
    ) -> Self {
        let clock = Clock::starting_at(Clock::DEFAULT_START);
        let journal = Journal::new(&clock);
        let server = MockServer::start().await;
        let counts: Mutex<HashMap<(String, String), usize>> = Mutex::default();
        let sane = image.clone();
        let answer = move |request: &Request| {
            let n = {
                let mut counts = counts.lock().unwrap();
                let n = counts.entry((request.method.to_string(), String::from(request.url.path()))).or_default();
                *n += 1;
                *n
            };
            odd(request, n).unwrap_or_else(|| sane_answer(&sane, request))
        };
        Mock::given(any()).respond_with(answer).mount(&server).await;
        let names = Names::default();
        names.add("registry.test", *server.address());
        Self { clock, journal, names, server, image }
    }

    pub(crate) fn builder(&self) -> PullerBuilder {
        Puller::builder(&self.clock, &self.journal)
    }

    pub(crate) fn from(&self) -> Vantage {
        Vantage::in_world("client", None, None, &self.names, &self.journal).unwrap()
    }

    pub(crate) fn task(&self) -> PullTask {
        PullTask::new("registry.test/app:1".parse().unwrap(), self.from())
    }

    pub(crate) fn task_as_jo(&self) -> PullTask {
        PullTask { credentials: Some(jo()), ..self.task() }
    }

    pub(crate) async fn pull(&self) -> Result<PulledImage, PullFailure> {
        self.builder().build().pull(&self.task()).await
    }

    /// What the registry was asked for, in order: `GET /v2/app/manifests/1`.
    pub(crate) async fn asked(&self) -> Vec<String> {
        let requests = self.server.received_requests().await.unwrap();
        requests.iter().map(|request| format!("{} {}", request.method, request.url.path())).collect()
    }

    pub(crate) async fn n_asked(&self, request: &str) -> usize {
        self.asked().await.iter().filter(|asked| *asked == request).count()
    }

    /// The `Authorization` headers of the requests for `path`, in order; empty where there was none.
    pub(crate) async fn proofs(&self, path: &str) -> Vec<String> {
        let requests = self.server.received_requests().await.unwrap();
        let proof =
            |request: &Request| request.headers.get("authorization").map(|value| value.to_str().unwrap().into());
        requests.iter().filter(|request| request.url.path() == path).map(|r| proof(r).unwrap_or_default()).collect()
    }

    /// The path of blob number `n`: the config is 0.
    pub(crate) fn blob(&self, n: usize) -> String {
        blob_path(&self.image, n)
    }

    /// How far policy time has moved.
    pub(crate) fn elapsed(&self) -> Duration {
        Duration::try_from(self.clock.now().duration_since(Clock::DEFAULT_START)).unwrap()
    }

    /// The waits that the journal has, in milliseconds.
    pub(crate) fn waits_ms(&self) -> Vec<u64> {
        let entries = self.journal.entries();
        let waits = entries.iter().filter_map(|entry| match &entry.event {
            Event::RetryWait(wait) => Some(wait.wait_ms),
            _ => None,
        });
        waits.collect()
    }
}

impl Drop for World {
    #[expect(clippy::print_stderr, reason = "the journal is the evidence of a failed test")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            for entry in self.journal.entries() {
                eprintln!("{entry}");
            }
        }
    }
}

/// Two layers.
pub(crate) fn image() -> LocalImage {
    LocalImage::synthetic(Seed(1), &[3000, 5000])
}

pub(crate) fn blob_path(image: &LocalImage, n: usize) -> String {
    format!("/v2/app/blobs/{}", image.blobs[n].digest)
}

pub(crate) fn jo() -> Credentials {
    Credentials { username: "jo".parse().unwrap(), password: Secret::new("hunter2"), is_refresh_token: false }
}

pub(crate) fn status(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status)
}

pub(crate) fn attempts(n: u32) -> RetryPolicy {
    RetryPolicy { attempts: NonZeroU32::new(n).unwrap(), ..RetryPolicy::default() }
}

/// A registry that wants a token. The nth that it gives is `token-n`; a request is let in if `accepts` its token.
pub(crate) fn wants_token(
    accepts: impl Fn(&Request, &str) -> bool + Send + Sync + 'static,
) -> impl Fn(&Request, usize) -> Option<ResponseTemplate> + Send + Sync + 'static {
    move |request, n| {
        if request.url.path() == "/token" {
            let body = format!(r#"{{"token":"token-{n}","expires_in":300}}"#);
            return Some(status(200).set_body_raw(body, "application/json"));
        }
        let proof = request.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_in = proof.strip_prefix("Bearer ").is_some_and(|token| accepts(request, token));
        (!is_in).then(|| challenge(r#"Bearer realm="https://registry.test/token",service="reg""#))
    }
}

pub(crate) fn challenge(header: &str) -> ResponseTemplate {
    let body = r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
    status(401).insert_header("www-authenticate", header).set_body_raw(body, "application/json")
}

/// Any number of things that were seen, shared with a registry.
pub(crate) type Seen<T> = Arc<Mutex<Vec<T>>>;

pub(crate) fn sane_answer(image: &LocalImage, request: &Request) -> ResponseTemplate {
    let path = request.url.path();
    if path == "/v2/" {
        return status(200);
    }
    if path == MANIFEST || path == format!("/v2/app/manifests/{}", image.digest()) {
        return status(200).set_body_raw(image.manifest.to_vec(), OCI_MANIFEST);
    }
    let blob = image.blobs.iter().find(|blob| path == format!("/v2/app/blobs/{}", blob.digest));
    let Some(blob) = blob else {
        let body = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
        return status(404).set_body_raw(body, "application/json");
    };
    let range = request.headers.get("range").and_then(|range| range.to_str().ok()?.parse::<RangeRequest>().ok());
    match range.map(|range| range.resolve(blob.bytes.len() as u64).unwrap()) {
        None => status(200).set_body_bytes(blob.bytes.to_vec()),
        Some(range) => {
            let (first, last) = (usize::try_from(range.first).unwrap(), usize::try_from(range.last).unwrap());
            let whole = blob.bytes.len();
            status(206)
                .insert_header("content-range", format!("bytes {first}-{last}/{whole}"))
                .set_body_bytes(blob.bytes[first..=last].to_vec())
        }
    }
}
