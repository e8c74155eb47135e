//! Lists of connectors: every parameter and filter; and what is known of types.

use crate::rig::{Rig, anonymous, config};
use serde_json::{Value, json};

async fn rig() -> Rig {
    let docker = |identifier: &str, name: &str, org: Value, project: Value| {
        let mut body = anonymous(identifier, "https://m.test")["connector"].clone();
        body["name"] = json!(name);
        body["orgIdentifier"] = org;
        body["projectIdentifier"] = project;
        body
    };
    let mut delegate = docker("d", "Delta mirror", Value::Null, Value::Null);
    delegate["spec"]["executeOnDelegate"] = json!(true);
    delegate["description"] = json!("Pulls through build machines");
    delegate["tags"] = json!({ "team": "ops", "new": "" });
    Rig::start(config(json!({ "connectors": [
        docker("c", "Charlie", Value::Null, Value::Null),
        delegate,
        { "name": "Alpha", "identifier": "a", "type": "K8sCluster",
          "spec": { "credential": { "type": "InheritFromDelegate" }, "delegateSelectors": ["x"] } },
        { "name": "Bravo", "identifier": "b", "type": "Nexus", "spec": { "nexusVersion": "3.x" } },
        docker("o", "Oscar", json!("default"), Value::Null),
        docker("p", "Papa", json!("default"), json!("demo")),
    ] })))
    .await
}

fn identifiers(answer: &Value) -> String {
    let content = answer["data"]["content"].as_array().cloned().unwrap_or_default();
    let told: Vec<_> = content.iter().map(|one| one["connector"]["identifier"].as_str().unwrap().to_owned()).collect();
    told.join(" ")
}

#[tokio::test]
async fn each_filter_and_parameter_counts() {
    let rig = rig().await;
    let check = async |query: &str, body: Value, expect: &str| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let path = format!("/ng/api/connectors/listV2?accountIdentifier=acme{query}");
        let (status, answer) = rig.ask("POST", &path, &body).await;
        assert_eq!((status, identifiers(&answer).as_str()), (200, expect), "{query} {body}");
    };
    let filter = |field: &str, value: Value| json!({ "filterType": "Connector", field: value });
    check("", Value::Null, "b a d c").await;
    check("", json!({}), "b a d c").await;
    check("&orgIdentifier=default", Value::Null, "o").await;
    let project = "&orgIdentifier=default&projectIdentifier=demo";
    check(project, Value::Null, "p").await;
    check(&format!("{project}&includeAllConnectorsAvailableAtScope=true"), Value::Null, "p o b a d c").await;
    check("&orgIdentifier=default&includeAllConnectorsAvailableAtScope=true", Value::Null, "o b a d c").await;
    check("&pageSize=2&pageIndex=1", Value::Null, "d c").await;
    check("&sortOrders=name,ASC", Value::Null, "a b c d").await;
    check("&sortOrders=name", Value::Null, "d c b a").await;
    check("&sortOrders=type%2CASC&sortOrders=name%2CDESC", Value::Null, "d c a b").await;
    check("&sortOrders=lastModifiedAt,ASC", Value::Null, "c d a b").await;
    check("&sortOrders=nothing,ASC", Value::Null, "b a d c").await;
    check("&searchTerm=ALPHA", Value::Null, "a").await;
    check("&searchTerm=machines", Value::Null, "d").await;
    check("&searchTerm=team:ops", Value::Null, "d").await;
    check("&searchTerm=new", Value::Null, "d").await;
    check("&searchTerm=zulu", Value::Null, "").await;
    check("&onlyFavorites=true", Value::Null, "").await;
    check("", filter("types", json!(["DockerRegistry", "Nexus"])), "b d c").await;
    check("&version=2.x", filter("types", json!(["Nexus", "K8sCluster"])), "a").await;
    check("&version=3.x", filter("types", json!(["Nexus", "K8sCluster"])), "b a").await;
    check("", filter("categories", json!(["CLOUD_PROVIDER"])), "a").await;
    check("", filter("connectorNames", json!(["alp", "BRAVO"])), "b a").await;
    check("", filter("connectorIdentifiers", json!(["c", "z"])), "c").await;
    check("", filter("description", json!("machines nobody")), "d").await;
    check("", filter("connectivityStatuses", json!(["UNKNOWN"])), "b a d c").await;
    check("", filter("connectivityStatuses", json!(["SUCCESS", "PENDING"])), "").await;
    check("", filter("connectorConnectivityModes", json!(["MANAGER"])), "c").await;
    check("", filter("inheritingCredentialsFromDelegate", json!(true)), "a").await;
    check("", filter("inheritingCredentialsFromDelegate", json!(false)), "b d c").await;
    check("", filter("tags", json!({ "team": "ops", "x": "y" })), "d").await;
    check("&searchTerm=mirror&sortOrders=name,ASC", filter("types", json!(["DockerRegistry"])), "c d").await;
}

