//! Which connector, image and delegate a stage gets: the rules and their edges, without a server.

use mock_harness::{
    Account, Pipeline, StageResolution,
    account::{EntityRef, Scope},
    resolve_pipeline,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use testbed::{Seed, diagnostic::Source, journal::ConnectorReason};

use crate::rig::config;

fn docker(identifier: &str, url: &str, project: bool) -> Value {
    let (org, project) = if project { (json!("default"), json!("demo")) } else { (Value::Null, Value::Null) };
    json!({
        "name": identifier, "identifier": identifier, "type": "DockerRegistry", "orgIdentifier": org,
        "projectIdentifier": project,
        "spec": { "dockerRegistryUrl": url, "providerType": "Other", "auth": { "type": "Anonymous" } },
    })
}

fn other(identifier: &str, kind: &str) -> Value {
    json!({ "name": identifier, "identifier": identifier, "type": kind, "spec": {} })
}

fn stage(infrastructure: &str, steps: &str) -> Pipeline {
    let steps = steps.replace('\n', " ");
    let yaml = format!(
        "
pipeline:
  name: CI
  identifier: ci
  orgIdentifier: default
  projectIdentifier: demo
  stages:
    - stage:
        name: Build
        identifier: build
        type: CI
        spec:
          cloneCodebase: true
          {infrastructure}
          execution: {{ steps: [{steps}] }}
"
    );
    Pipeline::parse(&Source::new("ci.yaml", yaml))
        .unwrap_or_else(|complaints| panic!("{}", complaints[0].render(false)))
}

fn kubernetes(field: &str) -> String {
    format!("infrastructure: {{ type: KubernetesDirect, spec: {{ connectorRef: account.cluster, {field} }} }}")
}

fn vm(field: &str) -> String {
    format!("infrastructure: {{ type: VM, spec: {{ type: Pool, spec: {{ poolName: a, {field} }} }} }}")
}

fn local(field: &str) -> String {
    format!("runtime: {{ type: Docker, spec: {{ {field} }} }}")
}

const CLOUD: &str = "runtime: { type: Cloud, spec: {} }";

fn resolve(account: Value, infrastructure: &str, steps: &str) -> StageResolution {
    let account = Account::from_config(&config(account)).unwrap_or_else(|errors| panic!("{errors:?}"));
    resolve_pipeline(&stage(infrastructure, steps), &account, Seed(1)).remove(0)
}

fn check(connectors: Value, infrastructure: &str, expect: &str) {
    check_with(json!({ "connectors": connectors }), infrastructure, expect);
}

/// Holds "connector, reason, rule: first image", or the failure's code and text, against `expect`.
fn check_with(account: Value, infrastructure: &str, expect: &str) {
    let resolution = resolve(account, infrastructure, "");
    let told = match (&resolution.choice, &resolution.failure) {
        (Err(error), _) | (Ok(_), Some(error)) => format!("{}: {error}", error.code()),
        (Ok(choice), None) => {
            let connector = choice.connector.as_deref().unwrap_or("none");
            let (because, rule) = (choice.because, choice.because.rule());
            format!("{connector}, {because}, {rule}: {}", resolution.images[0].after)
        }
    };
    assert_eq!(told, expect, "{infrastructure}");
}

const ADDON: &str = "harness/ci-addon:1.18.27";
const CLONE: &str = "harness/drone-git:1.7.20";

#[test]
fn the_decision_table() {
    let default = docker("harnessImage", "https://default.test/x", false);
    let team = docker("team", "https://team.test", false);
    let both = json!([default, team]);
    let bare = format!("none, no-account-connector, 3: {ADDON}");
    let by_default = format!("account.harnessImage, account-default, 2: default.test/x/{ADDON}");
    let by_stage = format!("account.team, stage-override, 1: team.test/{ADDON}");
    check(json!([]), &kubernetes(""), &bare);
    check(both.clone(), &kubernetes(""), &by_default);
    check(both.clone(), &kubernetes("harnessImageConnectorRef: "), &by_default);
    check(both.clone(), &kubernetes("harnessImageConnectorRef: account.team"), &by_stage);
    check(both.clone(), &kubernetes("harnessImageConnectorRef: ACCOUNT.team"), &by_stage);
    let empty = json!({ "default-internal-image-connector": "", "connectors": both });
    check_with(empty, &kubernetes(""), &format!("none, no-default-configured, 5: {ADDON}"));
    check_with(
        json!({ "harness-image": "built-in" }),
        &kubernetes(""),
        &format!("account.harnessImage, account-default, 2: {ADDON}"),
    );
}

#[test]
fn a_default_that_exists_and_cannot_be_used_fails_the_stage() {
    let jira = json!([other("harnessImage", "Jira")]);
    check(jira, &kubernetes(""), "INVALID_REQUEST: Unexpected connector type:[Jira]");

    let mut login = docker("harnessImage", "https://default.test", false);
    login["spec"]["auth"] =
        json!({ "type": "UsernamePassword", "spec": { "username": "puller", "passwordRef": "account.p" } });
    let account = json!({ "connectors": [login], "secrets": [{ "identifier": "p", "value": "hunter2" }] });
    let account = Account::from_config(&config(account)).unwrap();
    let resolution = || resolve_pipeline(&stage(&kubernetes(""), ""), &account, Seed(1)).remove(0);
    assert_eq!(resolution().choice.unwrap().because, ConnectorReason::AccountDefault);
    let secret = EntityRef { scope: Scope::account(), identifier: String::from("p") };
    account.delete_secret(&secret).unwrap();
    let gone = resolution();
    assert_eq!(
        gone.choice.unwrap_err().to_string(),
        "Failed to find connector for identifier: [harnessImage] with scope: [ACCOUNT] with error: Secret with identifier \
         [p] is not found in the given scope"
    );
    assert_eq!(gone.images, []);
}

#[test]
fn the_edges_of_the_stage_override() {
    let all = || {
        json!([
            docker("harnessImage", "https://default.test", false),
            docker("mine", "https://mine.test", true),
            other("cluster", "K8sCluster"),
            other("aws", "Aws"),
            other("jira", "Jira"),
        ])
    };
    let by = |reference: &str| kubernetes(&format!("harnessImageConnectorRef: {reference}"));
    check(all(), &by("\"\""), "INVALID_REQUEST: Empty identifier values are not supported");
    check(all(), &by("mine"), &format!("mine, stage-override, 1: mine.test/{ADDON}"));
    for (reference, level) in
        [("harnessImage", "PROJECT"), ("org.harnessImage", "ORG"), ("account.harnessimage", "ACCOUNT")]
    {
        let identifier = reference.rsplit('.').next().unwrap();
        let text = format!(
            "CONNECTOR_NOT_FOUND_EXCEPTION: Connector not found for identifier : [{identifier}] with scope: [{level}]"
        );
        check(all(), &by(reference), &text);
    }
    check(
        all(),
        &by("team.x"),
        "INVALID_IDENTIFIER_REF: Invalid Identifier Reference team.x. Valid references must be one of the following formats \
         [ id, org.id, account.id ]  for scope [ project, organisation, account ] respectively",
    );
    check(all(), &by("account.jira"), "INVALID_REQUEST: Unexpected connector type:[Jira]");
    check(all(), &by("account.aws"), &format!("INVALID_REQUEST: Invalid image: {ADDON} for ECR connector"));
    check(all(), &by("account.cluster"), &format!("account.cluster, stage-override, 1: {ADDON}"));
}

#[test]
fn each_infrastructure_has_its_own_idea_of_the_override() {
    let all =
        || json!([docker("harnessImage", "https://default.test", false), docker("team", "https://team.test", false)]);
    let by_default = format!("account.harnessImage, account-default, 2: default.test/{CLONE}");
    let by_stage = format!("account.team, stage-override, 1: team.test/{CLONE}");
    let field = "harnessImageConnectorRef: account.team";
    let empty = "harnessImageConnectorRef: \"\"";
    check(all(), &vm(field), &by_stage);
    check(all(), &vm(empty), &by_default);
    check(all(), &local(field), &by_default);
    check_with(
        json!({ "connectors": all(), "behaviour": { "docker-runtime-override": "honoured" } }),
        &local(field),
        &by_stage,
    );
    check(all(), CLOUD, &by_default);
    check(
        all(),
        "platform: { os: Linux, arch: Arm64 }",
        "INVALID_REQUEST: Infrastructure or runtime field with type Cloud (for vm) or type Docker (for docker) is mandatory \
         for execution",
    );
}

#[test]
fn a_default_in_a_project_is_not_seen_and_warned_of() {
    let connectors = json!([docker("harnessImage", "https://mine.test", true)]);
    let resolution = resolve(json!({ "connectors": connectors }), &kubernetes(""), "");
    assert_eq!(resolution.choice.unwrap().because, ConnectorReason::NoAccountConnector);
    assert_eq!(
        resolution.warnings.iter().map(|warning| warning.message.as_str()).take(1).collect::<Vec<_>>(),
        [
            "a connector `harnessImage` exists in project `default/demo` only, where it is not looked for: make it at account \
          level, or name it in the stage's `harnessImageConnectorRef`"
        ]
    );
}

fn codes(resolution: &StageResolution) -> Vec<&'static str> {
    resolution.warnings.iter().map(|warning| warning.code.name()).collect()
}

