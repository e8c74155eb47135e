//! The connectors of an account, found by scope and identifier, and listed in the order in which they were last changed.
//!
//! A list costs what its filter costs: nothing is cloned but the page, and only what is not the usual order is sorted, and of
//! that only the page.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{
    Connector, ConnectorFilter, EntityRef, Scope,
    connector_filter::{SortField, SortOrder, search_text},
};

/// The connectors of an account.
#[derive(Default)]
pub(super) struct Connectors {
    scopes: BTreeMap<Scope, InScope>,
    /// How often a connector was made or changed.
    n_changes: u64,
}

#[derive(Default)]
struct InScope {
    by_identifier: HashMap<String, u64>,
    by_change: BTreeMap<u64, Entry>,
}

/// A connector, and the text that a search looks through.
struct Entry {
    connector: Arc<Connector>,
    text: Box<str>,
}

/// What a list is made of.
#[derive(Clone, Debug)]
pub(crate) struct ConnectorQuery<'a> {
    /// The scopes whose connectors are listed.
    pub(crate) scopes: &'a [Scope],
    pub(crate) filter: &'a ConnectorFilter,
    /// The usual order, the last changed first, if it is empty.
    pub(crate) order: &'a [SortOrder],
    /// How many connectors come before the page.
    pub(crate) skip: usize,
    /// How many connectors the page has at most.
    pub(crate) take: usize,
}

/// A page of connectors, and how many there are on all pages.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ConnectorPage {
    pub(crate) total: usize,
    pub(crate) connectors: Vec<Arc<Connector>>,
}

impl Connectors {
    pub(super) fn get(&self, reference: &EntityRef) -> Option<&Arc<Connector>> {
        let scope = self.scopes.get(&reference.scope)?;
        let revision = scope.by_identifier.get(&reference.identifier)?;
        scope.by_change.get(revision).map(|entry| &entry.connector)
    }

    /// Stores a connector as the last changed, in the place of the one of its identifier.
    pub(super) fn put(&mut self, mut connector: Connector) -> Arc<Connector> {
        self.n_changes += 1;
        connector.revision = self.n_changes;
        let scope = self.scopes.entry(connector.scope.clone()).or_default();
        match scope.by_identifier.insert(connector.identifier.clone(), connector.revision) {
            Some(old) => drop(scope.by_change.remove(&old)),
            None => connector.made = connector.revision,
        }
        let text = search_text(&connector);
        let connector = Arc::new(connector);
        scope.by_change.insert(connector.revision, Entry { connector: Arc::clone(&connector), text });
        connector
    }

    /// Changes what is known about a connector, if it is still at `revision`; its place in lists stays.
    pub(super) fn amend(&mut self, reference: &EntityRef, revision: u64, change: impl FnOnce(&mut Connector)) {
        let entry = self.scopes.get_mut(&reference.scope).and_then(|scope| scope.by_change.get_mut(&revision));
        if let Some(entry) = entry.filter(|entry| entry.connector.identifier == reference.identifier) {
            change(Arc::make_mut(&mut entry.connector));
        }
    }

    pub(super) fn remove(&mut self, reference: &EntityRef) -> bool {
        let Some(scope) = self.scopes.get_mut(&reference.scope) else { return false };
        let removed = scope.by_identifier.remove(&reference.identifier);
        removed.is_some_and(|revision| scope.by_change.remove(&revision).is_some())
    }

    /// Removes all connectors of `outer` and of the scopes within it, and tells which they were.
    pub(super) fn remove_within(&mut self, outer: &Scope) -> Vec<EntityRef> {
        let mut removed = Vec::new();
        self.scopes.retain(|scope, inner| {
            let is_within = outer.contains(scope);
            if is_within {
                let identifiers = inner.by_identifier.drain().map(|(identifier, _)| identifier);
                removed.extend(identifiers.map(|identifier| EntityRef { scope: scope.clone(), identifier }));
            }
            !is_within
        });
        removed
    }

    /// All connectors of this identifier, wherever they live and in whatever case.
    pub(super) fn called(&self, identifier: &str) -> Vec<EntityRef> {
        let mut found = Vec::new();
        for (scope, inner) in &self.scopes {
            let names = inner.by_identifier.keys().filter(|name| name.eq_ignore_ascii_case(identifier));
            found.extend(names.map(|name| EntityRef { scope: scope.clone(), identifier: name.clone() }));
        }
        found.sort();
        found
    }

