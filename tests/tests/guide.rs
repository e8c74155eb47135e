//! `docs/reproduce-throttling.md` can be followed: its scenario files do what it says, what it prints is what is printed, and
//! the program knows every verb and flag in it.
//!
//! Commands that need a container engine are not run here; what they show is in `real_clients`.

use std::{fs, os::unix::fs::symlink, path::Path};

use tempfile::TempDir;
use tests::{
    program::{Output, finish, pullrig, workspace},
    redact::redact,
};

const GUIDE: &str = "docs/reproduce-throttling.md";
/// What in a shell ends a command or is not a plain word.
const SHELL: [char; 9] = ['|', '>', '<', '&', ';', '$', '\'', '"', '\\'];

/// The blocks of the guide in this language, each with the text before it.
fn blocks(language: &str) -> Vec<(String, String)> {
    let guide = fs::read_to_string(workspace().join(GUIDE)).unwrap_or_else(|error| panic!("{GUIDE}: {error}"));
    let mut blocks = Vec::new();
    // Text and blocks take turns.
    let mut parts = guide.split("```");
    while let (Some(text), Some(block)) = (parts.next(), parts.next()) {
        let (its, content) = block.split_once('\n').unwrap_or((block, ""));
        if its == language {
            blocks.push((String::from(text), String::from(content)));
        }
    }
    assert!(!blocks.is_empty(), "{GUIDE} has no {language}");
    blocks
}

/// Every command with the lines that it prints.
fn commands() -> Vec<(String, Vec<String>)> {
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    for (_, block) in blocks("console") {
        for line in block.replace("\\\n", "").lines() {
            match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(command), _) => commands.push((String::from(command), Vec::new())),
                (None, Some((_, printed))) => printed.push(String::from(line)),
                (None, None) => panic!("{GUIDE}: `{line}` is printed by no command"),
            }
        }
    }
    commands
}

/// The words of a command of pullrig, up to the first that is the shell's.
fn words(command: &str) -> Vec<&str> {
    command.split_whitespace().skip(1).take_while(|word| !word.contains(SHELL)).collect()
}

/// A folder with the guide's files and the repository's scenarios.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    symlink(workspace().join("scenarios"), folder.path().join("scenarios")).unwrap();
    for (before, content) in blocks("yaml") {
        // The last name before a block is that of its file.
        let name = before.rsplit('`').find(|name| name.ends_with(".yaml"));
        let name = name.unwrap_or_else(|| panic!("{GUIDE} says of no file that it begins:\n{content}"));
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

fn run_in(folder: &Path, words: &[&str]) -> Output {
    finish(pullrig().current_dir(folder).args(words))
}

/// Without accidents, and with one space wherever columns are apart.
fn plain(text: &str) -> String {
    redact(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether `line` is as the guide shows it, which leaves out what `…` stands for.
fn is_as_shown(shown: &str, line: &str) -> bool {
    let Some((begins, mut shown)) = shown.split_once('…') else { return shown == line };
    let Some(mut line) = line.strip_prefix(begins.trim()) else { return false };
    while let Some((part, after)) = shown.split_once('…') {
        let Some((_, rest)) = line.split_once(part.trim()) else { return false };
        (shown, line) = (after, rest);
    }
    line.ends_with(shown.trim())
}

#[test]
fn what_the_guide_prints_is_printed() {
    let folder = folder();
    let mut n_run = 0;
    for (command, printed) in commands() {
        let words = words(&command);
        let is_ours = command.starts_with("pullrig ") && !command.contains(SHELL);
        if !is_ours || matches!(words.first(), Some(&("serve" | "ctl"))) {
            continue;
        }
        n_run += 1;
        let output = run_in(folder.path(), &words);
        let expects_failure = printed.iter().any(|line| line.trim_start().starts_with("FAIL"));
        assert_eq!(output.status, i32::from(expects_failure), "{command}: {output:?}");
        let text = format!("{}\n{}", output.stderr, output.stdout);
        let lines: Vec<_> = text.lines().map(plain).collect();
        let mut rest = lines.iter();
        for shown in printed.iter().map(|line| plain(line)).filter(|line| line != "…") {
            assert!(rest.any(|line| is_as_shown(&shown, line)), "{command} does not print\n{shown}\nbut\n{text}");
        }
    }
    assert!(n_run >= 6, "only {n_run} commands of {GUIDE} are run");
}

#[test]
fn the_files_of_the_guide_have_nothing_to_complain_about() {
    let folder = folder();
    let files = fs::read_dir(folder.path()).unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let files: Vec<_> = files.filter(|name| name.ends_with(".yaml")).collect();
    let words: Vec<_> = ["check"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let output = run_in(folder.path(), &words);
    assert_eq!(output.status, 0, "{}", output.stderr);
    assert!(output.stderr.contains(&format!("{} scenario", files.len())), "{}", output.stderr);
}

#[test]
fn every_verb_and_flag_of_the_guide_is_known() {
    for (command, _) in commands() {
        for part in command.split(['|', '&', ';', '(']).map(str::trim).filter(|part| part.starts_with("pullrig ")) {
            let words = words(part);
            // `ctl` has verbs of its own, and one of these has some too.
            let n_verbs = match words.as_slice() {
                ["ctl", "clock" | "accounts", ..] => 3,
                ["ctl", ..] | ["presets", "show" | "dialects", ..] => 2,
                _ => 1,
            };
            let verbs = &words[..n_verbs.min(words.len())];
            let output = finish(pullrig().args(verbs).arg("--help"));
            assert_eq!(output.status, 0, "`{part}`: {}", output.stderr);
            for flag in words.iter().filter(|word| word.starts_with("--")) {
                let is_known = output.stdout.split([' ', ',', '\n']).any(|known| known == *flag);
                assert!(is_known, "`{part}`: {flag} is not in\n{}", output.stdout);
            }
        }
    }
}
