//! The table of situations of the connector API: each row as a request and its whole answer, key order included.
//!
//! Source: facts/harness B5, B6, and the examples of the fact sheet.

use crate::rig::{Rig, anonymous, config, with_login};
use serde_json::{Value, json};

const CREATE: &str = "/ng/api/connectors?accountIdentifier=acme";
const SECRETS: &str = "/ng/api/v2/secrets?accountIdentifier=acme";
const URL: &str = "https://mirror.example.test/registry";
const T0: u64 = 1_767_225_600_000;

fn one(identifier: &str) -> String {
    format!("/ng/api/connectors/{identifier}?accountIdentifier=acme")
}

fn success(data: Value) -> Value {
    json!({ "status": "SUCCESS", "data": data, "metaData": null, "correlationId": "ID" })
}

fn error(code: &str, message: &str) -> Value {
    json!({
        "status": "ERROR", "code": code, "message": message, "correlationId": "ID", "detailedMessage": null,
        "responseMessages": [
            { "code": code, "level": "ERROR", "message": message, "exception": null, "failureTypes": [] }
        ],
        "metadata": null
    })
}

fn failure(code: &str, message: &str, errors: Value) -> Value {
    json!({ "status": "FAILURE", "code": code, "message": message, "correlationId": "ID", "errors": errors })
}

fn denied(permission: &str, resource: &str, identifier: Option<&str>, attributes: Value) -> Value {
    let on = identifier.map(|identifier| format!(" with identifier {identifier}")).unwrap_or_default();
    json!({
        "status": "ERROR",
        "code": "NG_ACCESS_DENIED",
        "message":
            format!("Principal of type SERVICE_ACCOUNT with identifier ci_bot : Missing permission {permission} on {resource}{on}"),
        "correlationId": null,
        "detailedMessage": null,
        "responseMessages": null,
        "metadata": null,
        "failedPermissionChecks": [{
            "resourceScope": { "accountIdentifier": "acme", "orgIdentifier": null, "projectIdentifier": null },
            "resourceType": resource.to_uppercase(),
            "resourceAttributes": attributes,
            "resourceIdentifier": identifier,
            "permission": permission
        }]
    })
}

/// A request and its whole answer.
struct Row(&'static str, String, Value, u16, Value);

async fn check(rig: &Rig, rows: Vec<Row>) {
    for Row(method, path, body, status, expect) in rows {
        let told = rig.told(method, &path, &body).await;
        assert_eq!(told, (status, expect.to_string()), "{method} {path} {body}");
    }
}

/// A create request with one part changed.
fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut body = anonymous("other", URL);
    change(&mut body["connector"]);
    body
}

/// A key that may do this everywhere and nothing else, and another that may do everything.
async fn limited(permissions: Value) -> Rig {
    Rig::start(config(json!({
        "api-keys": [
            { "token": "sat.acme.bot.0123456789", "principal": "ci_bot", "permissions": permissions },
            { "token": "pat.acme.admin.0123456789" },
        ],
        "connectors": [anonymous("mirror", URL)["connector"]],
    })))
    .await
}

