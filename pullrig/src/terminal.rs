//! What all verbs share in talking to people.

use std::io::{self, IsTerminal as _, Write as _};

use testbed::diagnostic::Diagnostic;
use tracing_subscriber::EnvFilter;

/// Prints complaints on standard error, and how many there are.
pub(crate) fn say_complaints(complaints: &[Diagnostic]) {
    let mut text = String::new();
    for complaint in complaints {
        text.push_str(&complaint.render(true));
        text.push_str("\n\n");
    }
    if complaints.len() > 1 {
        text.push_str(&format!("{} complaints\n", complaints.len()));
    }
    say(&text);
}

/// Prints one error on standard error, and what to do.
pub(crate) fn say_error(message: &str, hint: Option<&str>) {
    let mut complaint = Diagnostic::general(message);
    if let Some(hint) = hint {
        complaint = complaint.hint(hint);
    }
    say(&format!("{}\n", complaint.render(true)));
}

/// Prints on standard error, in colour if that is wanted.
pub(crate) fn say(text: &str) {
    // Standard error that is closed leaves nobody to tell.
    drop(anstream::stderr().write_all(text.as_bytes()));
}

/// Prints data on standard output. A reader that has seen enough (`| head`) is no error.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn put(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Whether something that moves may be shown: standard error is a terminal, and nobody is recording it.
pub(crate) fn shows_progress() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stderr().is_terminal() && !is_set("CI") && !is_dumb
}

/// How many columns standard output has; none if it is no terminal, so that nothing has to fit.
pub(crate) fn width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    terminal_size::terminal_size().map(|(terminal_size::Width(width), _)| usize::from(width))
}

/// Logs to standard error: warnings, or more with `verbose`. `PULLRIG_LOG` overrules it.
pub(crate) fn start_log(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("PULLRIG_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let is_coloured = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(is_coloured)
        .without_time()
        .init();
}
