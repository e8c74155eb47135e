//! A platform that stays up, and curl that asks it.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{program::wait_until, serve::Serve};

/// The account of the examples.
pub(crate) const ACCOUNT: &str = "acmeAcct0000000000001";
/// A key of the service account `ci_bot`, which may only see connectors.
pub(crate) const READER: &str = "sat.acmeAcct0000000000001.reader.0123456789abcdefghij";
const ADMIN: &str = "pat.acmeAcct0000000000001.admin.0123456789abcdefghij";

/// The longest that a test in the background may take, on a machine that does much else.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);
/// Numbers from here on are instants, in milliseconds.
const YEAR_2001_MS: i64 = 1_000_000_000_000;

/// `pullrig serve --scenario` with the account of the examples, and the registry that they speak of.
pub(crate) struct Platform {
    serve: Serve,
    _folder: TempDir,
}

/// Who asks.
pub(crate) struct Asking<'a> {
    platform: &'a Platform,
    key: &'a str,
}

/// Status and body of an answer, and what was asked.
pub(crate) struct Answer {
    asked: String,
    status: u16,
    body: Value,
}

impl Platform {
    /// Starts it; `more` goes into the section `harness` of its scenario.
    pub(crate) fn start(more: &Value) -> Self {
        let mut harness = json!({
            "account": ACCOUNT,
            "api-keys": [
                { "token": ADMIN },
                { "token": READER, "principal": "ci_bot", "kind": "service-account",
                  "permissions": ["core_connector_view"] },
            ],
            "organizations": [{ "identifier": "payments", "projects": ["ledger"] }],
        });
        if let (Some(harness), Some(more)) = (harness.as_object_mut(), more.as_object()) {
            harness.extend(more.clone());
        }
        let scenario = json!({
            "scenario": "The account of the examples",
            "registries": { "mirror": {
                "hosts": ["mirror.example.test"],
                "auth": "bearer",
                "anonymous": false,
                "accounts": [{ "name": "puller", "password": "another-password" }],
            } },
            "harness": harness,
            // It is not run: `serve` takes what the file describes, and leaves out its steps.
            "steps": [{ "advance": "1s" }],
        });
        let folder = tempfile::tempdir().expect("a folder for the scenario");
        let file = folder.path().join("examples.yaml");
        // JSON is YAML.
        fs::write(&file, scenario.to_string()).expect("the scenario is written");
        let serve = Serve::start([Path::new("--scenario"), &file]);
        Self { serve, _folder: folder }
    }

    /// The same, asked with another key.
    pub(crate) fn with_key<'a>(&'a self, key: &'a str) -> Asking<'a> {
        Asking { platform: self, key }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.with_key(ADMIN).ask("GET", path, "")
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.with_key(ADMIN).ask("DELETE", path, "")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.with_key(ADMIN).post(path, body)
    }

    /// The same with a body that is no JSON.
    pub(crate) fn post_text(&self, path: &str, body: &str) -> Answer {
        self.with_key(ADMIN).ask("POST", path, body)
    }

    /// What GET of a connector answers once the test in the background has ended.
    pub(crate) fn settled(&self, path: &str) -> Answer {
        let look = || Some(self.get(path)).filter(|answer| answer.body["data"]["status"]["status"] != "PENDING");
        wait_until(SETTLED_WITHIN, look).unwrap_or_else(|| panic!("{path} is still pending"))
    }
}

impl Asking<'_> {
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.ask("POST", path, &body)
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let url = self.platform.serve.listeners().iter().find(|listener| listener.name == "harness-api");
        let url = &url.expect("the platform is among the listeners").url;
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "30", "--request", method])
            .args(["--header", &format!("x-api-key: {}", self.key)])
            .args(["--write-out", "\n%{http_code}"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if !body.is_empty() {
            curl.args(["--header", "content-type: application/json", "--data-binary", "@-"]);
        }
        let mut child = curl.arg(format!("{}{path}", url.trim_end_matches('/'))).spawn().expect("curl starts");
        let mut stdin = child.stdin.take().expect("standard input is a pipe");
        stdin.write_all(body.as_bytes()).expect("curl takes the body");
        drop(stdin);
        let output = child.wait_with_output().expect("curl ends");
        let asked = format!("{method} {path}");
        assert!(output.status.success(), "{asked}: curl ended with {}", output.status);
        let printed = String::from_utf8(output.stdout).expect("the answer is text");
        let (body, status) = printed.rsplit_once('\n').expect("curl prints the status");
        Answer {
            body: serde_json::from_str(body).unwrap_or_else(|error| panic!("{asked}: {error} in {body}")),
            status: status.parse().expect("a status is a number"),
            asked,
        }
    }
}

impl Answer {
    /// Holds it against what is expected: the status, and the body with all its keys in their order.
    #[track_caller]
    pub(crate) fn is(&self, status: u16, body: &Value) {
        let text = |body: &Value| serde_json::to_string_pretty(&blotted(body)).expect("JSON is written");
        assert_eq!(self.status, status, "{}: {}", self.asked, self.body);
        assert_eq!(text(&self.body), text(body), "{}", self.asked);
    }

    /// Holds it against success, whatever is told.
    #[track_caller]
    pub(crate) fn succeeds(&self) {
        assert_eq!((self.status, &self.body["status"]), (200, &json!("SUCCESS")), "{}: {}", self.asked, self.body);
    }
}

/// An example of `examples/`, by its name without the extension.
pub(crate) fn example(name: &str) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/harness_curl/examples").join(format!("{name}.json"));
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// An answer without what differs each time: identifiers of exchanges and tasks, and instants.
pub(crate) fn blotted(answer: &Value) -> Value {
    match answer {
        Value::Object(fields) => {
            let blot = |(key, value): (&String, &Value)| {
                let is_id = matches!(key.as_str(), "correlationId" | "taskId" | "delegateId") && value.is_string();
                (key.clone(), if is_id { json!("ID") } else { blotted(value) })
            };
            Value::Object(fields.iter().map(blot).collect())
        }
        Value::Array(values) => values.iter().map(blotted).collect(),
        Value::Number(number) if number.as_i64().is_some_and(|number| number > YEAR_2001_MS) => json!("TIME"),
        other => other.clone(),
    }
}
