//! Scopes: what a token allows, `repository:library/alpine:pull,push`.
//!
//! Who is granted what is decided by the registry's authentication; this is only the text.
//!
//! Source: Docker token specification, "Docker Registry Token Scope and Access".

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use crate::RepositoryName;

/// What may be done with one resource: `type[(class)]:name:actions`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// `repository` or `registry`.
    pub resource_type: String,
    /// The class in parentheses, such as `plugin`.
    pub class: Option<String>,
    /// The repository, with a host and its port for some registries, or `catalog`.
    pub name: String,
    /// What may be done, in the order that it is printed in.
    pub actions: BTreeSet<Action>,
}

/// What may be done with a resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// `pull`: read manifests and blobs.
    Pull,
    /// `push`: write them.
    Push,
    /// `delete`: remove them.
    Delete,
    /// `*`: everything.
    Star,
    /// Another word, such as `metadata_read`.
    Other(String),
}

/// A text that is no scope, as some registries send (`aws`). [`ScopeError::text`] keeps it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("scope `{text}` is not of the form `type:name:actions`, such as `repository:library/alpine:pull`")]
pub struct ScopeError {
    text: String,
}

impl Scope {
    /// Pulling from a repository.
    pub fn pull(repository: &RepositoryName) -> Scope {
        Scope::repository(repository, [Action::Pull])
    }

    /// Pushing to a repository, which clients always ask for together with pulling.
    pub fn push(repository: &RepositoryName) -> Scope {
        Scope::repository(repository, [Action::Pull, Action::Push])
    }

    /// Listing the repositories: `registry:catalog:*`.
    pub fn catalog() -> Scope {
        Scope {
            resource_type: "registry".to_owned(),
            class: None,
            name: "catalog".to_owned(),
            actions: BTreeSet::from([Action::Star]),
        }
    }

    /// Any actions on a repository.
    pub fn repository(repository: &RepositoryName, actions: impl IntoIterator<Item = Action>) -> Scope {
        Scope {
            resource_type: "repository".to_owned(),
            class: None,
            name: repository.to_string(),
            actions: actions.into_iter().collect(),
        }
    }

    /// The scopes of a space-separated list, each read apart: one that does not fit spoils no
    /// other.
    pub fn parse_list(text: &str) -> Vec<Result<Scope, ScopeError>> {
        text.split_ascii_whitespace().map(str::parse).collect()
    }

    /// Whether a token with this scope allows `action`.
    pub fn allows(&self, action: &Action) -> bool {
        self.actions.contains(action) || self.actions.contains(&Action::Star)
    }

    /// Whether both are about the same resource.
    pub fn is_about_same_as(&self, other: &Scope) -> bool {
        self.resource_type == other.resource_type && self.class == other.class && self.name == other.name
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resource_type)?;
        if let Some(class) = &self.class {
            write!(f, "({class})")?;
        }
        write!(f, ":{}:", self.name)?;
        for (n, action) in self.actions.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            write!(f, "{comma}{action}")?;
        }
        Ok(())
    }
}

text_form!(
    Scope,
    "a scope such as `repository:library/alpine:pull`",
    pattern = "^[a-z0-9]+(\\([a-z0-9]+\\))?:[^\\s]+:[^:\\s]*$"
);

impl FromStr for Scope {
    type Err = ScopeError;

    /// The name may contain colons (a host's port), so the actions are what follows the last one.
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        parse(text).ok_or_else(|| ScopeError { text: text.to_owned() })
    }
}

fn parse(text: &str) -> Option<Scope> {
    let (resource_type, rest) = text.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    let (resource_type, class) = match resource_type.split_once('(') {
        Some((resource_type, class)) => (resource_type, Some(class.strip_suffix(')')?)),
        None => (resource_type, None),
    };
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let fits = is_word(resource_type)
        && class.is_none_or(is_word)
        && !name.is_empty()
        && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    fits.then(|| Scope {
        resource_type: resource_type.to_owned(),
        class: class.map(str::to_owned),
        name: name.to_owned(),
        actions: actions.split(',').filter(|action| !action.is_empty()).map(Action::from).collect(),
    })
}

impl ScopeError {
    /// The text that is no scope.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Action {
    /// The word as it is written in a scope.
    pub fn as_str(&self) -> &str {
        match self {
            Action::Pull => "pull",
            Action::Push => "push",
            Action::Delete => "delete",
            Action::Star => "*",
            Action::Other(action) => action,
        }
    }
}

str_view!(Action);
text_form!(Action, "an action of a scope such as `pull`");

impl From<&str> for Action {
    fn from(text: &str) -> Action {
        match text {
            "pull" => Action::Pull,
            "push" => Action::Push,
            "delete" => Action::Delete,
            "*" => Action::Star,
            _ => Action::Other(text.to_owned()),
        }
    }
}

impl FromStr for Action {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(input: &str, expect: &str) {
        let actual = match input.parse::<Scope>() {
            Ok(scope) => format!("{} {:?} {} {:?}", scope.resource_type, scope.class, scope.name, scope.actions),
            Err(error) => format!("not a scope: {}", error.text()),
        };
        assert_eq!(actual, expect, "for {input}");
    }

    #[test]
    fn the_last_colon_starts_the_actions() {
        check("repository:a/b:pull", "repository None a/b {Pull}");
        check("repository:host:5000/a:push,pull", "repository None host:5000/a {Pull, Push}");
        check("repository(plugin):a:*", "repository Some(\"plugin\") a {Star}");
        check("repository:a:metadata_read", "repository None a {Other(\"metadata_read\")}");
        check("repository:a:", "repository None a {}");
        check("registry:catalog:*", "registry None catalog {Star}");
    }

    #[test]
    fn what_does_not_fit_is_kept_as_text() {
        for text in ["aws", "", "repository:a", ":a:pull", "repository::pull", "repository(x:a:pull", "a:b c:pull"] {
            check(text, &format!("not a scope: {text}"));
        }
        let parsed = Scope::parse_list(" repository:a:pull  aws ");
        assert!(matches!(parsed.as_slice(), [Ok(_), Err(_)]), "{parsed:?}");
    }

    #[test]
    fn the_usual_scopes_print_as_clients_send_them() {
        let name: RepositoryName = "library/alpine".parse().expect("a name");
        assert_eq!(Scope::pull(&name).to_string(), "repository:library/alpine:pull");
        assert_eq!(Scope::push(&name).to_string(), "repository:library/alpine:pull,push");
        assert_eq!(Scope::catalog().to_string(), "registry:catalog:*");
        assert!(Scope::catalog().allows(&Action::Delete) && !Scope::pull(&name).allows(&Action::Push));
        assert!(Scope::pull(&name).is_about_same_as(&Scope::push(&name)));
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(
            text in "[a-z0-9]{1,6}(\\([a-z]{1,4}\\))?:[a-z0-9:/.]{1,12}:(pull|push|delete|\\*|[a-z_]{1,5}|,){0,4}"
        ) {
            let scope: Scope = text.parse().expect("fits the grammar");
            prop_assert_eq!(scope.to_string().parse(), Ok(scope));
        }

        #[test]
        fn no_text_panics(text in "[a:(),]{0,8}|.*") {
            let _ = text.parse::<Scope>();
        }
    }
}
