//! From paths to scenario files.

use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Folders inside a folder of scenarios that hold other YAML: pipelines, and accounts for `pullrig resolve`.
const DATA_FOLDERS: [&str; 2] = ["pipelines", "accounts"];

/// A path that was named cannot be read.
#[derive(Debug, Error)]
#[error("cannot read {path}")]
pub struct DiscoverError {
    /// The path.
    pub path: String,
    /// Why not.
    #[source]
    pub source: io::Error,
}

/// The scenario files that `paths` name, in order, each once. A folder stands for every `.yaml` and `.yml` file below it,
/// except in folders called `pipelines` or `accounts`, which hold data; a file is taken as it is.
///
/// # Errors
/// A path does not exist or cannot be read.
pub fn discover(paths: &[PathBuf]) -> Result<Vec<PathBuf>, DiscoverError> {
    let mut files = Vec::new();
    for path in paths {
        walk(path, true, &mut files)
            .map_err(|(path, source)| DiscoverError { path: path.display().to_string(), source })?;
    }
    let mut seen = std::collections::HashSet::new();
    files.retain(|file| seen.insert(file.clone()));
    Ok(files)
}

fn walk(path: &Path, named: bool, files: &mut Vec<PathBuf>) -> Result<(), (PathBuf, io::Error)> {
    let fail = |source| (path.to_path_buf(), source);
    if !std::fs::metadata(path).map_err(fail)?.is_dir() {
        if named || is_yaml(path) {
            files.push(path.to_path_buf());
        }
        return Ok(());
    }
    if !named && path.file_name().is_some_and(|name| DATA_FOLDERS.iter().any(|folder| name == *folder)) {
        return Ok(());
    }
    let mut children = Vec::new();
    for entry in std::fs::read_dir(path).map_err(fail)? {
        children.push(entry.map_err(fail)?.path());
    }
    children.sort();
    children.iter().try_for_each(|child| walk(child, false, files))
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_walked_in_order_and_data_folders_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["b/x.yaml", "a.yaml", "b/pipelines/p.yaml", "b/readme.md"] {
            let file = folder.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        let found = discover(&[folder.path().to_path_buf(), folder.path().join("a.yaml")]).unwrap();
        let names: Vec<_> =
            found.iter().map(|file| file.strip_prefix(folder.path()).unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.yaml", "b/x.yaml"]);
    }

    #[test]
    fn a_path_that_does_not_exist_is_named() {
        let error = discover(&[PathBuf::from("no/such/folder")]).unwrap_err();
        assert_eq!(error.to_string(), "cannot read no/such/folder");
    }
}
