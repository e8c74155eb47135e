//! The scenarios of `failing/`, each beside the exit status and the text that a user gets: bad input, and checks that are
//! false.
//!
//! `PULLRIG_BLESS=1 cargo test -p tests --test failing` writes the texts anew; read the difference before you commit it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tests::{
    program::{Output, pullrig, run, workspace},
    redact::redact,
};

/// Bad input by file, and the place that the one complaint about it must name. An empty place is the file as a whole.
const BAD_INPUT: &[(&str, &str)] = &[
    ("unknown-key.yaml", ":3:34"),
    ("unknown-registry.yaml", ":7:3"),
    ("unknown-judge.yaml", ":7:3"),
    ("limit-of-nothing.yaml", ":3:41"),
    ("alias-bomb.yaml", ":"),
    ("missing-pipeline.yaml", ":7:23"),
    ("input-not-given.yaml", ":"),
    ("unknown-preset.yaml", ":3:18"),
    ("unknown-certificate.yaml", ":3:23"),
    ("certificate-without-tls.yaml", ":3:35"),
    ("not-a-list.yaml", ":5:"),
];

#[test]
fn each_failing_scenario_says_what_its_text_says() {
    let blesses = std::env::var_os("PULLRIG_BLESS").is_some();
    let mut wrong = Vec::new();
    for file in scenarios() {
        let output = run_failing(&file);
        let seen = told(&output);
        let text = workspace().join(&file).with_extension("txt");
        if blesses {
            fs::write(&text, &seen).expect("the text can be written");
            continue;
        }
        let expected = fs::read_to_string(&text).unwrap_or_default();
        if seen != expected {
            wrong.push(format!("{}\n--- expected\n{expected}--- seen\n{seen}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn bad_input_is_one_complaint_that_says_where_and_what_to_do() {
    for (name, place) in BAD_INPUT {
        let file = Path::new("tests/failing").join(name);
        let output = run_failing(&file);
        assert_eq!(output.status, 2, "{name}: {}", output.stderr);
        assert_eq!(output.stdout, "", "{name} starts nothing");
        let complaints = output.stderr.lines().filter(|line| line.starts_with("error"));
        assert_eq!(complaints.count(), 1, "{name}: {}", output.stderr);
        let place = format!("tests/failing/{name}{place}");
        let is_named = output.stderr.lines().any(|line| line.contains("-->") && line.contains(&place));
        // What is missing in a pipeline is told at the place in the pipeline.
        let is_named = is_named || output.stderr.contains("--> tests/failing/pipelines/");
        assert!(is_named, "{name} does not name {place}:\n{}", output.stderr);
        assert!(output.stderr.contains("= help: ") || output.stderr.contains('^'), "{name}: {}", output.stderr);
    }
}

#[test]
fn checking_finds_what_running_finds() {
    for (name, _) in BAD_INPUT {
        let file = format!("tests/failing/{name}");
        let (checked, ran) = (run(["check", &file]), run(["run", &file]));
        assert_eq!((checked.status, checked.stderr), (2, ran.stderr), "{name}");
    }
}

#[test]
fn one_wrong_file_keeps_the_right_ones_from_being_run() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let output = pullrig()
        .args(["run", "scenarios", "tests/failing/unknown-key.yaml", "--report"])
        .arg(format!("json={}", report.display()))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(!report.exists(), "nothing was run, so there is nothing to report");
}

/// Runs a scenario of `failing/`, named as a user in the folder of the workspace would.
fn run_failing(file: &Path) -> Output {
    run([Path::new("run"), file, Path::new("--seed"), Path::new("7")])
}

fn told(output: &Output) -> String {
    let Output { status, stdout, stderr } = output;
    format!("exit status {status}\n\nstandard output:\n{}\nstandard error:\n{}", redact(stdout), redact(stderr))
}

fn scenarios() -> Vec<PathBuf> {
    let folder = fs::read_dir(workspace().join("tests/failing")).expect("tests/failing can be listed");
    let names = folder.map(|entry| PathBuf::from(entry.expect("tests/failing can be listed").file_name()));
    let mut files: Vec<_> =
        names.filter(|name| name.extension().is_some_and(|extension| extension == "yaml")).collect();
    files.sort();
    files.into_iter().map(|name| Path::new("tests/failing").join(name)).collect()
}
