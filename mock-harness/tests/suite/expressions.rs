//! Expressions, runtime inputs and input sets: what needs no server is evaluated, and everything else is told with its place.

use std::collections::BTreeMap;

use mock_harness::{
    Pipeline,
    pipeline::{Infrastructure, input_values},
};
use proptest::prelude::*;
use serde_json::json;
use testbed::diagnostic::Source;

use crate::rig::{Rig, config};

/// A pipeline with these variables, whose one stage has the variable `team`, and runs a step with this image.
fn pipeline(variables: &str, image: &str) -> String {
    format!(
        "
pipeline:
  identifier: ci
  name: Nightly <+pipeline.variables.kind>
  orgIdentifier: default
  projectIdentifier: demo
  variables: {variables}
  stages:
    - stage:
        identifier: build
        name: Build it
        type: CI
        variables: [{{ name: team, type: String, value: '<+pipeline.variables.kind>-team' }}]
        spec:
          infrastructure:
            type: KubernetesDirect
            spec: {{ harnessImageConnectorRef: 'account.<+pipeline.variables.mirror>' }}
          execution: {{ steps: [{{ step: {{ identifier: make, type: Run, spec: {{ image: {image} }} }} }}] }}
"
    )
}

const VARIABLES: &str = "[{ name: kind, value: fast }, { name: mirror, value: 'mirror_<+pipeline.variables.kind>' }, \
                         { name: late, value: <+input>, default: eve }]";

fn read(yaml: &str, inputs: &[(&str, &str)]) -> Result<Pipeline, Vec<String>> {
    let inputs: BTreeMap<_, _> =
        inputs.iter().map(|(place, value)| (String::from(*place), String::from(*value))).collect();
    let complaints = |complaints: Vec<testbed::diagnostic::Diagnostic>| {
        complaints
            .iter()
            .map(|complaint| format!("{complaint} ({})", complaint.hint.as_deref().unwrap_or_default()))
            .collect()
    };
    Pipeline::parse_with_inputs(&Source::new("ci.yaml", yaml), &inputs).map_err(complaints)
}

fn image(yaml: &str, inputs: &[(&str, &str)]) -> Result<String, Vec<String>> {
    read(yaml, inputs).map(|pipeline| pipeline.stages[0].steps[0].image.clone().unwrap_or_default())
}

#[test]
fn what_a_pipeline_says_itself_is_put_in() {
    for (written, expect) in [
        ("<+pipeline.variables.kind>", "fast"),
        ("'< +pipeline.variables.kind>'", "< +pipeline.variables.kind>"),
        ("'x/<+ pipeline.variables.kind >:<+pipeline.variables.mirror>'", "x/fast:mirror_fast"),
        ("<+stage.variables.team>", "fast-team"),
        ("<+pipeline.stages.build.variables.team>", "fast-team"),
        ("<+pipeline.identifier>", "ci"),
        ("<+pipeline.name>", "Nightly fast"),
        ("<+stage.identifier>/<+stage.name>/<+stage.type>", "build/Build it/CI"),
        ("<+pipeline.stages.build.name>", "Build it"),
        ("<+org.identifier>/<+project.identifier>", "default/demo"),
        ("<+pipeline.variables.late>", "eve"),
        ("'${HOME}/$x'", "${HOME}/$x"),
    ] {
        assert_eq!(image(&pipeline(VARIABLES, written), &[]), Ok(String::from(expect)), "{written}");
    }
    let read = read(&pipeline(VARIABLES, "x"), &[("variables.kind.value", "slow")]).unwrap();
    let Infrastructure::Kubernetes { image_connector, .. } = &read.stages[0].infrastructure else { panic!() };
    assert_eq!(image_connector.as_deref(), Some("account.mirror_fast"), "what is no input keeps its value");
    let given = [("variables.late.value", "adam")];
    assert_eq!(image(&pipeline(VARIABLES, "<+pipeline.variables.late>"), &given), Ok(String::from("adam")));
}