/// The codes of the warnings about a Kubernetes stage of an account with these connectors.
#[track_caller]
fn check_codes(account: Value, infrastructure: &str, steps: &str, expect: &[&str]) {
    let resolution = resolve(account, infrastructure, steps);
    assert_eq!(codes(&resolution), expect, "{:?}", resolution.warnings);
}

#[test]
fn mistaken_urls_are_warned_of() {
    for (url, expect) in [
        ("https://hub.docker.com", &["docker-hub-web-site"][..]),
        ("https://host.test/v2/", &["v2-in-path"]),
        ("https://host.test/v2x/", &[]),
        ("https://docker.io", &["docker-hub-prefixed", "anonymous-docker-hub"]),
        ("https://registry-1.docker.io/v2/", &["docker-hub-prefixed", "v2-in-path", "anonymous-docker-hub"]),
        ("https://gallery.ecr.aws/harness", &["ecr-web-site"]),
        ("https://app.harness.io/registry", &["ended-registry"]),
        ("https://us-docker.pkg.dev/gar-prod-setup/harness", &["gar-not-public"]),
        ("https://us-docker.pkg.dev/gar-prod-setup/harness-public", &[]),
        ("https://us-docker.pkg.dev/my-project/harness", &[]),
        ("https://index.docker.io/v2/", &["anonymous-docker-hub"]),
        ("https://public.ecr.aws/harness", &[]),
    ] {
        let connectors = json!([docker("harnessImage", url, false)]);
        check_codes(json!({ "connectors": connectors }), &kubernetes(""), "", expect);
    }
    let connectors = json!([docker("harnessImage", "https://app.harness.io/registry", false)]);
    check_codes(json!({ "preset": "harness-2023", "connectors": connectors }), &kubernetes(""), "", &[]);
}

