//! Takes out of a text what differs from run to run: ports, numbers of connections and entries, wire times.

use std::sync::LazyLock;

use regex::Regex;

/// What is taken out, and what is put in its place.
static ACCIDENTS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        // Ports of listeners, wherever an address or a name of this machine stands.
        (r"\b(127\.\d+\.\d+\.\d+|localhost|0\.0\.0\.0):\d{2,5}\b", "$1:PORT"),
        // The journal's numbers: the end of one body may come before or after the next request.
        (r"#\d+\b *", "#N "),
        // Wire times as reports print them. Policy time has no fractions of a second.
        (r"\b\d+\.\d+ ?m?s\b", "TIME"),
        (r"\b\d+ ?ms\b", "TIME"),
    ]
    .into_iter()
    .map(|(pattern, replacement)| (Regex::new(pattern).expect("the pattern is well-formed"), replacement))
    .collect()
});

/// The text without its accidents.
pub fn redact(text: &str) -> String {
    ACCIDENTS
        .iter()
        .fold(String::from(text), |text, (pattern, replacement)| pattern.replace_all(&text, *replacement).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_wire_times_go_and_the_rest_stays() {
        assert_eq!(redact("127.0.0.1:43210 after 0.123s"), "127.0.0.1:PORT after TIME");
        assert_eq!(redact("#12   00:00:00.000 hub: body of #3 complete"), "#N 00:00:00.000 hub: body of #N complete");
        assert_eq!(redact("a.yaml:12:3: 100/6h, 2 of 3"), "a.yaml:12:3: 100/6h, 2 of 3");
    }
}
