//! Lines of a table: the rule that is held, what is asked, and what must be answered.

use mock_registry::MockRegistry;
use oci::{Algorithm, Descriptor, Digest, ImageManifest, MediaType};

use crate::common::{Answer, request};

/// The media types of manifests, as headers.
pub(crate) const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// One line.
#[must_use = "a line holds nothing before it is asked"]
pub(crate) struct Line<'a> {
    rule: &'a str,
    call: String,
    headers: Vec<(&'a str, &'a str)>,
    body: Vec<u8>,
}

/// A line about `rule`; `call` is method and path.
pub(crate) fn line(rule: &str, call: impl Into<String>) -> Line<'_> {
    Line { rule, call: call.into(), headers: Vec::new(), body: Vec::new() }
}

impl<'a> Line<'a> {
    pub(crate) fn header(mut self, name: &'a str, value: &'a str) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// Asks, and compares: the status, and texts that head (`name: value`, names in lower case) and body must have; one that
    /// starts with `no ` must be absent.
    pub(crate) async fn is(self, registry: &MockRegistry, status: u16, texts: &[&str]) -> Answer {
        let asked = request(registry, &self.call, &self.headers).body(self.body).send().await;
        let answer = Answer::of(asked.unwrap_or_else(|error| panic!("{}: {}: {error}", self.rule, self.call))).await;
        let lines = answer.headers.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()));
        let whole = lines.collect::<String>() + "\n" + &answer.text();
        let told = format!("{}: {} {:?}\n{whole}", self.rule, self.call, self.headers);
        assert_eq!(answer.status, status, "{told}");
        for text in texts {
            match text.strip_prefix("no ") {
                Some(absent) => assert!(!whole.contains(absent), "has {absent}: {told}"),
                None => assert!(whole.contains(text), "lacks {text}: {told}"),
            }
        }
        answer
    }
}

/// Pushes a blob in one request.
pub(crate) async fn push_blob(registry: &MockRegistry, repository: &str, bytes: &[u8]) -> Digest {
    push_blob_with(registry, repository, Algorithm::Sha256, bytes).await
}

pub(crate) async fn push_blob_with(
    registry: &MockRegistry,
    repository: &str,
    algorithm: Algorithm,
    bytes: &[u8],
) -> Digest {
    let digest = Digest::of_with(algorithm, bytes);
    let call = format!("POST /v2/{repository}/blobs/uploads/?digest={digest}");
    let location = format!("location: /v2/{repository}/blobs/{digest}\n");
    line("end-4b", call).body(bytes).is(registry, 201, &[&location, &format!("docker-content-digest: {digest}")]).await;
    digest
}

/// An image with one layer, whose blobs are in the repository.
pub(crate) async fn image(registry: &MockRegistry, repository: &str, layer: &[u8]) -> ImageManifest {
    push_blob(registry, repository, b"{}").await;
    push_blob(registry, repository, layer).await;
    ImageManifest::new(
        MediaType::OCI_MANIFEST,
        Descriptor::of(MediaType::OCI_CONFIG, b"{}"),
        vec![Descriptor::of(MediaType::OCI_LAYER_TAR, layer)],
    )
}

/// The bytes of a manifest or an index.
pub(crate) fn bytes_of(manifest: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(manifest).unwrap()
}

/// Pushes a manifest of that type to a tag or digest.
pub(crate) async fn push_manifest(registry: &MockRegistry, at: &str, media_type: &str, bytes: &[u8]) -> Answer {
    line("end-7a", format!("PUT /v2/{at}")).header("content-type", media_type).body(bytes).is(registry, 201, &[]).await
}
