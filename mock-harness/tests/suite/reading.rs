//! What is understood of a pipeline file, and what is refused or warned of because it is not.

use std::collections::BTreeMap;

use mock_harness::{Account, Pipeline, StageResolution, pipeline::input_values, resolve_pipeline};
use serde_json::json;
use testbed::{Seed, diagnostic::Source};

use crate::rig::config;

fn pipeline(stages: &str) -> String {
    format!("pipeline:\n  identifier: ci\n  orgIdentifier: default\n  projectIdentifier: demo\n  stages:\n{stages}")
}

fn parse(stages: &str) -> Pipeline {
    let file = Source::new("ci.yaml", pipeline(stages));
    Pipeline::parse(&file).unwrap_or_else(|complaints| panic!("{}", complaints[0].render(false)))
}

fn complaints(yaml: &str) -> Vec<String> {
    let complaints = Pipeline::parse(&Source::new("ci.yaml", yaml)).err().unwrap_or_default();
    complaints.iter().map(ToString::to_string).collect()
}

fn resolve(stages: &str) -> Vec<StageResolution> {
    let connector = |identifier: &str| {
        json!({ "name": identifier, "identifier": identifier, "type": "DockerRegistry",
                "spec": { "dockerRegistryUrl": format!("https://{identifier}.test"), "providerType": "Other",
                          "auth": { "type": "Anonymous" } } })
    };
    let account = config(json!({ "connectors": [connector("harnessImage"), connector("team")] }));
    resolve_pipeline(&parse(stages), &Account::from_config(&account).unwrap(), Seed(1))
}

fn messages(resolution: &StageResolution) -> Vec<&str> {
    resolution.warnings.iter().map(|warning| warning.message.as_str()).collect()
}

#[test]
fn security_tests_and_iacm_are_container_stages_and_others_are_warned_of() {
    let stage = |kind: &str| {
        format!(
            "    - stage: {{ identifier: s, type: {kind}, spec: {{ infrastructure: {{ type: KubernetesDirect, spec: {{}} }} }} }}"
        )
    };
    for kind in ["CI", "SecurityTests", "IACM"] {
        let resolution = resolve(&stage(kind)).remove(0);
        assert_eq!((resolution.infrastructure, resolution.images.len()), ("kubernetes", 2), "{kind}");
        assert_eq!(resolution.warnings, []);
    }
    let resolution = resolve(&stage("Idp")).remove(0);
    assert_eq!((resolution.infrastructure, resolution.images.len()), ("no-containers", 0));
    assert_eq!(
        messages(&resolution),
        [
            "the stage is of type `Idp` and has a key `infrastructure`: whether it pulls images is not known, and none is told"
        ]
    );
    let cd =
        "    - stage: { identifier: s, type: Deployment, spec: { infrastructure: { infrastructureDefinition: {} } } }";
    assert_eq!(resolve(cd), []);
}

#[test]
fn iacm_steps_are_harness_own_unless_they_have_a_connector() {
    let stages = "
    - stage:
        identifier: s
        type: IACM
        spec:
          infrastructure: { type: KubernetesDirect, spec: {} }
          execution:
            steps:
              - step: { identifier: plan, type: IACMTerraformPlugin, spec: { image: 'harness/tf:1' } }
              - step: { identifier: own, type: IACMTerraformPlugin, spec: { image: 'tf:1', connectorRef: account.team } }
              - step: { identifier: unknown, type: IACMTerraformPlugin, spec: { command: apply } }
              - step: { identifier: approve, type: IACMApproval, spec: {} }
              - step: { identifier: odd, type: FromTheFuture, spec: { connectorRef: <+unknown> } }
              - step: { identifier: action, type: Action, spec: { uses: x } }
";
    let resolution = resolve(stages).remove(0);
    let told: Vec<_> =
        resolution.images[2..].iter().map(|image| (image.internal, image.after.as_str(), image.because)).collect();
    assert_eq!(
        told,
        [
            (true, "harnessImage.test/harness/tf:1", "account-default"),
            (false, "team.test/tf:1", "step-connector"),
            (true, "harnessImage.test/plugins/harness_terraform:latest", "account-default"),
        ]
    );
    assert_eq!(messages(&resolution), ["step `odd` of type `FromTheFuture`: its image is not known",]);
}

