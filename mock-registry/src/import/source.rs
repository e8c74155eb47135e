//! The entries of a folder or a tar, by name, to be read where they lie.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use oci::MAX_MANIFEST_BYTES;
use tar::EntryType;

use super::ImportError;

/// The most entries that a tar may have.
const MAX_ENTRIES: usize = 100_000;
/// The longest name of an entry. Names may be entries of their own, of any length.
const MAX_NAME_BYTES: u64 = 64 << 10;
/// How many links may lead to an entry.
const MAX_LINKS: usize = 8;
/// How large a manifest or another JSON file may be.
const MAX_SMALL_BYTES: u64 = MAX_MANIFEST_BYTES as u64;
/// How compressed files begin.
const COMPRESSED: [(&[u8], &str); 4] =
    [(&[0x1f, 0x8b], "gzip"), (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"), (b"BZh", "bzip2"), (b"\xfd7zXZ", "xz")];

/// Where entries come from.
#[derive(Debug)]
pub(super) enum Source {
    /// A folder, by its real path.
    Folder(PathBuf),
    /// A tar, with what it holds.
    Tar { path: PathBuf, entries: HashMap<String, Entry> },
}

/// What a tar says about one name.
#[derive(Debug)]
pub(super) enum Entry {
    File {
        offset: u64,
        size_bytes: u64,
    },
    /// The bytes of another entry.
    Link(String),
}

/// The bytes of one entry.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The name of the entry.
    pub(super) entry: String,
    /// The file that it is in.
    pub(super) path: PathBuf,
    /// Where in the file it begins.
    pub(super) offset: u64,
    /// How long it is.
    pub(super) size_bytes: u64,
}

impl Source {
    /// The entries of the folder or the tar at `path`.
    pub(super) fn open(path: &Path) -> Result<Self, ImportError> {
        let failed = |source| ImportError::Io { path: path.to_owned(), source };
        let real = fs::canonicalize(path).map_err(failed)?;
        if real.is_dir() {
            return Ok(Self::Folder(real));
        }
        let mut file = File::open(&real).map_err(failed)?;
        let mut begin = Vec::new();
        (&mut file).take(8).read_to_end(&mut begin).map_err(failed)?;
        if let Some(compression) = compression_of(&begin) {
            return Err(ImportError::Compressed { path: path.to_owned(), compression });
        }
        // What the reader of tars says repeats a part of the file, so it is left out.
        let entries = scan(file, |_| ImportError::Tar { path: path.to_owned() })?;
        Ok(Self::Tar { path: real, entries })
    }

    /// The bytes under `name`, which may be any text.
    pub(super) fn find(&self, name: &str) -> Result<Place, ImportError> {
        let missing = || ImportError::Missing { entry: name.to_owned() };
        let name = inside("", name)?;
        let place =
            |path: &Path, offset, size_bytes| Place { entry: name.clone(), path: path.to_owned(), offset, size_bytes };
        match self {
            Self::Folder(folder) => {
                let path = fs::canonicalize(folder.join(&name)).map_err(|_| missing())?;
                // A link may lead anywhere.
                if !path.starts_with(folder) {
                    return Err(outside(&name));
                }
                match fs::metadata(&path) {
                    Ok(file) if file.is_file() => Ok(place(&path, 0, file.len())),
                    _ => Err(missing()),
                }
            }
            Self::Tar { path, entries } => {
                let mut found = entries.get(&name);
                for _ in 0..MAX_LINKS {
                    match found {
                        Some(Entry::File { offset, size_bytes }) => return Ok(place(path, *offset, *size_bytes)),
                        Some(Entry::Link(target)) => found = entries.get(target),
                        None => return Err(missing()),
                    }
                }
                Err(ImportError::Entry { entry: name, why: "is a link that leads nowhere" })
            }
        }
    }

    /// Whether there is something under `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }
}

impl Place {
    /// All of it, if it is as small as a manifest has to be.
    pub(super) fn read_small(&self) -> Result<Bytes, ImportError> {
        if self.size_bytes > MAX_SMALL_BYTES {
            let (entry, size_bytes) = (self.entry.clone(), self.size_bytes);
            return Err(ImportError::TooLarge { entry, size_bytes, max_bytes: MAX_SMALL_BYTES });
        }
        let mut bytes = Vec::new();
        self.open().and_then(|mut file| file.read_to_end(&mut bytes)).map_err(|error| self.failed(error))?;
        Ok(bytes.into())
    }

    /// Whether it has the length that was promised.
    pub(super) fn check_size(&self, expected: u64) -> Result<(), ImportError> {
        if self.size_bytes == expected {
            return Ok(());
        }
        Err(ImportError::Size { entry: self.entry.clone(), expected, actual: self.size_bytes })
    }

    /// A reader of it.
    pub(super) fn open(&self) -> io::Result<io::Take<File>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        Ok(file.take(self.size_bytes))
    }

    /// What to say when it cannot be read.
    pub(super) fn failed(&self, source: io::Error) -> ImportError {
        ImportError::Io { path: self.path.clone(), source }
    }
}

