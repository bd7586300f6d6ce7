//! Names that were told, and names that are there: what to tell so that a client that takes the lines one after the other
//! ends with the latter (RFC 5465 §5.4).
//!
//! A rename is told for the mailbox alone, and its inferiors are renamed with it, unsaid. But between two looks there may be
//! more than one change: two mailboxes may have changed their names with each other, or one may have been moved out of a
//! tree that was renamed then. So the client's list is played through: a rename is told at a point where it does to that
//! list what has really happened, to all mailboxes below it too. What no rename can tell is told as a mailbox that went and
//! one that came.

use std::collections::BTreeMap;

use crate::store::{MailboxId, SEPARATOR};

/// How often the renames that are left are gone through. Each time at least one is told, and mostly all; chains that are
/// longer than this are told without OLDNAME, so that nobody makes this expensive.
const ROUNDS_MAX: usize = 32;

/// One line to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// There is no mailbox of this name now.
    Gone(String),
    /// What had the one name has the other, and likewise what is below it.
    Renamed {
        /// OLDNAME
        from: String,
        /// The name now.
        to: String,
    },
    /// A mailbox of this name is there.
    Created(String),
}

/// What to tell a client that knows the mailboxes `told`, now that there are those of `now`, in this order.
pub(crate) fn changes(told: &BTreeMap<MailboxId, String>, now: &BTreeMap<MailboxId, String>) -> Vec<Change> {
    let mut changes = Vec::new();
    // The client's list, as it is after `changes`.
    let mut list: BTreeMap<String, MailboxId> = BTreeMap::new();
    for (id, name) in told {
        if now.contains_key(id) {
            list.insert(name.clone(), *id);
        } else {
            changes.push(Change::Gone(name.clone()));
        }
    }
    let mut created: Vec<&String> = now.iter().filter(|(id, _)| !told.contains_key(id)).map(|(_, name)| name).collect();
    for round in 0.. {
        let wrong: Vec<_> =
            list.iter().filter(|(name, id)| now.get(id) != Some(*name)).map(|(name, _)| name.clone()).collect();
        let Some(first) = wrong.first() else { break };
        let before = changes.len();
        if round < ROUNDS_MAX {
            for from in &wrong {
                if let Some(to) = rename(&mut list, now, from) {
                    changes.push(Change::Renamed { from: from.clone(), to });
                }
            }
        }
        if changes.len() > before {
            continue;
        }
        // A circle, or too long a chain.
        let give_up = if round < ROUNDS_MAX { std::slice::from_ref(first) } else { &wrong };
        for name in give_up {
            if let Some(to) = list.remove(name).and_then(|id| now.get(&id)) {
                created.push(to);
            }
            changes.push(Change::Gone(name.clone()));
        }
    }
    created.sort_unstable();
    changes.extend(created.into_iter().cloned().map(Change::Created));
    changes
}