#[tokio::test]
async fn the_older_list_has_its_own_parameters() {
    let rig = rig().await;
    let check = async |query: &str, expect: &str| {
        let (status, answer) = rig.ask("GET", &format!("/ng/api/connectors?accountIdentifier=acme{query}"), "").await;
        assert_eq!((status, identifiers(&answer).as_str()), (200, expect), "{query}");
        answer["data"]["pageSize"].as_u64()
    };
    assert_eq!(check("", "b a d c").await, Some(100));
    assert_eq!(check("&pageSize=5000", "b a d c").await, Some(1000));
    check("&type=K8sCluster", "a").await;
    check("&category=ARTIFACTORY&pageSize=2", "b d").await;
    check("&searchTerm=ALPHA", "a").await;
    check("&searchTerm=machines", "").await;
    check("&source_category=SECRET_MANAGER", "").await;
    check("&source_category=CLOUD_PROVIDER", "b a d c").await;
    for query in ["type=Odd", "category=ODD", "source_category=ODD"] {
        let (status, answer) = rig.ask("GET", &format!("/ng/api/connectors?accountIdentifier=acme&{query}"), "").await;
        assert_eq!((status, &answer["code"]), (400, &json!(400)), "{query}");
    }
}

#[tokio::test]
async fn a_filter_of_another_kind_is_refused() {
    let rig = rig().await;
    let list = "/ng/api/connectors/listV2?accountIdentifier=acme";
    for body in [
        json!({ "filterType": "PipelineSetup" }),
        json!({ "filterType": "Connector", "types": ["Odd"] }),
        json!({ "filterType": "Connector", "categories": ["ODD"] }),
        json!({ "filterType": "Connector", "connectivityStatuses": ["GOOD"] }),
        json!({ "filterType": "Connector", "connectorConnectivityModes": ["BOTH"] }),
        json!({ "filterType": "Connector", "types": "DockerRegistry" }),
        json!([]),
    ] {
        let told = rig.ask("POST", list, &body.to_string()).await;
        assert_eq!(told, (400, json!({ "code": 400, "message": "Unable to process JSON" })), "{body}");
    }
    let message = async |query: &str, body: &str| {
        rig.ask("POST", &format!("{list}{query}"), body).await.1["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        message("&filterIdentifier=mine", r#"{"filterType":"Connector"}"#).await,
        "Invalid request: Can not apply both filter properties and saved filter together"
    );
    assert_eq!(
        message("&filterIdentifier=mine&orgIdentifier=default", "").await,
        "Invalid request: Could not find a connector filter with the identifier account acme, org default"
    );
}

#[tokio::test]
async fn connectors_are_listed_by_full_name_and_counted() {
    let rig = rig().await;
    let by_name = "/ng/api/connectors/listbyfqn?accountIdentifier=acme";
    let names = json!(["acme/a", "acme/default/o", "acme/default/demo/p", "acme/none", "other/a", "acme/a/b/c/d"]);
    let (status, answer) = rig.ask("POST", by_name, &names.to_string()).await;
    let told: Vec<_> = answer["data"].as_array().unwrap().iter().map(|one| &one["connector"]["identifier"]).collect();
    assert_eq!(json!([status, told]), json!([200, ["p", "o", "a"]]));
    let many = json!(vec!["acme/a"; 1001]).to_string();
    assert_eq!(
        rig.ask("POST", by_name, &many).await.1["message"],
        "Invalid request: The FQNs of the connectors should be less than or equal to 1000."
    );
    let (_, answer) = rig.ask("GET", "/ng/api/connectors/stats?accountIdentifier=acme", "").await;
    assert_eq!(
        answer["data"],
        json!({
            "typeStats": [{ "type": "DockerRegistry", "count": 2 }, { "type": "K8sCluster", "count": 1 },
                          { "type": "Nexus", "count": 1 }],
            "statusStats": [{ "status": "UNKNOWN", "count": 4 }],
        })
    );
}

#[tokio::test]
async fn the_catalogue_and_the_values_of_fields_are_known() {
    let rig = rig().await;
    let (_, answer) = rig.ask("GET", "/ng/api/connectors/catalogue?accountIdentifier=acme", "").await;
    let entries = answer["data"]["catalogue"].as_array().unwrap();
    let artifactory = entries.iter().find(|entry| entry["category"] == "ARTIFACTORY").unwrap();
    assert!(artifactory["connectors"].as_array().unwrap().contains(&json!("DockerRegistry")));
    let values = async |kind: &str| {
        rig.ask("GET", &format!("/ng/api/connectors/fieldValues?accountIdentifier=acme{kind}"), "").await
    };
    assert_eq!(values("&connectorType=DockerRegistry").await.1["data"], Value::Null);
    assert_eq!(
        values("&connectorType=NewRelic").await.1["data"],
        json!({ "fieldValues": { "url": ["https://insights-api.newrelic.com/", "https://insights-api.eu.newrelic.com/"] } })
    );
    assert_eq!(values("").await.1["message"], "connectorType: must not be null");
    assert_eq!(values("&connectorType=Odd").await.0, 400);
    let git = "/ng/api/connectors/testGitRepoConnection/a?accountIdentifier=acme&repoURL=https%3A%2F%2Fgit.test%2Fr";
    assert_eq!(
        rig.ask("POST", git, "").await.1["data"],
        json!({ "status": "FAILURE", "errors": null, "errorSummary": null, "testedAt": 0, "delegateId": null, "taskId": null })
    );
}
