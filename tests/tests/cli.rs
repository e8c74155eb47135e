//! The command line as a contract: exit statuses, what goes to standard output and what to standard error, reports.
//!
//! Scenario files that are wrong are in `failing.rs`.

use std::{fs, net::TcpListener, process::Stdio, time::Duration};

use quick_junit::Report;
use rustix::process::Signal;
use serde_json::Value;
use testbed::{diagnostic::Source, yaml};
use tests::{
    program::{Output, pullrig, run, send, wait, wait_until, workspace},
    serve::Serve,
};

/// A scenario that takes longer in wire time than anybody waits.
const SLOW: &str = "scenario: An answer that does not come\n\
                    registries:\n  hub:\n    preset: generic\n    rules: [{ when: {}, then: { delay: { for: 5m } } }]\n\
                    steps:\n  - http: { get: \"http://hub.test/v2/\", expect: { status: 200 } }\n";

#[test]
fn exit_statuses_and_words_are_a_contract() {
    // Arguments; exit status; what standard error says. Standard output stays empty.
    let cases: &[(&[&str], i32, &[&str])] = &[
        (&["run", "no/such/folder"], 2, &["cannot read no/such/folder", "= help: "]),
        (&["check", "no/such/folder"], 2, &["cannot read no/such/folder", "= help: "]),
        (&["run", "--filter", "no scenario is called this"], 4, &["no scenario matched in scenarios", "--filter"]),
        (&["run", "--shard", "4/3"], 2, &["`4/3` is no part", "1/3"]),
        (&["run", "--report", "html=x"], 2, &["`html=x` is no report", "junit=FILE"]),
        (&["run", "--jobs", "0"], 2, &["'0'", "--jobs"]),
        (&["run", "--no-such-flag"], 2, &["--no-such-flag"]),
        (&["no-such-verb"], 2, &["no-such-verb"]),
        (&["serve"], 2, &["--preset"]),
        (&["serve", "--preset", "dockerhubb"], 2, &["dockerhubb", "dockerhub", "= help: "]),
        (&["serve", "--preset", "generic=nowhere"], 2, &["`nowhere` is no address", "127.0.0.1:5000"]),
        (&["serve", "--preset", "generic", "--image", "library/alpine:3"], 2, &["has no layers", "=3MiB"]),
        (&["serve", "--preset", "generic", "--image", "library/alpine:3=much"], 2, &["much"]),
        (&["serve", "--preset", "generic", "--account", "ci"], 2, &["user:password"]),
        (
            &["serve", "--preset", "generic", "--store", "Cargo.toml"],
            3,
            &["Cargo.toml is not a folder", "= help: the store"],
        ),
        (&["serve", "--preset", "./no/such.yaml"], 2, &["cannot read ./no/such.yaml"]),
        (&["serve", "--preset", "Cargo.toml/x.yaml=127.0.0.1:0"], 2, &["cannot read Cargo.toml/x.yaml"]),
        (&["presets", "show", "quey"], 2, &["no preset `quey`", "did you mean `quay`?"]),
        (&["presets", "dialects", "quai"], 2, &["no dialect `quai`", "did you mean `quay`?"]),
        (&["resolve"], 2, &["PIPELINE"]),
        (&["resolve", "no/such/pipeline.yaml"], 2, &["no/such/pipeline.yaml"]),
    ];
    for (args, status, words) in cases {
        let output = run(*args);
        assert_eq!(output.status, *status, "{args:?}: {output:?}");
        assert_eq!(output.stdout, "", "{args:?}");
        for word in *words {
            assert!(output.stderr.contains(word), "{args:?} does not say {word:?}:\n{}", output.stderr);
        }
        assert_eq!(n_errors(&output), 1, "{args:?}: {}", output.stderr);
    }
}

#[test]
fn a_password_that_is_mistyped_is_not_repeated() {
    let output = run(["serve", "--preset", "generic", "--account", "/:hunter2"]);
    assert_eq!(output.status, 2);
    assert!(!output.stderr.contains("hunter2"), "{}", output.stderr);
}

#[test]
fn a_port_in_use_is_said_with_its_number_and_nothing_is_ready() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready.json");
    let preset = format!("dockerhub-anon={address}");
    let output = run(["serve", "--preset", "generic", "--preset", &preset, "--ready-file", ready.to_str().unwrap()]);
    assert_eq!(output.status, 3, "{output:?}");
    assert_eq!(output.stdout, "", "no listener is announced, not even the one whose port is free");
    assert!(output.stderr.contains(&address) && output.stderr.contains("= help: "), "{}", output.stderr);
    assert_eq!(n_errors(&output), 1, "{}", output.stderr);
    assert!(!ready.exists());
}

#[test]
fn the_scenarios_have_nothing_to_complain_about() {
    let output = run(["check"]);
    assert_eq!(output.status, 0, "{}", output.stderr);
    assert!(output.stderr.contains("no complaints"), "{}", output.stderr);
}