#[test]
fn connectors_that_are_not_what_they_seem_are_warned_of() {
    let connectors = json!([other("harnessImage", "K8sCluster")]);
    check_codes(json!({ "connectors": connectors }), &kubernetes(""), "", &["not-a-registry", "anonymous-docker-hub"]);
    // A step's own connector is looked at as well, once.
    let connectors =
        json!([docker("harnessImage", "https://default.test", false), docker("hub", "https://hub.docker.com", false)]);
    let steps = "
      { step: { identifier: a, type: Run, spec: { connectorRef: account.hub, image: x } } },
      { step: { identifier: b, type: Run, spec: { connectorRef: account.hub, image: y } } }";
    check_codes(json!({ "connectors": connectors }), &kubernetes(""), steps, &["docker-hub-web-site"]);
    // The default one serves something that is not Harness's.
    let connectors = json!([docker("harnessImage", "https://default.test", false)]);
    let steps = "{ step: { identifier: a, type: Run, spec: { connectorRef: account.harnessImage, image: golang } } }";
    check_codes(json!({ "connectors": connectors }), &kubernetes(""), steps, &["default-repurposed"]);
    let connectors = json!([docker("harnessImage", "https://public.ecr.aws/harness", false)]);
    check_codes(json!({ "connectors": connectors }), &kubernetes(""), steps, &[]);
}

#[test]
fn names_that_nearly_lead_somewhere_are_warned_of() {
    let by = |reference: &str| kubernetes(&format!("harnessImageConnectorRef: {reference}"));
    let all = || json!({ "connectors": [docker("team", "https://team.test", false), docker("mine", "https://mine.test", true)] });
    check_codes(all(), &by("account.Team"), "", &["wrong-case"]);
    check_codes(all(), &by("team"), "", &["other-level"]);
    check_codes(all(), &by("org.mine"), "", &["other-level"]);
    check_codes(all(), &by("account.nobody"), "", &[]);
    let steps = "{ step: { identifier: a, type: Run, spec: { connectorRef: team, image: x } } }";
    check_codes(all(), &by("mine"), steps, &["other-level"]);
    let other_case = json!({ "connectors": [docker("harnessimage", "https://team.test", false)] });
    check_codes(other_case, &kubernetes(""), "", &["wrong-case", "anonymous-docker-hub"]);
}

