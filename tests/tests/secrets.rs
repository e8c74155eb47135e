//! No secret of a scenario is printed or reported, even where the complaint is about its very line.
//!
//! Each canary names the place that it stands for, so that a failing test tells what leaks.

use std::{fs, path::Path};

use tests::program::{Output, finish, pullrig};

/// What all planted secrets begin with.
const CANARY: &str = "cAnArY";

/// Every step has a false check on the line of its secret.
const FALSE_CHECKS: &str = r#"scenario: Secrets on lines with false checks
registries:
  mirror:
    hosts: [mirror.acme.test]
    auth: bearer
    anonymous: false
    accounts: [{ name: puller, password: cAnArY-account }]
    images: [{ name: "library/alpine:3", layers: [4KiB] }]
  plain: { hosts: [plain.acme.test], auth: basic, anonymous: false, accounts: [{ name: ci, password: cAnArY-basic }] }
harness:
  api-keys: [{ token: pat.acme.ci.cAnArY-api-key }, { token: pat.acme.bot.cAnArY-second-key }]
  secrets: [{ identifier: mirror_password, value: cAnArY-secret-value }]
steps:
"#;

/// Steps, each in one line, and each a scenario of its own, so that none keeps another from being run.
const FALSE_STEPS: &[&str] = &[
    r#"pull: { image: "mirror.acme.test/library/alpine:3", username: puller, password: cAnArY-account, expect: { layers: 7 } }"#,
    r#"pull: { image: "mirror.acme.test/library/alpine:3", username: puller, password: cAnArY-wrong-pull }"#,
    r#"pull: { image: "mirror.acme.test/library/alpine:3", username: puller, password: "cAnArY-\u0041", expect: { takes: 7s } }"#,
    r#"push: { image: "mirror.acme.test/library/new:1", username: puller, password: cAnArY-wrong-push }"#,
    r#"http: { get: "https://plain.acme.test/v2/", basic: "ci:cAnArY-basic", expect: { status: 418 } }"#,
    r#"http: { get: "https://plain.acme.test/v2/", basic: "ci:cAnArY-wrong-basic" }"#,
    r#"http: { get: "https://plain.acme.test/v2/", headers: { authorization: Bearer cAnArY-header }, expect: { status: 418 } }"#,
    r#"http: { get: "https://plain.acme.test/v2/?access_token=cAnArY-parameter&n=1", expect: { status: 418 } }"#,
    r#"http: { post: "https://jo:cAnArY-user@mirror.acme.test/v2/", body: '{ "password": "cAnArY-body" }', expect: { status: 418 } }"#,
    r#"harness-api: { get: "/ng/api/version?token=cAnArY-api-parameter", key: pat.acme.ci.cAnArY-api-key, expect: { status: 418 } }"#,
    r#"harness-api: { get: "/ng/api/v2/secrets/mirror_password?accountIdentifier=acme", key: pat.acme.no.cAnArY-no-key }"#,
    r#"harness-api: { get: "/ng/api/v2/secrets/mirror_password?accountIdentifier=acme", expect: { json: { $.data: 7 } } }"#,
    r#"harness-api: { post: "/ng/api/v2/secrets?accountIdentifier=acme", json: { secret: { type: SecretText, name: n, identifier: n, spec: { secretManagerIdentifier: harnessSecretManager, valueType: Inline, value: cAnArY-sent-value } } }, expect: { status: 418 } }"#,
    r#"harness-api: { post: "/ng/api/v2/secrets?accountIdentifier=acme", json: { secret: { type: Odd, spec: { valueType: Inline, value: cAnArY-odd-value } } } }"#,
];