    /// All connectors of one scope, the last changed first.
    pub(super) fn in_scope(&self, scope: &Scope) -> impl Iterator<Item = &Arc<Connector>> {
        let inner = self.scopes.get(scope);
        inner.into_iter().flat_map(|inner| inner.by_change.values().rev().map(|entry| &entry.connector))
    }

    /// One page of what `query` admits, and `may_see` too, if it is given.
    pub(super) fn page(
        &self,
        query: &ConnectorQuery<'_>,
        may_see: Option<&dyn Fn(&Connector) -> bool>,
    ) -> ConnectorPage {
        let inner: Vec<_> = query.scopes.iter().filter_map(|scope| self.scopes.get(scope)).collect();
        let admits = |entry: &&Entry| {
            query.filter.admits(&entry.connector, &entry.text)
                && may_see.is_none_or(|may_see| may_see(&entry.connector))
        };
        let is_usual = query.order.first().is_none_or(|order| *order == SortOrder::USUAL);
        let one = |entry: &Entry| Arc::clone(&entry.connector);
        if let ([scope], true) = (inner.as_slice(), is_usual) {
            // The index has this order already.
            if may_see.is_none() && query.filter.is_open() {
                let page = scope.by_change.values().rev().skip(query.skip).take(query.take);
                return ConnectorPage { total: scope.by_change.len(), connectors: page.map(one).collect() };
            }
            let mut total = 0;
            let mut connectors = Vec::new();
            for entry in scope.by_change.values().rev().filter(admits) {
                if total >= query.skip && connectors.len() < query.take {
                    connectors.push(one(entry));
                }
                total += 1;
            }
            return ConnectorPage { total, connectors };
        }
        let mut found: Vec<_> = inner.iter().flat_map(|scope| scope.by_change.values()).filter(admits).collect();
        let total = found.len();
        let order = |a: &&Entry, b: &&Entry| compare(query.order, &a.connector, &b.connector);
        let window = window(&mut found, query.skip, query.take, order);
        ConnectorPage { total, connectors: window.iter().map(|entry| one(entry)).collect() }
    }
}

/// The elements from `skip` on, at most `take` of them, of `all` as if it were sorted.
fn window<T>(all: &mut [T], skip: usize, take: usize, order: impl Fn(&T, &T) -> Ordering) -> &[T] {
    if skip >= all.len() || take == 0 {
        return &[];
    }
    if skip > 0 {
        all.select_nth_unstable_by(skip, &order);
    }
    let rest = &mut all[skip..];
    if take < rest.len() {
        rest.select_nth_unstable_by(take, &order);
    }
    let n = take.min(rest.len());
    let page = &mut rest[..n];
    page.sort_unstable_by(order);
    page
}

