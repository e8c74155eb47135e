//! Which files are read: those that are named, those in folders, and standard input.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use testbed::{
    diagnostic::{Diagnostic, Source},
    yaml,
};

use crate::plan;

/// What stands for standard input.
const STDIN: &str = "-";

/// A pipeline file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineFile {
    /// Where it is; `-` is standard input.
    pub path: PathBuf,
    /// Whether it was named itself, and not found in a folder: then it must be a pipeline.
    pub is_named: bool,
}

/// The files that `paths` name: files themselves, and of folders all YAML below them, in the order of their names.
///
/// # Errors
/// Folders that cannot be read, or have no YAML in them.
pub fn find_pipelines(paths: &[PathBuf]) -> Result<Vec<PipelineFile>, Vec<Diagnostic>> {
    let mut files = Vec::new();
    let mut complaints = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(PipelineFile { path: path.clone(), is_named: true });
            continue;
        }
        let n_before = files.len();
        if let Err(error) = walk(path, &mut files) {
            complaints.push(Diagnostic::general(format!("cannot read {}: {error}", path.display())));
        } else if files.len() == n_before {
            let complaint = Diagnostic::general(format!("{} has no YAML files in it", path.display()));
            complaints.push(complaint.hint("name pipeline files, or a folder with some"));
        }
    }
    if complaints.is_empty() { Ok(files) } else { Err(complaints) }
}

/// Links to folders are not followed, so that there is an end; hidden folders are nobody's pipelines.
fn walk(folder: &Path, files: &mut Vec<PipelineFile>) -> std::io::Result<()> {
    let mut entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if entry.file_type()?.is_dir() {
            if !is_hidden {
                walk(&path, files)?;
            }
        } else if is_yaml {
            files.push(PipelineFile { path, is_named: false });
        }
    }
    Ok(())
}

/// The text of a file, or of standard input where its name is `-`.
pub(super) fn read_source(file: &Path) -> Result<Source, Diagnostic> {
    if file.as_os_str() != STDIN {
        return plan::read(file);
    }
    let mut text = String::new();
    let bound = yaml::MAX_FILE_BYTES as u64 + 1;
    match std::io::stdin().lock().take(bound).read_to_string(&mut text) {
        Ok(_) => Ok(Source::new("standard input", text)),
        Err(error) => Err(Diagnostic::general(format!("cannot read standard input: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_walked_in_order_and_files_are_taken_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("b/.git")).unwrap();
        for name in ["c.yaml", "b/z.yml", "b/a.yaml", "b/.git/x.yaml", "b/readme.md"] {
            std::fs::write(root.join(name), "").unwrap();
        }
        let found = find_pipelines(&[root.to_owned(), "-".into(), root.join("nowhere.yaml")]).unwrap();
        let told: Vec<_> = found
            .iter()
            .map(|file| (file.path.strip_prefix(root).unwrap_or(&file.path).to_str().unwrap(), file.is_named))
            .collect();
        assert_eq!(
            told,
            [("b/a.yaml", false), ("b/z.yml", false), ("c.yaml", false), ("-", true), ("nowhere.yaml", true)]
        );
        let told = find_pipelines(&[root.join("b/.git/..").join(".git").join("..")]).unwrap();
        assert_eq!(told.len(), 2);
        std::fs::create_dir(root.join("empty")).unwrap();
        let empty = find_pipelines(&[root.join("empty")]).unwrap_err();
        assert!(empty[0].message.ends_with("has no YAML files in it"), "{}", empty[0]);
    }
}
