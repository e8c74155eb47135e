//! Scopes (account, organisation, project) and references across them: `account.harnessImage`.
//!
//! Source: facts/harness A3, rows of IdentifierRefHelper.

use std::fmt;

use serde::Serialize;
use thiserror::Error;

/// Where an entity lives: in the account, in an organisation, or in a project of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Scope {
    /// The organisation, if it lives in one.
    pub org: Option<String>,
    /// The project, if it lives in one.
    pub project: Option<String>,
}

/// How deep a scope is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The account itself.
    Account,
    /// An organisation.
    Org,
    /// A project.
    Project,
}

/// A reference to an entity, resolved to the scope it lives in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityRef {
    /// Where the entity lives.
    pub scope: Scope,
    /// Its identifier there.
    pub identifier: String,
}

/// Why a text is no reference.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RefError {
    /// Nothing at all.
    #[error("Empty identifier values are not supported")]
    Empty,
    /// More than one dot, or a prefix that is no scope. Code `INVALID_IDENTIFIER_REF`.
    #[error(
        "Invalid Identifier Reference {text}. Valid references must be one of the following formats \
         [ id, org.id, account.id ]  for scope [ project, organisation, account ] respectively"
    )]
    Invalid {
        /// The reference as written.
        text: String,
    },
    /// The reference goes deeper than where it is used.
    #[error("The {wanted} level connector cannot be used at {used} level. Ref: [{text}]", wanted = wanted.word(), used = used.word())]
    TooLow {
        /// The level that the reference names.
        wanted: Level,
        /// The level that it is used at.
        used: Level,
        /// The reference as written.
        text: String,
    },
    /// The reference means the user's organisation or project, and the user has none.
    #[error("{field} cannot be empty for {level} scope")]
    MissingScope {
        /// The field that lacks a value.
        field: &'static str,
        /// The level that the reference names.
        level: Level,
    },
}

impl Scope {
    /// The account's own scope.
    pub fn account() -> Self {
        Self::default()
    }

    /// A scope by its parts; empty texts are none.
    pub fn new(org: Option<&str>, project: Option<&str>) -> Self {
        let part = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(String::from);
        Self { org: part(org), project: part(project) }
    }

    /// Whether `other` is this scope or lies within it.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        let is_org = self.org.is_none() || self.org == other.org;
        is_org && (self.project.is_none() || self.project == other.project)
    }

    /// How deep it is.
    pub fn level(&self) -> Level {
        match (&self.org, &self.project) {
            (_, Some(_)) => Level::Project,
            (Some(_), None) => Level::Org,
            (None, None) => Level::Account,
        }
    }

    /// The text ` in organization O in project P` of the messages about secrets, with its blanks.
    pub(crate) fn in_words(&self) -> String {
        let org = self.org.iter().map(|org| format!(" in organization {org}"));
        let project = self.project.iter().map(|project| format!(" in project {project}"));
        org.chain(project).collect()
    }
}

impl Level {
    /// The word of the scope prefix: `account`, `org`, `project`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Org => "org",
            Self::Project => "project",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Account => "ACCOUNT",
            Self::Org => "ORG",
            Self::Project => "PROJECT",
        })
    }
}

impl EntityRef {
    /// Reads `text` as it stands in an entity of the scope `from`: `id` is of its project, `org.id` and `account.id` of
    /// what is above. The prefix is read in any case, the identifier as it is.
    ///
    /// # Errors
    /// `text` is no reference, or reaches deeper than `from`.
    pub fn parse(text: &str, from: &Scope) -> Result<Self, RefError> {
        if text.is_empty() {
            return Err(RefError::Empty);
        }
        // As the original's splitting does, empty parts at the end are dropped: `account.` is the identifier `account`.
        let parts: Vec<&str> = text.trim_end_matches('.').split('.').collect();
        let invalid = || RefError::Invalid { text: String::from(text) };
        let (level, identifier) = match *parts {
            [identifier] if !identifier.is_empty() => (Level::Project, identifier),
            [prefix, identifier] if prefix.eq_ignore_ascii_case("account") => (Level::Account, identifier),
            [prefix, identifier] if prefix.eq_ignore_ascii_case("org") => (Level::Org, identifier),
            _ => return Err(invalid()),
        };
        let scope = Self::scope_above(level, from, text)?;
        Ok(Self { scope, identifier: String::from(identifier) })
    }

    /// The reference as one writes it: `account.harnessImage`.
    pub fn written(&self) -> String {
        match self.scope.level() {
            Level::Project => self.identifier.clone(),
            level => format!("{}.{}", level.word(), self.identifier),
        }
    }

    fn scope_above(level: Level, from: &Scope, text: &str) -> Result<Scope, RefError> {
        if level > from.level() && from.level() != Level::Account {
            return Err(RefError::TooLow { wanted: level, used: from.level(), text: String::from(text) });
        }
        let missing = |field| RefError::MissingScope { field, level };
        let org = || from.org.clone().ok_or_else(|| missing("orgIdentifier"));
        let project = || from.project.clone().ok_or_else(|| missing("projectIdentifier"));
        Ok(match level {
            Level::Account => Scope::account(),
            Level::Org => Scope { org: Some(org()?), project: None },
            Level::Project => Scope { org: Some(org()?), project: Some(project()?) },
        })
    }
}

impl RefError {
    /// The platform's error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "INVALID_IDENTIFIER_REF",
            Self::Empty | Self::TooLow { .. } | Self::MissingScope { .. } => "INVALID_REQUEST",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, from: (Option<&str>, Option<&str>), expect: Result<&str, &str>) {
        let from = Scope::new(from.0, from.1);
        let read = EntityRef::parse(text, &from);
        let told = read.as_ref().map(|entity| format!("{} {}", entity.scope.level(), entity.identifier));
        assert_eq!(told.as_deref().map_err(ToString::to_string), expect.map_err(String::from), "{text}");
    }

    #[test]
    fn references_name_their_scope() {
        let project = (Some("default"), Some("demo"));
        check("harnessImage", project, Ok("PROJECT harnessImage"));
        check("org.harnessImage", project, Ok("ORG harnessImage"));
        check("account.harnessImage", project, Ok("ACCOUNT harnessImage"));
        check("ACCOUNT.harnessimage", project, Ok("ACCOUNT harnessimage"));
        check("", project, Err("Empty identifier values are not supported"));
        for bad in ["team.x", "account.a.b", ".x", "."] {
            let text = format!(
                "Invalid Identifier Reference {bad}. Valid references must be one of the following formats [ id, org.id, \
                 account.id ]  for scope [ project, organisation, account ] respectively"
            );
            check(bad, project, Err(&text));
        }
    }

    #[test]
    fn references_reach_up_and_never_down() {
        check("x", (Some("default"), None), Err("The project level connector cannot be used at org level. Ref: [x]"));
        check("x", (None, None), Err("orgIdentifier cannot be empty for PROJECT scope"));
        check("org.x", (None, None), Err("orgIdentifier cannot be empty for ORG scope"));
        check("account.x", (None, None), Ok("ACCOUNT x"));
    }
}