#[test]
fn the_schema_takes_every_scenario() {
    let output = run(["schema"]);
    assert_eq!((output.status, output.stderr.as_str()), (0, ""));
    let schema: Value = serde_json::from_str(&output.stdout).expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("the schema is a JSON Schema");
    let mut wrong = Vec::new();
    for file in runner::discover::discover(&[workspace().join("scenarios")]).unwrap() {
        let source = Source::new(file.display().to_string(), fs::read_to_string(&file).unwrap());
        let scenario: Value = yaml::from_str(&source).expect("a scenario is YAML");
        let errors = validator.iter_errors(&scenario);
        wrong.extend(errors.map(|error| format!("{}: {}: {error}", file.display(), error.instance_path())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_schema_refuses_what_is_no_scenario() {
    let schema: Value = serde_json::from_str(&run(["schema"]).stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for scenario in ["steps: []", "scenario: x\nsteps: { pull: {} }", "scenario: x\nsteps: []\nregistry: {}"] {
        let scenario: Value = yaml::from_str(&Source::new("x.yaml", scenario)).unwrap();
        assert!(!validator.is_valid(&scenario), "{scenario}");
    }
}

#[test]
fn reports_are_what_their_readers_take() {
    let folder = tempfile::tempdir().unwrap();
    let junit = folder.path().join("report.xml");
    let request = format!("junit={}", junit.display());
    let scenarios = ["run", "scenarios/limits", "tests/failing/false-count.yaml"];
    let output = run(scenarios.into_iter().chain(["--report", &request, "--report", "json=-"]));
    assert_eq!(output.status, 1, "{}", output.stderr);

    let json: Value = serde_json::from_str(&output.stdout).expect("standard output is the report and nothing else");
    let scenarios = json["scenarios"].as_array().expect("a list of scenarios");
    assert_eq!(json["n_failed"], 1);
    assert_eq!(json["n_passed"], scenarios.len() - 1);
    let failed = scenarios.iter().find(|scenario| scenario["verdict"] == "failed").expect("one has failed");
    assert_eq!(failed["file"], "tests/failing/false-count.yaml");
    assert_eq!(failed["complaints"][0]["line"], 11);
    assert!(failed["journal"].as_array().is_some_and(|journal| !journal.is_empty()));

    let junit = Report::deserialize_from_str(&fs::read_to_string(junit).unwrap()).expect("the report is JUnit's XML");
    assert_eq!((junit.tests, junit.failures, junit.errors), (scenarios.len(), 1, 0));
    assert_eq!(junit.test_suites.len(), 2, "a suite for each folder");
}

#[test]
fn a_report_that_cannot_be_written_is_no_success() {
    let output = run(["run", "scenarios/limits", "--report", "junit=no/such/folder/report.xml"]);
    assert_eq!(output.status, 3, "{}", output.stderr);
    assert!(output.stderr.contains("no/such/folder/report.xml"), "{}", output.stderr);
}

#[test]
fn shards_are_all_of_the_scenarios_and_share_none() {
    let titles = |shard: &str| {
        let output = run(["run", "scenarios/connectors", "--shard", shard, "--report", "json=-"]);
        assert_eq!(output.status, 0, "{}", output.stderr);
        let json: Value = serde_json::from_str(&output.stdout).unwrap();
        let scenarios = json["scenarios"].as_array().unwrap().iter();
        scenarios.map(|scenario| scenario["title"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mut parts = [titles("1/2"), titles("2/2")].concat();
    let mut whole = titles("1/1");
    parts.sort();
    whole.sort();
    assert_eq!(parts, whole);
}

#[test]
fn an_interrupted_run_ends_with_130() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("slow.yaml");
    fs::write(&file, SLOW).unwrap();
    let mut child = pullrig().arg("run").arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // Nothing shows from outside that the run is under way; it is long before this.
    let ended = wait_until(Duration::from_secs(2), || child.try_wait().unwrap());
    assert_eq!(ended, None, "the scenario is slow");
    send(&child, Signal::INT);
    assert_eq!(wait(&mut child, Duration::from_secs(10)).code(), Some(130));
}

#[test]
fn a_scenario_that_takes_too_long_ends_with_6() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("slow.yaml");
    fs::write(&file, SLOW).unwrap();
    let output = pullrig().arg("run").arg(&file).args(["--timeout", "500ms"]).output().unwrap();
    assert_eq!(output.status.code(), Some(6), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--timeout"));
}

#[test]
fn serving_says_what_is_ready_and_ends_well_when_it_is_told_to() {
    for signal in [Signal::TERM, Signal::INT] {
        let served = Serve::start(["--preset", "dockerhub", "--preset", "generic", "--preset", "generic"]);
        let names: Vec<_> = served.listeners().iter().map(|listener| listener.name.clone()).collect();
        assert_eq!(names, ["dockerhub", "generic", "generic-2"]);
        let lines: Vec<_> = served.listeners().iter().map(|at| format!("ready {} {}", at.name, at.url)).collect();
        let (status, printed) = served.stop(signal);
        assert_eq!(status.code(), Some(0), "{signal:?}");
        assert_eq!(printed.lines().collect::<Vec<_>>(), lines);
    }
}

#[test]
fn resolving_tells_connector_image_delegate_and_reason() {
    let folder = "scenarios/connectors/pipelines";
    // Pipelines; what is said of their stages in a new account.
    let cases: &[(&str, &[&str])] = &[
        ("kubernetes.yaml", &["account.harnessImage", "account-default", "ci-addon", "any"]),
        ("vm.yaml", &["account.harnessImage", "account-default"]),
    ];
    for (name, words) in cases {
        let output = run(["resolve", &format!("{folder}/{name}")]);
        assert_eq!(output.status, 0, "{name}: {}", output.stderr);
        for word in *words {
            assert!(output.stdout.contains(word), "{name} does not say {word:?}:\n{}", output.stdout);
        }
        let json = run(["resolve", "--json", &format!("{folder}/{name}")]);
        let json: Value = serde_json::from_str(&json.stdout).expect("with --json it is JSON");
        assert!(json.is_array() || json.is_object());
    }
    let input = run(["resolve", "tests/failing/pipelines/asks-for-connector.yaml"]);
    assert_eq!(input.status, 2, "{}", input.stdout);
    assert_eq!(n_errors(&input), 1, "{}", input.stderr);
}

/// How many complaints there are: each begins with `error`.
fn n_errors(output: &Output) -> usize {
    output.stderr.lines().filter(|line| line.starts_with("error")).count()
}
