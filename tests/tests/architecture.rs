//! The picture of ARCHITECTURE.md, held against what Cargo sees.
//!
//! A new edge is a design question before it is a line of code; when it is answered, [`ALLOWED`] says so.

use std::{collections::BTreeSet, fs, path::Path};

use cargo_metadata::{Metadata, MetadataCommand, Package};
use tests::program::workspace;

/// Which packages of the workspace a package may use, in its code as in its tests. The last two may use every other one.
const ALLOWED: &[(&str, &[&str])] = &[
    ("oci", &[]),
    ("testbed", &["oci"]),
    ("mock-registry", &["oci", "testbed"]),
    ("mock-harness", &["oci", "testbed"]),
    ("puller", &["oci", "testbed"]),
    ("judge", &["oci", "testbed"]),
    ("load", &["oci", "testbed", "puller"]),
    ("runner", &["oci", "testbed", "mock-registry", "mock-harness", "puller", "judge"]),
    ("pullrig", &["oci", "testbed", "runner", "load"]),
    ("tests", EVERY_OTHER),
    ("benches", EVERY_OTHER),
];

const EVERY_OTHER: &[&str] =
    &["oci", "testbed", "mock-registry", "mock-harness", "puller", "judge", "load", "runner", "pullrig", "tests"];

/// What `oci` may not use: it has no IO, no async, no clock.
const IMPURE: &[&str] = &["tokio", "futures-util", "hyper", "axum", "reqwest", "socket2", "jiff", "tempfile", "rand"];

#[test]
fn packages_use_only_what_the_picture_allows() {
    let metadata = metadata();
    let members: BTreeSet<_> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let known: BTreeSet<_> = ALLOWED.iter().map(|(name, _)| *name).collect();
    assert_eq!(members, known, "the packages of the workspace, and those of ALLOWED");

    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let (_, allowed) = ALLOWED.iter().find(|(name, _)| package.name == *name).expect("compared above");
        for dependency in package.dependencies.iter().filter(|dependency| members.contains(dependency.name.as_str())) {
            if !allowed.contains(&dependency.name.as_str()) {
                wrong.push(format!("{} -> {} ({} dependency)", package.name, dependency.name, dependency.kind));
            }
        }
    }
    assert!(wrong.is_empty(), "edges that ARCHITECTURE.md does not have:\n  {}", wrong.join("\n  "));
}

#[test]
fn the_words_of_the_field_are_pure() {
    let metadata = metadata();
    let oci = metadata.packages.iter().find(|package| package.name == "oci").expect("there is a package oci");
    let normal = oci.dependencies.iter().filter(|dependency| dependency.kind == cargo_metadata::DependencyKind::Normal);
    let impure: Vec<_> =
        normal.map(|dependency| &dependency.name).filter(|name| IMPURE.contains(&name.as_str())).collect();
    assert!(impure.is_empty(), "oci has no IO, no async and no clock, but uses {impure:?}");
}

#[test]
fn what_the_workspace_says_once_no_package_says_again() {
    const INHERITED: &[&str] = &["version", "edition", "rust-version", "license", "repository", "publish"];
    let mut wrong = Vec::new();
    for package in &metadata().packages {
        let text = manifest(package);
        for key in INHERITED {
            if !text.lines().any(|line| line.trim() == format!("{key}.workspace = true")) {
                wrong.push(format!("{}: `{key}.workspace = true` is missing", package.name));
            }
        }
        if !text.contains("[lints]\nworkspace = true") {
            wrong.push(format!("{}: the lints are not those of the workspace", package.name));
        }
        for (number, line) in text.lines().enumerate() {
            let names_version = line.contains("version = \"") || line.contains(" = \"");
            let says_itself =
                ["name = ", "description = ", "path = ", "harness = "].iter().any(|key| line.starts_with(key));
            if names_version && !says_itself && !line.contains("workspace = true") {
                wrong.push(format!("{}: Cargo.toml:{}: `{line}` belongs into the root", package.name, number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_top_folder_is_the_package_of_its_name_or_holds_no_code() {
    let metadata = metadata();
    for entry in fs::read_dir(workspace()).expect("the workspace can be listed") {
        let folder = entry.expect("the workspace can be listed").path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !folder.is_dir() || name.starts_with('.') || metadata.target_directory.as_std_path() == folder {
            continue;
        }
        let package = metadata.packages.iter().find(|package| package.manifest_path.as_std_path().starts_with(&folder));
        match package {
            Some(package) => assert_eq!(package.name.as_str(), name, "the package in {name}/"),
            None if is_workspace(&folder) => {}
            None => assert!(!holds_code(&folder), "{name}/ holds Rust but is no package of the workspace"),
        }
    }
}

fn metadata() -> Metadata {
    let mut command = MetadataCommand::new();
    command.current_dir(workspace()).no_deps().other_options([String::from("--offline")]);
    command.exec().expect("cargo metadata works")
}

fn manifest(package: &Package) -> String {
    fs::read_to_string(&package.manifest_path).expect("a manifest can be read")
}

/// Whether it is a project of its own: fuzz targets build as nothing else does.
fn is_workspace(folder: &Path) -> bool {
    let manifest = fs::read_to_string(folder.join("Cargo.toml"));
    manifest.is_ok_and(|manifest| manifest.lines().any(|line| line == "[workspace]"))
}

fn holds_code(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| match path.is_dir() {
        true => holds_code(&path),
        false => path.extension().is_some_and(|extension| extension == "rs"),
    })
}