#[test]
fn other_expressions_are_refused_with_their_place() {
    let place = "stages.build.spec.execution.steps.make.spec.image";
    for expression in [
        "secrets.getValue(\"x\")",
        "matrix.image",
        "pipeline.sequenceId",
        "stage.spec.x",
        "pipeline.variables.kind.toUpperCase()",
        "account.identifier",
        "<+pipeline.variables.kind>",
        "",
    ] {
        let told = image(&pipeline(VARIABLES, &format!("'a<+{expression}>b'")), &[]).unwrap_err();
        let expect = format!(
            "ci.yaml:18:86: `image` has the expression `<+{expression}>`, which only Harness itself can evaluate (write the \
             value itself, or give it: `--input {place}=VALUE`)"
        );
        assert_eq!(told, [expect]);
        let given = [(place, "golang:<+pipeline.variables.kind>")];
        let yaml = pipeline(VARIABLES, &format!("'a<+{expression}>b'"));
        assert_eq!(image(&yaml, &given), Ok(String::from("golang:fast")), "a value may be given for it");
    }
    assert_eq!(
        image(&pipeline(VARIABLES, "<+pipeline.variables.nobody>"), &[]).unwrap_err(),
        [
            "ci.yaml:18:86: `image` has the expression `<+pipeline.variables.nobody>`, and there is no such variable (add it to \
             `variables:`, or correct its name)"
        ]
    );
}

#[test]
fn variables_that_refer_to_themselves_are_refused() {
    let circle = "[{ name: kind, value: x }, { name: mirror, value: m }, { name: a, value: <+pipeline.variables.b> }, { name: b, \
                  value: <+pipeline.variables.a> }]";
    assert_eq!(
        image(&pipeline(circle, "<+pipeline.variables.a>"), &[]).unwrap_err(),
        [
            "ci.yaml:18:86: `image` refers to itself: variables.a -> variables.b -> variables.a (give one of them a value that \
             refers to none of the others)"
        ]
    );
    // Each refers twice to the next: what it would be is larger than anything.
    let twice =
        |n: u32| format!("{{ name: v{n}, value: '<+pipeline.variables.v{0}><+pipeline.variables.v{0}>' }}", n + 1);
    let bomb: Vec<_> = (0..40).map(twice).collect();
    let bomb = format!(
        "[{{ name: kind, value: x }}, {{ name: mirror, value: m }}, {}, {{ name: v40, value: x }}]",
        bomb.join(", ")
    );
    let told = image(&pipeline(&bomb, "<+pipeline.variables.v0>"), &[]).unwrap_err();
    assert!(told[0].contains("`image` has expressions whose values grow without end"), "{told:?}");
}

#[test]
fn what_is_given_must_be_allowed() {
    let yaml = pipeline(VARIABLES, "'<+input>.default(alpine:3).allowedValues(alpine:3,debian:12)'");
    let place = "stages.build.spec.execution.steps.make.spec.image";
    assert_eq!(image(&yaml, &[]), Ok(String::from("alpine:3")));
    assert_eq!(image(&yaml, &[(place, "debian:12")]), Ok(String::from("debian:12")));
    assert_eq!(
        image(&yaml, &[(place, "busybox")]).unwrap_err(),
        [format!(
            "ci.yaml:18:86: `image` is given `busybox`, and allowed are alpine:3, debian:12 (give another: `--input \
             {place}=VALUE`, or `inputs:` of the step)"
        )]
    );
    let yaml = pipeline(VARIABLES, "'<+input>.regex(^(alpine|debian):[0-9]+$)'");
    assert_eq!(image(&yaml, &[(place, "debian:12")]), Ok(String::from("debian:12")));
    let told = image(&yaml, &[(place, "debian:x")]).unwrap_err();
    assert!(told[0].contains("is given `debian:x`, which `^(alpine|debian):[0-9]+$` does not match"), "{told:?}");
}

