//! Test connection, one row for every line of its tables: what the registry answers, what it is asked in which order, the
//! whole answer to the client, and what is stored.
//!
//! Source: facts/harness B7.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use base64::Engine as _;
use serde_json::{Value, json};
use testbed::{
    net::Names,
    server::{ANY_PORT, Listen, ServerHandle, introducing},
    tls::{Authority, CertificateFlaw, Certificates},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::rig::{Rig, config};

/// What a registry answers: path, query and scheme of authorization of a request; status and headers, one a line, or
/// nothing if it hangs up; the body. What is not listed is 404.
type Answers = &'static [(&'static str, &'static str, &'static str)];

/// A row. `..ROW` is a login at a registry called mirror.example.test.
#[derive(Clone, Copy)]
struct Row {
    about: &'static str,
    url: &'static str,
    provider: &'static str,
    login: Login,
    answers: Answers,
    /// The requests, in order.
    asked: &'static [&'static str],
    /// Code and text of the messages; none if the test passes.
    told: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Copy)]
enum Login {
    Anonymous,
    Right,
    EmptyPassword,
    EmptyUsername,
}

const ROW: Row = Row {
    about: "",
    url: "https://mirror.example.test/registry",
    provider: "Other",
    login: Login::Right,
    answers: &[],
    asked: &[],
    told: &[],
};
const ANONYMOUS: Row = Row { login: Login::Anonymous, asked: &["/registry/v2 -"], ..ROW };
const HARBOR: Row = Row { provider: "Harbor", ..ROW };

const OK: &str = "200 OK";
const CHALLENGE: &str =
    "401 Unauthorized\nwww-authenticate: Bearer realm=\"https://mirror.example.test/token\",service=\"mirror\"";
const TOKEN: &str = r#"{"token":"t","expires_in":300}"#;
const ACR_401: &str =
    "401 Unauthorized\nwww-authenticate: Bearer realm=\"https://acme.azurecr.io/oauth2/token\",service=\"acme\"";
const GHCR_403: &str = "403 Forbidden\nwww-authenticate: Bearer realm=\"https://ghcr.io/token\",service=\"ghcr.io\",scope=\"user:image:pull\"";

const REACHED: (&str, &str, &str) = ("/registry/v2 -", "401 Unauthorized", "");
const TWO_ROUNDS: &[&str] = &["/registry/v2 -", "/v2 Basic", "/v2/ Basic"];
const SEVEN: &[&str] = &[
    "/registry/v2 -",
    "/v2 Basic",
    "/token?service=mirror Basic",
    "/v2 Bearer",
    "/v2/ Basic",
    "/token?service=mirror Basic",
    "/v2/ Bearer",
];

const UNREACHABLE: &[(&str, &str)] = &[
    ("HINT", "Check if the Docker Registry URL is correct & reachable from your delegate(s)"),
    ("EXPLANATION", "The given Docker Registry URL may be incorrect or not reachable from your delegate(s)"),
    ("INVALID_ARTIFACT_SERVER", "Could not reach Docker Registry at : https://mirror.example.test/registry/"),
];
const WRONG_CREDENTIALS: &[(&str, &str)] = &[
    ("HINT", "Update the username & password"),
    ("EXPLANATION", "Check if the provided credentials are correct"),
    ("INVALID_ARTIFACT_SERVER", "Invalid Docker Registry credentials"),
];
const WRONG_URL: &[(&str, &str)] = &[
    ("HINT", "Check with you registry provider for a Docker v2 compliant URL"),
    ("EXPLANATION", "Provided Docker Registry URL is incorrect"),
    ("INVALID_ARTIFACT_SERVER", "Invalid Docker Registry URL"),
];
const ODD_ANSWER: &[(&str, &str)] = &[
    (
        "HINT",
        "An exception occurred while attempting to validate Docker credentials. Please verify the accuracy of the provided \
         Docker URL and credentials. Additionally, ensure that the Docker registry is accessible from the delegate.",
    ),
    ("EXPLANATION", "Failed to validate the response from Docker Registry"),
    ("ARTIFACT_SERVER_ERROR", "Non standard response from Docker registry"),
];
const RATE_LIMIT: &[(&str, &str)] = &[
    ("HINT", "Image pull rate limit reached"),
    (
        "EXPLANATION",
        "Docker has rate limit on image requests. Please refer: https://www.docker.com/increase-rate-limits",
    ),
];

