//! The lines of a step's log, as the log service gives them.
//!
//! Source: harness/lite-engine `logstream.Line` (the fields), the docs' "Download execution logs" (one JSON object a line).

use serde_json::json;
use testbed::Timestamp;

/// How serious a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogLevel {
    /// Anything. A pod's warnings are told so too: the delegate compares their type with another spelling.
    Info,
    /// A failure.
    Error,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogLine {
    pub(crate) level: LogLevel,
    pub(crate) at: Timestamp,
    pub(crate) text: String,
}

/// The lines as a log file has them: a JSON object each.
pub(crate) fn ndjson(lines: &[LogLine]) -> String {
    let line = |(position, line): (usize, &LogLine)| {
        let LogLine { level, at, text } = line;
        let level = match level {
            LogLevel::Info => "INFO",
            LogLevel::Error => "ERROR",
        };
        let line = json!({ "level": level, "pos": position, "out": text, "time": at.to_string(), "args": null });
        format!("{line}\n")
    };
    lines.iter().enumerate().map(line).collect()
}