#[tokio::test]
async fn fields_are_checked_first_and_told_together() {
    let rig = Rig::start(config(json!({}))).await;
    const IDENTIFIER: &str = "can be 128 characters long and can only contain alphanumeric, underscore and $ characters, \
                              and not start with a number or $";
    let fields = |errors: &[(&str, &str)]| {
        let message: Vec<_> = errors.iter().map(|(field, error)| format!("{field}: {error}")).collect();
        let errors: Vec<_> = errors.iter().map(|(field, error)| json!({ "fieldId": field, "error": error })).collect();
        failure("INVALID_REQUEST", &message.join(", "), Value::Array(errors))
    };
    let unreadable = json!({ "code": 400, "message": "Unable to process JSON" });
    let row = |body: Value, expect: Value| Row("POST", CREATE.into(), body, 400, expect);
    let field = |field: &'static str, value: Value, error: &str| {
        row(with(|body| body[field] = value), fields(&[(field, error)]))
    };
    let mut rows = vec![
        field("identifier", json!("9mirror"), IDENTIFIER),
        field("identifier", json!("a-b"), IDENTIFIER),
        field("identifier", json!("a".repeat(129)), IDENTIFIER),
        field("identifier", json!(""), "cannot be empty"),
        field("identifier", Value::Null, "cannot be empty"),
        field("name", json!(" "), "cannot be empty."),
        field("name", json!("n".repeat(129)), "cannot be more than 128 characters long."),
        field(
            "name",
            json!("a:b"),
            "can only contain alphanumeric, dot, hyphen, forward slash and underscore characters.",
        ),
        field("type", Value::Null, "Connector type cannot be null"),
        row(
            with(|body| {
                body["name"] = json!("");
                body["identifier"] = json!("$");
            }),
            fields(&[("name", "cannot be empty."), ("identifier", IDENTIFIER)]),
        ),
        row(
            with(|body| body["spec"]["dockerRegistryUrl"] = json!(" ")),
            fields(&[("dockerRegistryUrl", "must not be blank")]),
        ),
        row(
            with(|body| body["spec"]["dockerRegistryUrl"] = json!("mirror")),
            fields(&[("dockerRegistryUrl", "must be a valid URL")]),
        ),
        row(with(|body| body["spec"]["providerType"] = json!("Quayy")), unreadable.clone()),
        row(with(|body| body["spec"]["delegateSelectors"] = json!("linux")), unreadable.clone()),
        row(with(|body| body["type"] = json!("Odd")), unreadable.clone()),
        row(with(|body| body["tags"] = json!({ "a": [1] })), unreadable.clone()),
        row(json!([]), unreadable.clone()),
        row(
            with(|body| body["spec"]["auth"] = Value::Null),
            error("INVALID_REQUEST", "Invalid request: Auth Field is Null"),
        ),
        row(
            with(|body| body["spec"]["auth"]["spec"] = json!({})),
            error("INVALID_REQUEST", "Invalid request: No spec should be provided with the anonymous type"),
        ),
        row(
            with(|body| body["identifier"] = json!("harnessSecretManager")),
            error("INVALID_REQUEST", "Invalid request: harnessSecretManager cannot be used as connector identifier"),
        ),
    ];
    let reserved = "or and eq ne lt gt le ge div mod not null true false new var return step parallel stepGroup org account \
                    class shellScriptProvisioner";
    for word in reserved.split(' ') {
        rows.push(field("identifier", json!(word), &format!("{word} is a keyword, so cannot be used")));
    }
    check(&rig, rows).await;
    for body in ["", "{", "nonsense", "{\"connector\":"] {
        assert_eq!(rig.ask("POST", CREATE, body).await, (400, unreadable.clone()), "{body}");
    }
    // A body of 10 MiB.
    let large = rig.ask("POST", CREATE, &"x".repeat(10 << 20)).await;
    assert_eq!(large, (413, json!({ "code": 413, "message": "HTTP 413 Request Entity Too Large" })));
    // Unknown properties are ignored, and empty scopes are the account's.
    let odd = with(|body| {
        body["surprise"] = json!({ "a": 1 });
        body["orgIdentifier"] = json!("");
        body["projectIdentifier"] = json!("");
        body["spec"]["delegateSelectors"] = Value::Null;
    });
    let (status, answer) = rig.ask("POST", CREATE, &odd.to_string()).await;
    let connector = &answer["data"]["connector"];
    assert_eq!(status, 200);
    assert_eq!(
        json!([connector["orgIdentifier"], connector["projectIdentifier"], connector["spec"]["delegateSelectors"]]),
        json!([null, null, []])
    );
    assert_eq!(connector.get("surprise"), None);
}