/// Files that are not scenarios, wrong on the lines of their secrets.
const BAD_INPUT: &[&str] = &[
    // A key that is not known, beside the secret.
    "registries: { hub: { preset: generic, accounts: [{ name: a, password: cAnArY-1, limitt: 1/6h }] } }\nsteps: []",
    "harness: { secrets: [{ identifer: a, value: cAnArY-2 }], api-keys: [{ token: 'cAnArY-3', kindd: user }] }\nsteps: []",
    "steps: [{ http: { get: 'http://hub.test/', basic: 'a:cAnArY-4', form: hub } }]",
    "steps: [{ pull: { image: a:1, username: a, password: cAnArY-5, username2: b } }]",
    // A value that is wrong, beside the secret.
    "registries: { hub: { preset: generic, accounts: [{ name: a, password: cAnArY-6, limit: much }] } }\nsteps: []",
    "steps: [{ pull: { image: 'NO IMAGE', password: cAnArY-7, repeat: 0 } }, { harness-api: { key: cAnArY-8 } }]",
    "steps: [{ pull: { image: a:1, passwrd: cAnArY-25 } }, { http: { get: x, basc: 'a:cAnArY-26' } }]",
    // The secret itself is wrong, or doubled, or stuck to its key.
    "registries: { hub: { preset: generic, accounts: [{ name: a, password: [cAnArY-9] }] } }\nsteps: []",
    "registries: { hub: { preset: generic, accounts: [{ name: a, password: a, password: cAnArY-10 }] } }\nsteps: []",
    "registries: { hub: { preset: generic, accounts: [{ name: a, password:cAnArY-11 }] } }\nsteps: []",
    "registries:\n  hub:\n    preset: generic\n    accounts:\n    - password:cAnArY-27\nsteps: []",
    "registries: { hub: { preset: generic, accounts: [{ name: a, password: |\n  cAnArY-12: x\n}] } }\nsteps: []",
    // Nobody reads the secret, because what is around it is not known.
    "registries: { hub: { preset: generic, acounts: [{ name: a, password: cAnArY-13 }] } }\nsteps: []",
    "steps: [{ pulll: { image: a:1, password: cAnArY-14 } }, { htp: { get: /x, basic: 'a:cAnArY-15' } }]",
    "steps: [{ harness-apii: { get: /x, key: cAnArY-16 } }, { harness-api: { gett: '/x?token=cAnArY-17' } }]",
    "steps: [{ harness-api: { jsn: { secret: { spec: { valueType: Inline, value: cAnArY-18 } } } } }]",
    "steps: [{ http: { gett: 'https://a:cAnArY-19@hub.test/', headers: { X-Api-Key: cAnArY-20 } } }]",
    // An alias in the secret's place.
    "registries: { hub: { preset: &p cAnArY-21, accounts: [{ name: a, password: *p, limit: 0 }] } }\nsteps: []",
    // Not YAML.
    "steps: [{ pull: { image: a:1, password: cAnArY-22: x } }]",
    "steps: [{ pull: { image: a:1, password: 'cAnArY-23 } }]",
    "steps: [{ http: { basic: 'a:cAnArY-24', get: @x } }]",
];

#[test]
fn false_checks_show_no_secrets() {
    let folder = tempfile::tempdir().unwrap();
    for (number, step) in FALSE_STEPS.iter().enumerate() {
        let text = format!("{FALSE_CHECKS}  - {step}\n");
        fs::write(folder.path().join(format!("{number:02}.yaml")), text).unwrap();
    }
    let output = run(folder.path());
    assert_eq!(output.status, 1, "{}", output.stderr);
    for (number, step) in FALSE_STEPS.iter().enumerate() {
        let is_told = output.stderr.contains(&format!("{number:02}.yaml:14:"));
        assert!(is_told, "{step} passes, so that its line is not shown:\n{}", output.stderr);
    }
    let reports = ["report.xml", "report.json"].map(|name| fs::read_to_string(folder.path().join(name)).unwrap());
    assert!(reports.iter().all(|report| report.contains("/v2/")), "the reports hold the journal");
    check(&[&output.stdout, &output.stderr, &reports[0], &reports[1]]);
}

#[test]
fn bad_input_shows_no_secrets() {
    for (number, text) in BAD_INPUT.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("bad-{number:02}.yaml");
        fs::write(folder.path().join(&name), format!("scenario: Bad input\n{text}\n")).unwrap();
        let output = run(folder.path());
        assert_eq!(output.status, 2, "{text}\n{}", output.stderr);
        assert!(
            output.stderr.contains(&format!("{name}:")) && output.stderr.contains(" | "),
            "{text}\n{}",
            output.stderr
        );
        check(&[&output.stdout, &output.stderr]);
    }
}

/// Runs the scenarios of `folder` as talkative as it gets, and leaves the reports beside them.
fn run(folder: &Path) -> Output {
    let report = |kind: &str, name: &str| format!("{kind}={}", folder.join(name).display());
    let mut command = pullrig();
    command.args([
        "run",
        "-vv",
        "--report",
        &report("junit", "report.xml"),
        "--report",
        &report("json", "report.json"),
    ]);
    finish(command.arg(folder))
}

#[track_caller]
fn check(texts: &[&str]) {
    let leaks: Vec<_> = texts.iter().flat_map(|text| text.lines()).filter(|line| line.contains(CANARY)).collect();
    assert!(leaks.is_empty(), "secrets are shown:\n{}", leaks.join("\n"));
}