#[test]
fn stages_that_use_from_each_other_are_told_why_not() {
    let stage = |name: &str, uses: &str| {
        format!("    - stage: {{ identifier: {name}, type: CI, spec: {{ infrastructure: {uses} }} }}\n")
    };
    let own = "{ type: KubernetesDirect, spec: { namespace: ci, initTimeout: 2m } }";
    let told = |stages: &[(&str, &str)]| {
        let stages: String = stages.iter().map(|(name, uses)| stage(name, uses)).collect();
        let yaml = format!("pipeline:\n  identifier: ci\n  stages:\n{stages}");
        read(&yaml, &[])
            .map(|pipeline| pipeline.stages)
            .map_err(|told| told.iter().map(|told| String::from(told.split_once(": ").unwrap().1)).collect::<Vec<_>>())
    };
    let stages = told(&[
        ("a", own),
        ("b", "{ useFromStage: a }"),
        ("c", "{ type: UseFromStage, useFromStage: b }"),
        ("d", "{ type: UseFromStage, spec: { useFromStage: c } }"),
    ])
    .unwrap();
    for stage in &stages {
        assert_eq!(stage.infrastructure, stages[0].infrastructure);
        assert_eq!(
            (stage.namespace.as_deref(), stage.init_timeout.map(|time| time.as_secs())),
            (Some("ci"), Some(120))
        );
    }
    let hint = "(name a CI stage that stands before)";
    for (uses, why) in [
        ("{ useFromStage: a }", ": that one is this stage itself"),
        ("{ useFromStage: b }", ": that one uses this one's infrastructure"),
        ("{ useFromStage: c }", ": that one stands later"),
        ("{ useFromStage: x }", ""),
    ] {
        let wanted = &uses["{ useFromStage: ".len()..][..1];
        let first = told(&[("a", uses), ("b", "{ useFromStage: a }"), ("c", own)]).unwrap_err().remove(0);
        assert_eq!(first, format!("there is no earlier CI stage `{wanted}`{why} {hint}"));
    }
    assert_eq!(
        told(&[("a", "{ type: UseFromStage }")]).unwrap_err(),
        [
            "`UseFromStage` without a stage (write `useFromStage: STAGE` beside it, with the identifier of an earlier stage)"
        ]
    );
    assert_eq!(
        told(&[("a", own), ("a", own)]).unwrap_err(),
        ["there are two stages `a` (every stage has an identifier of its own)"]
    );
}

#[test]
fn container_steps_and_strange_infrastructures_are_kept() {
    let yaml = "
pipeline:
  identifier: cd
  stages:
    - stage:
        identifier: deploy
        type: Deployment
        strategy: { matrix: { region: [east, west] } }
        spec:
          execution:
            steps:
              - stepGroup:
                  identifier: outer
                  steps:
                    - parallel:
                        - stepGroup:
                            identifier: ecs
                            stepGroupInfra: { type: ECSDirect, spec: { harnessImageConnectorRef: account.x } }
                            steps: [{ step: { identifier: a, type: Run, spec: { image: a } } }]
                        - stepGroup:
                            identifier: vm
                            stepGroupInfra: { type: VM, spec: { poolName: a } }
                            steps: []
                        - step:
                            identifier: own
                            type: Container
                            spec:
                              image: tool:1
                              connectorRef: account.y
                              infrastructure:
                                type: KubernetesDirect
                                spec: { namespace: cd, harnessImageConnectorRef: account.z, imagePullPolicy: Always }
              - step: { identifier: odd, type: FromTheFuture, strategy: { repeat: { times: 2 } }, spec: {} }
";
    let pipeline = read(yaml, &[]).unwrap();
    let told: Vec<_> = pipeline.stages.iter().map(|stage| (stage.identifier.as_str(), &*stage.warnings)).collect();
    let none_is_told = "which images are pulled there is not known, and none is told";
    let ecs = format!(
        "step group `ecs` runs on infrastructure of type `ECSDirect`: {none_is_told}; its `harnessImageConnectorRef` is in the \
         schema only"
    );
    let vm = format!("step group `vm` runs on infrastructure of type `VM`: {none_is_told}");
    assert_eq!(told, [("deploy.ecs", &[ecs][..]), ("deploy.vm", &[vm][..]), ("deploy.own", &[][..])]);
    let own = &pipeline.stages[2];
    let step = &own.steps[0];
    assert_eq!(
        (step.image.as_deref(), step.connector.as_deref(), own.pull_policy.as_deref(), own.namespace.as_deref()),
        (Some("tool:1"), Some("account.y"), Some("Always"), Some("cd"))
    );
    assert!(pipeline.named_connectors.contains("account.z"));
}

