//! Strategies for the values that several modules' laws are about.

use proptest::prelude::*;

use crate::{Algorithm, Digest, Reference, RegistryHost, RepositoryName, Tag};

pub(crate) fn repository_name() -> impl Strategy<Value = RepositoryName> {
    // The words of the API's own paths are names too, and must not confuse its parser.
    let word = "manifests|blobs|uploads|tags|list|referrers|library|[a-z0-9]{1,6}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}";
    prop::collection::vec(word, 1..5).prop_map(|words| words.join("/").parse().expect("fits the grammar"))
}

pub(crate) fn tag() -> impl Strategy<Value = Tag> {
    "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}".prop_map(|text| text.parse().expect("fits the grammar"))
}

pub(crate) fn digest() -> impl Strategy<Value = Digest> {
    let algorithm = prop_oneof![Just(Algorithm::Sha256), Just(Algorithm::Sha512)];
    (algorithm, any::<[u8; 4]>()).prop_map(|(algorithm, bytes)| Digest::of_with(algorithm, &bytes))
}

pub(crate) fn reference() -> impl Strategy<Value = Reference> {
    prop_oneof![tag().prop_map(Reference::Tag), digest().prop_map(Reference::Digest)]
}

pub(crate) fn registry_host() -> impl Strategy<Value = RegistryHost> {
    let fixed = prop::sample::select(vec![
        "docker.io",
        "index.docker.io",
        "registry-1.docker.io",
        "localhost",
        "[::1]",
        "[2001:db8::1]:5000",
    ]);
    let made = "[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?(\\.[a-z0-9]{1,4}){1,2}(:[0-9]{1,4})?|[a-z]{1,5}:[0-9]{1,4}";
    prop_oneof![fixed.prop_map(str::to_owned), made].prop_map(|text| text.parse().expect("fits the grammar"))
}