/// Renames `from` in the list, with all below it, if that is right for all of them at this point.
fn rename(list: &mut BTreeMap<String, MailboxId>, now: &BTreeMap<MailboxId, String>, from: &str) -> Option<String> {
    let to = now.get(list.get(from)?).filter(|to| to.as_str() != from)?.clone();
    let below = format!("{from}{SEPARATOR}");
    let inferiors = list.range(below.clone()..).take_while(|(name, _)| name.starts_with(&below));
    let renamed: Vec<(String, MailboxId)> = std::iter::once((from.to_owned(), *list.get(from)?))
        .chain(inferiors.map(|(name, id)| (name.clone(), *id)))
        .collect();
    let renames = |name: &str| format!("{to}{}", &name[from.len()..]);
    let right = renamed.iter().all(|(name, id)| {
        let to = renames(name);
        now.get(id) == Some(&to) && !list.contains_key(&to)
    });
    if !right {
        return None;
    }
    for (name, id) in renamed {
        list.remove(&name);
        list.insert(renames(&name), id);
    }
    Some(to)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(names: &[(u64, &str)]) -> BTreeMap<MailboxId, String> {
        names.iter().map(|(id, name)| (MailboxId(*id), (*name).to_owned())).collect()
    }

    fn gone(name: &str) -> Change {
        Change::Gone(name.to_owned())
    }

    fn created(name: &str) -> Change {
        Change::Created(name.to_owned())
    }

    fn renamed(from: &str, to: &str) -> Change {
        Change::Renamed { from: from.to_owned(), to: to.to_owned() }
    }

    #[test]
    fn a_rename_is_told_once_for_a_whole_tree() {
        let told = names(&[(1, "a"), (2, "a/b"), (3, "a/b/c"), (4, "d")]);
        let now = names(&[(1, "x"), (2, "x/b"), (3, "x/b/c"), (4, "d"), (5, "a")]);
        assert_eq!(changes(&told, &now), [renamed("a", "x"), created("a")]);
    }

    #[test]
    fn what_was_moved_out_of_a_renamed_tree_is_told_first_and_what_was_moved_in_afterwards() {
        let told = names(&[(1, "a"), (2, "a/b"), (3, "z")]);
        assert_eq!(
            changes(&told, &names(&[(1, "x"), (2, "out"), (3, "z")])),
            [renamed("a/b", "out"), renamed("a", "x")]
        );
        assert_eq!(
            changes(&told, &names(&[(1, "x"), (2, "x/b"), (3, "a/z"), (4, "a")])),
            [renamed("a", "x"), renamed("z", "a/z"), created("a")]
        );
    }

    #[test]
    fn a_chain_begins_at_its_free_end_and_a_circle_is_cut() {
        assert_eq!(
            changes(&names(&[(1, "a"), (2, "b")]), &names(&[(1, "b"), (2, "c")])),
            [renamed("b", "c"), renamed("a", "b")]
        );
        assert_eq!(
            changes(&names(&[(1, "a"), (2, "b")]), &names(&[(1, "b"), (2, "a")])),
            [gone("a"), renamed("b", "a"), created("b")]
        );
    }

    #[test]
    fn a_name_with_another_mailbox_behind_it_is_told_to_be_gone_first() {
        assert_eq!(changes(&names(&[(1, "a")]), &names(&[(2, "a")])), [gone("a"), created("a")]);
        assert_eq!(changes(&names(&[(1, "a"), (2, "b")]), &names(&[(2, "a")])), [gone("a"), renamed("b", "a")]);
    }

    /// A client that does what it is told.
    fn follow(told: &BTreeMap<MailboxId, String>, changes: &[Change]) -> Vec<String> {
        let mut list: Vec<String> = told.values().cloned().collect();
        for change in changes {
            match change {
                Change::Gone(name) => list.retain(|known| known != name),
                Change::Created(name) => {
                    assert!(!list.contains(name), "{name} is there already: {changes:?}");
                    list.push(name.clone());
                }
                Change::Renamed { from, to } => {
                    assert!(list.contains(from) && !list.contains(to), "{from} to {to}: {changes:?}");
                    for name in &mut list {
                        if let Some(rest) = name.strip_prefix(from.as_str())
                            && (rest.is_empty() || rest.starts_with(SEPARATOR))
                        {
                            *name = format!("{to}{rest}");
                        }
                    }
                }
            }
        }
        list.sort();
        list
    }

    fn any_names() -> impl Strategy<Value = BTreeMap<MailboxId, String>> {
        let name = "[abc](/[abc](/[abc])?)?";
        prop::collection::btree_map(name, 0u64..14, 0..12).prop_map(|names| {
            let mut by_id = BTreeMap::new();
            for (name, id) in names {
                by_id.entry(MailboxId(id)).or_insert(name);
            }
            by_id
        })
    }

    proptest! {
        #[test]
        fn a_client_that_does_what_it_is_told_has_the_names_that_are_there(told in any_names(), now in any_names()) {
            let changes = changes(&told, &now);
            let mut expected: Vec<_> = now.values().cloned().collect();
            expected.sort();
            prop_assert_eq!(follow(&told, &changes), expected, "{:?}", changes);
        }
    }

    #[test]
    fn a_long_chain_ends() {
        let name = |at: u64| format!("{:05}", at);
        let told: BTreeMap<_, _> = (0..2_000).map(|at| (MailboxId(at), name(at))).collect();
        let now: BTreeMap<_, _> = (0..2_000).map(|at| (MailboxId(at), name(at + 1))).collect();
        let changes = changes(&told, &now);
        assert_eq!(follow(&told, &changes), now.values().cloned().collect::<Vec<_>>());
    }
}