/// What a file that begins like this is compressed with.
pub(super) fn compression_of(begin: &[u8]) -> Option<&'static str> {
    COMPRESSED.iter().find(|(magic, _)| begin.starts_with(magic)).map(|(_, compression)| *compression)
}

/// Reads the headers of a tar, and nothing else.
fn scan(mut file: File, failed: impl Fn(io::Error) -> ImportError) -> Result<HashMap<String, Entry>, ImportError> {
    let file_bytes = file.seek(SeekFrom::End(0)).map_err(&failed)?;
    check_headers(&mut file, file_bytes, &failed)?;
    file.rewind().map_err(&failed)?;
    let mut entries = HashMap::new();
    for entry in tar::Archive::new(file).entries_with_seek().map_err(&failed)? {
        let entry = entry.map_err(&failed)?;
        let name = text(&entry.path_bytes());
        let found = match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {
                Entry::File { offset: entry.raw_file_position(), size_bytes: entry.size() }
            }
            // A symbolic link starts where it is, a hard link at the root.
            EntryType::Symlink => {
                let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
                Entry::Link(inside(folder, &text(&entry.link_name_bytes().unwrap_or_default()))?)
            }
            EntryType::Link => Entry::Link(inside("", &text(&entry.link_name_bytes().unwrap_or_default()))?),
            // Folders, devices and the like are nothing to read.
            _ => continue,
        };
        let name = inside("", &name)?;
        if let Entry::File { offset, size_bytes } = found
            && offset.checked_add(size_bytes).is_none_or(|end| end > file_bytes)
        {
            return Err(ImportError::Entry { entry: name, why: "ends behind the end of the file" });
        }
        entries.insert(name, found);
    }
    Ok(entries)
}

/// Looks at the headers as they are, before long names are read into memory.
fn check_headers(
    file: &mut File,
    file_bytes: u64,
    failed: &impl Fn(io::Error) -> ImportError,
) -> Result<(), ImportError> {
    file.rewind().map_err(failed)?;
    let mut archive = tar::Archive::new(file);
    for (n, entry) in archive.entries_with_seek().map_err(failed)?.raw(true).enumerate() {
        let entry = entry.map_err(failed)?;
        if n >= MAX_ENTRIES {
            return Err(ImportError::TooMany { what: "entries", max: MAX_ENTRIES });
        }
        let kind = entry.header().entry_type();
        let is_name = kind.is_gnu_longname() || kind.is_gnu_longlink() || kind.is_pax_local_extensions();
        if is_name && entry.size() > MAX_NAME_BYTES.min(file_bytes) {
            let entry = text(&entry.path_bytes());
            return Err(ImportError::Entry { entry, why: "has too long a name" });
        }
    }
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The name that `path`, seen from `folder`, has from the root, if that is within it.
fn inside(folder: &str, path: &str) -> Result<String, ImportError> {
    let mut parts: Vec<_> = folder.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if path.starts_with('/') {
        return Err(outside(path));
    }
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or_else(|| outside(path))?;
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

fn outside(entry: &str) -> ImportError {
    ImportError::Entry { entry: entry.to_owned(), why: "leads outside of the archive" }
}