#[tokio::test]
async fn what_exists_and_what_does_not_is_told_by_operation() {
    let rig = Rig::start(config(json!({
        "secrets": [{ "identifier": "mirror_password", "value": "x" }],
        "connectors": [anonymous("mirror", URL)["connector"],
                       { "name": "k", "identifier": "cluster", "type": "K8sCluster", "spec": {} }],
    })))
    .await;
    let place = |org: Value, project: Value| {
        with(|body| {
            body["orgIdentifier"] = org;
            body["projectIdentifier"] = project;
        })
    };
    let mut no_secret = with_login("other", URL);
    no_secret["connector"]["spec"]["auth"]["spec"]["passwordRef"] = json!("account.none");
    let mut low = with_login("other", URL);
    low["connector"]["spec"]["auth"]["spec"]["passwordRef"] = json!("mirror_password");
    let mut low_in_org = low.clone();
    low_in_org["connector"]["orgIdentifier"] = json!("default");
    let mut other_type = anonymous("cluster", URL);
    other_type["connector"]["name"] = json!("k");
    let invalid = |message: &str| error("INVALID_REQUEST", &format!("Invalid request: {message}"));
    let not_found = |message: &str| failure("RESOURCE_NOT_FOUND_EXCEPTION", message, Value::Null);
    let get_in = |query: &str| format!("{}&{query}", one("x"));
    let test = |identifier: &str| format!("/ng/api/connectors/testConnection/{identifier}?accountIdentifier=acme");
    check(
        &rig,
        vec![
            Row("GET", one("x"), Value::Null, 400, not_found("Connector with identifier [x] not found in account [acme].")),
            Row(
                "GET",
                get_in("orgIdentifier=default"),
                Value::Null,
                400,
                not_found("Connector with identifier [x] not found in org [default]."),
            ),
            Row(
                "GET",
                get_in("orgIdentifier=default&projectIdentifier=demo"),
                Value::Null,
                400,
                not_found("Connector with identifier [x] not found in project [demo] and org [default]."),
            ),
            Row(
                "PUT",
                CREATE.into(),
                anonymous("x", URL),
                400,
                error("CONNECTOR_NOT_FOUND_EXCEPTION", "No connector exists with the identifier x in account acme"),
            ),
            Row(
                "PUT",
                CREATE.into(),
                place(json!("default"), json!("demo")),
                400,
                error(
                    "CONNECTOR_NOT_FOUND_EXCEPTION",
                    "No connector exists with the identifier other in account acme, organisation default, project demo",
                ),
            ),
            Row(
                "PUT",
                CREATE.into(),
                other_type,
                400,
                invalid("No connector exists with the identifier cluster in account acme with type DockerRegistry"),
            ),
            Row(
                "POST",
                test("x"),
                Value::Null,
                400,
                error("CONNECTOR_NOT_FOUND_EXCEPTION", "No connector found with identifier x"),
            ),
            Row("DELETE", one("x"), Value::Null, 400, invalid("No such connector found")),
            Row(
                "POST",
                CREATE.into(),
                anonymous("mirror", URL),
                400,
                invalid(
                    "Connector: Mirror of Harness images has been given an identifier: mirror that already exists. Please \
                     enter a unique ID.",
                ),
            ),
            Row("POST", CREATE.into(), place(json!("none"), Value::Null), 400, not_found("org [none] not found.")),
            Row("POST", CREATE.into(), place(json!("default"), json!("none")), 400, not_found("project [none] not found.")),
            Row(
                "POST",
                CREATE.into(),
                place(Value::Null, json!("demo")),
                400,
                not_found("Project demo specified without the org Identifier"),
            ),
            Row(
                "POST",
                CREATE.into(),
                no_secret.clone(),
                400,
                invalid("Error while validating passwordRef field : Invalid request: No secret exists with the id none "),
            ),
            Row("POST", CREATE.into(), low, 400, invalid("The project level secret cannot be used at account level")),
            Row("POST", CREATE.into(), low_in_org, 400, invalid("The project level secret cannot be used at a org level")),
            Row(
                "DELETE",
                format!("{}&forceDelete=true", one("mirror")),
                Value::Null,
                400,
                invalid("Parameter forcedDelete cannot be true. Force Delete is not enabled for account [acme]"),
            ),
            Row("DELETE", one("mirror"), Value::Null, 200, success(json!(true))),
        ],
    )
    .await;

    let switched = Rig::start(config(json!({
        "connectors": [anonymous("mirror", URL)["connector"]],
        "behaviour": { "not-found-status": "404", "duplicate-identifier": "duplicate-field",
                       "missing-secret-prefix": "outer" },
    })))
    .await;
    check(
        &switched,
        vec![
            Row(
                "GET",
                one("x"),
                Value::Null,
                404,
                not_found("Connector with identifier [x] not found in account [acme]."),
            ),
            Row(
                "POST",
                CREATE.into(),
                anonymous("mirror", URL),
                400,
                error("DUPLICATE_FIELD", "Connector [mirror] already exists"),
            ),
            Row(
                "POST",
                CREATE.into(),
                no_secret,
                400,
                invalid("Error while validating passwordRef field : No secret exists with the id none "),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn of_creates_at_once_exactly_one_succeeds() {
    let rig = Rig::start(config(json!({}))).await;
    let body = anonymous("mirror", URL).to_string();
    let answers = futures_util::future::join_all((0..16).map(|_| rig.ask("POST", CREATE, &body))).await;
    let won = answers.iter().filter(|(status, _)| *status == 200).count();
    assert_eq!(won, 1);
    assert!(answers.iter().filter(|(status, _)| *status != 200).all(|(_, answer)| answer["code"] == "INVALID_REQUEST"));
}

#[tokio::test]
async fn what_a_pipeline_names_is_not_deleted() {
    let rig = Rig::start(config(json!({
        "connectors": [anonymous("mirror", URL)["connector"], anonymous("harnessImage", URL)["connector"]],
    })))
    .await;
    let pipeline = "
pipeline:
  name: build
  identifier: build
  stages:
    - stage:
        name: s
        identifier: s
        type: CI
        spec:
          cloneCodebase: false
          infrastructure:
            type: KubernetesDirect
            spec: { connectorRef: account.cluster, namespace: ci, harnessImageConnectorRef: account.mirror }
          execution: { steps: [] }
";
    let save = "/pipeline/api/pipelines/v2?accountIdentifier=acme&orgIdentifier=default&projectIdentifier=demo";
    assert_eq!(rig.ask("POST", save, pipeline).await.0, 200);
    let referenced = "Could not delete the connector mirror as it is referenced by other entities";
    let set = json!([{ "identifier": "enable_force_delete", "value": "true", "allowOverrides": false, "updateType": "UPDATE" }]);
    let rows = vec![
        Row("DELETE", one("mirror"), Value::Null, 400, error("ENTITY_REFERENCE_EXCEPTION", referenced)),
        // That stages without a word of it use `harnessImage` is no reference.
        Row("DELETE", one("harnessImage"), Value::Null, 200, success(json!(true))),
    ];
    check(&rig, rows).await;
    assert_eq!(rig.ask("PUT", "/ng/api/settings?accountIdentifier=acme", &set.to_string()).await.0, 200);
    let force = format!("{}&forceDelete=true", one("mirror"));
    check(&rig, vec![Row("DELETE", force, Value::Null, 200, success(json!(true)))]).await;
}

#[tokio::test]
async fn a_permission_is_checked_before_existence_and_after_fields() {
    let rig = limited(json!([])).await;
    let connector =
        |permission: &str, identifier: Option<&str>| denied(permission, "connector", identifier, Value::Null);
    let get = |path: &str| format!("/ng/api/connectors/{path}?accountIdentifier=acme");
    check(
        &rig,
        vec![
            Row(
                "POST",
                CREATE.into(),
                anonymous("x", URL),
                403,
                denied("core_connector_edit", "connector", None, json!({ "category": "ARTIFACTORY" })),
            ),
            Row("PUT", CREATE.into(), anonymous("x", URL), 403, connector("core_connector_edit", Some("x"))),
            Row("GET", one("x"), Value::Null, 403, connector("core_connector_view", Some("x"))),
            Row("DELETE", one("x"), Value::Null, 403, connector("core_connector_delete", Some("x"))),
            Row("POST", get("testConnection/x"), Value::Null, 403, connector("core_connector_access", Some("x"))),
            Row(
                "POST",
                get("testGitRepoConnection/x"),
                Value::Null,
                403,
                connector("core_connector_access", Some("x")),
            ),
            Row("GET", CREATE.into(), Value::Null, 403, connector("core_connector_view", None)),
            Row("POST", get("listV2"), Value::Null, 403, connector("core_connector_view", None)),
            Row("GET", get("stats"), Value::Null, 403, connector("core_connector_view", None)),
        ],
    )
    .await;
    let (status, _) = rig.ask("POST", CREATE, &with(|body| body["name"] = json!("")).to_string()).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn grants_hold_in_their_scope_and_for_their_resources_and_filter_lists() {
    let connector = |identifier: &str, org: Option<&str>| {
        let mut body = anonymous(identifier, URL)["connector"].clone();
        body["orgIdentifier"] = json!(org);
        body
    };
    let rig = Rig::start(config(json!({
        "api-keys": [{ "token": "sat.acme.bot.0123456789", "principal": "ci_bot", "grants": [
            { "permissions": ["core_connector_view"], "resources": ["a", "c"], "below": false },
            { "permissions": ["core_connector_view", "core_connector_edit"], "organization": "default" },
        ] }],
        "connectors": [connector("a", None), connector("b", None), connector("c", None), connector("d", Some("default"))],
    })))
    .await;
    let listed = async |query: &str| {
        let (status, answer) =
            rig.ask("POST", &format!("/ng/api/connectors/listV2?accountIdentifier=acme{query}"), "").await;
        let content = answer["data"]["content"].as_array().cloned().unwrap_or_default();
        let told: Vec<_> =
            content.iter().map(|one| one["connector"]["identifier"].as_str().unwrap().to_owned()).collect();
        (status, told.join(" "), answer["data"]["totalItems"].as_u64())
    };
    assert_eq!(listed("").await, (200, "c a".into(), Some(2)));
    assert_eq!(listed("&pageSize=1&pageIndex=1").await, (200, "a".into(), Some(2)));
    assert_eq!(listed("&orgIdentifier=default").await, (200, "d".into(), Some(1)));
    assert_eq!(listed("&searchTerm=b").await.0, 403, "nothing of what is found may be seen");
    assert_eq!(rig.ask("GET", &one("a"), "").await.0, 200);
    assert_eq!(rig.ask("GET", &one("b"), "").await.0, 403);
    assert_eq!(rig.ask("POST", CREATE, &anonymous("e", URL).to_string()).await.0, 403);
    let below = with(|body| body["orgIdentifier"] = json!("default"));
    assert_eq!(rig.ask("POST", CREATE, &below.to_string()).await.0, 200);
}

#[tokio::test]
async fn a_policy_denies_with_200_and_nothing_is_made() {
    let rig = Rig::start(config(json!({
        "governance": [
            { "name": "no-hub", "types": ["DockerRegistry"], "hosts": ["*.docker.io"], "message": "use the mirror" },
            { "name": "login", "auth": "Anonymous", "hosts": ["slow.test"], "message": "log in", "severity": "warning" },
        ],
    })))
    .await;
    let metadata = |status: &str, name: &str, message: &str, identifier: &str| {
        json!({
            "id": "0",
            "deny": status == "error",
            "details": [{
                "policySetId": "0",
                "deny": status == "error",
                "policyMetadata": [{
                    "policyId": "", "policyName": name, "severity": status, "denyMessages": [message], "status": status,
                    "identifier": name, "accountId": "acme", "orgId": "", "projectId": "", "created": "0", "updated": "0",
                    "error": ""
                }],
                "policySetName": "connectors",
                "status": status,
                "identifier": "connectors",
                "created": "0",
                "accountId": "acme",
                "orgId": "",
                "projectId": "",
                "description": ""
            }],
            "message": "",
            "timestamp": T0.to_string(),
            "status": status,
            "accountId": "acme",
            "orgId": "",
            "projectId": "",
            "entity": identifier,
            "type": "connector",
            "action": "onsave",
            "created": T0.to_string()
        })
    };
    let nothing = |metadata: Value| {
        success(json!({
            "connector": null, "createdAt": null, "lastModifiedAt": null, "status": null, "activityDetails": null,
            "harnessManaged": false, "gitDetails": null, "entityValidityDetails": null, "governanceMetadata": metadata,
            "isFavorite": null
        }))
    };
    let hub = anonymous("hub", "https://index.docker.io/v2/");
    let told = nothing(metadata("error", "no-hub", "use the mirror", "hub"));
    // Before organisation, project and the identifier are looked at.
    let mut elsewhere = hub.clone();
    elsewhere["connector"]["orgIdentifier"] = json!("none");
    check(&rig, vec![Row("POST", CREATE.into(), hub.clone(), 200, told)]).await;
    assert_eq!(
        rig.ask("POST", CREATE, &elsewhere.to_string()).await.1["data"]["governanceMetadata"]["status"],
        "error"
    );
    assert_eq!(rig.ask("PUT", CREATE, &hub.to_string()).await.1["data"]["connector"], Value::Null);
    assert_eq!(rig.ask("GET", &one("hub"), "").await.0, 400, "nothing was made");
    let (_, answer) = rig.ask("POST", CREATE, &anonymous("slow", "https://slow.test").to_string()).await;
    assert_eq!(answer["data"]["governanceMetadata"], metadata("warning", "login", "log in", "slow"));
    assert_eq!(rig.ask("GET", &one("slow"), "").await.1["data"]["governanceMetadata"], Value::Null);
    let (_, answer) = rig.ask("POST", CREATE, &anonymous("fine", URL).to_string()).await;
    assert_eq!(answer["data"]["governanceMetadata"], Value::Null);
}

#[tokio::test]
async fn a_key_that_is_not_valid_may_be_refused_in_the_older_envelope() {
    let mut rig = Rig::start(config(json!({ "behaviour": { "invalid-key-body": "rest-response" } }))).await;
    rig.key = Some(String::from("pat.acme.x.y"));
    let expect = json!({
        "metaData": {}, "resource": null,
        "responseMessages": [{ "code": "INVALID_TOKEN", "level": "ERROR", "message": "Token is not valid.",
                               "exception": null, "failureTypes": [] }]
    });
    check(&rig, vec![Row("GET", one("x"), Value::Null, 401, expect)]).await;
}

#[tokio::test]
async fn newer_fields_and_no_nulls_are_switches() {
    let rig = Rig::start(config(json!({
        "connectors": [anonymous("mirror", URL)["connector"]],
        "behaviour": { "extra-fields": "unique-ids", "nulls": "omitted" },
    })))
    .await;
    let (_, answer) = rig.ask("GET", &one("mirror"), "").await;
    let connector = answer["data"]["connector"].as_object().unwrap();
    assert_eq!(connector["parentUniqueId"], "acme");
    assert_eq!(connector["uniqueId"].as_str().unwrap().len(), 22);
    assert!(
        !connector.contains_key("orgIdentifier")
            && !connector["spec"]["auth"].as_object().unwrap().contains_key("spec")
    );
    assert_eq!(answer["data"]["gitDetails"], json!({}));
}

#[tokio::test]
async fn a_list_has_every_field_of_the_example() {
    let mut team = with_login("teamMirror", "https://mirror.example.test/v2/");
    team["connector"]["name"] = json!("Team mirror");
    team["connector"]["description"] = json!("");
    team["connector"]["tags"] = json!({});
    team["connector"]["spec"]["delegateSelectors"] = json!(["linux-amd64"]);
    team["connector"]["spec"]["executeOnDelegate"] = json!(true);
    let rig = Rig::start(config(json!({
        "secrets": [{ "identifier": "mirror_password", "value": "x" }],
        "connectors": [anonymous("harnessImage", URL)["connector"], team["connector"]],
    })))
    .await;
    let entry = |name: &str, identifier: &str, description: &str, tags: Value, spec: Value| {
        json!({
            "connector": {
                "name": name, "identifier": identifier, "description": description, "accountIdentifier": "acme",
                "orgIdentifier": null, "projectIdentifier": null, "tags": tags, "type": "DockerRegistry", "spec": spec
            },
            "createdAt": T0,
            "lastModifiedAt": T0,
            "status": {
                "status": "UNKNOWN", "errorSummary": null, "errors": null, "testedAt": 0, "lastTestedAt": 0,
                "lastConnectedAt": 0, "lastAlertSent": null
            },
            "activityDetails": { "lastActivityTime": T0 },
            "harnessManaged": false,
            "gitDetails": {
                "objectId": null, "branch": null, "repoIdentifier": null, "rootFolder": null, "filePath": null,
                "repoName": null, "commitId": null, "fileUrl": null, "repoUrl": null, "parentEntityConnectorRef": null,
                "parentEntityRepoName": null
            },
            "entityValidityDetails": { "valid": true, "invalidYaml": null },
            "governanceMetadata": null,
            "isFavorite": false
        })
    };
    let content = json!([
        entry(
            "Team mirror",
            "teamMirror",
            "",
            json!({}),
            json!({
                "dockerRegistryUrl": "https://mirror.example.test/v2/", "providerType": "Other",
                "auth": { "type": "UsernamePassword",
                          "spec": { "username": "puller", "usernameRef": null, "passwordRef": "account.mirror_password" } },
                "delegateSelectors": ["linux-amd64"], "executeOnDelegate": true, "proxy": false
            })
        ),
        entry(
            "Mirror of Harness images",
            "harnessImage",
            "internal images come from the mirror",
            json!({ "team": "build" }),
            json!({
                "dockerRegistryUrl": URL, "providerType": "Other", "auth": { "type": "Anonymous", "spec": null },
                "delegateSelectors": [], "executeOnDelegate": false, "proxy": false
            })
        ),
    ]);
    let page = |size: u64| {
        success(json!({
            "totalPages": 1, "totalItems": 2, "pageItemCount": 2, "pageSize": size, "content": content, "pageIndex": 0,
            "empty": false, "pageToken": null
        }))
    };
    let filter = json!({ "filterType": "Connector" });
    check(
        &rig,
        vec![
            Row("POST", "/ng/api/connectors/listV2?accountIdentifier=acme".into(), filter, 200, page(50)),
            Row("GET", CREATE.into(), Value::Null, 200, page(100)),
        ],
    )
    .await;
}

#[tokio::test]
async fn secrets_are_refused_in_their_own_words() {
    let rig = Rig::start(config(json!({
        "secrets": [{ "identifier": "mirror_password", "value": "x" }, { "identifier": "free", "value": "x" }],
        "connectors": [with_login("mirror", URL)["connector"]],
    })))
    .await;
    let secret = |identifier: &str, value: Value| {
        json!({ "secret": { "type": "SecretText", "name": "s", "identifier": identifier,
            "spec": { "secretManagerIdentifier": "harnessSecretManager", "valueType": "Inline", "value": value } } })
    };
    let invalid = |message: &str| error("INVALID_REQUEST", &format!("Invalid request: {message}"));
    let at = |identifier: &str| format!("/ng/api/v2/secrets/{identifier}?accountIdentifier=acme");
    let mut moved = secret("free", json!("v"));
    moved["secret"]["spec"]["secretManagerIdentifier"] = json!("vault");
    check(
        &rig,
        vec![
            Row(
                "POST",
                format!("{SECRETS}&orgIdentifier=default"),
                secret("n", json!("v")),
                400,
                invalid("Invalid request, scope in payload and params do not match."),
            ),
            Row("POST", SECRETS.into(), secret("n", Value::Null), 400, invalid("value cannot be empty for a secret text.")),
            Row(
                "POST",
                SECRETS.into(),
                secret("free", json!("v")),
                400,
                invalid("Secret with identifier free already exists in this scope"),
            ),
            Row(
                "GET",
                at("none"),
                Value::Null,
                400,
                failure(
                    "RESOURCE_NOT_FOUND_EXCEPTION",
                    "Secret with identifier [none] is not found in the given scope",
                    Value::Null,
                ),
            ),
            Row(
                "PUT",
                at("none"),
                secret("none", json!("v")),
                400,
                invalid("No such secret found, please check identifier/scope and try again."),
            ),
            Row(
                "PUT",
                at("free"),
                moved,
                400,
                invalid(
                    "Cannot change organization, project, identifier, type or secret manager of a secret after creation.",
                ),
            ),
            Row(
                "DELETE",
                at("none"),
                Value::Null,
                404,
                error("ENTITY_NOT_FOUND", "Secret with identifier [none] does not exist in the specified scope"),
            ),
            Row(
                "DELETE",
                at("mirror_password"),
                Value::Null,
                400,
                error(
                    "ENTITY_REFERENCE_EXCEPTION",
                    "Could not delete the secret mirror_password as it is referenced by other entities",
                ),
            ),
            Row(
                "DELETE",
                format!("{}&forceDelete=true", at("free")),
                Value::Null,
                400,
                invalid(
                    "Parameter forcedDelete cannot be true. Force deletion of secret is not enabled for this account [acme]",
                ),
            ),
            Row("DELETE", at("free"), Value::Null, 200, success(json!(true))),
            Row("DELETE", one("mirror"), Value::Null, 200, success(json!(true))),
            Row("DELETE", at("mirror_password"), Value::Null, 200, success(json!(true))),
        ],
    )
    .await;
}
