//! One tree over another: what a file says, over what it is based on.

use super::node::{Node, NodeValue};
use crate::diagnostic::Span;

impl Node {
    /// This tree over `base`: mappings key by key, everything else as a whole.
    ///
    /// ```
    /// use testbed::{diagnostic::Source, yaml};
    ///
    /// let tree = |text: &str| yaml::parse(&Source::new("x.yaml", text)).map_err(|complaints| complaints[0].clone());
    /// let over = tree("a: { x: 1 }\nb: [1]\n")?.over(&tree("a: { x: 2, y: 2 }\nb: [2, 2]\nc: 2\n")?);
    /// let text = |node: &yaml::Node, key: &str| node.get(key).and_then(yaml::Node::scalar_text).map(String::from);
    /// let a = over.get("a").expect("both have it");
    /// assert_eq!((text(a, "x"), text(a, "y"), text(&over, "c")), (Some("1".into()), Some("2".into()), Some("2".into())));
    /// # Ok::<(), testbed::diagnostic::Diagnostic>(())
    /// ```
    #[must_use]
    pub fn over(&self, base: &Self) -> Self {
        let (NodeValue::Mapping(below), NodeValue::Mapping(above)) = (&base.value, &self.value) else {
            return self.clone();
        };
        let over = |key: &Self| above.iter().find(|(own, _)| own.scalar_text() == key.scalar_text());
        let is_new = |(own, _): &&(Self, Self)| !below.iter().any(|(key, _)| key.scalar_text() == own.scalar_text());
        let merged = below.iter().map(|(key, value)| match over(key) {
            Some((own_key, own_value)) => (own_key.clone(), own_value.over(value)),
            None => (key.clone(), value.clone()),
        });
        let entries: Vec<_> = merged.chain(above.iter().filter(is_new).cloned()).collect();
        self.with_value(NodeValue::Mapping(entries.into()))
    }

    /// The same tree with every value at `place`.
    #[must_use]
    pub fn at_place(&self, place: Span) -> Self {
        let value = match &self.value {
            NodeValue::Mapping(entries) => {
                NodeValue::Mapping(entries.iter().map(|(k, v)| (k.at_place(place), v.at_place(place))).collect())
            }
            NodeValue::Sequence(items) => NodeValue::Sequence(items.iter().map(|item| item.at_place(place)).collect()),
            other => other.clone(),
        };
        self.with_value(value).moved_to(place)
    }

    /// Another value at the same place.
    #[must_use]
    pub fn with_value(&self, value: NodeValue) -> Self {
        let mut changed = self.clone();
        changed.value = value;
        changed
    }

    /// The same mapping with what `change` makes of the value of `key`, if it has one.
    #[must_use]
    pub fn with_changed(&self, key: &str, change: impl Fn(&Self) -> Self) -> Self {
        let NodeValue::Mapping(entries) = &self.value else { return self.clone() };
        let changed = entries.iter().map(|(name, value)| {
            let value = if name.scalar_text() == Some(key) { change(value) } else { value.clone() };
            (name.clone(), value)
        });
        self.with_value(NodeValue::Mapping(changed.collect()))
    }
}
