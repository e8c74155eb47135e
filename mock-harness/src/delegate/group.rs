//! Groups: what the API calls a delegate is a group of replicas, with tags of its own.

use testbed::Timestamp;

use super::life::GROUP_FORGOTTEN_AFTER;
use crate::account::Scope;

/// A group of delegates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) owner: Scope,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// The tags that all of its replicas have, in the order in which they were given.
    pub(crate) tags: Vec<String>,
    /// The last heartbeat of any of its replicas.
    pub(crate) last_beat: Timestamp,
}

impl Group {
    /// Its identifier, made of the name: an underscore, and another one for each character that identifiers lack.
    pub(crate) fn identifier(&self) -> String {
        let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '$');
        std::iter::once('_').chain(self.name.chars().map(|letter| if fits(letter) { letter } else { '_' })).collect()
    }

    /// Whether `text` means it: its identifier, or its name.
    pub(crate) fn is_called(&self, text: &str) -> bool {
        self.name == text || self.identifier() == text
    }

    /// The tags with the one that its name is.
    pub(crate) fn all_tags(&self) -> Vec<String> {
        let mut tags = self.tags.clone();
        tags.push(self.name.to_lowercase());
        tags.sort();
        tags.dedup();
        tags
    }

    pub(super) fn is_forgotten(&self, now: Timestamp) -> bool {
        now >= testbed::clock::after(self.last_beat, GROUP_FORGOTTEN_AFTER)
    }
}