#[test]
fn what_is_no_pipeline_is_called_by_its_name() {
    for (yaml, expect) in [
        ("inputSet: { identifier: x }", "ci.yaml:1:1: this is no pipeline, but `inputSet`"),
        ("template: {}", "ci.yaml:1:1: this is no pipeline, but `template`"),
        ("[1, 2]", "ci.yaml:1:1: this is no pipeline: it has no key `pipeline`"),
        ("pipeline: 1", "ci.yaml:1:11: `pipeline` is a mapping, and this is a number"),
        ("pipeline: { identifier: x, stages: 7 }", "ci.yaml:1:36: `stages` is a list, and this is a number"),
        ("pipeline: { identifier: x, stages: [7] }", "ci.yaml:1:37: this is no stage"),
        (
            "pipeline: { identifier: x, stages: [{ parallel: 7 }] }",
            "ci.yaml:1:49: `parallel` is a list, and this is a number",
        ),
    ] {
        let told = read(yaml, &[]).unwrap_err();
        assert!(told[0].starts_with(expect), "{yaml}: {told:?}");
    }
    let stage = "pipeline: { identifier: x, stages: [{ stage: { identifier: s, type: CI, spec: { infrastructure: { type: \
                 KubernetesDirect, spec: { KEY } } } } }] }";
    for (key, expect) in [
        ("imagePullPolicy: Sometimes", "`imagePullPolicy` is `Sometimes` (write `Always`, `Never` or `IfNotPresent`)"),
        (
            "initTimeout: soon",
            "`soon` is no duration; write `6h`, `1m 30s` or `250ms` (as Harness writes it: `10m`, `1h 30m`)",
        ),
    ] {
        let told = read(&stage.replace("KEY", key), &[]).unwrap_err();
        assert!(told.len() == 1 && told[0].ends_with(expect), "{told:?}");
    }
}

#[test]
fn input_sets_are_taken_as_they_are_exported() {
    let values =
        |yaml: &str| input_values(&Source::new("set.yaml", yaml)).map_err(|complaints| complaints[0].to_string());
    let frame = "inputSet: { identifier: i, name: I, pipeline: { identifier: ci, variables: [{ name: a, value: 1 }, { name: b, value: \
                 <+input> }] } }";
    let told: Vec<_> = values(frame).unwrap().into_iter().collect();
    let told: Vec<_> = told.iter().map(|(place, value)| (place.as_str(), value.as_str())).collect();
    assert_eq!(
        told,
        [("identifier", "ci"), ("variables.a.name", "a"), ("variables.a.value", "1"), ("variables.b.name", "b")]
    );
    assert_eq!(values(""), Ok(BTreeMap::new()));
    assert_eq!(values("{}"), Ok(BTreeMap::new()));
    let overlay = "overlayInputSet: { inputSetReferences: [a, b] }";
    assert_eq!(values(overlay), Err(String::from("set.yaml:1:1: an overlay of input sets has no values")));
    let other = Err(String::from("set.yaml:1:1: this is no input set: it has no key `pipeline`"));
    assert_eq!(values("stages: []"), other);
}

