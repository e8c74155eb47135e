//! Who may do what: API keys, their permissions, and where those hold.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use testbed::{Secret, Timestamp};

/// One API key.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "an API key")]
pub struct ApiKeyConfig {
    /// The key as it is sent in `x-api-key`: `pat.<account>.<id>.<secret>`, or `sat.` for a service account. Older ones
    /// lack the account: `pat.<id>.<secret>`.
    pub token: Secret,
    /// Whose key it is. Default: `admin`.
    #[serde(default = "admin")]
    pub principal: String,
    /// What the owner is. Default: a service account if the key begins with `sat.`, else a user.
    #[serde(default)]
    pub kind: Option<PrincipalKind>,
    /// What the key may do, in the whole account and with everything in it. Default: everything; with `grants`, nothing.
    #[serde(default)]
    pub permissions: Option<Vec<Permission>>,
    /// What the key may do in a part of the account, or with certain resources only. Default: none.
    #[serde(default)]
    pub grants: Vec<GrantConfig>,
    /// When it stops being valid, in policy time. Default: never.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub expires: Option<Timestamp>,
}

/// Permissions that hold in one scope, or for certain resources: what Harness calls a role assignment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a grant")]
pub struct GrantConfig {
    /// What may be done.
    pub permissions: Vec<Permission>,
    /// The organisation that it holds in. Default: none, it holds in the account.
    #[serde(default)]
    pub organization: Option<String>,
    /// The project that it holds in; needs `organization`. Default: none.
    #[serde(default)]
    pub project: Option<String>,
    /// The identifiers of the resources that it is about. Default: all. A grant for some resources does not allow to create.
    #[serde(default)]
    pub resources: Vec<String>,
    /// Whether it holds below its scope too, in the account's organisations and their projects. Default: true.
    #[serde(default = "yes")]
    pub below: bool,
}

/// What owns an API key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PrincipalKind {
    /// A person: keys begin with `pat.`.
    #[default]
    User,
    /// A service account: keys begin with `sat.`.
    ServiceAccount,
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal on $resource:literal,)*) => {
        /// A permission of an API key, by its name in Harness.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, JsonSchema)]
        pub enum Permission {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Permission {
            /// Every permission there is.
            pub fn all() -> Vec<Self> {
                vec![$(Self::$variant),*]
            }

            /// Its name in Harness: `core_connector_edit`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The kind of resource that it is about: `connector`.
            pub fn resource(self) -> &'static str {
                match self { $(Self::$variant => $resource,)* }
            }
        }
    };
}

permissions! {
    /// See connectors.
    ConnectorView = "core_connector_view" on "connector",
    /// Create and change connectors.
    ConnectorEdit = "core_connector_edit" on "connector",
    /// Delete connectors.
    ConnectorDelete = "core_connector_delete" on "connector",
    /// Use and test connectors.
    ConnectorAccess = "core_connector_access" on "connector",
    /// See secrets, never their values.
    SecretView = "core_secret_view" on "secret",
    /// Create and change secrets.
    SecretEdit = "core_secret_edit" on "secret",
    /// Delete secrets.
    SecretDelete = "core_secret_delete" on "secret",
    /// Use secrets.
    SecretAccess = "core_secret_access" on "secret",
    /// Run pipelines.
    PipelineExecute = "core_pipeline_execute" on "pipeline",
    /// See delegates, and the names of their tokens.
    DelegateView = "core_delegate_view" on "delegate",
    /// Change delegates' tags, make tokens and see their values.
    DelegateEdit = "core_delegate_edit" on "delegate",
    /// Delete delegates, revoke tokens.
    DelegateDelete = "core_delegate_delete" on "delegate",
    /// See what is set for the account, such as the images of its builds.
    AccountView = "core_account_view" on "account",
    /// Change what is set for the account.
    AccountEdit = "core_account_edit" on "account",
    /// See settings.
    SettingView = "core_setting_view" on "setting",
    /// Change settings.
    SettingEdit = "core_setting_edit" on "setting",
    /// See organisations.
    OrganizationView = "core_organization_view" on "organization",
    /// Create organisations.
    OrganizationCreate = "core_organization_create" on "organization",
    /// Change organisations.
    OrganizationEdit = "core_organization_edit" on "organization",
    /// Delete organisations.
    OrganizationDelete = "core_organization_delete" on "organization",
    /// See projects.
    ProjectView = "core_project_view" on "project",
    /// Create projects.
    ProjectCreate = "core_project_create" on "project",
    /// Change projects.
    ProjectEdit = "core_project_edit" on "project",
    /// Delete projects.
    ProjectDelete = "core_project_delete" on "project",
}

impl PrincipalKind {
    /// The kind as an error body writes it.
    pub fn wire(self) -> &'static str {
        match self {
            Self::User => "USER",
            Self::ServiceAccount => "SERVICE_ACCOUNT",
        }
    }
}

pub(super) fn admin() -> String {
    String::from("admin")
}

fn yes() -> bool {
    true
}