#[test]
fn delegates_that_cannot_serve_are_warned_of() {
    let mut team = docker("harnessImage", "https://team.test", false);
    team["spec"]["delegateSelectors"] = json!(["linux", "dc-east"]);
    let account = |delegates: Value| json!({ "connectors": [team], "delegates": delegates });
    let lacking = account(json!([{ "name": "a", "tags": ["linux"] }]));
    check_codes(lacking, &kubernetes(""), "", &["selectors-without-delegate"]);
    let of_project =
        json!([{ "name": "a", "tags": ["linux", "DC-East"], "organization": "default", "project": "demo" }]);
    check_codes(account(of_project), &kubernetes(""), "", &["project-delegates"]);
    check_codes(account(json!([{ "name": "a", "tags": ["linux", "dc-east"] }])), &kubernetes(""), "", &[]);
    // Nothing is known of them.
    check_codes(account(json!([])), &kubernetes(""), "", &[]);
    let mut through_platform = team.clone();
    through_platform["spec"]["executeOnDelegate"] = json!(false);
    let account = json!({ "connectors": [through_platform], "delegates": [{ "name": "a" }] });
    check_codes(account, &kubernetes(""), "", &[]);
}

#[test]
fn a_hosted_stage_is_warned_of_a_default_that_goes_through_a_delegate() {
    check_codes(json!({ "harness-image": "built-in-via-delegate" }), CLOUD, "", &["hosted-through-delegate"]);
    check_codes(json!({ "harness-image": "built-in" }), CLOUD, "", &[]);
    check_codes(json!({ "harness-image": "built-in-gar" }), &kubernetes(""), "", &[]);
}

#[test]
fn what_is_not_known_is_told() {
    let steps = "{ step: { identifier: odd, type: FromTheFuture, spec: {} } }, \
        { step: { identifier: name, type: Run, spec: { image: 'Not An Image' } } }";
    let account = || json!({ "connectors": [docker("harnessImage", "https://default.test", false)] });
    check_codes(account(), &kubernetes(""), steps, &["image-name", "unknown-image"]);
    let iacm = "{ step: { identifier: plan, type: IACMTerraformPlugin, spec: { command: plan } } }";
    check_codes(account(), &kubernetes(""), iacm, &[]);
    let mut older = account();
    older["preset"] = json!("harness-2023");
    check_codes(older, &kubernetes(""), iacm, &["unknown-image"]);
    check_codes(account(), &local("harnessImageConnectorRef: account.harnessImage"), "", &["docker-runtime-override"]);
}

#[test]
fn the_whole_decision_can_be_told() {
    let mut login = docker("team", "https://team.test/x/", false);
    login["spec"]["auth"] =
        json!({ "type": "UsernamePassword", "spec": { "username": "puller", "passwordRef": "account.p" } });
    let account = json!({
        "connectors": [login, docker("harnessImage", "https://default.test", false)],
        "secrets": [{ "identifier": "p", "value": "hunter2" }],
        "delegates": [{ "name": "a", "tags": ["x"] }, { "name": "b" }, { "name": "c", "connected": false }],
    });
    let account = Account::from_config(&config(account)).unwrap();
    let steps =
        "{ step: { identifier: other, type: Run, spec: { connectorRef: account.team, image: o.test/team.test/x } } }";
    let mut pipeline = stage(&kubernetes("harnessImageConnectorRef: account.team"), steps);
    pipeline.delegate_selectors = vec![String::from("x")];
    let resolution = mock_harness::resolve::explain_pipeline(&pipeline, &account, Seed(1)).remove(0);
    let rules: Vec<_> = resolution.rules.iter().map(|tried| (tried.rule, tried.saw.as_str())).collect();
    let saw =
        "the stage says `harnessImageConnectorRef: account.team`: the account's DockerRegistry, https://team.test/x/";
    assert_eq!(rules, [(1, saw)]);
    assert_eq!((resolution.selectors.as_slice(), resolution.selectors_from), (&[String::from("x")][..], "pipeline"));
    let explanation = resolution.explanation.as_ref().unwrap();
    assert_eq!(
        explanation.images[0].name,
        [
            "of `https://team.test/x/` the host is `team.test`, and the path is `/x/`",
            "`team.test` is none of Docker Hub's two, and not in `harness/ci-addon:1.18.27`",
            "host and whole path come in front: `team.test/x/harness/ci-addon:1.18.27`",
        ]
    );
    assert_eq!(
        explanation.images[0].credentials,
        "logs in as puller: the user name stands in the connector, the password is the secret `account.p`"
    );
    assert_eq!(
        explanation.images.last().unwrap().credentials,
        "anonymous: the login of `account.team` is for team.test, and that is not asked"
    );
    let secret = resolution.images[0].pull_secret.as_ref().unwrap();
    assert_eq!(
        (secret.name.as_deref(), secret.key.as_str()),
        (Some("<pod>-image-setup-addon"), "https://team.test/x/")
    );
    let why: Vec<_> = explanation.delegates.iter().map(|one| (one.delegate.as_str(), one.why_not.as_deref())).collect();
    assert_eq!(why, [("a", None), ("b", Some("it has no [x]")), ("c", Some("it is not connected"))]);
    assert!(!serde_json::to_string(&resolution).unwrap().contains("hunter2"));
}

