//! The whole decision about each stage, step by step, for people.

use std::fmt::Write as _;

use anstyle::Style;
use mock_harness::{
    StageResolution,
    resolve::{DelegateVerdict, RuleOutcome},
};

use super::ResolvedPipeline;

const STRONG: Style = Style::new().bold();

/// Tells every stage in full.
pub fn explain(pipelines: &[ResolvedPipeline]) -> String {
    let mut text = String::new();
    for pipeline in pipelines {
        for stage in &pipeline.stages {
            let place = format!("{}:{}", pipeline.file, stage.line);
            let StageResolution { stage: name, infrastructure, .. } = &stage.resolution;
            // Writing to a String does not fail.
            let _ = writeln!(text, "\n{STRONG}{place}: stage {name} on {infrastructure}{STRONG:#}");
            explain_stage(&stage.resolution, &mut text);
        }
    }
    text
}

fn explain_stage(stage: &StageResolution, text: &mut String) {
    if !stage.rules.is_empty() {
        text.push_str("  the connector for Harness's own images\n");
    }
    for tried in &stage.rules {
        let outcome = match tried.outcome {
            RuleOutcome::Decides => "decides",
            RuleOutcome::Passes => "passes",
            RuleOutcome::Fails => "fails the stage",
        };
        let _ = writeln!(text, "    rule {} {outcome}: {}", tried.rule, tried.saw);
    }
    if stage.rules.is_empty()
        && let Err(error) = &stage.choice
    {
        let _ = writeln!(text, "  fails: {error}");
    }
    let Some(explanation) = &stage.explanation else { return };
    if !explanation.hosted.is_empty() {
        text.push_str("  hosted: every connector must go through the platform\n");
        for check in &explanation.hosted {
            let _ = writeln!(text, "    {check}");
        }
    }
    for (image, told) in stage.images.iter().zip(&explanation.images) {
        let _ = writeln!(text, "  {}: {} ({})", told.container, image.before, image.because);
        for step in &told.name {
            let _ = writeln!(text, "    {step}");
        }
        if let Some(first) = &image.tried_first {
            let _ = writeln!(text, "    a hosted runner asks for `{first}` first, and for this if that fails");
        }
        match (&image.host, &image.path) {
            (Some(host), Some(path)) => {
                let _ = writeln!(text, "    asked is {host}, for {path}");
            }
            _ => {
                let _ = writeln!(text, "    `{}` is no image reference", image.after);
            }
        }
        let _ = writeln!(text, "    {}", told.credentials);
        if let Some(secret) = &image.pull_secret {
            let kept = match &secret.name {
                Some(name) => format!("pull secret `{name}`"),
                None => String::from("login"),
            };
            let _ = writeln!(text, "    {kept} under the key `{}`", secret.key);
        }
        if let Some(policy) = &image.pull_policy {
            let _ = writeln!(text, "    imagePullPolicy {policy}");
        }
    }
    if let Some(failure) = &stage.failure {
        let _ = writeln!(text, "  fails: {failure}");
    }
    explain_delegates(stage, &explanation.delegates, text);
}

fn explain_delegates(stage: &StageResolution, delegates: &[DelegateVerdict], text: &mut String) {
    let selectors = match stage.selectors_from {
        "nothing" => String::from("any will do"),
        from => format!("it must have [{}], as the {} says", stage.selectors.join(", "), from.replace('-', " ")),
    };
    match &stage.delegate {
        Ok(None) => return text.push_str("  delegate: none is needed\n"),
        Ok(Some(delegate)) => {
            let _ = writeln!(text, "  delegate: {delegate}; {selectors}");
        }
        Err(error) => {
            let error = error.split_whitespace().collect::<Vec<_>>().join(" ");
            let _ = writeln!(text, "  delegate: fails: {error}; {selectors}");
        }
    }
    for DelegateVerdict { delegate, why_not } in delegates {
        let _ = match why_not {
            Some(why_not) => writeln!(text, "    {delegate} may not: {why_not}"),
            None => writeln!(text, "    {delegate} may"),
        };
    }
}
