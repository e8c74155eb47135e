//! The guides can be followed: their scenario files do what they say, what they print is what is printed, and the program
//! knows every verb and flag in them.
//!
//! Of `docs/reproduce-throttling.md` the commands that need a container engine are not run here; what they show is in
//! `real_clients`. Of `docs/harness-image-connector.md` every command is run, in one shell, where there are curl and jq.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tests::{
    needs::Tool,
    program::{Output, finish, pullrig, wait, workspace},
    redact::redact,
    serve::Background,
};

const THROTTLING: &str = "docs/reproduce-throttling.md";
const CONNECTOR: &str = "docs/harness-image-connector.md";
/// What in a shell ends a command or is not a plain word.
const SHELL: [char; 9] = ['|', '>', '<', '&', ';', '$', '\'', '"', '\\'];

/// What stands before the output of each command of a shell.
const MARK: &str = "--- command";

/// The blocks of the guide in this language, each with the text before it.
fn blocks(guide: &str, language: &str) -> Vec<(String, String)> {
    let guide = fs::read_to_string(workspace().join(guide)).unwrap_or_else(|error| panic!("{guide}: {error}"));
    let mut blocks = Vec::new();
    // Text and blocks take turns.
    let mut parts = guide.split("```");
    while let (Some(text), Some(block)) = (parts.next(), parts.next()) {
        let (its, content) = block.split_once('\n').unwrap_or((block, ""));
        if its == language {
            blocks.push((String::from(text), String::from(content)));
        }
    }
    blocks
}

/// Every command with the lines that it prints.
fn commands(guide: &str) -> Vec<(String, Vec<String>)> {
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    for (_, block) in blocks(guide, "console") {
        for line in block.replace("\\\n", "").lines() {
            match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(command), _) => commands.push((String::from(command), Vec::new())),
                (None, Some((_, printed))) => printed.push(String::from(line)),
                (None, None) => panic!("{guide}: `{line}` is printed by no command"),
            }
        }
    }
    assert!(!commands.is_empty(), "{guide} has no commands");
    commands
}

/// The words of a command of pullrig, up to the first that is the shell's.
fn words(command: &str) -> Vec<&str> {
    command.split_whitespace().skip(1).take_while(|word| !word.contains(SHELL)).collect()
}

