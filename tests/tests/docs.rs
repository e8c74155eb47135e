//! The documents that people read say what the code does.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;
use tests::program::workspace;

fn read(file: &str) -> String {
    std::fs::read_to_string(workspace().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn the_readme_shows_a_scenario_that_the_suite_runs() {
    let readme = read("README.md");
    let shown = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    assert_eq!(shown, Some(read("scenarios/connectors/account-override.yaml").as_str()));
}

#[test]
fn links_lead_to_files() {
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "scenarios/README.md",
        "docs/conformance.md",
        "docs/harness-image-connector.md",
        "docs/performance.md",
        "docs/reproduce-throttling.md",
        "docs/resolve.md",
    ] {
        let text = read(document);
        let folder = workspace().join(document).parent().map(Path::to_path_buf).unwrap_or_default();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            // Headings are not looked at.
            let file = link.split('#').next().unwrap_or(link);
            if !link.contains("://") {
                assert!(folder.join(file).exists(), "{document} links to {link}");
            }
        }
    }
}

#[test]
fn every_warning_of_resolve_is_explained() {
    let explained = read("docs/resolve.md");
    for code in mock_harness::resolve::WarningCode::ALL {
        assert!(explained.contains(&format!("| `{code}` |")), "docs/resolve.md does not explain `{code}`");
    }
}

/// The rows of the catalogue, and the folders of their files.
const CATALOGUE: [(&str, &str, usize); 8] = [
    ("T", "throttling", 46),
    ("A", "authentication", 26),
    ("B", "blobs", 23),
    ("N", "manifests", 18),
    ("M", "mirrors", 13),
    ("C", "connector-api", 54),
    ("R", "resolution", 37),
    ("P", "test-connection", 53),
];

#[test]
fn the_catalogue_has_a_row_for_each_file_and_a_file_for_each_row() {
    let explained = read("scenarios/README.md");
    for (letter, folder, n_rows) in CATALOGUE {
        let rows = explained.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | `"));
        let rows = rows.filter(|(id, _)| id.strip_prefix(letter).is_some_and(|n| n.parse::<u8>().is_ok()));
        let told: BTreeSet<_> = rows
            .map(|(id, rest)| {
                let (file, shows) = rest.split_once("` | ").unwrap_or((rest, ""));
                let begin = format!("{folder}/{}-", id.to_lowercase());
                assert!(file.starts_with(&begin), "{id} is {file}");
                let scenario = read(&format!("scenarios/{file}"));
                let title = scenario.lines().next().and_then(|line| line.strip_prefix("scenario: "));
                assert_eq!(title, shows.strip_suffix(" |"), "{file}");
                String::from(file)
            })
            .collect();
        let files = std::fs::read_dir(workspace().join("scenarios").join(folder)).unwrap();
        let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let present: BTreeSet<_> =
            files.filter(|name| name.ends_with(".yaml")).map(|name| format!("{folder}/{name}")).collect();
        assert_eq!(told, present);
        assert_eq!(told.len(), n_rows, "{folder}");
    }
}

/// The keys of a definition of the schema.
fn keys(schema: &Value, definition: &str) -> BTreeSet<String> {
    let properties = &schema["$defs"][definition]["properties"];
    properties.as_object().map(|properties| properties.keys().cloned().collect()).unwrap_or_default()
}

#[test]
fn the_format_is_explained_key_by_key() {
    let schema = runner::format::schema().to_value();
    let explained = read("scenarios/README.md");
    let mut missing = BTreeSet::new();
    for definition in [
        "RegistryConfig",
        "ApiConfig",
        "ImageConfig",
        "ReferrerConfig",
        "PlatformConfig",
        "DelegateConfig",
        "HarnessApiStep",
        "HttpStep",
        "PipelineStep",
        "PullStep",
        "PushStep",
        "RuleStep",
        "LimitStep",
        "ImageStep",
        "RepeatStep",
        "AnswerExpect",
        "PullExpect",
        "PushExpect",
        "FailureExpect",
        "PipelineExpect",
        "RegistryExpect",
        "Seen",
        "Rule",
        "Matcher",
        "Trigger",
        "Answer",
        "RetryPolicy",
    ] {
        let keys = keys(&schema, definition);
        assert!(!keys.is_empty(), "the schema has no {definition}");
        for key in keys {
            // A key stands alone, in a list or in an example.
            let is_told =
                [format!("`{key}`"), format!("{key}:"), format!("`{key} ")].iter().any(|form| explained.contains(form));
            if !is_told {
                missing.insert(format!("{definition}.{key}"));
            }
        }
    }
    assert!(missing.is_empty(), "scenarios/README.md does not mention {missing:?}");
}
