//! From paths to scenario files.

use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Folders inside a folder of scenarios that hold other YAML.
const DATA_FOLDERS: [&str; 2] = ["pipelines", "presets"];

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
/// except in folders called `pipelines` or `presets`, which hold data; hidden files and links to folders are left out. A
/// file is taken as it is.
///
/// # Errors
/// A path does not exist or cannot be read.
pub fn discover(paths: &[PathBuf]) -> Result<Vec<PathBuf>, DiscoverError> {
    let mut files = Vec::new();
    for path in paths {
        let found =
            if path.is_dir() { walk(path, &mut files) } else { read_name(path).map(|()| files.push(path.clone())) };
        found.map_err(|(path, source)| DiscoverError { path: path.display().to_string(), source })?;
    }
    // The same file may be named in several ways.
    let mut seen = std::collections::HashSet::new();
    files.retain(|file| seen.insert(file.canonicalize().unwrap_or_else(|_| file.clone())));
    Ok(files)
}

fn read_name(path: &Path) -> Result<(), (PathBuf, io::Error)> {
    std::fs::metadata(path).map(|_| ()).map_err(|source| (path.to_path_buf(), source))
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), (PathBuf, io::Error)> {
    let fail = |source| (folder.to_path_buf(), source);
    let mut children = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name();
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        if !is_hidden && !DATA_FOLDERS.iter().any(|data| name == *data) {
            children.push((entry.path(), entry.file_type().map_err(fail)?));
        }
    }
    children.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (path, kind) in children {
        if kind.is_dir() {
            walk(&path, files)?;
        } else if is_yaml(&path) && path.is_file() {
            files.push(path);
        }
    }
    Ok(())
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
        for file in ["b/x.yaml", "a.yaml", "b/pipelines/p.yaml", "b/presets/p.yaml", "b/readme.md", "b/.#x.yaml"] {
            let file = folder.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        let found = discover(&[folder.path().to_path_buf(), folder.path().join("b/../a.yaml")]).unwrap();
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
