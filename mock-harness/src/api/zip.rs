//! An archive of files that are stored as they are: what the log service gives.
//!
//! Source: PKWARE's APPNOTE, 4.3 (records), 4.4 (fields).

/// The first day that an archive can tell, 1980-01-01: it has no other.
const DATE: u16 = 1 << 5 | 1;
const VERSION: u16 = 20;
/// Names are UTF-8.
const FLAGS: u16 = 1 << 11;

/// The archive of `files`, each a name and its bytes.
pub(super) fn zip(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        let offset = size(&archive);
        let mut about = Vec::new();
        for number in [VERSION, FLAGS, 0, 0, DATE] {
            about.extend(number.to_le_bytes());
        }
        for number in [crc32fast::hash(bytes), size(bytes), size(bytes)] {
            about.extend(number.to_le_bytes());
        }
        about.extend(u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes());
        about.extend(0_u16.to_le_bytes());

        archive.extend(b"PK\x03\x04");
        archive.extend(&about);
        archive.extend(name.as_bytes());
        archive.extend(bytes);

        directory.extend(b"PK\x01\x02");
        directory.extend(VERSION.to_le_bytes());
        directory.extend(&about);
        // No comment, disk 0, no attributes.
        directory.extend([0_u8; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let n_files = u16::try_from(files.len()).unwrap_or(u16::MAX);
    let offset = size(&archive);
    archive.extend(&directory);
    archive.extend(b"PK\x05\x06");
    archive.extend([0_u8; 4]);
    archive.extend(n_files.to_le_bytes());
    archive.extend(n_files.to_le_bytes());
    archive.extend(size(&directory).to_le_bytes());
    archive.extend(offset.to_le_bytes());
    archive.extend([0_u8; 2]);
    archive
}

fn size(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
