//! The mailboxes of an account as a hierarchy, for LIST, LSUB and DELETE.

use std::collections::BTreeMap;

use crate::store::{AccountId, SEPARATOR, SpecialUse, Store};

/// All names of an account: mailboxes, and superiors that are only names.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: BTreeMap<String, Node>,
}

/// A name in the hierarchy.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Node {
    /// There is such a mailbox; else only mailboxes below it.
    pub(super) exists: bool,
    /// What it is for.
    pub(super) special_use: Option<SpecialUse>,
}

impl Tree {
    /// The tree at this moment.
    pub(super) fn of(store: &Store, account: AccountId) -> Self {
        let mut tree = Self::default();
        for mailbox in store.mailboxes(account) {
            let head = mailbox.head();
            for superior in superiors(&head.name) {
                tree.nodes.entry(superior.to_owned()).or_default();
            }
            tree.nodes.insert(head.name, Node { exists: true, special_use: head.special_use });
        }
        tree
    }

    /// All names, in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Node)> {
        self.nodes.iter().map(|(name, node)| (name.as_str(), *node))
    }

    /// The name, if it is in the hierarchy.
    pub(super) fn get(&self, name: &str) -> Option<Node> {
        self.nodes.get(name).copied()
    }

    /// Whether there are names below it.
    pub(super) fn has_children(&self, name: &str) -> bool {
        let below = format!("{name}{SEPARATOR}");
        self.nodes.range(below.clone()..).next().is_some_and(|(next, _)| next.starts_with(&below))
    }
}

/// The names above `name`, highest first.
pub(super) fn superiors(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices(SEPARATOR).map(|(at, _)| &name[..at]).filter(|superior| !superior.is_empty())
}

/// Whether there are mailboxes below that name, which need not be one itself.
pub(super) fn has_inferiors(store: &Store, account: AccountId, name: &str) -> bool {
    store.has_inferiors(account, name.trim_end_matches(SEPARATOR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn superiors_are_all_names_above() {
        assert_eq!(superiors("a/b/c").collect::<Vec<_>>(), ["a", "a/b"]);
        assert_eq!(superiors("a").count(), 0);
    }

    #[test]
    fn children_need_not_be_neighbours() {
        let names = ["a", "a b", "a-b", "a/b", "b", "ba/c"];
        let nodes = names.iter().map(|name| ((*name).to_owned(), Node::default())).collect();
        let tree = Tree { nodes };
        assert!(tree.has_children("a"));
        assert!(!tree.has_children("b"));
        assert!(!tree.has_children("a/b"));
    }
}
