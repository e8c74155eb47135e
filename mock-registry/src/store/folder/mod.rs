//! The medium that is a folder: what is pushed survives the process, and other tools can read it.
//!
//! Each repository is an OCI image layout of its own, so that `skopeo copy oci:DIR/hub/library/alpine:3 ...` works:
//!
//! ```text
//! DIR/hub/_lock                        held while a process uses the folder
//! DIR/hub/_uploads/17                  a blob on its way in; swept at the start
//! DIR/hub/library/alpine/oci-layout
//! DIR/hub/library/alpine/index.json    every manifest, one descriptor for each of its tags
//! DIR/hub/library/alpine/blobs/sha256/2cf24d...
//! ```
//!
//! **What is promised.** Everything is written beside and renamed, and in this order: blobs, manifest, `index.json`, the
//! answer. So what was answered with 201 or 202 is there after the process was killed at any moment. Nothing is synced: a
//! machine that loses power may lose what was written last. What it leaves behind damaged is noticed, because a blob from an
//! earlier life is hashed once before it is first served ([`blob`]), and is answered as absent.
//!
//! **What is read when.** At the start the names of repositories; `index.json`, the manifests and the names of blobs when a
//! repository is first asked for; a blob's bytes when they are. Layouts that other tools wrote before the start are served
//! as well: the children of an index that `index.json` does not list are found through it.
//!
//! **Names.** Repositories may be called `blobs` or `index.json`: such components are written with a `_` in front, with which
//! no component starts ([`names`]).
//!
//! Source: image-spec, "Image Layout".

mod blob;
mod index;
mod layout;
mod names;
mod place;
mod read;
mod scratch;

pub(crate) use blob::BlobFile;
pub(crate) use place::Folder;
pub(crate) use read::{OpenFile, Reading};
