//! `pullrig resolve` on pipelines as Harness exports them: the whole table of each, and what it takes and refuses.

use serde_json::Value;
use tests::program::{Output, finish, pullrig, run};

const ACCOUNT: &str = "tests/pipelines/account.yaml";

fn resolve(args: &[&str]) -> Output {
    run(["resolve"].iter().chain(args))
}

/// The pipelines, each with what it is called with beside the account.
const PIPELINES: [(&str, &[&str]); 12] = [
    ("01-kubernetes", &[]),
    ("02-kubernetes-account-override", &[]),
    ("03-kubernetes-org-override", &[]),
    ("04-kubernetes-project-override", &[]),
    ("05-vm-pool", &[]),
    ("06-docker-runtime", &[]),
    ("07-cloud", &[]),
    ("08-container-step-group", &[]),
    ("09-parallel-and-use-from-stage", &[]),
    ("10-inputs", &["--inputs", "tests/pipelines/input-sets/release.yaml", "--input", TOOLCHAIN]),
    ("11-iacm", &[]),
    ("12-security-tests", &[]),
];

const TOOLCHAIN: &str = "stages.release.spec.execution.steps.publish.spec.image=team/gradle:8";

#[test]
fn each_pipeline_has_its_table() {
    for (name, more) in PIPELINES {
        let file = format!("tests/pipelines/{name}.yaml");
        let mut args = vec![file.as_str(), "--account", ACCOUNT];
        args.extend(more);
        let output = resolve(&args);
        assert_eq!((output.status, output.stderr.as_str()), (0, ""), "{name}");
        insta::assert_snapshot!(name, output.stdout);
    }
}

#[test]
fn a_decision_is_explained_step_by_step() {
    for name in ["02-kubernetes-account-override", "07-cloud"] {
        let output = resolve(&[&format!("tests/pipelines/{name}.yaml"), "--account", ACCOUNT, "--explain"]);
        assert_eq!((output.status, output.stderr.as_str()), (0, ""), "{name}");
        insta::assert_snapshot!(format!("{name}-explained"), output.stdout);
    }
}

#[test]
fn json_tells_the_same_and_more() {
    let file = "tests/pipelines/02-kubernetes-account-override.yaml";
    let output = resolve(&[file, "--account", ACCOUNT, "--json", "--explain"]);
    let json: Value = serde_json::from_str(&output.stdout).expect("with --json it is JSON");
    assert!(!output.stdout.contains("not-a-real-one"));
    insta::assert_snapshot!("json", serde_json::to_string_pretty(&json).unwrap());
}

#[test]
fn a_folder_is_walked_and_standard_input_is_read() {
    let folder = resolve(&[
        "tests/pipelines",
        "--account",
        ACCOUNT,
        "--json",
        "--inputs",
        "tests/pipelines/input-sets/release.yaml",
        "--input",
        TOOLCHAIN,
    ]);
    assert_eq!(folder.status, 0, "{}", folder.stderr);
    let json: Value = serde_json::from_str(&folder.stdout).unwrap();
    let files: Vec<_> =
        json["pipelines"].as_array().unwrap().iter().map(|pipeline| pipeline["file"].as_str().unwrap()).collect();
    assert_eq!(files.len(), PIPELINES.len(), "account and input set are none: {files:?}");
    let yaml = std::fs::File::open(tests::program::workspace().join("tests/pipelines/01-kubernetes.yaml")).unwrap();
    let piped = finish(pullrig().args(["resolve", "-"]).stdin(yaml));
    assert_eq!(piped.status, 0, "{}", piped.stderr);
    assert!(piped.stdout.starts_with("standard input (checkout_service)\n"), "{}", piped.stdout);
}

