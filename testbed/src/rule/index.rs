//! Which rules can be about which exchange, found without asking each.

use oci::EndpointKind;
use rustc_hash::FxHashMap;

use super::{Matcher, Occasion};

/// The numbers of rules, sorted by what these are about: the kind of endpoint, and the first part of the repository's name where
/// a rule says all of that. What is left of a thousand rules is a few.
#[derive(Debug, Default)]
pub(super) struct Index(Vec<OfKind>);

/// The rules about one kind of endpoint.
#[derive(Clone, Debug, Default)]
struct OfKind {
    /// By the first component of the repository.
    by_component: FxHashMap<Box<str>, Vec<usize>>,
    /// Those about every repository, or about some that have no component in common.
    rest: Vec<usize>,
    /// Those that have seen no exchange of this kind yet.
    unseen: Vec<usize>,
}

impl Index {
    /// An index of rules in their order.
    pub(super) fn of<'a>(rules: impl Iterator<Item = &'a Matcher>) -> Self {
        let kinds = EndpointKind::ALL.map(Some);
        let mut index = Self(vec![OfKind::default(); kinds.len() + 1]);
        for (n, when) in rules.enumerate() {
            let is_of = |kind: Option<EndpointKind>| match when.endpoint() {
                Some(endpoint) => kind == Some(endpoint),
                None => when.api.is_none() || kind.is_none(),
            };
            let component = when.repository.as_ref().and_then(|pattern| pattern.first_component());
            for kind in kinds.into_iter().chain([None]).filter(|kind| is_of(*kind)) {
                let of_kind = &mut index.0[place(kind)];
                of_kind.unseen.push(n);
                match component {
                    Some(component) => of_kind.by_component.entry(component.into()).or_default().push(n),
                    None => of_kind.rest.push(n),
                }
            }
        }
        index
    }

    /// The rules that can be about `occasion`, in their order.
    pub(super) fn candidates(&self, occasion: &Occasion) -> impl Iterator<Item = usize> {
        let of_kind = self.0.get(place(occasion.kind()));
        let component = occasion.repository.as_ref().and_then(|name| name.as_str().split('/').next());
        let named = of_kind.zip(component).and_then(|(of_kind, component)| of_kind.by_component.get(component));
        let mut named = named.into_iter().flatten().copied().peekable();
        let mut rest = of_kind.into_iter().flat_map(|of_kind| of_kind.rest.iter().copied()).peekable();
        std::iter::from_fn(move || match (named.peek(), rest.peek()) {
            (Some(one), Some(other)) if one < other => named.next(),
            (_, Some(_)) => rest.next(),
            _ => named.next(),
        })
    }

    /// The rules about this kind of exchange that have not seen one: told once.
    pub(super) fn take_unseen(&mut self, occasion: &Occasion) -> Vec<usize> {
        let of_kind = self.0.get_mut(place(occasion.kind()));
        of_kind.map(|of_kind| std::mem::take(&mut of_kind.unseen)).unwrap_or_default()
    }
}

/// Where the rules about a kind of endpoint stand; the Harness API's stand first.
fn place(kind: Option<EndpointKind>) -> usize {
    kind.map_or(0, |kind| 1 + kind as usize)
}