/// A row about a challenge that is not understood, so that nothing comes of it.
const fn not_understood(about: &'static str, answers: Answers) -> Row {
    Row { about, answers, asked: TWO_ROUNDS, told: WRONG_CREDENTIALS, ..ROW }
}

const ROWS: &[Row] = &[
    // Step 1: can it be reached?
    Row { about: "200 passes", answers: &[("/registry/v2 -", OK, "{}")], ..ANONYMOUS },
    Row { about: "401 passes", answers: &[REACHED], ..ANONYMOUS },
    Row { about: "403 passes", answers: &[("/registry/v2 -", "403 Forbidden", "")], ..ANONYMOUS },
    Row { about: "404 passes", ..ANONYMOUS },
    Row { about: "429 passes", answers: &[("/registry/v2 -", "429 Too Many Requests", "")], ..ANONYMOUS },
    Row { about: "500 passes", answers: &[("/registry/v2 -", "500 Internal Server Error", "")], ..ANONYMOUS },
    Row { about: "a page passes", answers: &[("/registry/v2 -", OK, "<html>welcome</html>")], ..ANONYMOUS },
    Row { about: "400 fails", answers: &[("/registry/v2 -", "400 Bad Request", "")], told: UNREACHABLE, ..ANONYMOUS },
    Row { about: "no answer fails", answers: &[("/registry/v2 -", "", "")], told: UNREACHABLE, ..ANONYMOUS },
    Row {
        about: "a host that is not there fails",
        url: "https://nowhere.test/registry/",
        asked: &[],
        told: &[
            UNREACHABLE[0],
            UNREACHABLE[1],
            ("INVALID_ARTIFACT_SERVER", "Could not reach Docker Registry at : https://nowhere.test/registry/"),
        ],
        ..ANONYMOUS
    },
    Row { about: "no path", url: "https://mirror.example.test", asked: &["/v2 -"], ..ANONYMOUS },
    Row { about: "a slash", url: "https://mirror.example.test/", asked: &["/v2 -"], ..ANONYMOUS },
    Row { about: "a path and a slash", url: "https://mirror.example.test/registry/", ..ANONYMOUS },
    Row { about: "/v2 stays", url: "https://mirror.example.test/v2", asked: &["/v2/ -"], ..ANONYMOUS },
    Row { about: "/v2/ stays", url: "https://mirror.example.test/x/v2/", asked: &["/x/v2/ -"], ..ANONYMOUS },
    Row { about: "Harbor is pinged", provider: "Harbor", asked: &["/registry/api/v2.0/ping -"], ..ANONYMOUS },
    Row {
        about: "what is elsewhere is asked there",
        answers: &[("/registry/v2 -", "302 Found\nlocation: /elsewhere", ""), ("/elsewhere -", "400 Bad Request", "")],
        asked: &["/registry/v2 -", "/elsewhere -"],
        told: UNREACHABLE,
        ..ANONYMOUS
    },
    Row {
        about: "and not where the scheme is another one",
        answers: &[("/registry/v2 -", "302 Found\nlocation: http://mirror.example.test/elsewhere", "")],
        ..ANONYMOUS
    },
    // Step 2a: Basic, at the root of the host.
    Row {
        about: "Basic is enough",
        answers: &[REACHED, ("/v2 Basic", OK, "{}")],
        asked: &["/registry/v2 -", "/v2 Basic"],
        ..ROW
    },
    Row {
        about: "nothing to be read",
        answers: &[REACHED, ("/v2 Basic", "204 No Content", "")],
        asked: &["/registry/v2 -", "/v2 Basic"],
        ..ROW
    },
    Row {
        about: "a page fails the first round and passes the second",
        answers: &[REACHED, ("/v2 Basic", OK, "<html>"), ("/v2/ Basic", OK, "<html>")],
        asked: TWO_ROUNDS,
        ..ROW
    },
    Row {
        about: "so does an empty body",
        answers: &[REACHED, ("/v2 Basic", OK, ""), ("/v2/ Basic", OK, "")],
        asked: TWO_ROUNDS,
        ..ROW
    },
    Row {
        about: "404 without a slash, 200 with one",
        answers: &[REACHED, ("/v2/ Basic", OK, "{}")],
        asked: TWO_ROUNDS,
        ..ROW
    },
    Row {
        about: "a connection that breaks in the first round only",
        answers: &[REACHED, ("/v2 Basic", "", ""), ("/v2/ Basic", OK, "{}")],
        asked: TWO_ROUNDS,
        ..ROW
    },
    Row {
        about: "sent on from /v2 to /v2/ with the login",
        answers: &[REACHED, ("/v2 Basic", "301 Moved Permanently\nlocation: /v2/", ""), ("/v2/ Basic", OK, "{}")],
        asked: TWO_ROUNDS,
        ..ROW
    },
    Row {
        about: "the login does not go along to another host",
        answers: &[
            REACHED,
            ("/v2 Basic", "307 Temporary Redirect\nlocation: https://other.example.test/there", ""),
            ("/there -", OK, "{}"),
        ],
        asked: &["/registry/v2 -", "/v2 Basic", "/there -"],
        ..ROW
    },
    // Step 2b: a token, and Bearer.
    Row {
        about: "a token is good",
        answers: &[
            REACHED,
            ("/v2 Basic", CHALLENGE, ""),
            ("/token?service=mirror Basic", OK, TOKEN),
            ("/v2 Bearer", OK, "{}"),
        ],
        asked: &["/registry/v2 -", "/v2 Basic", "/token?service=mirror Basic", "/v2 Bearer"],
        ..ROW
    },
    Row {
        about: "a scope is passed on",
        answers: &[
            REACHED,
            (
                "/v2 Basic",
                "401 Unauthorized\nwww-authenticate: Bearer \
                 realm=\"https://mirror.example.test/token\",service=\"s\",scope=\"repository:x:pull\"",
                "",
            ),
            ("/token?service=s&scope=repository%3Ax%3Apull Basic", OK, TOKEN),
            ("/v2 Bearer", OK, "{}"),
        ],
        asked: &["/registry/v2 -", "/v2 Basic", "/token?service=s&scope=repository%3Ax%3Apull Basic", "/v2 Bearer"],
        ..ROW
    },
    Row {
        about: "seven requests, and the credentials are wrong",
        answers: &[
            REACHED,
            ("/v2 Basic", CHALLENGE, ""),
            ("/v2 Bearer", CHALLENGE, ""),
            ("/v2/ Basic", CHALLENGE, ""),
            ("/v2/ Bearer", CHALLENGE, ""),
            ("/token?service=mirror Basic", OK, TOKEN),
        ],
        asked: SEVEN,
        told: WRONG_CREDENTIALS,
        ..ROW
    },
    Row {
        about: "an answer without a token is the token `null`",
        answers: &[
            REACHED,
            ("/v2 Basic", CHALLENGE, ""),
            ("/v2 Bearer", CHALLENGE, ""),
            ("/v2/ Basic", CHALLENGE, ""),
            ("/v2/ Bearer", CHALLENGE, ""),
            ("/token?service=mirror Basic", OK, r#"{"access_token":"only Azure's counts"}"#),
        ],
        asked: SEVEN,
        told: WRONG_CREDENTIALS,
        ..ROW
    },
    Row {
        about: "a token that leads to a page",
        answers: &[
            REACHED,
            ("/v2 Basic", CHALLENGE, ""),
            ("/v2 Bearer", OK, "<html>"),
            ("/v2/ Basic", CHALLENGE, ""),
            ("/v2/ Bearer", OK, "<html>"),
            ("/token?service=mirror Basic", OK, TOKEN),
        ],
        asked: SEVEN,
        ..ROW
    },
    Row {
        about: "a token service that refuses is not asked again",
        answers: &[
            REACHED,
            ("/v2 Basic", CHALLENGE, ""),
            ("/v2/ Basic", CHALLENGE, ""),
            ("/token?service=mirror Basic", "403 Forbidden", ""),
        ],
        asked: &[
            "/registry/v2 -",
            "/v2 Basic",
            "/token?service=mirror Basic",
            "/v2/ Basic",
            "/token?service=mirror Basic",
        ],
        told: WRONG_CREDENTIALS,
        ..ROW
    },
    Row {
        about: "a token service that hangs up is asked five times, and the 401 stands",
        answers: &[
            REACHED,
            ("/v2 Basic", CHALLENGE, ""),
            ("/v2/ Basic", "403 Forbidden", ""),
            ("/token?service=mirror Basic", "", ""),
        ],
        asked: &[
            "/registry/v2 -",
            "/v2 Basic",
            "/token?service=mirror Basic",
            "/token?service=mirror Basic",
            "/token?service=mirror Basic",
            "/token?service=mirror Basic",
            "/token?service=mirror Basic",
            "/v2/ Basic",
        ],
        told: ODD_ANSWER,
        ..ROW
    },
    // The challenge parser.
    not_understood(
        "no challenge",
        &[REACHED, ("/v2 Basic", "401 Unauthorized", ""), ("/v2/ Basic", "401 Unauthorized", "")],
    ),
    not_understood(
        "a blank behind the comma",
        &[
            REACHED,
            (
                "/v2 Basic",
                "401 Unauthorized\nwww-authenticate: Bearer realm=\"https://mirror.example.test/token\", service=\"mirror\"",
                "",
            ),
            (
                "/v2/ Basic",
                "401 Unauthorized\nwww-authenticate: Bearer realm=\"https://mirror.example.test/token\", service=\"mirror\"",
                "",
            ),
        ],
    ),
    not_understood(
        "Basic",
        &[
            REACHED,
            ("/v2 Basic", "401 Unauthorized\nwww-authenticate: Basic realm=\"Registry\"", ""),
            ("/v2/ Basic", "401 Unauthorized\nwww-authenticate: Basic realm=\"Registry\"", ""),
        ],
    ),
    not_understood(
        "bearer in small letters",
        &[
            REACHED,
            (
                "/v2 Basic",
                "401 Unauthorized\nwww-authenticate: bearer realm=\"https://mirror.example.test/token\",service=\"mirror\"",
                "",
            ),
            (
                "/v2/ Basic",
                "401 Unauthorized\nwww-authenticate: bearer realm=\"https://mirror.example.test/token\",service=\"mirror\"",
                "",
            ),
        ],
    ),
    not_understood(
        "an error beside",
        &[
            REACHED,
            (
                "/v2 Basic",
                "401 Unauthorized\nwww-authenticate: Bearer realm=\"https://mirror.example.test/token\",service=\"mirror\",error=\"invalid_token\"",
                "",
            ),
            (
                "/v2/ Basic",
                "401 Unauthorized\nwww-authenticate: Bearer realm=\"https://mirror.example.test/token\",service=\"mirror\",error=\"invalid_token\"",
                "",
            ),
        ],
    ),
    not_understood(
        "no service",
        &[
            REACHED,
            ("/v2 Basic", "401 Unauthorized\nwww-authenticate: Bearer realm=\"https://mirror.example.test/token\"", ""),
            (
                "/v2/ Basic",
                "401 Unauthorized\nwww-authenticate: Bearer realm=\"https://mirror.example.test/token\"",
                "",
            ),
        ],
    ),
    not_understood(
        "a comma inside of a value",
        &[
            REACHED,
            (
                "/v2 Basic",
                "401 Unauthorized\nwww-authenticate: Bearer realm=\"https://mirror.example.test/token\",service=\"mirror\",scope=\"repository:x:pull,push\"",
                "",
            ),
            (
                "/v2/ Basic",
                "401 Unauthorized\nwww-authenticate: Bearer realm=\"https://mirror.example.test/token\",service=\"mirror\",scope=\"repository:x:pull,push\"",
                "",
            ),
        ],
    ),
    Row {
        about: "a second equals sign cuts the value off",
        answers: &[
            REACHED,
            (
                "/v2 Basic",
                "401 Unauthorized\nwww-authenticate: Bearer realm=\"https://mirror.example.test/token\",service=\"a=b\"",
                "",
            ),
            ("/token?service= Basic", OK, TOKEN),
            ("/v2 Bearer", OK, "{}"),
        ],
        asked: &["/registry/v2 -", "/v2 Basic", "/token?service= Basic", "/v2 Bearer"],
        ..ROW
    },
    // Particulars of some registries.
    Row {
        about: "ghcr.io: 403 leads to /token where there is no challenge",
        url: "https://ghcr.io",
        answers: &[("/v2 Basic", "403 Forbidden", ""), ("/token Basic", OK, TOKEN), ("/v2 Bearer", OK, "{}")],
        asked: &["/v2 -", "/v2 Basic", "/token Basic", "/v2 Bearer"],
        ..ROW
    },
    Row {
        about: "ghcr.io: 403 with a challenge",
        url: "https://ghcr.io",
        answers: &[
            ("/v2 Basic", GHCR_403, ""),
            ("/token?service=ghcr.io&scope=user%3Aimage%3Apull Basic", OK, TOKEN),
            ("/v2 Bearer", OK, "{}"),
        ],
        asked: &["/v2 -", "/v2 Basic", "/token?service=ghcr.io&scope=user%3Aimage%3Apull Basic", "/v2 Bearer"],
        ..ROW
    },
    Row {
        about: "Azure: no login at first, and access_token will do",
        url: "https://acme.azurecr.io",
        answers: &[
            ("/v2 -", ACR_401, ""),
            ("/oauth2/token?service=acme Basic", OK, r#"{"access_token":"a"}"#),
            ("/v2 Bearer", OK, "{}"),
        ],
        asked: &["/v2 -", "/v2 -", "/oauth2/token?service=acme Basic", "/v2 Bearer"],
        ..ROW
    },
    Row {
        about: "Harbor lists projects",
        answers: &[("/registry/api/v2.0/projects Basic", OK, r#"[{"name":"library"}]"#)],
        asked: &["/registry/api/v2.0/ping -", "/registry/api/v2.0/projects Basic"],
        ..HARBOR
    },
    Row {
        about: "Harbor without projects",
        answers: &[("/registry/api/v2.0/projects Basic", OK, "[]")],
        asked: &["/registry/api/v2.0/ping -", "/registry/api/v2.0/projects Basic"],
        told: &[
            ("HINT", "No Harbor projects found."),
            ("EXPLANATION", "Check if the provided credentials are correct & has access to projects"),
            ("INVALID_ARTIFACT_SERVER", "No Harbor projects associated with given user"),
        ],
        ..HARBOR
    },
    Row {
        about: "Harbor refuses",
        answers: &[("/registry/api/v2.0/projects Basic", "401 Unauthorized", "")],
        asked: &["/registry/api/v2.0/ping -", "/registry/api/v2.0/projects Basic"],
        told: WRONG_CREDENTIALS,
        ..HARBOR
    },
    Row {
        about: "a Harbor that is none",
        asked: &["/registry/api/v2.0/ping -", "/registry/api/v2.0/projects Basic"],
        told: ODD_ANSWER,
        ..HARBOR
    },
    Row {
        about: "Harbor hangs up",
        answers: &[("/registry/api/v2.0/projects Basic", "", "")],
        asked: &["/registry/api/v2.0/ping -", "/registry/api/v2.0/projects Basic"],
        told: &[
            ("HINT", "Unable to fetch Harbor projects to validate the connector"),
            ("EXPLANATION", "Check if the provided credentials are correct"),
            ("INVALID_ARTIFACT_SERVER", "connection closed before message completed"),
        ],
        ..HARBOR
    },
    // The last answer and its words.
    Row { about: "404", answers: &[REACHED], asked: TWO_ROUNDS, told: WRONG_URL, ..ROW },
    Row {
        about: "400",
        answers: &[REACHED, ("/v2 Basic", "400 Bad Request", ""), ("/v2/ Basic", "400 Bad Request", "")],
        asked: TWO_ROUNDS,
        told: ODD_ANSWER,
        ..ROW
    },
    Row {
        about: "403",
        answers: &[REACHED, ("/v2 Basic", "403 Forbidden", ""), ("/v2/ Basic", "403 Forbidden", "")],
        asked: TWO_ROUNDS,
        told: ODD_ANSWER,
        ..ROW
    },
    Row {
        about: "429",
        answers: &[REACHED, ("/v2 Basic", "429 Too Many Requests", ""), ("/v2/ Basic", "429 Too Many Requests", "")],
        asked: TWO_ROUNDS,
        told: RATE_LIMIT,
        ..ROW
    },
    Row {
        about: "another status in the words that came with it",
        answers: &[REACHED, ("/v2/ Basic", "503 Down for maintenance", "")],
        asked: TWO_ROUNDS,
        told: &[("INVALID_ARTIFACT_SERVER", "Down for maintenance")],
        ..ROW
    },
    Row {
        about: "another status without words",
        answers: &[REACHED, ("/v2/ Basic", "503 ", "")],
        asked: TWO_ROUNDS,
        told: &[("INVALID_ARTIFACT_SERVER", "Server responded with the following error code - 503")],
        ..ROW
    },
    Row {
        about: "a redirect to nowhere needs no second round",
        answers: &[REACHED, ("/v2 Basic", "302 Found", "")],
        asked: &["/registry/v2 -", "/v2 Basic"],
        told: &[("INVALID_ARTIFACT_SERVER", "Found")],
        ..ROW
    },
    Row {
        about: "a connection that breaks in the second round",
        answers: &[REACHED, ("/v2/ Basic", "", "")],
        asked: TWO_ROUNDS,
        told: &[
            ("HINT", "Invalid Credentials"),
            ("EXPLANATION", "Check if the provided credentials, provider type are correct"),
            ("INVALID_ARTIFACT_SERVER", "connection closed before message completed"),
        ],
        ..ROW
    },
    Row {
        about: "an empty password",
        login: Login::EmptyPassword,
        answers: &[REACHED],
        asked: &["/registry/v2 -"],
        told: &[
            ("HINT", "Invalid Docker Credentials"),
            ("EXPLANATION", "Password field value cannot be empty if username field is not empty"),
            ("INVALID_ARTIFACT_SERVER", "Password is a required field along with Username"),
        ],
        ..ROW
    },
    Row {
        about: "an empty user name is no login",
        login: Login::EmptyUsername,
        answers: &[REACHED],
        asked: &["/registry/v2 -"],
        ..ROW
    },
];

/// A registry that answers as a row says, and what it was asked.
struct Registry {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Registry {
    async fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let asked_ = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(answer(connection, answers, Arc::clone(&asked_)));
            }
        });
        Self { address, asked }
    }

    fn names(&self) -> Names {
        let names = Names::default();
        for host in ["mirror.example.test", "other.example.test", "ghcr.io", "acme.azurecr.io"] {
            names.add(host, self.address);
        }
        names
    }

    fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

/// Answers one request, if it can be told what it is: a client that goes away in the middle needs no answer.
async fn answer(mut connection: TcpStream, answers: Answers, asked: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    let mut bytes = [0; 1024];
    while !head.ends_with(b"\r\n\r\n") {
        match connection.read(&mut bytes).await {
            Ok(0) | Err(_) => return,
            Ok(n) => head.extend_from_slice(&bytes[..n]),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default();
    let authorization = head.lines().find_map(|line| line.strip_prefix("authorization: "));
    let scheme = authorization.and_then(|value| value.split(' ').next()).unwrap_or("-");
    if scheme == "Basic" {
        let login = base64::engine::general_purpose::STANDARD.encode("puller:hunter2");
        assert_eq!(authorization, Some(format!("Basic {login}").as_str()));
    }
    let request = format!("{target} {scheme}");
    let found = answers.iter().find(|(of, ..)| *of == request);
    asked.lock().unwrap().push(request);
    let (_, head, body) = found.unwrap_or(&("", "404 Not Found", ""));
    if head.is_empty() {
        return;
    }
    let head = head.replace('\n', "\r\n");
    let answer = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    let answer = if head.starts_with("204") { format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n") } else { answer };
    // The client may have gone.
    let _ = connection.write_all(answer.as_bytes()).await;
}

fn connector(row: &Row, through_delegate: bool) -> Value {
    let with = |username: Value, password: &str| {
        let mut spec = json!({ "passwordRef": password });
        spec.as_object_mut().unwrap().extend(username.as_object().unwrap().clone());
        json!({ "type": "UsernamePassword", "spec": spec })
    };
    let auth = match row.login {
        Login::Anonymous => json!({ "type": "Anonymous" }),
        Login::Right => with(json!({ "username": "puller" }), "account.good"),
        Login::EmptyPassword => with(json!({ "username": "puller" }), "account.empty"),
        Login::EmptyUsername => with(json!({ "usernameRef": "account.empty" }), "account.good"),
    };
    json!({
        "name": "m", "identifier": "m", "type": "DockerRegistry",
        "spec": { "dockerRegistryUrl": row.url, "providerType": row.provider, "auth": auth,
                  "executeOnDelegate": through_delegate },
    })
}

/// What the client is answered: `task` and `delegate` are null through the platform.
fn answer_to(row: &Row, delegate: &Value, task: &Value) -> (u16, Value) {
    if row.told.is_empty() {
        let data = json!({
            "status": "SUCCESS", "errors": null, "errorSummary": null, "testedAt": 1_767_225_600_000_u64,
            "delegateId": delegate, "taskId": task,
        });
        return (200, json!({ "status": "SUCCESS", "data": data, "metaData": null, "correlationId": "ID" }));
    }
    let told = |(code, text): &(&str, &str)| {
        let level = if matches!(*code, "HINT" | "EXPLANATION") { "INFO" } else { "ERROR" };
        json!({ "code": code, "level": level, "message": text, "exception": null, "failureTypes": [] })
    };
    let metadata = match task {
        Value::Null => Value::Null,
        task => json!({ "type": "ConnectorValidationErrorMetaData", "taskId": task }),
    };
    let body = json!({
        "status": "ERROR", "code": row.told[0].0, "message": row.told[0].1, "correlationId": "ID",
        "detailedMessage": null, "responseMessages": row.told.iter().map(told).collect::<Vec<_>>(), "metadata": metadata,
    });
    (400, body)
}

fn stored(row: &Row) -> Value {
    if row.told.is_empty() {
        return json!({ "status": "SUCCESS", "errorSummary": null, "errors": null });
    }
    let line = row.told.iter().map(|(_, text)| *text).collect::<Vec<_>>().join(". ");
    json!({
        "status": "FAILURE",
        "errorSummary": format!("Error Encountered ({line})"),
        "errors": [{ "reason": "Unexpected Error", "message": line, "code": 450 }],
    })
}

async fn check(row: &Row, through_delegate: bool) {
    let about =
        format!("{}, {}", row.about, if through_delegate { "through a delegate" } else { "through the platform" });
    let registry = Registry::start(row.answers).await;
    let config = config(json!({
        "secrets": [{ "identifier": "good", "value": "hunter2" }, { "identifier": "empty", "value": "" }],
        "delegates": [{ "name": "build-1" }],
        "connectors": [connector(row, through_delegate)],
    }));
    let rig = Rig::start_with(config, registry.names(), None).await;
    let (status, mut answer) = rig.ask("POST", "/ng/api/connectors/testConnection/m?accountIdentifier=acme", "").await;
    answer["correlationId"] = json!("ID");
    let task = [&answer["data"]["taskId"], &answer["metadata"]["taskId"]].into_iter().find(|task| task.is_string());
    let task = task.cloned().unwrap_or_default();
    assert_eq!(task.as_str().map(str::len), through_delegate.then_some(22), "{about}");
    let delegate = if through_delegate { json!("build-1") } else { Value::Null };
    let expect = answer_to(row, &delegate, &task);
    assert_eq!((status, answer.to_string()), (expect.0, expect.1.to_string()), "{about}");
    assert_eq!(registry.take_asked(), row.asked, "{about}");
    let (_, answer) = rig.ask("GET", "/ng/api/connectors/m?accountIdentifier=acme", "").await;
    let kept = &answer["data"]["status"];
    let kept = json!({ "status": kept["status"], "errorSummary": kept["errorSummary"], "errors": kept["errors"] });
    assert_eq!(kept, stored(row), "{about}");
    let journal: Vec<_> = rig.journal.entries().iter().map(|entry| format!("{:?}", entry.event)).collect();
    assert!(!journal.join("\n").contains("hunter2"), "{about}");
}

#[tokio::test]
async fn every_row_is_so_through_the_platform() {
    for row in ROWS {
        check(row, false).await;
    }
}

#[tokio::test]
async fn every_row_is_so_through_a_delegate() {
    for row in ROWS {
        check(row, true).await;
    }
}

#[tokio::test]
async fn an_answer_about_reachability_is_kept_for_a_minute_and_none_is_not() {
    let ask =
        async |rig: &Rig| rig.ask("POST", "/ng/api/connectors/testConnection/m?accountIdentifier=acme", "").await.0;
    for (answers, status, n_asked) in [
        (ROWS[0].answers, 200, 1),
        (&[("/registry/v2 -", "400 Bad Request", "")], 400, 1),
        (&[("/registry/v2 -", "", "")], 400, 2),
    ] {
        let registry = Registry::start(answers).await;
        let config = config(json!({ "connectors": [connector(&ANONYMOUS, false)] }));
        let rig = Rig::start_with(config, registry.names(), None).await;
        assert_eq!((ask(&rig).await, ask(&rig).await), (status, status));
        assert_eq!(registry.take_asked().len(), n_asked, "{answers:?}");
        rig.clock.advance(std::time::Duration::from_secs(60));
        assert_eq!(ask(&rig).await, status);
        assert_eq!(registry.take_asked().len(), 1, "{answers:?}");
    }
}

#[tokio::test]
async fn any_certificate_is_taken() {
    for flaw in [CertificateFlaw::Untrusted, CertificateFlaw::Expired, CertificateFlaw::OtherName] {
        let authority = Authority::generate().unwrap();
        let names = Names::default();
        let certificates = Certificates::new(&authority, &names, Some(flaw)).unwrap();
        let answers = axum::Router::new().fallback(async || axum::Json(json!({})));
        let listen = Listen::at(ANY_PORT).tls(certificates);
        let server = ServerHandle::start(introducing(answers), listen).await.unwrap();
        names.add("mirror.example.test", server.address());
        names.set_tls(server.address());
        let config = config(json!({
            "secrets": [{ "identifier": "good", "value": "hunter2" }],
            "connectors": [connector(&ROW, false)],
        }));
        let rig = Rig::start_with(config, names, None).await;
        let (status, answer) = rig.ask("POST", "/ng/api/connectors/testConnection/m?accountIdentifier=acme", "").await;
        assert_eq!((status, answer["data"]["status"].as_str()), (200, Some("SUCCESS")), "{flaw:?}: {answer}");
    }
}