#[tokio::test]
async fn an_input_set_gives_what_is_asked_for_and_nothing_else() {
    const SCOPE: &str = "accountIdentifier=acme&orgIdentifier=default&projectIdentifier=demo";
    let rig = Rig::start(config(json!({}))).await;
    let yaml = pipeline(VARIABLES, "<+input>");
    assert_eq!(rig.ask("POST", &format!("/pipeline/api/pipelines/v2?{SCOPE}"), &yaml).await.0, 200);
    let execute = format!("/pipeline/api/pipeline/execute/ci?{SCOPE}&moduleType=CI");
    let set = |variables: &str, stage: &str, step: &str| {
        format!(
            "pipeline:\n  identifier: ci\n  variables: {variables}\n  stages:\n    - stage: {{ identifier: {stage}, type: CI, spec: {{ \
             execution: {{ steps: [{{ step: {{ identifier: make, type: Run, spec: {{ {step} }} }} }}] }} }} }}\n"
        )
    };
    let late = "[{ name: late, type: String, value: adam }]";
    for (body, expect) in [
        (set(late, "build", "image: golang"), None),
        (set(late, "build", "image: golang, imagePullPolicy: Never"), None),
        (
            set(late, "test", "image: golang"),
            Some(
                "inputs.yaml:5:28: `stages.test.identifier`: Field either not present in pipeline or not a runtime input",
            ),
        ),
        (
            set("[{ name: kind, value: slow }]", "build", "image: golang"),
            Some(
                "inputs.yaml:3:36: `variables.kind.value`: Field either not present in pipeline or not a runtime input",
            ),
        ),
        (set(late, "build", "image: <+input>"), Some("`image` is a runtime input, and no value is given for it")),
        (String::from("pipeline: ["), Some("inputs.yaml:")),
        (String::from("no set"), Some("inputs.yaml:1:1: this is no input set: it has no key `pipeline`")),
    ] {
        let (status, answer) = rig.ask("POST", &execute, &body).await;
        let message = answer["message"].as_str().unwrap_or_default();
        match expect {
            None => assert_eq!(status, 200, "{body}\n{answer}"),
            Some(text) => {
                assert_eq!((status, &answer["code"]), (400, &json!("INVALID_REQUEST")), "{body}");
                assert!(message.starts_with("Invalid request: ") && message.contains(text), "{body}\n{message}");
            }
        }
    }
    assert_eq!(rig.ask("POST", &execute.replace("/ci?", "/nobody?"), "").await.0, 404);
}

fn scraps() -> impl Strategy<Value = String> {
    let scrap = prop::sample::select(vec![
        "pipeline:",
        "identifier: x",
        "stages:",
        "- stage:",
        "- parallel:",
        "- step:",
        "- stepGroup:",
        "type: CI",
        "spec:",
        "infrastructure:",
        "runtime: { type: Cloud }",
        "useFromStage: x",
        "execution:",
        "steps:",
        "variables:",
        "- name: a",
        "value: <+pipeline.variables.a>",
        "value: <+",
        "value: <+input>.regex((",
        "image: <+stage.variables.a>",
        "[",
        "]",
        "{",
        "}",
        "stepGroupInfra:",
        "- &a",
        "*a",
        "<<: *a",
        "~",
        "delegateSelectors: [<+input>]",
        "initTimeout: 9999999999h",
        ": :",
        "\t",
    ]);
    let line = (0_usize..8, scrap).prop_map(|(depth, scrap)| format!("{}{scrap}\n", "  ".repeat(depth)));
    prop::collection::vec(line, 0..24).prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn reading_never_panics(text in prop_oneof![scraps(), any::<String>()]) {
        let source = Source::new("x.yaml", text);
        if let Ok(inputs) = input_values(&source) {
            let _ = Pipeline::parse_with_inputs(&source, &inputs);
        }
        let _ = Pipeline::parse(&source);
    }

    #[test]
    fn a_pipeline_with_a_piece_cut_out_is_read_or_complained_of(from in 0_usize..700, length in 0_usize..60) {
        let whole = pipeline(VARIABLES, "'<+input>.default(a)'");
        let (from, to) = (from.min(whole.len()), (from + length).min(whole.len()));
        let text = format!("{}{}", &whole[..from], &whole[to..]);
        if let Err(complaints) = Pipeline::parse(&Source::new("x.yaml", text)) {
            prop_assert!(!complaints.is_empty());
        }
    }
}