/// A folder with the guide's files and the repository's scenarios.
fn folder(guide: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    symlink(workspace().join("scenarios"), folder.path().join("scenarios")).unwrap();
    for language in ["yaml", "json"] {
        for (before, content) in blocks(guide, language) {
            // The last name before a block is that of its file.
            let name = before.rsplit('`').find(|name| name.ends_with(&format!(".{language}")));
            let name = name.unwrap_or_else(|| panic!("{guide} says of no file that it begins:\n{content}"));
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
        }
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

/// Whether `text` is what the guide shows for `command`.
#[track_caller]
fn check_printed(command: &str, shown: &[String], text: &str) {
    let lines: Vec<_> = text.lines().map(plain).filter(|line| !line.is_empty()).collect();
    let mut rest = lines.iter();
    for shown in shown.iter().map(|line| plain(line)).filter(|line| line != "…" && !line.is_empty()) {
        assert!(rest.any(|line| is_as_shown(&shown, line)), "{command} does not print\n{shown}\nbut\n{text}");
    }
}

#[test]
fn what_the_guide_prints_is_printed() {
    let folder = folder(THROTTLING);
    let mut n_run = 0;
    for (command, printed) in commands(THROTTLING) {
        let words = words(&command);
        let is_ours = command.starts_with("pullrig ") && !command.contains(SHELL);
        if !is_ours || matches!(words.first(), Some(&("serve" | "ctl"))) {
            continue;
        }
        n_run += 1;
        let output = run_in(folder.path(), &words);
        let expects_failure = printed.iter().any(|line| line.trim_start().starts_with("FAIL"));
        assert_eq!(output.status, i32::from(expects_failure), "{command}: {output:?}");
        check_printed(&command, &printed, &format!("{}\n{}", output.stderr, output.stdout));
    }
    assert!(n_run >= 6, "only {n_run} commands of {THROTTLING} are run");
}

#[test]
fn the_steps_to_a_connector_of_ones_own_can_be_done_by_hand() {
    if !Tool::Curl.is_here() || !Tool::Jq.is_here() {
        return;
    }
    let folder = folder(CONNECTOR);
    let (serve, others): (Vec<_>, Vec<_>) =
        commands(CONNECTOR).into_iter().partition(|(command, _)| command.starts_with("pullrig serve "));
    let [(serve, ready)] = &serve[..] else { panic!("{CONNECTOR} serves {} times", serve.len()) };
    let _served = start(folder.path(), serve);
    let listeners = fs::read_to_string(folder.path().join("serve.txt")).unwrap();
    check_printed(serve, ready, &listeners);

    let script: String = others.iter().map(|(command, _)| format!("echo; echo '{MARK}'\n{command}\n")).collect();
    fs::write(folder.path().join("steps.sh"), script).unwrap();
    let text = run_script(folder.path(), "steps.sh");
    let printed: Vec<_> = text.split(MARK).skip(1).collect();
    assert_eq!(printed.len(), others.len(), "{text}");
    for ((command, shown), text) in others.iter().zip(printed) {
        check_printed(command, shown, text);
        let is_whole = !shown.iter().any(|line| line == "…");
        let n_lines = text.lines().filter(|line| !line.trim().is_empty()).count();
        assert!(!is_whole || n_lines == shown.len(), "{command} prints more than is shown:\n{text}");
    }
}

/// Starts what `command` serves in `folder`; what it prints is in `serve.txt` there.
fn start(folder: &Path, command: &str) -> Background {
    let printed = fs::File::create(folder.join("serve.txt")).unwrap();
    let mut program = pullrig();
    program.current_dir(folder).args(words(command)).stdout(printed);
    Background::start(&mut program, &folder.join("ready.json")).0
}

/// What bash prints for the script `name` in `folder`, both outputs in one. `pullrig` is the one of this workspace.
fn run_script(folder: &Path, name: &str) -> String {
    let program = pullrig();
    let bin = Path::new(program.get_program()).parent().unwrap().to_path_buf();
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths([bin].into_iter().chain(env::split_paths(&path))).unwrap();
    let printed = folder.join("steps.txt");
    let output = fs::File::create(&printed).unwrap();
    let mut bash = Command::new("bash");
    bash.arg(name).current_dir(folder).env("PATH", path).env("NO_COLOR", "1").env_remove("PULLRIG_SEED");
    bash.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
    let status = wait(&mut bash.spawn().unwrap(), Duration::from_secs(120));
    let text = fs::read_to_string(printed).unwrap();
    assert!(status.success(), "{text}");
    text
}

#[test]
fn the_files_of_the_guides_have_nothing_to_complain_about() {
    for guide in [THROTTLING, CONNECTOR] {
        check_files(guide);
    }
}

fn check_files(guide: &str) {
    let folder = folder(guide);
    let files = fs::read_dir(folder.path()).unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let files: Vec<_> = files.filter(|name| name.ends_with(".yaml")).collect();
    let words: Vec<_> = ["check"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let output = run_in(folder.path(), &words);
    assert_eq!(output.status, 0, "{}", output.stderr);
    assert!(output.stderr.contains(&format!("{} scenario", files.len())), "{}", output.stderr);
}

#[test]
fn every_verb_and_flag_of_the_guides_is_known() {
    for (command, _) in commands(THROTTLING).into_iter().chain(commands(CONNECTOR)) {
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
                let flag = flag.split('=').next().unwrap_or(flag);
                let is_known = output.stdout.split([' ', ',', '\n']).any(|known| known == flag);
                assert!(is_known, "`{part}`: {flag} is not in\n{}", output.stdout);
            }
        }
    }
}
