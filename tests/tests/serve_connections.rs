//! A registry that stays up has room for more connections than a process usually may have files open.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tests::serve::Serve;

/// What `serve` starts with. A process needs a few dozen for itself.
const LIMIT: u64 = 64;
const N_CONNECTIONS: usize = 256;
/// A connection that is not accepted has no answer, and no end either.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens a connection that stays, and asks for something on it.
fn open(serve: &Serve) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(serve.authority())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /v2/ HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
    let mut status = [0; 15];
    stream.read_exact(&mut status)?;
    assert_eq!(&status, b"HTTP/1.1 200 OK");
    Ok(stream)
}

// The only test of its program: the limit is that of the whole process, and children have it too.
#[test]
fn a_low_limit_of_open_files_is_raised() {
    let own = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(LIMIT), ..own }).unwrap();
    let serve = Serve::start(["--preset", "generic"]);
    let raised = Rlimit { current: own.maximum, ..own };
    setrlimit(Resource::Nofile, raised).unwrap();
    let open: Result<Vec<_>, _> = (0..N_CONNECTIONS).map(|_| open(&serve)).collect();
    assert_eq!(open.unwrap().len(), N_CONNECTIONS);
}
