//! Manifests and error bodies: what is read is written to what reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oci::{ErrorBody, Manifest, MediaType};

fuzz_target!(|bytes: &[u8]| {
    for content_type in [None, Some(MediaType::DOCKER_MANIFEST), Some(MediaType::OCI_INDEX)] {
        if let Ok(manifest) = Manifest::parse(bytes, content_type.as_ref()) {
            let written = serde_json::to_vec(&manifest).expect("a manifest has text keys only");
            let read = Manifest::parse(&written, Some(manifest.media_type())).expect("what is written can be read");
            assert_eq!(read, manifest);
        }
    }
    if let Some(body) = ErrorBody::parse(bytes) {
        let written = serde_json::to_vec(&body).expect("an error body has text keys only");
        assert_eq!(ErrorBody::parse(&written), Some(body));
    }
});
