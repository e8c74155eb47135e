//! The API on the wire, a module for each resource: tables of requests and answers, each line under the row (`end-4a`) or the
//! rule of facts/registry D1 to D3 that it holds, so that the registry stays conformant without the official suite.

#[path = "../common/mod.rs"]
mod common;
mod table;

mod bad_input;
mod blobs;
mod cdn;
mod choices;
mod lists;
mod manifests;
mod referrers;
mod uploads;
