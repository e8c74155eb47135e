//! The journals that judges are proven with are what pullrig records today: each lies beside the scenario that produced
//! it, in `judge/tests/recorded`. `PULLRIG_BLESS=1` records them anew.

use std::{fs, path::PathBuf};

use tests::program::{finish, pullrig, workspace};

#[test]
fn every_recorded_journal_is_what_its_scenario_records() {
    let folder = workspace().join("judge/tests/recorded");
    let files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let scenarios = files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    let mut n_recorded = 0;
    for scenario in scenarios {
        let mut command = pullrig();
        command.args(["run", "--quiet", "--seed", "11", "--report", "journal=-"]).arg(scenario);
        let output = finish(&mut command);
        assert_eq!(output.status, 0, "{}: {}", scenario.display(), output.stderr);
        // The first line tells which scenario it is.
        let (_, journal) = output.stdout.split_once('\n').expect("a journal");
        let file = scenario.with_extension("jsonl");
        if std::env::var_os("PULLRIG_BLESS").is_some() {
            fs::write(&file, journal).unwrap();
        }
        let recorded = fs::read_to_string(&file).unwrap_or_default();
        let differing = recorded.lines().zip(journal.lines()).find(|(recorded, now)| recorded != now);
        assert_eq!(differing, None, "{}: record it with PULLRIG_BLESS=1 and read it", file.display());
        assert_eq!(recorded, journal, "{}", file.display());
        n_recorded += 1;
    }
    let n_journals = files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "jsonl")).count();
    assert!(n_recorded > 0 && n_journals == n_recorded, "{n_journals} journals of {n_recorded} scenarios");
}