#[test]
fn every_rule_that_was_tried_is_told() {
    let tried = |account: Value, infrastructure: &str| {
        let rules = resolve(account, infrastructure, "").rules;
        rules.iter().map(|tried| format!("{} {:?}", tried.rule, tried.outcome)).collect::<Vec<_>>()
    };
    assert_eq!(tried(json!({}), &kubernetes("")), ["1 Passes", "2 Passes", "3 Decides"]);
    assert_eq!(tried(json!({ "harness-image": "built-in" }), CLOUD), ["1 Passes", "2 Decides"]);
    assert_eq!(
        tried(json!({ "default-internal-image-connector": "" }), &vm("")),
        ["1 Passes", "2 Passes", "5 Decides"]
    );
    assert_eq!(tried(json!({ "connectors": [other("harnessImage", "Jira")] }), &vm("")), ["1 Passes", "4 Fails"]);
    assert_eq!(tried(json!({}), &kubernetes("harnessImageConnectorRef: account.x")), ["1 Fails"]);
}

#[test]
fn an_edited_harness_image_takes_the_place_of_the_built_in() {
    let account = json!({
        "harness-image": "built-in",
        "connectors": [docker("harnessImage", "https://edited.test", false), docker("harnessImage", "https://mine.test", true)],
    });
    check_with(account, &kubernetes(""), &format!("account.harnessImage, account-default, 2: edited.test/{ADDON}"));
    let gar =
        format!("account.harnessImage, account-default, 2: us-docker.pkg.dev/gar-prod-setup/harness-public/{ADDON}");
    check_with(json!({ "harness-image": "built-in-gar" }), &kubernetes(""), &gar);
    let older = "account.harnessImage, account-default, 2: harness/ci-addon:1.16.33";
    check_with(json!({ "preset": "harness-2023", "harness-image": "built-in" }), &kubernetes(""), older);
}

const STEPS: &str = "
  { step: { identifier: run, type: Run, spec: { connectorRef: account.team, image: 'golang:1.22', command: make } } },
  { parallel: [
    { step: { identifier: push, type: BuildAndPushDockerRegistry, spec: { connectorRef: account.team, repo: x } } },
    { stepGroup: { identifier: g, steps: [
      { step: { identifier: plugin, type: Plugin, spec: { connectorRef: account.team, image: team/plugin } } } ] } } ] },
  { step: { identifier: script, type: Run, spec: { command: make } } },
  { step: { identifier: action, type: Action, spec: { uses: actions/checkout@v4 } } },
  { step: { identifier: odd, type: FromTheFuture, spec: { connectorRef: <+unknown> } } }";

fn images(resolution: &StageResolution) -> Vec<String> {
    let told = |image: &mock_harness::ImageResolution| {
        format!("{} {} {}", image.container, image.after, image.connector.as_deref().unwrap_or("-"))
    };
    resolution.images.iter().map(told).collect()
}

#[test]
fn containers_come_in_order_each_with_its_own_connector() {
    let account = || {
        json!({ "connectors": [
        docker("harnessImage", "https://default.test", false), docker("team", "https://team.test", false),
    ] })
    };
    assert_eq!(
        images(&resolve(account(), &kubernetes(""), STEPS)),
        [
            "setup-addon default.test/harness/ci-addon:1.18.27 account.harnessImage",
            "lite-engine default.test/harness/ci-lite-engine:1.18.27 account.harnessImage",
            "clone default.test/harness/drone-git:1.7.20-rootless account.harnessImage",
            "run team.test/golang:1.22 account.team",
            "push default.test/plugins/kaniko:1.13.9 account.harnessImage",
            "plugin team.test/team/plugin account.team",
        ]
    );
    let on_vm = resolve(account(), &vm(""), STEPS);
    assert_eq!(
        images(&on_vm),
        [
            "clone default.test/harness/drone-git:1.7.20 account.harnessImage",
            "run team.test/golang:1.22 account.team",
            "push default.test/plugins/docker:21.3.0 account.harnessImage",
            "plugin team/plugin account.team",
        ]
    );
    assert_eq!((on_vm.images[3].because, on_vm.images[3].how), ("step-connector", "the name is passed on as it is"));
    assert_eq!(on_vm.images[3].path.as_deref(), Some("/v2/team/plugin/manifests/latest"));
    assert_eq!(on_vm.images[3].host.as_deref(), Some("registry-1.docker.io"));
}

