//! Where repositories are in the folder of their registry, and which there are.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use oci::RepositoryName;

use super::layout::{BLOBS, INDEX, MARKER};
use crate::store::StoreError;

/// What a component of a name may not be called, because a layout has it beside the repositories below it.
const RESERVED: [&str; 3] = [BLOBS, INDEX, MARKER];

/// Where the repository is below `root`.
pub(super) fn path_of(root: &Path, name: &RepositoryName) -> PathBuf {
    let mut path = root.to_path_buf();
    for component in name.as_str().split('/') {
        if RESERVED.contains(&component) {
            path.push(format!("_{component}"));
        } else {
            path.push(component);
        }
    }
    path
}

/// The repositories below `root`; of each folder only the names in it are read.
///
/// # Errors
/// A folder cannot be read.
pub(super) fn find_all(root: &Path) -> Result<Vec<RepositoryName>, StoreError> {
    let mut found = Vec::new();
    let mut waiting = vec![(root.to_path_buf(), None)];
    while let Some((folder, name)) = waiting.pop() {
        for entry in entries(&folder).map_err(StoreError::io("read", &folder))? {
            let (file_name, is_folder) = entry.map_err(StoreError::io("read", &folder))?;
            if is_folder {
                if let Some(below) = name_below(name.as_ref(), &file_name) {
                    waiting.push((folder.join(file_name), Some(below)));
                }
            } else if file_name == MARKER {
                found.extend(name.clone());
            }
        }
    }
    Ok(found)
}

/// The names in `folder`, and which of them are folders. What is not UTF-8 is nobody's.
pub(super) fn entries(folder: &Path) -> io::Result<impl Iterator<Item = io::Result<(String, bool)>>> {
    let read = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        let is_folder = entry.file_type()?.is_dir();
        Ok(entry.file_name().into_string().ok().map(|name| (name, is_folder)))
    };
    Ok(fs::read_dir(folder)?.filter_map(move |entry| read(entry).transpose()))
}

/// The name of what is in `folder` below `above`; `None` if that is no repository's.
fn name_below(above: Option<&RepositoryName>, folder: &str) -> Option<RepositoryName> {
    let component = match folder.strip_prefix('_') {
        Some(component) => Some(component).filter(|component| RESERVED.contains(component))?,
        None => Some(folder).filter(|component| !RESERVED.contains(component))?,
    };
    let name = match above {
        Some(above) => format!("{above}/{component}"),
        None => component.to_owned(),
    };
    name.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn arbitrary_name() -> impl Strategy<Value = String> {
        let component = prop_oneof![Just("blobs"), Just("index.json"), Just("oci-layout"), Just("a"), Just("b.c")];
        prop::collection::vec(component, 1..4).prop_map(|components| components.join("/"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn repositories_are_found_where_they_are(names in prop::collection::btree_set(arbitrary_name(), 0..8)) {
            let root = tempfile::tempdir().unwrap();
            for name in &names {
                let path = path_of(root.path(), &name.parse().unwrap());
                fs::create_dir_all(path.join(BLOBS).join("sha256")).unwrap();
                fs::write(path.join(INDEX), "").unwrap();
                fs::write(path.join(MARKER), "").unwrap();
            }
            fs::create_dir_all(root.path().join("_uploads")).unwrap();
            fs::create_dir_all(root.path().join("Not-A-Name")).unwrap();
            let mut found: Vec<_> = find_all(root.path()).unwrap().iter().map(ToString::to_string).collect();
            found.sort();
            prop_assert_eq!(found, names.into_iter().collect::<Vec<_>>());
        }
    }
}