/// The order that `orders` ask for; among equals the last changed comes first.
fn compare(orders: &[SortOrder], a: &Connector, b: &Connector) -> Ordering {
    let by = |order: &SortOrder| {
        let compared = match order.field {
            SortField::Name => a.name.cmp(&b.name),
            SortField::Identifier => a.identifier.cmp(&b.identifier),
            SortField::Type => a.kind().cmp(b.kind()),
            SortField::CreatedAt => a.made.cmp(&b.made),
            SortField::LastModifiedAt => a.revision.cmp(&b.revision),
        };
        if order.ascending { compared } else { compared.reverse() }
    };
    let asked = orders.iter().map(by).find(|compared| compared.is_ne());
    asked.unwrap_or_else(|| b.revision.cmp(&a.revision))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use testbed::Clock;

    use super::*;
    use crate::account::{ConnectorDraft, Search};

    #[derive(Clone, Debug)]
    enum Change {
        Put { scope: usize, identifier: u8, name: u8, delegate: bool },
        Remove { scope: usize, identifier: u8 },
    }

    fn scopes() -> [Scope; 3] {
        [Scope::account(), Scope::new(Some("o"), None), Scope::new(Some("o"), Some("p"))]
    }

    fn connector(scope: &Scope, identifier: u8, name: u8, delegate: bool) -> Connector {
        let body = json!({ "connector": {
            "identifier": format!("c{identifier}"), "name": format!("Name {name}"), "type": "DockerRegistry",
            "orgIdentifier": scope.org, "projectIdentifier": scope.project,
            "spec": { "dockerRegistryUrl": "https://m.test", "providerType": "Other", "auth": { "type": "Anonymous" },
                      "executeOnDelegate": delegate },
        } });
        ConnectorDraft::read(&body).unwrap().into_connector(Clock::DEFAULT_START)
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            4 => (0..3_usize, 0..12_u8, 0..4_u8, any::<bool>())
                .prop_map(|(scope, identifier, name, delegate)| Change::Put { scope, identifier, name, delegate }),
            1 => (0..3_usize, 0..12_u8).prop_map(|(scope, identifier)| Change::Remove { scope, identifier }),
        ]
    }

    fn order() -> impl Strategy<Value = Vec<SortOrder>> {
        let field = prop_oneof![
            Just(SortField::Name),
            Just(SortField::Identifier),
            Just(SortField::Type),
            Just(SortField::CreatedAt),
            Just(SortField::LastModifiedAt),
        ];
        prop::collection::vec(
            (field, any::<bool>()).prop_map(|(field, ascending)| SortOrder { field, ascending }),
            0..3,
        )
    }

    proptest! {
        /// A list is what a list of everything, filtered, sorted and cut, would be.
        #[test]
        fn pages_are_those_of_a_plain_list(
            changes in prop::collection::vec(change(), 0..60),
            order in order(),
            listed in prop::collection::btree_set(0..3_usize, 1..=3),
            mode in prop::option::of(any::<bool>()),
            term in prop::option::of(0..4_u8),
            hidden in prop::option::of(0..12_u8),
            (skip, take) in (0..20_usize, 0..20_usize),
        ) {
            let scopes = scopes();
            let (mut index, mut plain) = (Connectors::default(), Vec::<Arc<Connector>>::new());
            for change in changes {
                match change {
                    Change::Put { scope, identifier, name, delegate } => {
                        let mut new = connector(&scopes[scope], identifier, name, delegate);
                        let old = plain.iter().position(|old| old.reference() == new.reference());
                        if let Some(old) = old.map(|at| plain.remove(at)) {
                            new.made = old.made;
                        }
                        plain.push(index.put(new));
                    }
                    Change::Remove { scope, identifier } => {
                        let reference = EntityRef { scope: scopes[scope].clone(), identifier: format!("c{identifier}") };
                        let old = plain.iter().position(|old| old.reference() == reference);
                        prop_assert_eq!(index.remove(&reference), old.is_some());
                        old.map(|at| plain.remove(at));
                        prop_assert!(index.get(&reference).is_none());
                    }
                }
            }
            let filter = ConnectorFilter {
                modes: mode.iter().map(|delegate| String::from(if *delegate { "DELEGATE" } else { "MANAGER" })).collect(),
                search: term.and_then(|name| Search::new(&format!("name {name}"))),
                ..ConnectorFilter::default()
            };
            let listed: Vec<_> = listed.into_iter().map(|at| scopes[at].clone()).collect();
            let hidden = hidden.map(|identifier| format!("c{identifier}"));
            let may_see = |connector: &Connector| hidden.as_ref().is_none_or(|hidden| connector.identifier != *hidden);
            let query = ConnectorQuery { scopes: &listed, filter: &filter, order: &order, skip, take };
            let page = index.page(&query, hidden.as_ref().map(|_| &may_see as &dyn Fn(&Connector) -> bool));

            let mut expect: Vec<_> = plain
                .into_iter()
                .filter(|connector| {
                    listed.contains(&connector.scope)
                        && may_see(connector)
                        && mode.is_none_or(|delegate| connector.execute_on_delegate() == delegate)
                        && term.is_none_or(|name| connector.name == format!("Name {name}"))
                })
                .collect();
            expect.sort_by(|a, b| compare(&order, a, b));
            let total = expect.len();
            let expect: Vec<_> = expect.into_iter().skip(skip).take(take).collect();
            prop_assert_eq!(page, ConnectorPage { total, connectors: expect });
        }
    }

    #[test]
    fn what_is_learned_about_a_connector_leaves_its_place() {
        let mut index = Connectors::default();
        let (a, b) = (connector(&Scope::account(), 1, 0, true), connector(&Scope::account(), 2, 0, true));
        let a = index.put(a);
        index.put(b);
        index.amend(&a.reference(), a.revision, |connector| connector.description = Some(String::from("known")));
        index.amend(&a.reference(), a.revision + 7, |connector| connector.description = None);
        let told: Vec<_> =
            index.in_scope(&Scope::account()).map(|c| (c.identifier.clone(), c.description.clone())).collect();
        assert_eq!(told, [(String::from("c2"), None), (String::from("c1"), Some(String::from("known")))]);
    }
}
