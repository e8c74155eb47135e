//! Pulls of a recorded run: `recorded/pulls.yaml` is the scenario.

use judge::{Pull, pulls};
use testbed::journal::{Entry, Event, read_canonical};

fn recorded() -> Vec<Entry> {
    read_canonical(include_str!("recorded/pulls.jsonl")).unwrap()
}

/// Who pulled what, whether to its end, and: requests, counted, refused, tokens, resumed, bytes wasted.
fn line(pull: &Pull) -> String {
    let Pull { number, client, image, requests, counted, refused, tokens, wasted_bytes, resumed, complete, .. } = pull;
    let is_complete = if *complete { "complete" } else { "incomplete" };
    let figures = [requests, counted, refused, tokens, resumed, wasted_bytes].map(u64::to_string);
    format!("{number} {client}: {image} {is_complete} {}", figures.join(" "))
}

const PULLS: [&str; 10] = [
    "1 127.0.0.11 docker/29.7.2: library/alpine:3 complete 12 1 0 1 1 0",
    "2 127.0.0.12 crane/v0.21.9: library/alpine:3 complete 10 1 0 1 0 0",
    "3 127.0.0.11 containerd/v2.3.4 as account:ci: library/alpine:3 complete 10 1 0 1 0 0",
    "4 127.0.0.13 skopeo/1.22: library/alpine:3 complete 10 1 0 1 0 0",
    "5 127.0.0.13 skopeo/1.22: library/redis:7 complete 6 1 0 1 0 0",
    "6 127.0.0.15 libpod/5.7: library/alpine:3 complete 11 1 0 1 1 0",
    "7 127.0.0.11 docker/29.7.2: library/redis:7 complete 10 1 0 1 0 65536",
    "8 127.0.0.11 docker/29.7.2: library/redis:7 complete 8 1 0 1 0 0",
    "9 127.0.0.11 docker/29.7.2: library/redis:7 complete 8 1 0 1 0 0",
    "10 127.0.0.11 docker/29.7.2: library/redis:7 incomplete 4 0 1 1 0 0",
];

#[test]
fn each_pull_has_its_own_requests_and_no_others() {
    let pulls = pulls(&recorded());
    let lines: Vec<_> = pulls.iter().map(line).collect();
    assert_eq!(lines, PULLS);
    let members: u64 = pulls.iter().map(|pull| pull.requests).sum();
    let asked = recorded().iter().filter(|entry| matches!(entry.event, Event::Exchange(_))).count();
    assert_eq!(members, asked as u64, "each exchange belongs to one pull");
}

#[test]
fn of_clients_that_do_not_say_when_they_begin_the_pulls_are_the_same() {
    let says = |entry: &Entry| matches!(entry.event, Event::PullStarted(_) | Event::PullFinished(_));
    let entries: Vec<_> = recorded().into_iter().filter(|entry| !says(entry)).collect();
    let lines: Vec<_> = pulls(&entries).iter().map(line).collect();
    assert_eq!(lines, PULLS);
}

#[test]
fn a_pull_lasts_from_its_first_request_to_its_last_byte() {
    let pulls = pulls(&recorded());
    let seconds = |pull: &Pull| pull.ended.duration_since(pull.began).as_secs();
    // It waited 5 s before it took the layer up again.
    assert_eq!((seconds(&pulls[0]), pulls[0].exchanges), (5, (3, 19)));
    assert_eq!(pulls[0].registries, ["hub"]);
    // Two layers, the config and the manifest: each byte once, although the layer came in two parts.
    assert!((2_162_688..2_164_736).contains(&pulls[0].bytes), "{}", pulls[0].bytes);
}

#[test]
fn a_journal_without_its_beginning_tells_what_is_left() {
    let entries = recorded();
    let from = entries.iter().position(|entry| entry.seq == 25).unwrap();
    let whole = pulls(&entries);
    let rest = pulls(&entries[from..]);
    assert_eq!(rest.len(), whole.len() - 1);
    assert_eq!(rest[0].client, whole[1].client);
}
