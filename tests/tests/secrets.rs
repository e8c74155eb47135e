//! No secret of a scenario is printed or reported, even where the complaint is about its very line.
//!
//! Each canary names the place that it stands for, so that a failing test tells what leaks.

use std::{fs, path::Path, process::Stdio};

use reqwest::Method;
use serde_json::Value;
use tests::{
    by_hand::ByHand,
    program::{Output, finish, pullrig, workspace},
    serve::Background,
};

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

/// A Harness account in which every secret is a canary.
const ACCOUNT: &str = r#"scenario: An account full of secrets
registries:
  mirror:
    hosts: [mirror.acme.test]
    auth: bearer
    anonymous: false
    accounts: [{ name: puller, password: cAnArY-registry-password }]
    images:
      - { name: "harness/ci-addon:1.18.27", layers: [4KiB] }
      - { name: "harness/ci-lite-engine:1.18.27", layers: [4KiB] }
      - { name: "harness/drone-git:1.7.20-rootless", layers: [4KiB] }
      - { name: "plugins/kaniko:1.13.9", layers: [4KiB] }
  odd:
    hosts: [odd.acme.test]
    rules: [{ name: hangs-up, when: { ping: get, headers: { authorization: Basic } }, then: close }]
harness:
  behaviour: { image-pull-back-off: first-failure }
  api-keys:
    - { token: pat.acme.me.cAnArY-key }
    - { token: sat.acme.ci.cAnArY-robots-key, principal: ci_robot, kind: service-account, permissions: [core_connector_view] }
    - { token: pat.acme.old.cAnArY-expired-key, expires: 2020-01-01T00:00:00Z }
  delegates: [{ name: build-1, tags: [linux], address: 127.0.0.11 }]
  secrets:
    - { identifier: right, value: cAnArY-registry-password }
    - { identifier: wrong, value: cAnArY-wrong-password }
    - { identifier: user, value: cAnArY-user-name }
  connectors:
    - { name: x, identifier: harnessImage, type: DockerRegistry, spec: { dockerRegistryUrl: "https://mirror.acme.test", providerType: Other, auth: &right { type: UsernamePassword, spec: { username: puller, passwordRef: account.right } } } }
    - { name: x, identifier: wrong, type: DockerRegistry, spec: { dockerRegistryUrl: "https://mirror.acme.test", providerType: Other, auth: &wrong { type: UsernamePassword, spec: { username: puller, passwordRef: account.wrong } } } }
    - { name: x, identifier: user, type: DockerRegistry, spec: { dockerRegistryUrl: "https://mirror.acme.test", providerType: Other, auth: { type: UsernamePassword, spec: { usernameRef: account.user, passwordRef: account.wrong } } } }
    - { name: x, identifier: odd, type: DockerRegistry, spec: { dockerRegistryUrl: "https://odd.acme.test", providerType: Other, auth: *wrong } }
    - { name: x, identifier: nowhere, type: DockerRegistry, spec: { dockerRegistryUrl: "https://nowhere.acme.test", providerType: Other, auth: *wrong } }
    - { name: x, identifier: harbor, type: DockerRegistry, spec: { dockerRegistryUrl: "https://odd.acme.test", providerType: Harbor, auth: *wrong } }
    - { name: x, identifier: cluster, type: K8sCluster, spec: { credential: { spec: { auth: { password: cAnArY-in-a-fixture } } } } }
steps:
  - pipeline: { file: build.yaml }
  - harness-api: { put: "/ng/api/connectors?accountIdentifier=acme", json: { connector: { name: x, identifier: harnessImage, type: DockerRegistry, spec: { dockerRegistryUrl: "https://mirror.acme.test", providerType: Other, auth: *wrong } } } }
  - pipeline: { file: build.yaml, expect: { status: Success } }
"#;