#[test]
fn hosted_builds_rewrite_names_and_refuse_connectors_through_delegates() {
    let hosted = resolve(json!({}), CLOUD, "");
    let image = &hosted.images[0];
    assert_eq!(image.after, CLONE);
    let tried = "us-docker.pkg.dev/gar-prod-setup/harness-public/harness/drone-git:1.7.20";
    assert_eq!(image.tried_first.as_deref(), Some(tried));
    assert_eq!(image.host.as_deref(), Some("us-docker.pkg.dev"));
    let account = json!({ "connectors": [docker("harnessImage", "https://index.docker.io/v2/", false)] });
    let steps = "{ step: { identifier: run, type: Run, spec: { connectorRef: account.harnessImage, image: alpine } } }";
    let text = resolve(account, CLOUD, steps).error().unwrap();
    assert!(
        text.contains("Please update the connectors: [harnessImage] to connect via the Harness platform"),
        "{text}"
    );
}

#[test]
fn hosted_builds_check_push_service_and_git_connectors_before_any_image() {
    let steps = "
      { step: { identifier: push, type: BuildAndPushDockerRegistry, spec: { connectorRef: account.push, repo: x } } },
      { step: { identifier: gone, type: BuildAndPushECR, spec: { connectorRef: account.gone } } },
      { step: { identifier: odd, type: SaveCacheS3, spec: { connectorRef: <+stage.variables.odd> } } }";
    let mut through_platform = docker("ours", "https://ours.test", false);
    through_platform["spec"]["executeOnDelegate"] = json!(false);
    let account = json!({ "connectors": [
        docker("push", "https://push.test", false), docker("db", "https://db.test", false), other("git", "Github"),
        through_platform,
    ] });
    let account = Account::from_config(&config(account)).unwrap();
    let hosted = |clone: bool, steps: &str| {
        let steps = steps.replace('\n', " ");
        let yaml = format!(
            "
pipeline:
  identifier: ci
  orgIdentifier: default
  projectIdentifier: demo
  properties: {{ ci: {{ codebase: {{ connectorRef: account.git, build: <+trigger.branch> }} }} }}
  stages:
    - stage:
        identifier: build
        type: CI
        spec:
          cloneCodebase: {clone}
          runtime: {{ type: Cloud, spec: {{}} }}
          serviceDependencies:
            - {{ identifier: db, type: Service, spec: {{ connectorRef: account.db, image: postgres }} }}
          execution: {{ steps: [{steps}] }}
"
        );
        let pipeline = Pipeline::parse(&Source::new("ci.yaml", yaml)).unwrap();
        resolve_pipeline(&pipeline, &account, Seed(1)).remove(0)
    };
    for (clone, names) in [(true, "[db, push, git]"), (false, "[db, push]")] {
        let resolution = hosted(clone, steps);
        let text = resolution.error().unwrap();
        assert!(text.contains(&format!("Please update the connectors: {names} to connect")), "{text}");
        assert_eq!(resolution.images, [], "nothing comes before");
    }
}

#[test]
fn an_aws_connector_is_for_images_of_its_registries_on_kubernetes() {
    const OF_ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/x:1";
    let of = |infrastructure: &str, image: &str| {
        let account = json!({ "connectors": [other("aws", "Aws")] });
        let steps = format!(
            "{{ step: {{ identifier: run, type: Run, spec: {{ connectorRef: account.aws, image: '{image}' }} }} }}"
        );
        let resolution = resolve(account, infrastructure, &steps);
        let failure = resolution.failure.as_ref().map(ToString::to_string);
        failure.unwrap_or_else(|| resolution.images.last().unwrap().after.clone())
    };
    assert_eq!(of(&kubernetes(""), OF_ECR), OF_ECR);
    for image in
        ["alpine:3", "public.ecr.aws/x/y:1", "x.dkr.ecr.eu-west-1.amazonaws.com/x", "1.dkr.ecr..amazonaws.com/x"]
    {
        assert_eq!(of(&kubernetes(""), image), format!("Invalid image: {image} for ECR connector"));
        assert_eq!(of(&vm(""), image), image);
    }
}

