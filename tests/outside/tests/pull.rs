//! Ten lines: a registry, an image, what is expected of the puller, and a pull.

use mock_registry::{Expect, ImageSpec, MockRegistry};

#[tokio::test]
async fn a_manifest_is_pulled_once() -> Result<(), Box<dyn std::error::Error>> {
    let registry = MockRegistry::start().await;
    registry.add_image(&ImageSpec::new("team/app:1", ["2MiB".parse()?])?).await?;
    registry.expect(Expect::pulls("team/app").times(1));

    let manifest = reqwest::get(format!("{}/v2/team/app/manifests/1", registry.url())).await?;
    let manifest: serde_json::Value = manifest.json().await?;
    assert_eq!(manifest["layers"][0]["size"], 2 << 20);
    Ok(())
}

#[tokio::test]
#[should_panic(expected = "pulls from team/app: expected 1, saw 0")]
async fn a_pull_that_is_missing_fails_the_test() {
    let registry = MockRegistry::start().await;
    registry.expect(Expect::pulls("team/app").times(1));
}