/// Requests with secrets where they belong, where they do not, and in what nobody can read: method, path with query, body.
/// References to secrets are names, and told where none is of that name; so are the identifiers of cloud keys.
const REQUESTS: &[(&str, &str, &str)] = &[
    // Connectors, with a secret in plain text by mistake.
    (
        "POST",
        CONNECTORS,
        r#"{"connector":{"name":"x","identifier":"mine","type":"DockerRegistry","spec":{"dockerRegistryUrl":"https://mirror.acme.test","providerType":"Other","auth":{"type":"UsernamePassword","spec":{"username":"u","password":"cAnArY-plain","passwordRef":"account.right"}}}}}"#,
    ),
    (
        "PUT",
        CONNECTORS,
        r#"{"connector":{"name":"x","identifier":"mine","type":"DockerRegistry","password":"cAnArY-beside","spec":{"dockerRegistryUrl":"https://mirror.acme.test","providerType":"Other","auth":{"type":"UsernamePassword","spec":{"username":"u","password":{"x":"cAnArY-deep"},"passwordRef":"account.right"}}}}}"#,
    ),
    (
        "POST",
        CONNECTORS,
        r#"{"connector":{"name":"x","identifier":"no_ref","type":"DockerRegistry","spec":{"dockerRegistryUrl":"https://mirror.acme.test","providerType":"Other","auth":{"type":"UsernamePassword","spec":{"username":"u","password":"cAnArY-no-ref"}}}}}"#,
    ),
    (
        "POST",
        CONNECTORS,
        r#"{"connector":{"name":"x","identifier":"kind","type":"DockerRegistry","spec":{"dockerRegistryUrl":"https://mirror.acme.test","providerType":"Other","auth":{"type":"cAnArY-kind","spec":{"password":"cAnArY-of-odd-kind"}}}}}"#,
    ),
    (
        "POST",
        CONNECTORS,
        r#"{"connector":{"name":"x","identifier":"anonymous","type":"DockerRegistry","spec":{"dockerRegistryUrl":"https://mirror.acme.test","providerType":"Other","auth":{"type":"Anonymous","spec":{"password":"cAnArY-of-nobody"}}}}}"#,
    ),
    (
        "POST",
        CONNECTORS,
        r#"{"connector":{"name":"x","identifier":"github","type":"Github","spec":{"authentication":{"spec":{"spec":{"username":"x","token":"cAnArY-token"}}}}}}"#,
    ),
    (
        "POST",
        CONNECTORS,
        r#"{"connector":{"name":"x","identifier":"amazon","type":"Aws","spec":{"credential":{"spec":{"secretKey":"cAnArY-secret-key"}}}}}"#,
    ),
    ("POST", CONNECTORS, r#"{"connector": {"spec": {"password": "cAnArY-cut-off"#),
    ("POST", CONNECTORS, r#"{"connector": "cAnArY-no-object"}"#),
    ("POST", CONNECTORS, r#"{"connector": {"name": ["cAnArY-no-text"], "identifier": 3}}"#),
    ("POST", CONNECTORS, "password: cAnArY-yaml: x"),
    (
        "POST",
        "/ng/api/connectors/listV2?accountIdentifier=acme",
        r#"{"filterType": "Connector", "password": "cAnArY-filter"}"#,
    ),
    ("GET", CONNECTORS, ""),
    ("GET", "/ng/api/connectors/mine?accountIdentifier=acme", ""),
    ("GET", "/ng/api/connectors/github?accountIdentifier=acme", ""),
    ("GET", "/ng/api/connectors/amazon?accountIdentifier=acme", ""),
    ("GET", "/ng/api/connectors/cluster?accountIdentifier=acme", ""),
    (
        "GET",
        "/ng/api/connectors/x?accountIdentifier=acme&x-api-key=cAnArY-key-in-query&token=cAnArY-token-in-query",
        "",
    ),
    // Secrets.
    (
        "POST",
        SECRETS,
        r#"{"secret":{"type":"SecretText","name":"s","identifier":"s","spec":{"secretManagerIdentifier":"harnessSecretManager","valueType":"Inline","value":"cAnArY-first"}}}"#,
    ),
    (
        "POST",
        SECRETS,
        r#"{"secret":{"type":"SecretText","name":"s","identifier":"s","spec":{"secretManagerIdentifier":"harnessSecretManager","valueType":"Inline","value":"cAnArY-taken"}}}"#,
    ),
    (
        "PUT",
        "/ng/api/v2/secrets/s?accountIdentifier=acme",
        r#"{"secret":{"type":"SecretText","name":"s","identifier":"s","spec":{"secretManagerIdentifier":"harnessSecretManager","valueType":"Inline","value":"cAnArY-changed"}}}"#,
    ),
    (
        "PUT",
        "/ng/api/v2/secrets/t?accountIdentifier=acme",
        r#"{"secret":{"type":"SecretText","name":"t","identifier":"t","spec":{"secretManagerIdentifier":"harnessSecretManager","valueType":"Inline","value":"cAnArY-of-none"}}}"#,
    ),
    (
        "POST",
        "/ng/api/v2/secrets?accountIdentifier=acme&orgIdentifier=default",
        r#"{"secret":{"type":"SecretText","name":"o","identifier":"o","spec":{"secretManagerIdentifier":"harnessSecretManager","valueType":"Inline","value":"cAnArY-other-scope"}}}"#,
    ),
    (
        "POST",
        SECRETS,
        r#"{"secret":{"type":"SecretText","name":"9","identifier":"9","spec":{"secretManagerIdentifier":"harnessSecretManager","valueType":"Inline","value":"cAnArY-bad-identifier"}}}"#,
    ),
    (
        "POST",
        SECRETS,
        r#"{"secret":{"type":"SecretText","name":"l","identifier":"l","spec":{"secretManagerIdentifier":"harnessSecretManager","valueType":"Inline","value":["cAnArY-in-a-list"]}}}"#,
    ),
    (
        "POST",
        SECRETS,
        r#"{"secret":{"type":"SSHKey","name":"k","identifier":"k","spec":{"value":"cAnArY-ssh-value","auth":{"passphrase":"cAnArY-passphrase","password":"cAnArY-ssh"}}}}"#,
    ),
    (
        "POST",
        SECRETS,
        r#"{"secret":{"type":"cAnArY-type","name":"k","identifier":"k","spec":{"value":"cAnArY-of-odd-type"}}}"#,
    ),
    ("POST", SECRETS, r#"{"secret": {"spec": {"value": "cAnArY-value-cut-off"#),
    (
        "POST",
        "/ng/api/v2/secrets/yaml?accountIdentifier=acme",
        "secret: { type: SecretText, name: y, identifier: y, spec: { secretManagerIdentifier: harnessSecretManager, valueType: Inline, value: cAnArY-in-yaml } }",
    ),
    ("POST", "/ng/api/v2/secrets/yaml?accountIdentifier=acme", "secret:\n  value: cAnArY-in-bad-yaml: x"),
    (
        "POST",
        "/ng/api/v2/secrets/validate?accountIdentifier=acme",
        r#"{"secret":{"spec":{"value":"cAnArY-validated"}}}"#,
    ),
    (
        "POST",
        "/ng/api/v2/secrets/files?accountIdentifier=acme",
        "--B\r\nContent-Disposition: form-data; name=\"spec\"\r\n\r\n{\"secret\":{\"type\":\"SecretFile\",\"name\":\"f\",\"identifier\":\"f\",\"spec\":{\"secretManagerIdentifier\":\"harnessSecretManager\"}}}\r\n--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\ncAnArY-file\r\n--B--\r\n",
    ),
    ("GET", "/ng/api/v2/secrets/s?accountIdentifier=acme", ""),
    ("GET", "/ng/api/v2/secrets/y?accountIdentifier=acme", ""),
    ("GET", "/ng/api/v2/secrets/f?accountIdentifier=acme", ""),
    ("POST", "/ng/api/v2/secrets/list?accountIdentifier=acme", ""),
    // Pipelines that are none.
    ("POST", PIPELINES, "pipeline:\n  password: cAnArY-pipeline: x\n"),
    ("POST", PIPELINES, "pipeline: { identifier: x, name: x, password:cAnArY-stuck }"),
    ("POST", PIPELINES, "pipeline:\n  identifier: [{ password: cAnArY-no-identifier }]\n  stages: []\n"),
    ("POST", PIPELINES, "pipeline: { identifier: 'cAnArY-never-closed\n"),
    ("POST", PIPELINES, "password: cAnArY-no-pipeline\n"),
];

const CONNECTORS: &str = "/ng/api/connectors?accountIdentifier=acme";
const SECRETS: &str = "/ng/api/v2/secrets?accountIdentifier=acme";
const PROJECT: &str = "accountIdentifier=acme&orgIdentifier=default&projectIdentifier=demo";
const PIPELINES: &str =
    "/pipeline/api/pipelines/v2?accountIdentifier=acme&orgIdentifier=default&projectIdentifier=demo";

/// A folder with the account and its pipeline.
fn account_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("account.yaml"), ACCOUNT).unwrap();
    let pipeline = workspace().join("scenarios/connectors/pipelines/kubernetes.yaml");
    fs::copy(pipeline, folder.path().join("build.yaml")).unwrap();
    folder
}

/// The Harness API, asked with a key; every answer is kept, with its headers.
struct Asked {
    api: ByHand,
    answers: Vec<(u16, String)>,
}

impl Asked {
    async fn ask(&mut self, method: &str, target: &str, key: &str, body: &str) -> String {
        let content_type = match body.split_whitespace().next() {
            Some("--B") => "multipart/form-data; boundary=B",
            Some(word) if word.starts_with('{') => "application/json",
            _ => "application/yaml",
        };
        let request = self.api.request(Method::from_bytes(method.as_bytes()).unwrap(), target);
        let request = request.header("x-api-key", key).header("content-type", content_type).body(String::from(body));
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), format!("{:?}", answer.headers()));
        let text = answer.text().await.unwrap();
        self.answers.push((status, format!("{headers}\n{text}")));
        text
    }

    /// Runs the stored pipeline to its end.
    async fn execute(&mut self, inputs: &str) {
        let execute = format!("/pipeline/api/pipeline/execute/build_shop?{PROJECT}&moduleType=CI");
        let started: Value = serde_json::from_str(&self.ask("POST", &execute, KEY, inputs).await).unwrap();
        let Some(id) = started.pointer("/data/planExecution/uuid").and_then(Value::as_str) else { return };
        let execution = format!("/pipeline/api/pipelines/execution/v2/{id}?{PROJECT}");
        for _ in 0..600 {
            let told: Value = serde_json::from_str(&self.ask("GET", &execution, KEY, "").await).unwrap();
            if told.pointer("/data/pipelineExecutionSummary/endTs").is_some_and(Value::is_number) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{execution} does not end");
    }
}

const KEY: &str = "pat.acme.me.cAnArY-key";

#[tokio::test]
async fn the_harness_api_shows_no_secrets() {
    let folder = account_folder();
    let path = |name: &str| folder.path().join(name);
    let mut serve = pullrig();
    serve.args(["serve", "-vv", "--control=127.0.0.1:0", "--scenario"]).arg(path("account.yaml"));
    serve.arg("--ready-file").arg(path("ready.json")).env("RUST_BACKTRACE", "1");
    serve.stdout(fs::File::create(path("out.txt")).unwrap()).stderr(fs::File::create(path("log.txt")).unwrap());
    let (served, listeners) = Background::start(&mut serve, &path("ready.json"));
    let url = |name: &str| listeners.iter().find(|listener| listener.name == name).unwrap().url.clone();
    let mut asked = Asked { api: ByHand::new(&url("harness-api")), answers: Vec::new() };

    for (method, target, body) in REQUESTS {
        asked.ask(method, target, KEY, body).await;
    }
    for connector in ["harnessImage", "wrong", "user", "odd", "nowhere", "harbor", "cluster", "mine"] {
        let test = format!("/ng/api/connectors/testConnection/{connector}?accountIdentifier=acme");
        asked.ask("POST", &test, KEY, "").await;
        let target = format!("/ng/api/connectors/{connector}?accountIdentifier=acme");
        asked.ask("GET", &target, KEY, "").await;
    }
    let others = [
        "sat.acme.ci.cAnArY-robots-key",
        "pat.acme.old.cAnArY-expired-key",
        "pat.acme.no.cAnArY-key-of-nobody",
        "cAnArY",
    ];
    for key in others {
        for target in [
            "/ng/api/connectors/mine?accountIdentifier=acme",
            "/ng/api/connectors/mine",
            "/ng/api/connectors/mine?accountIdentifier=cAn",
        ] {
            asked.ask("DELETE", target, key, "").await;
        }
    }
    let build = fs::read_to_string(path("build.yaml")).unwrap();
    asked.ask("POST", PIPELINES, KEY, &build).await;
    asked.execute("").await;
    asked.execute("pipeline:\n  variables: cAnArY-inputs: x\n").await;
    // The next execution fails with the wrong password.
    let wrong = r#"{"connector":{"name":"x","identifier":"harnessImage","type":"DockerRegistry","spec":{"dockerRegistryUrl":"https://mirror.acme.test","providerType":"Other","auth":{"type":"UsernamePassword","spec":{"username":"puller","passwordRef":"account.wrong"}}}}}"#;
    asked.ask("PUT", CONNECTORS, KEY, wrong).await;
    asked.execute("").await;

    // A delegate token is told to whoever makes it, and to nobody else.
    let made = asked.ask("POST", "/ng/api/delegate-token-ng?accountIdentifier=acme&tokenName=fresh", KEY, "").await;
    asked.answers.pop();
    let made: Value = serde_json::from_str(&made).unwrap();
    let token = made.pointer("/resource/value").and_then(Value::as_str).expect("the value of a new token").to_owned();
    asked.ask("GET", "/ng/api/delegate-token-ng?accountIdentifier=acme", KEY, "").await;
    asked.ask("POST", "/ng/api/delegate-setup/listDelegates?accountIdentifier=acme", KEY, "{}").await;

    let mut shown: Vec<_> = asked.answers.iter().map(|(_, text)| text.clone()).collect();
    let control = ByHand::new(&url("control"));
    for target in [
        "/v1",
        "/v1/journal",
        "/v1/pulls",
        "/v1/registries",
        "/v1/registries/mirror/accounts",
        "/v1/registries/mirror/rules",
        "/v1/snapshot",
    ] {
        shown.push(control.get(target).await.text().await.unwrap());
    }
    for words in [
        &["journal"][..],
        &["journal", "--json"],
        &["pulls", "-vv"],
        &["registries", "--json"],
        &["snapshot", "save", "snapshot.json"],
    ] {
        let output =
            finish(pullrig().current_dir(folder.path()).args(["ctl", "--control", &url("control")]).args(words));
        assert_eq!(output.status, 0, "{words:?}: {}", output.stderr);
        shown.extend([output.stdout, output.stderr]);
    }
    assert!(served.stop().success());
    shown.extend(["out.txt", "log.txt", "snapshot.json"].map(|name| fs::read_to_string(path(name)).unwrap()));

    let n_of = |wanted: u16| asked.answers.iter().filter(|(status, _)| *status == wanted).count();
    assert!(n_of(200) >= 20 && n_of(400) >= 15 && n_of(401) >= 6, "{:?}", [n_of(200), n_of(400), n_of(401)]);
    let all = shown.join("\n");
    for told in ["Failed to pull image", "Invalid Docker Registry credentials", "DEBUG", "\"status\":\"Success\""] {
        assert!(all.contains(told), "nothing shows {told}, so too little was tried");
    }
    assert!(!all.contains("panicked"), "the platform fell over");
    let texts: Vec<_> = shown.iter().map(String::as_str).collect();
    check(&texts);
    let leaks: Vec<_> = all.lines().filter(|line| line.contains(&token)).collect();
    // The list of tokens is for who may see them.
    assert!(leaks.iter().all(|line| line.contains("\"fresh\"")), "a delegate token is shown:\n{}", leaks.join("\n"));
}

#[test]
fn resolving_and_running_an_account_show_no_secrets() {
    let folder = account_folder();
    let in_folder = |words: &[&str]| {
        let mut command = pullrig();
        command.current_dir(folder.path()).env("RUST_BACKTRACE", "1").stdin(Stdio::null()).args(words);
        finish(&mut command)
    };
    let account = ["--account", "account.yaml", "build.yaml"];
    for words in [&["resolve"][..], &["resolve", "--json"], &["resolve", "--explain", "-vv"]] {
        let output = in_folder(&[words, &account[..]].concat());
        assert_eq!(output.status, 0, "{}", output.stderr);
        assert!(output.stdout.contains("puller"), "{}", output.stdout);
        check(&[&output.stdout, &output.stderr]);
    }
    let reports = ["json=report.json", "junit=report.xml", "journal=report.journal"];
    let reports: Vec<_> = reports.iter().flat_map(|report| ["--report", report]).collect();
    let output = in_folder(&[&["run", "-vv", "account.yaml"][..], &reports].concat());
    assert_eq!(output.status, 1, "{}", output.stderr);
    assert!(output.stderr.contains("Failed to pull image"), "{}", output.stderr);
    check(&[&output.stdout, &output.stderr]);
    for name in ["report.json", "report.xml", "report.journal"] {
        check(&[&fs::read_to_string(folder.path().join(name)).unwrap()]);
    }
    check(&[&in_folder(&["check", "account.yaml"]).stderr]);
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
