//! Harness's own images: which field of the execution config names which, and the newest known of each.
//!
//! Source: facts/harness A8, A9; the VM images without `-rootless` after the configuration of December 2023.

use std::collections::BTreeMap;

/// Each field, its image on Kubernetes, and its image on VMs, Cloud and local runners; none where it is not used.
const IMAGES: [(&str, Option<&str>, Option<&str>); 20] = [
    ("addonTag", Some("harness/ci-addon:1.18.27"), None),
    ("liteEngineTag", Some("harness/ci-lite-engine:1.18.27"), None),
    ("gitCloneTag", Some("harness/drone-git:1.7.20-rootless"), Some("harness/drone-git:1.7.20")),
    ("buildAndPushDockerRegistryTag", Some("plugins/kaniko:1.13.9"), Some("plugins/docker:21.3.0")),
    ("buildAndPushECRTag", Some("plugins/kaniko-ecr:1.13.9"), Some("plugins/ecr:21.3.0")),
    ("buildAndPushACRTag", Some("plugins/kaniko-acr:1.13.9"), Some("plugins/acr:21.3.0")),
    ("buildAndPushGCRTag", Some("plugins/kaniko-gcr:1.13.9"), Some("plugins/gcr:21.3.0")),
    ("buildAndPushGARTag", Some("plugins/kaniko-gcr:1.13.9"), Some("plugins/gar:21.3.0")),
    ("gcsUploadTag", Some("plugins/gcs:1.6.10"), Some("plugins/gcs:1.6.10")),
    ("s3UploadTag", Some("plugins/s3:1.8.0"), Some("plugins/s3:1.8.0")),
    ("artifactoryUploadTag", Some("plugins/artifactory:1.8.6"), Some("plugins/artifactory:1.8.6")),
    ("cacheGCSTag", Some("plugins/cache:1.10.8"), Some("plugins/cache:1.10.8")),
    ("cacheS3Tag", Some("plugins/cache:1.10.8"), Some("plugins/cache:1.10.8")),
    ("securityTag", Some("harness/sto-plugin:latest"), Some("harness/sto-plugin:latest")),
    ("sscaOrchestrationTag", Some("harness/ssca-plugin:0.62.4"), Some("harness/ssca-plugin:0.62.4")),
    ("sscaEnforcementTag", Some("harness/ssca-plugin:0.62.4"), Some("harness/ssca-plugin:0.62.4")),
    ("provenanceTag", Some("harness/slsa-plugin:0.62.5"), Some("harness/slsa-plugin:0.62.5")),
    ("provenanceGcrTag", Some("harness/slsa-plugin:0.62.5"), Some("harness/slsa-plugin:0.62.5")),
    ("slsaVerificationTag", Some("harness/slsa-plugin:0.62.5"), Some("harness/slsa-plugin:0.62.5")),
    ("slsaVerificationGcrTag", Some("harness/slsa-plugin:0.62.5"), Some("harness/slsa-plugin:0.62.5")),
];

/// The images of one kind of infrastructure, with an account's overrides.
#[derive(Clone, Copy, Debug)]
pub struct InternalImages<'a> {
    overrides: &'a BTreeMap<String, String>,
    kubernetes: bool,
}

impl<'a> InternalImages<'a> {
    /// The images for pods, or for VMs, Cloud and local runners.
    pub fn new(overrides: &'a BTreeMap<String, String>, kubernetes: bool) -> Self {
        Self { overrides, kubernetes }
    }

    /// Whether the execution config has a field of this name.
    pub fn is_field(field: &str) -> bool {
        IMAGES.iter().any(|(name, ..)| *name == field)
    }

    /// The image of a field, `image:tag`; none if this infrastructure does not use it.
    pub fn get(&self, field: &str) -> Option<&'a str> {
        let (_, on_kubernetes, on_vm) = IMAGES.iter().find(|(name, ..)| *name == field)?;
        let newest = if self.kubernetes { on_kubernetes } else { on_vm };
        newest.map(|newest| self.overrides.get(field).map_or(newest, String::as_str))
    }

    /// The field whose image a built-in step of this type runs.
    pub fn field_of_step(kind: &str) -> Option<&'static str> {
        Some(match kind {
            "GitClone" => "gitCloneTag",
            "BuildAndPushDockerRegistry" => "buildAndPushDockerRegistryTag",
            "BuildAndPushECR" => "buildAndPushECRTag",
            "BuildAndPushACR" => "buildAndPushACRTag",
            "BuildAndPushGCR" => "buildAndPushGCRTag",
            "BuildAndPushGAR" => "buildAndPushGARTag",
            "GCSUpload" => "gcsUploadTag",
            "S3Upload" => "s3UploadTag",
            "ArtifactoryUpload" => "artifactoryUploadTag",
            "SaveCacheGCS" | "RestoreCacheGCS" => "cacheGCSTag",
            "SaveCacheS3" | "RestoreCacheS3" => "cacheS3Tag",
            "SscaOrchestration" => "sscaOrchestrationTag",
            "SscaEnforcement" => "sscaEnforcementTag",
            "provenance" => "provenanceTag",
            "SlsaVerification" => "slsaVerificationTag",
            // Security Testing Orchestration: one image, whatever the scanner.
            "Security" | "AquaTrivy" | "Bandit" | "BlackDuck" | "Brakeman" | "Burp" | "Checkmarx" | "Checkov"
            | "CodeQL" | "Coverity" | "Fossa" | "Gitleaks" | "Grype" | "Nikto" | "Nmap" | "OsvScanner" | "Owasp"
            | "PrismaCloud" | "Prowler" | "Semgrep" | "Snyk" | "Sonarqube" | "Sysdig" | "Traceable" | "Twistlock"
            | "Veracode" | "Wiz" | "Zap" => "securityTag",
            _ => return None,
        })
    }
}
