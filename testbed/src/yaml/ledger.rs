//! The book of one reading: the complaints so far, and which nodes are left out of the next round.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
};

use super::{
    message::{ReadError, Wording, closest, quote_key},
    node::{Node, NodeValue},
    secrets::hide_by_meant_key,
    stand_in::StandIn,
};
use crate::diagnostic::{Diagnostic, Source, Span};

/// Nodes are told apart by their address: the tree stands still while it is read.
type NodeId = *const Node;

pub(super) struct Ledger<'s> {
    source: &'s Source,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    complaints: Vec<Diagnostic>,
    /// What has been said: each round meets the unknown keys again, and each alias its anchor's complaints.
    said: HashSet<(Span, String)>,
    /// Nodes that failed, to be left out.
    dropped: HashSet<NodeId>,
    /// Nodes that are not complete, because something in them was left out: what is wrong with them as a whole may be due to that.
    tainted: HashSet<NodeId>,
    /// Keys that are not there, to be played by a stand-in.
    stand_ins: HashMap<NodeId, Vec<(&'static str, StandIn)>>,
    /// Keys that are not there because they are misspelt, which has been said.
    misspelt: HashSet<(NodeId, &'static str)>,
}

impl<'s> Ledger<'s> {
    pub(super) fn new(source: &'s Source) -> Self {
        Self { source, state: RefCell::default() }
    }

    /// Meets a failure at the node it belongs to: notes it, once, and what the next round has to leave out.
    pub(super) fn settle(&self, node: &Node, error: ReadError) -> ReadError {
        let id = std::ptr::from_ref(node);
        match error {
            ReadError::Recorded => {}
            ReadError::Silent => self.drop(node),
            ReadError::MissingKey { key, subject } => {
                if !self.is_excused(node, key) {
                    let place = subject.map(|subject| format!(" in {subject}")).unwrap_or_default();
                    self.complain(first_place(node), Wording::new(format!("missing key `{key}`{place}")));
                }
                let mut state = self.state.borrow_mut();
                let stand_ins = state.stand_ins.entry(id).or_default();
                if stand_ins.iter().any(|(played, _)| *played == key) {
                    state.dropped.insert(id);
                } else {
                    stand_ins.push((key, StandIn::default()));
                }
            }
            ReadError::Unplaced(wording) => {
                if !self.state.borrow().tainted.contains(&id) {
                    self.complain(node.span, *wording);
                }
                self.drop(node);
            }
        }
        self.taint(node);
        ReadError::Recorded
    }

    /// Notes a complaint, unless it has been noted.
    pub(super) fn complain(&self, span: Span, Wording { message, label, hint }: Wording) {
        let mut state = self.state.borrow_mut();
        if state.said.insert((span, message.clone())) {
            let complaint = Diagnostic::at(self.source, span, message);
            state.complaints.push(Diagnostic { label, hint, ..complaint });
        }
    }

    /// Keeps a secret out of the complaints' excerpts.
    pub(super) fn hide(&self, secret: &Node) {
        self.source.hide(secret.home());
    }

    /// Complains about a key that the mapping's struct does not have.
    pub(super) fn unknown_key(
        &self,
        mapping: &Node,
        (key, value): (&Node, &Node),
        known: &'static [&'static str],
        subject: &str,
    ) {
        let text = key.scalar_text().unwrap_or_default();
        self.complain(key.span, Wording::unknown_key(text, known, Some(subject)));
        if let Some(meant) = closest(text, known) {
            hide_by_meant_key(self.source, meant, value);
            self.state.borrow_mut().misspelt.insert((mapping, meant));
            self.taint(mapping);
        }
    }

    pub(super) fn is_dropped(&self, node: &Node) -> bool {
        self.state.borrow().dropped.contains(&std::ptr::from_ref(node))
    }

    /// The keys of a mapping that a stand-in plays.
    pub(super) fn stand_ins(&self, mapping: &Node) -> Vec<(&'static str, StandIn)> {
        self.state.borrow().stand_ins.get(&std::ptr::from_ref(mapping)).cloned().unwrap_or_default()
    }

    /// Engages another stand-in for one that has failed, or gives up the mapping.
    pub(super) fn replace_stand_in(&self, mapping: &Node, key: &'static str, failed: StandIn) -> ReadError {
        let mut state = self.state.borrow_mut();
        let mut engaged = state.stand_ins.get_mut(&std::ptr::from_ref(mapping)).into_iter().flatten();
        match (engaged.find(|(played, _)| *played == key), failed.next()) {
            (Some((_, stand_in)), Some(next)) => {
                *stand_in = next;
                ReadError::Recorded
            }
            _ => ReadError::Silent,
        }
    }

    /// How much has been left out and played so far; a round that does not add to it is the last.
    pub(super) fn progress(&self) -> usize {
        let state = self.state.borrow();
        let n_tried: usize = state.stand_ins.values().flatten().map(|(_, stand_in)| stand_in.n_failed() + 1).sum();
        state.dropped.len() + n_tried
    }

    pub(super) fn into_complaints(self) -> Vec<Diagnostic> {
        self.state.into_inner().complaints
    }

    fn drop(&self, node: &Node) {
        self.state.borrow_mut().dropped.insert(node);
    }

    fn taint(&self, node: &Node) {
        self.state.borrow_mut().tainted.insert(node);
    }

    /// Whether something that was complained about already is why the key is missing.
    fn is_excused(&self, mapping: &Node, key: &'static str) -> bool {
        let state = self.state.borrow();
        let is_left_out = |entry: &(Node, Node)| {
            entry.0.scalar_text() == Some(key)
                && [&entry.0, &entry.1].map(std::ptr::from_ref).iter().any(|id| state.dropped.contains(id))
        };
        let NodeValue::Mapping(entries) = &mapping.value else { return false };
        state.misspelt.contains(&(std::ptr::from_ref(mapping), key)) || entries.iter().any(is_left_out)
    }
}

/// Where a complaint about a whole mapping points: its first key, or itself where that is elsewhere or nowhere.
fn first_place(node: &Node) -> Span {
    match &node.value {
        NodeValue::Mapping(entries) => match entries.first() {
            Some((key, _)) if node.span.start <= key.span.start && key.span.end <= node.span.end => key.span,
            _ => node.span,
        },
        _ => node.span,
    }
}

/// Complains about the keys of an enum's mapping after its first.
pub(super) fn second_key(key: &Node, subject: &str) -> (Span, Wording) {
    let message = format!("{subject} has one key, and {} is another", quote_key(key.scalar_text().unwrap_or_default()));
    (key.span, Wording::new(message).hint("give each its own mapping; in a list, begin it with `- `"))
}
