//! How many files, sockets included, this process may have open.

use std::io;

use rustix::process::{Resource, getrlimit, setrlimit};

/// Lets this process have as many files open as it may ask for. The usual limit of 1024 is for programs that use `select`,
/// and each connection is a file.
///
/// # Errors
/// The system does not let it; the limit is as it was.
pub fn raise_open_files() -> io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return Ok(());
    }
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}
