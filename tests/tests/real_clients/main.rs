//! Real clients, unmodified, against registries that stay up: docker, podman, skopeo and containerd push and pull, and they
//! fail with Docker Hub's words once a limit is used up.
//!
//! Each client has a file, which says how it is told what to do; `round_trip` says what all of them must be able to.

mod containerd;
mod docker;
mod limits;
mod podman;
mod round_trip;
mod skopeo;
mod window;
