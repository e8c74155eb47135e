//! Every scenario of `scenarios/`, through the library: all pass, and the same seed tells the same story.

use std::{future::pending, num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use runner::{
    discover::discover,
    outcome::{Exit, ScenarioOutcome, SuiteOutcome},
    suite::{Reporter, SuiteEvent, SuiteOptions, load, run_suite},
};
use testbed::Seed;
use tests::{program::workspace, redact::redact};

/// Nobody watches.
struct Unwatched;

impl Reporter for Unwatched {
    fn event(&self, _: SuiteEvent) {}
}

async fn run(files: &[PathBuf], seed: Seed) -> SuiteOutcome {
    let plans = load(files).unwrap_or_else(|complaints| panic!("{}", tell(&complaints)));
    let jobs = NonZeroUsize::new(4).unwrap_or(NonZeroUsize::MIN);
    let options = SuiteOptions { seed, jobs, fail_fast: false, timeout: Duration::from_secs(60) };
    run_suite(plans, options, Arc::new(Unwatched), pending()).await
}

fn scenarios() -> Vec<PathBuf> {
    discover(&[workspace().join("scenarios")]).expect("scenarios/ can be read")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_passes_and_there_are_at_least_twenty() {
    let files = scenarios();
    assert!(files.len() >= 20, "only {} scenarios", files.len());
    let outcome = run(&files, Seed::default()).await;
    let failed: Vec<_> =
        outcome.scenarios.iter().filter(|scenario| !scenario.passed()).map(|it| story_of(it)).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    assert_eq!((outcome.n_passed(), outcome.exit()), (files.len(), Exit::Passed));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_file_is_found() {
    let found = scenarios();
    let mut left_out = Vec::new();
    let mut folders = vec![workspace().join("scenarios")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read_to_string(&path).unwrap().starts_with("scenario:") && !found.contains(&path) {
                left_out.push(path);
            }
        }
    }
    assert!(left_out.is_empty(), "scenarios that are not run: {left_out:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_tells_the_same_story() {
    let sequential: Vec<_> = scenarios()
        .into_iter()
        .filter(|file| !std::fs::read_to_string(file).unwrap_or_default().contains("parallel:"))
        .filter(|file| file.components().any(|part| part.as_os_str() == "limits" || part.as_os_str() == "connectors"))
        .collect();
    assert!(!sequential.is_empty());
    let (once, again) = (run(&sequential, Seed(11)).await, run(&sequential, Seed(11)).await);
    for (once, again) in once.scenarios.iter().zip(&again.scenarios) {
        let (told_once, told_again) = (story(&once.journal), story(&again.journal));
        let differing = told_once.iter().zip(&told_again).find(|(once, again)| once != again);
        assert_eq!(differing, None, "{}", once.file);
        assert_eq!(told_once.len(), told_again.len(), "{}", once.file);
    }
}

/// How a scenario failed, and its journal.
fn story_of(scenario: &ScenarioOutcome) -> String {
    let mut lines = vec![format!("{}: {:?}, seed {}", scenario.file, scenario.verdict, scenario.seed)];
    lines
        .extend(scenario.failed_checks().map(|it| format!("  {}: expected {}, saw {}", it.what, it.expected, it.seen)));
    lines.extend(scenario.journal.iter().map(|entry| format!("  {entry}")));
    lines.join("\n")
}

/// A journal without what wire time decides: in which order the layers of one image arrive, and how often somebody asks
/// whether an execution is done.
fn story(journal: &[Arc<testbed::journal::Entry>]) -> Vec<String> {
    let lines = journal.iter().map(|entry| redact(&entry.event.to_string()));
    let mut lines: Vec<_> = lines.filter(|line| !line.contains("GET /pipeline/api/pipelines/execution/v2/")).collect();
    lines.sort();
    lines
}

fn tell(complaints: &[testbed::diagnostic::Diagnostic]) -> String {
    complaints.iter().map(|complaint| complaint.render(false)).collect::<Vec<_>>().join("\n\n")
}
