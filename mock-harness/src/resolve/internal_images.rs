//! Harness's own images: which field of the execution config names which, and which step runs which.
//!
//! Source: facts/harness A8, A9; the images themselves are data, in `presets/`.

use std::collections::BTreeMap;

use crate::config::WorldPreset;

/// The images of one kind of infrastructure, with an account's overrides.
#[derive(Clone, Copy, Debug)]
pub struct InternalImages<'a> {
    defaults: &'static BTreeMap<String, String>,
    overrides: &'a BTreeMap<String, String>,
}

impl<'a> InternalImages<'a> {
    /// The images of a platform of that time, for pods, or for VMs, Cloud and local runners.
    pub fn new(world: WorldPreset, overrides: &'a BTreeMap<String, String>, kubernetes: bool) -> Self {
        Self { defaults: Self::defaults(world, kubernetes), overrides }
    }

    /// Whether the execution config of any known time has a field of this name.
    pub fn is_field(field: &str) -> bool {
        let images = WorldPreset::ALL.map(WorldPreset::default_images);
        images.iter().any(|images| images.kubernetes.contains_key(field) || images.vm.contains_key(field))
    }

    /// The images of an infrastructure at a time, by field, unless an account says otherwise.
    pub fn defaults(world: WorldPreset, kubernetes: bool) -> &'static BTreeMap<String, String> {
        let images = world.default_images();
        if kubernetes { &images.kubernetes } else { &images.vm }
    }

    /// The image of a field, `image:tag`; none if this infrastructure does not use it.
    pub fn get(&self, field: &str) -> Option<&'a str> {
        let default = self.defaults.get(field)?;
        Some(self.overrides.get(field).map_or(default, String::as_str))
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
            "IACMTerraformPlugin" => "iacmTerraform",
            "IACMOpenTofuPlugin" => "iacmOpenTofu",
            "IACMAnsiblePlugin" => "iacmAnsible",
            "IACMTerragruntPlugin" => "iacmTerragrunt",
            // Security Testing Orchestration: one image, whatever the scanner.
            "Security" | "AquaTrivy" | "Bandit" | "BlackDuck" | "Brakeman" | "Burp" | "Checkmarx" | "Checkov"
            | "CodeQL" | "Coverity" | "Fossa" | "Gitleaks" | "Grype" | "Nikto" | "Nmap" | "OsvScanner" | "Owasp"
            | "PrismaCloud" | "Prowler" | "Semgrep" | "Snyk" | "Sonarqube" | "Sysdig" | "Traceable" | "Twistlock"
            | "Veracode" | "Wiz" | "Zap" => "securityTag",
            _ => return None,
        })
    }
}