#[test]
fn use_from_stage_takes_a_ci_stages_infrastructure_and_pull_policy() {
    let stages = |wanted: &str| {
        format!(
            "
    - stage:
        identifier: deploy
        type: Deployment
        spec:
          execution:
            steps:
              - stepGroup:
                  identifier: group
                  stepGroupInfra: {{ type: KubernetesDirect, spec: {{ imagePullPolicy: Never }} }}
                  steps: [{{ step: {{ identifier: x, type: Run, spec: {{ image: x }} }} }}]
    - stage: {{ identifier: approve, type: Approval, spec: {{}} }}
    - stage:
        identifier: build
        type: CI
        spec:
          infrastructure: {{ type: KubernetesDirect, spec: {{ connectorRef: account.c, imagePullPolicy: Always }} }}
    - stage: {{ identifier: test, type: CI, spec: {{ infrastructure: {{ useFromStage: {wanted} }} }} }}
"
        )
    };
    let pipeline = parse(&stages("build"));
    let told: Vec<_> =
        pipeline.stages.iter().map(|stage| (stage.identifier.as_str(), stage.pull_policy.as_deref())).collect();
    assert_eq!(
        told,
        [("deploy.group", Some("Never")), ("approve", None), ("build", Some("Always")), ("test", Some("Always"))]
    );
    assert_eq!(pipeline.stages[3].infrastructure, pipeline.stages[2].infrastructure);
    for wanted in ["approve", "deploy.group", "deploy", "test"] {
        let told = complaints(&self::pipeline(&stages(wanted)));
        assert!(told.len() == 1 && told[0].contains(&format!("there is no earlier CI stage `{wanted}`")), "{told:?}");
    }
}

#[test]
fn templates_are_refused_wherever_they_are() {
    let of_stage = |steps: &str| {
        pipeline(&format!(
            "    - stage: {{ identifier: s, type: CI, spec: {{ runtime: {{ type: Cloud, spec: {{}} }}, execution: {{ steps: [{steps}] }} }} }}"
        ))
    };
    for (yaml, what) in [
        (String::from("pipeline: { identifier: ci, template: { templateRef: t } }"), "the pipeline"),
        (pipeline("    - stage: { identifier: s, template: { templateRef: t } }"), "the stage"),
        (of_stage("{ stepGroup: { identifier: g, template: { templateRef: t } } }"), "the step group"),
        (of_stage("{ step: { identifier: x, template: { templateRef: t } } }"), "the step"),
        (of_stage("{ parallel: [{ step: { identifier: x, template: { templateRef: t } } }] }"), "the step"),
    ] {
        let told = complaints(&yaml);
        let expect = format!("{what} is a template, which is not in this file");
        assert!(told.len() == 1 && told[0].ends_with(&expect), "{told:?}");
    }
}

#[test]
fn services_are_read_in_parallel_too() {
    let stages = "
    - stage:
        identifier: s
        type: CI
        spec:
          runtime: { type: Cloud, spec: {} }
          serviceDependencies:
            - { identifier: a, type: Service, spec: { image: redis } }
            - parallel: [{ identifier: b, type: Service, spec: { image: postgres } }]
";
    let steps = &parse(stages).stages[0].steps;
    assert_eq!(steps.iter().map(|step| step.identifier.as_str()).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn lists_of_an_input_set_are_lists_again() {
    let file = Source::new(
        "ci.yaml",
        pipeline("    - stage: { identifier: s, type: CI, delegateSelectors: <+input>, spec: {} }"),
    );
    let set = "pipeline:\n  identifier: ci\n  delegateSelectors: [pool]\n  stages:\n    - stage: { identifier: s, \
               delegateSelectors: [linux, dc-east] }";
    let inputs: BTreeMap<_, _> = input_values(&Source::new("set.yaml", set)).unwrap();
    let pipeline = Pipeline::parse_with_inputs(&file, &inputs).unwrap();
    assert_eq!(pipeline.stages[0].delegate_selectors, ["linux", "dc-east"]);
    assert_eq!(pipeline.delegate_selectors, ["pool"], "given for a key that the file leaves out");
}

#[test]
fn every_runtime_input_needs_a_value_also_where_nothing_here_reads_it() {
    let yaml = "
pipeline:
  identifier: ci
  properties: { ci: { codebase: { connectorRef: account.git, build: <+input> } } }
  variables:
    - { name: level, type: String, value: <+input>.default(info) }
    - { name: region, type: String, value: <+input> }
  stages:
    - stage:
        identifier: build
        type: CI
        spec:
          infrastructure: { type: KubernetesDirect, spec: { namespace: <+input>, nodeSelector: {} } }
          execution:
            steps:
              - parallel:
                  - step: { identifier: make, type: Run, spec: { connectorRef: account.a, image: <+input>, command: x } }
";
    assert_eq!(
        complaints(yaml),
        [
            "ci.yaml:4:69: `build` is a runtime input, and no value is given for it",
            "ci.yaml:7:44: `value` is a runtime input, and no value is given for it",
            "ci.yaml:13:72: `namespace` is a runtime input, and no value is given for it",
            "ci.yaml:17:98: `image` is a runtime input, and no value is given for it",
        ]
    );
    let inputs = [
        ("properties.ci.codebase.build.type", "branch"),
        ("variables.region.value", "east"),
        ("stages.build.spec.infrastructure.spec.namespace", "ci"),
        ("stages.build.spec.execution.steps.make.spec.image", "golang"),
    ];
    let inputs = inputs.map(|(place, value)| (String::from(place), String::from(value))).into();
    let given = Pipeline::parse_with_inputs(&Source::new("ci.yaml", yaml), &inputs);
    assert!(given.is_ok(), "{:?}", given.err().map(|complaints| complaints[0].to_string()));
}