#[test]
fn logins_go_only_to_the_connectors_host() {
    let mut login = docker("team", "https://team.test", false);
    login["spec"]["auth"] =
        json!({ "type": "UsernamePassword", "spec": { "username": "puller", "passwordRef": "account.p" } });
    let account = json!({ "connectors": [login], "secrets": [{ "identifier": "p", "value": "hunter2" }] });
    let steps = "
      { step: { identifier: a, type: Run, spec: { connectorRef: account.team, image: x } } },
      { step: { identifier: b, type: Run, spec: { connectorRef: account.team, image: other.test/team.test/x } } }";
    let resolution = resolve(account.clone(), &kubernetes(""), steps);
    let told: Vec<_> = resolution.images[3..].iter().map(|image| image.credentials.to_string()).collect();
    assert_eq!(told, ["account:puller", "anonymous"]);
    let written = serde_json::to_string(&resolution).unwrap();
    assert!(!written.contains("hunter2") && !format!("{resolution:?}").contains("hunter2"));

    let mut empty = account;
    empty["secrets"][0]["value"] = json!("");
    let text = resolve(empty, &kubernetes(""), steps).error().unwrap();
    assert_eq!(text, "Password should not be empty for docker connector: team");
}

#[test]
fn task_selectors_come_from_the_nearest() {
    let account = |cluster: Value| {
        json!({
            "delegates": [{ "name": "a", "tags": ["x"] }, { "name": "b", "tags": ["y"] }],
            "connectors": cluster,
        })
    };
    let mut cluster = other("cluster", "K8sCluster");
    cluster["spec"] = json!({ "delegateSelectors": ["y"] });
    let by_cluster = resolve(account(json!([cluster])), &kubernetes(""), "");
    assert_eq!(by_cluster.delegate, Ok(Some(String::from("b"))));
    let unknown_cluster = resolve(account(json!([])), &kubernetes(""), "");
    assert!(matches!(unknown_cluster.delegate, Ok(Some(_))));
    assert_eq!(resolve(account(json!([])), CLOUD, "").delegate, Ok(None));

    // The cluster says `y`; what is nearer says something else.
    let account = Account::from_config(&config(account(json!([cluster])))).unwrap();
    let list = |selector: &str| selector.split_whitespace().map(String::from).collect::<Vec<_>>();
    for (of_stage, of_pipeline, expect) in
        [("x", "y", Ok("a")), ("", "x", Ok("a")), ("y", "x", Ok("b")), ("", "", Ok("b")), ("x y", "x", Err(()))]
    {
        let mut pipeline = stage(&kubernetes(""), "");
        pipeline.delegate_selectors = list(of_pipeline);
        pipeline.stages[0].delegate_selectors = list(of_stage);
        for seed in 0..10 {
            let delegate = resolve_pipeline(&pipeline, &account, Seed(seed)).remove(0).delegate;
            let told = delegate.as_ref().map(|delegate| delegate.as_deref().unwrap_or("none")).map_err(|_| ());
            assert_eq!(told, expect, "stage `{of_stage}`, pipeline `{of_pipeline}`");
        }
    }
}

#[test]
fn container_step_groups_are_stages_of_their_own() {
    let yaml = "
pipeline:
  identifier: cd
  orgIdentifier: default
  projectIdentifier: demo
  stages:
    - stage:
        identifier: deploy
        type: Deployment
        spec:
          execution:
            steps:
              - stepGroup:
                  identifier: smoke
                  stepGroupInfra: { type: KubernetesDirect, spec: { connectorRef: c, harnessImageConnectorRef: '' } }
                  steps:
                    - step: { identifier: curl, type: Run, spec: { image: curlimages/curl, connectorRef: account.team } }
    - stage: { identifier: approve, type: Approval, spec: {} }
";
    let account = json!({ "connectors": [
        docker("harnessImage", "https://default.test", false), docker("team", "https://team.test", false),
    ] });
    let account = Account::from_config(&config(account)).unwrap();
    let pipeline = Pipeline::parse(&Source::new("cd.yaml", yaml)).unwrap();
    let resolutions = resolve_pipeline(&pipeline, &account, Seed(1));
    assert_eq!(resolutions.len(), 1);
    assert_eq!(
        (resolutions[0].stage.as_str(), resolutions[0].infrastructure),
        ("deploy.smoke", "container-step-group")
    );
    assert_eq!(
        images(&resolutions[0]),
        [
            "setup-addon default.test/harness/ci-addon:1.18.27 account.harnessImage",
            "lite-engine default.test/harness/ci-lite-engine:1.18.27 account.harnessImage",
            "curl team.test/curlimages/curl account.team",
        ]
    );
}