#[test]
fn a_broken_requirement_names_stage_file_and_line() {
    let file = "tests/pipelines/02-kubernetes-account-override.yaml";
    let with = |requirements: &[&str]| {
        let mut args = vec![file, "--account", ACCOUNT];
        for requirement in requirements {
            args.extend(["--require", requirement]);
        }
        resolve(&args)
    };
    for kept in [
        "connector=account.mirror",
        "connector!=account.harnessImage",
        "rule=1",
        "because=stage-override",
        "host=*.example.test",
        "credentials=login",
        "stage=build,container=*,image=mirror.example.test:5000/*",
        "container=compile,connector=account.mirror",
        "images=own,credentials=puller",
        "delegate!=none",
        "pull-policy=Always",
        "warning!=v2-in-path",
    ] {
        let output = with(&[kept]);
        assert_eq!((output.status, output.stderr.as_str()), (0, ""), "{kept}");
    }
    let broken = with(&["connector=account.harnessImage", "container=compile,host!=*.example.test"]);
    assert_eq!(broken.status, 1);
    insta::assert_snapshot!("broken-requirements", broken.stderr);
    assert_eq!(with(&["stage=deploy,connector=x"]).status, 4, "it is about nothing");
    for (wrong, hint) in [
        ("conector=x", "did you mean `connector`?"),
        ("connector", "write `connector=account.harnessImage`"),
        ("rule=7", "there are: 1, 2, 3, 5, none"),
    ] {
        let output = with(&[wrong]);
        assert_eq!(output.status, 2, "{wrong}");
        assert!(output.stderr.contains(hint), "{wrong}: {}", output.stderr);
        assert_eq!(output.stdout, "");
    }
}

#[test]
fn exported_connectors_make_an_account() {
    let pipeline = "tests/pipelines/02-kubernetes-account-override.yaml";
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    // One connector as the API answers, one as the user interface exports it.
    let answer = write(
        "mirror.json",
        r#"{"status":"SUCCESS","data":{"connector":{"name":"Mirror","identifier":"mirror","description":"","accountIdentifier":"acme",
            "orgIdentifier":null,"projectIdentifier":null,"tags":{},"type":"DockerRegistry","spec":{
            "dockerRegistryUrl":"https://mirror.example.test:5000/harness","providerType":"Other","auth":{"type":"UsernamePassword",
            "spec":{"username":"puller","usernameRef":null,"passwordRef":"account.mirror_password"}},"delegateSelectors":["linux"],
            "executeOnDelegate":true,"proxy":false,"ignoreTestConnection":false}},"createdAt":1,"lastModifiedAt":1,
            "status":{"status":"SUCCESS"},"harnessManaged":false},"metaData":null,"correlationId":"c"}"#,
    );
    let exported = write(
        "default.yaml",
        "connector:\n  name: Harness Docker Connector\n  identifier: harnessImage\n  accountIdentifier: acme\n  type: \
         DockerRegistry\n  spec:\n    dockerRegistryUrl: https://hub.docker.com\n    providerType: DockerHub\n    auth:\n      \
         type: Anonymous\n    executeOnDelegate: false\n",
    );
    let output = resolve(&[pipeline, "--connectors", &answer, "--connectors", &exported]);
    assert_eq!(output.status, 0, "{}", output.stderr);
    assert!(output.stdout.contains("mirror.example.test:5000/harness/harness/ci-addon:"), "{}", output.stdout);
    assert!(
        output.stdout.contains("account:puller") && output.stdout.contains("any with [payments]"),
        "{}",
        output.stdout
    );
    // That nobody gave the secret is no error.
    let note = "warning: `passwordRef` is the secret `account.mirror_password`, which is in no file given: it is taken to exist";
    assert!(output.stderr.starts_with(note), "{}", output.stderr);
    assert!(output.stderr.contains("mirror.json:1:71"), "{}", output.stderr);

    let page = write(
        "page.json",
        r#"{"status":"SUCCESS","data":{"totalPages":2,"pageIndex":0,"content":[{"connector":{"name":"x","identifier":"9x","type":"DockerRegistry","spec":{}}}]}}"#,
    );
    let wrong = resolve(&[pipeline, "--account", &page]);
    assert_eq!(wrong.status, 2);
    let complaint = "error: identifier: can be 128 characters long";
    assert!(wrong.stderr.contains(complaint) && wrong.stderr.contains("page.json:1:107"), "{}", wrong.stderr);
}
