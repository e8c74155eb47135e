//! `/v2/<name>/referrers/<digest>`.

use std::collections::BTreeMap;

use mock_registry::MockRegistry;
use oci::{Descriptor, Digest, ImageIndex, ImageManifest, MediaType};
use serde_json::{Value, json};

use crate::{
    common::start,
    table::{OCI, OCI_INDEX, bytes_of, image, line, push_manifest},
};

/// Pushes a manifest that refers to `subject`, and returns its descriptor as a list must show it.
async fn refer(registry: &MockRegistry, subject: &Descriptor, artifact_type: Option<&str>, note: &str) -> Value {
    let manifest = ImageManifest {
        subject: Some(subject.clone()),
        artifact_type: artifact_type.map(|text| text.parse().unwrap()),
        annotations: BTreeMap::from([(String::from("note"), String::from(note))]),
        ..image(registry, "a/b", note.as_bytes()).await
    };
    let bytes = bytes_of(&manifest);
    let digest = Digest::of(&bytes);
    let pushed = push_manifest(registry, &format!("a/b/manifests/{digest}"), OCI, &bytes).await;
    assert_eq!(pushed.header("oci-subject"), subject.digest.as_str(), "D1 end-7a");
    json!({ "mediaType": OCI, "digest": digest, "size": bytes.len(), "annotations": { "note": note },
        "artifactType": artifact_type.unwrap_or(MediaType::OCI_CONFIG.as_str()) })
}

fn sorted(mut descriptors: Vec<Value>) -> Vec<Value> {
    descriptors.sort_by_key(|descriptor| descriptor["digest"].to_string());
    descriptors
}

#[tokio::test]
async fn referrers_are_listed_filtered_and_paged() {
    let registry = start(json!({ "api": { "max-page": 2 } })).await;
    let bytes = bytes_of(&image(&registry, "a/b", b"layer").await);
    let subject = Descriptor::of(MediaType::OCI_MANIFEST, &bytes);
    let path = format!("/v2/a/b/referrers/{}", subject.digest);
    let empty = format!("{{\"schemaVersion\":2,\"mediaType\":\"{OCI_INDEX}\",\"manifests\":[]}}");
    // What refers may come before its subject.
    line("end-12a", format!("GET {path}")).is(&registry, 200, &[&empty, &format!("content-type: {OCI_INDEX}\n")]).await;
    line("end-12a", format!("GET /v2/no/such/referrers/{}", subject.digest)).is(&registry, 200, &[&empty]).await;
    let sbom = refer(&registry, &subject, Some("application/vnd.x.sbom+json"), "sbom").await;
    let plain = refer(&registry, &subject, None, "plain").await;
    let other = refer(&registry, &subject, Some("application/vnd.x.sbom+json"), "other").await;
    let index = ImageIndex { subject: Some(subject.clone()), ..ImageIndex::new(MediaType::OCI_INDEX, Vec::new()) };
    let index = bytes_of(&index);
    let pushed = push_manifest(&registry, "a/b/manifests/list", OCI_INDEX, &index).await;
    assert_eq!(pushed.header("oci-subject"), subject.digest.as_str());
    let index = json!({ "mediaType": OCI_INDEX, "digest": Digest::of(&index), "size": index.len() });

    let mut found = Vec::new();
    let mut next = path.clone();
    for n in 0..2 {
        let page = line("D1 referrers Link", format!("GET {next}")).is(&registry, 200, &[]).await;
        found.extend(page.json()["manifests"].as_array().unwrap().clone());
        let link = page.header("link").to_owned();
        assert_eq!(link.is_empty(), n == 1, "{link}");
        next = link.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
    }
    assert_eq!(found, sorted(vec![sbom.clone(), plain, other.clone(), index]));
    let filter = format!("GET {path}?artifactType=application/vnd.x.sbom%2Bjson");
    let filtered =
        line("end-12b", &filter).is(&registry, 200, &["oci-filters-applied: artifactType\n", "no link"]).await;
    assert_eq!(*filtered.json()["manifests"].as_array().unwrap(), sorted(vec![sbom, other]));
    let paged = line("end-12b Link", format!("{filter}&n=1")).is(&registry, 200, &["oci-filters-applied"]).await;
    assert!(paged.header("link").contains("?artifactType=application%2Fvnd.x.sbom%2Bjson&last=sha256:"));
    line("end-12b", format!("GET {path}?artifactType=x/y")).is(&registry, 200, &[&empty, "oci-filters-applied"]).await;
    line("end-12a", "GET /v2/a/b/referrers/sha256:nonsense").is(&registry, 400, &["DIGEST_INVALID"]).await;
    line("end-12a", format!("PUT {path}")).is(&registry, 405, &["allow: GET, HEAD"]).await;
}

#[tokio::test]
async fn without_the_endpoint_clients_keep_a_tag() {
    let registry = start(json!({ "api": { "referrers": false } })).await;
    let bytes = bytes_of(&image(&registry, "a/b", b"layer").await);
    let subject = Descriptor::of(MediaType::OCI_MANIFEST, &bytes);
    let path = format!("/v2/a/b/referrers/{}", subject.digest);
    line("end-12a 404", format!("GET {path}")).is(&registry, 404, &["UNSUPPORTED"]).await;
    let referring = ImageManifest { subject: Some(subject.clone()), ..image(&registry, "a/b", b"sbom").await };
    let referring = bytes_of(&referring);
    let pushed = push_manifest(&registry, "a/b/manifests/sbom", OCI, &referring).await;
    assert_eq!(pushed.header("oci-subject"), "", "D2: clients are to see that the registry knows no subjects");
    let tag = format!("sha256-{}", subject.digest.encoded());
    let list = ImageIndex::new(MediaType::OCI_INDEX, vec![Descriptor::of(MediaType::OCI_MANIFEST, &referring)]);
    push_manifest(&registry, &format!("a/b/manifests/{tag}"), OCI_INDEX, &bytes_of(&list)).await;
    let fallback = line("D2 fallback", format!("GET /v2/a/b/manifests/{tag}")).is(&registry, 200, &[OCI_INDEX]).await;
    assert_eq!(fallback.body, bytes_of(&list));
}
