//! The puller against registries that are odd in one way each. They are played by wiremock, and where wiremock is too
//! well behaved by a bare socket; neither knows anything of the mock registry.

mod authentication;
mod blobs;
mod broken_off;
mod chaos;
mod clients;
mod hosts;
mod layout;
mod manifests;
mod pushes;
mod retries;
mod support;