#[test]
fn what_a_pipeline_lacks_is_told_with_its_place() {
    let yaml = "
pipeline:
  identifier: ci
  stages:
    - stage:
        identifier: build
        type: CI
        spec:
          infrastructure:
            type: KubernetesDirect
            spec:
              harnessImageConnectorRef: <+input>
              namespace: <+input>
          execution:
            steps:
              - step: { identifier: run, type: Run, spec: { image: <+pipeline.variables.image> } }
              - step: { identifier: ok, type: Run, spec: { image: '<+input>.default(alpine)' } }
";
    let source = Source::new("ci.yaml", yaml);
    let complaints = Pipeline::parse(&source).unwrap_err();
    let told: Vec<_> =
        complaints.iter().map(|complaint| format!("{complaint} ({})", complaint.hint.as_deref().unwrap())).collect();
    let place = "stages.build.spec.infrastructure.spec.harnessImageConnectorRef";
    assert_eq!(
        told,
        [
            format!(
                "ci.yaml:12:41: `harnessImageConnectorRef` is a runtime input, and no value is given for it (give it: \
                 `--input {place}=VALUE`, or `inputs:` of the step)"
            ),
            String::from(
                "ci.yaml:13:26: `namespace` is a runtime input, and no value is given for it (give it: `--input \
                 stages.build.spec.infrastructure.spec.namespace=VALUE`, or `inputs:` of the step)",
            ),
            String::from(
                "ci.yaml:16:68: `image` has the expression `<+pipeline.variables.image>`, and there is no such variable (add it \
                 to `variables:`, or correct its name)"
            ),
        ]
    );
    let inputs = [
        (place, "account.team"),
        ("stages.build.spec.infrastructure.spec.namespace", "ci"),
        ("stages.build.spec.execution.steps.run.spec.image", "golang"),
    ];
    let inputs = inputs.iter().map(|(path, value)| (String::from(*path), String::from(*value))).collect();
    let pipeline = Pipeline::parse_with_inputs(&source, &inputs).unwrap();
    let images: Vec<_> = pipeline.stages[0].steps.iter().map(|step| step.image.as_deref()).collect();
    assert_eq!(images, [Some("golang"), Some("alpine")]);
    assert!(Pipeline::parse(&Source::new("x.yaml", "stages: []")).is_err());
}

#[test]
fn a_wrong_account_is_told_all_at_once() {
    let errors = Account::from_config(&config(json!({
        "connectors": [other("x", "K8sCluster"), other("x", "K8sCluster"), {}],
        "delegates": [{ "name": "a", "organization": "nowhere" }],
        "images": { "addon": "x" },
    })))
    .unwrap_err();
    let told: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "delegates[0]: org [nowhere] not found.",
            "images: Field addon does not exist for infra type: K8",
            "connectors[1]: Connector: x has been given an identifier: x that already exists. Please enter a unique ID.",
            "connectors[2]: name: cannot be empty., identifier: cannot be empty, type: Connector type cannot be null, spec: \
             must not be null",
        ]
    );
}

proptest! {
    /// Whatever the account has, an override that leads somewhere wins, and names stay bare exactly without a connector of
    /// type DockerRegistry that is not Docker Hub's.
    #[test]
    fn the_override_wins_and_names_are_bare_only_without_a_registry(
        has_default in any::<bool>(),
        default_is_docker in any::<bool>(),
        overridden in any::<bool>(),
        override_is_docker in any::<bool>(),
    ) {
        let connector = |identifier: &str, is_docker: bool| {
            if is_docker { docker(identifier, &format!("https://{}.test", identifier.to_lowercase()), false) }
            else { other(identifier, "K8sCluster") }
        };
        let mut connectors = vec![connector("team", override_is_docker)];
        if has_default {
            connectors.push(connector("harnessImage", default_is_docker));
        }
        let field = if overridden { "harnessImageConnectorRef: account.team" } else { "" };
        let resolution = resolve(json!({ "connectors": connectors }), &kubernetes(field), "");
        let choice = resolution.choice.unwrap();
        prop_assert_eq!(choice.because == ConnectorReason::StageOverride, overridden);
        let is_docker = if overridden { override_is_docker } else { has_default && default_is_docker };
        for image in &resolution.images {
            prop_assert_eq!(image.after == image.before, !is_docker);
        }
    }
}
