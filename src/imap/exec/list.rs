//! LIST (RFC 3501 §6.3.8), with `\HasChildren` and `\HasNoChildren` (RFC 3348), special uses (RFC 6154), and the options
//! of RFC 5258.
//!
//! A superior that is no mailbox, but has mailboxes below it, is a name that can't be selected: `\Noselect`, or
//! `\NonExistent` for a client that uses options and so knows the word (RFC 5258 §3).

use std::collections::{BTreeMap, BTreeSet};

use super::failure::Failure;
use super::pattern::Pattern;
use super::tree::{self, Node, Tree};
use super::{Context, Done, Outcome};
use crate::imap::command::{List, ListReturn, ListSelect};
use crate::imap::response::{Code, Data, ListAttribute, ListEntry};
use crate::store::{AccountId, Error, SEPARATOR, Store};

/// The most patterns of one LIST (RFC 5258 §3): each is tried on each name, and clients send one to three.
const PATTERNS_MAX: usize = 100;

pub(super) async fn run(cx: &mut Context<'_>, list: List) -> Outcome {
    // An empty pattern asks for the separator and for the root of the reference (RFC 3501 §6.3.8). All our names have one
    // root, which has no name. With options it is a pattern that matches nothing (RFC 5258 §3).
    if list.select.is_none() && list.returns.is_none() && list.patterns.iter().all(String::is_empty) {
        cx.put(Data::List(ListEntry {
            attributes: vec![ListAttribute::NoSelect],
            separator: Some(SEPARATOR),
            mailbox: String::new(),
            subscribed_child: false,
        }));
        return Ok(Done::ok("LIST done"));
    }
    if list.patterns.len() > PATTERNS_MAX {
        return Err(Failure::no(Code::Limit, "There are too many patterns"));
    }
    let account = cx.account()?;
    let store = cx.store().clone();
    for entry in off_runtime(move || Lister::new(&store, account, &list).entries()).await? {
        cx.put(Data::List(entry));
        cx.step().await?;
    }
    Ok(Done::ok("LIST done"))
}

/// Thousands of names and patterns that try hard take a while: not on a thread of the runtime.
pub(super) async fn off_runtime<T: Send + 'static>(find: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(find).await.map_err(|error| Error::Read(error.to_string()))
}

/// The patterns with the reference in front: RFC 3501 §6.3.8 leaves to the server how they come together, and users expect
/// what the two strings make side by side.
pub(super) fn patterns(reference: &str, patterns: &[String]) -> Vec<Pattern> {
    patterns.iter().map(|pattern| Pattern::new(&format!("{reference}{pattern}"))).collect()
}

/// Why a name is in the answer.
#[derive(Clone, Copy, Debug, Default)]
struct Why {
    /// It is selected itself.
    itself: bool,
    /// Something subscribed below it, which the patterns do not match (RECURSIVEMATCH).
    child: bool,
}

struct Lister {
    patterns: Vec<Pattern>,
    select: ListSelect,
    returns: ListReturn,
    /// The client uses RFC 5258.
    extended: bool,
    tree: Tree,
    subscriptions: BTreeSet<String>,
}

impl Lister {
    fn new(store: &Store, account: AccountId, list: &List) -> Self {
        Self {
            patterns: patterns(&list.reference, &list.patterns),
            select: list.select.unwrap_or_default(),
            returns: list.returns.unwrap_or_default(),
            extended: list.select.is_some() || list.returns.is_some(),
            tree: Tree::of(store, account),
            subscriptions: store.subscriptions(account).into_iter().collect(),
        }
    }

    fn entries(&self) -> Vec<ListEntry> {
        self.find().into_iter().map(|(name, why)| self.entry(name, why)).collect()
    }

    /// The names to answer with, in their order.
    fn find(&self) -> BTreeMap<&str, Why> {
        let mut found = BTreeMap::<&str, Why>::new();
        let mailboxes = self.tree.iter().map(|(name, _)| name);
        // Only SUBSCRIBED selects names that do not exist (RFC 5258 §3.1).
        let subscribed = self.subscriptions.iter().map(String::as_str).filter(|_| self.select.subscribed);
        for name in mailboxes.chain(subscribed).filter(|name| self.selects(name)) {
            if self.matches(name) {
                found.entry(name).or_default().itself = true;
            } else if self.select.recursive_match {
                for superior in tree::superiors(name).filter(|superior| self.matches(superior)) {
                    found.entry(superior).or_default().child = true;
                }
            }
        }
        found
    }

    fn matches(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(name))
    }

    /// The selection options, all of which must hold; REMOTE adds mailboxes of other servers, of which there are none.
    fn selects(&self, name: &str) -> bool {
        (!self.select.subscribed || self.subscriptions.contains(name))
            && (!self.select.special_use || self.tree.get(name).is_some_and(|node| node.special_use.is_some()))
    }

    fn entry(&self, name: &str, why: Why) -> ListEntry {
        let Node { exists, special_use } = self.tree.get(name).unwrap_or_default();
        let mut attributes = Vec::new();
        if !exists {
            attributes.push(if self.extended { ListAttribute::NonExistent } else { ListAttribute::NoSelect });
        }
        if self.tree.get(name).is_some() {
            let children = self.tree.has_children(name);
            attributes.push(if children { ListAttribute::HasChildren } else { ListAttribute::HasNoChildren });
        }
        // Selecting by subscription implies telling of it (RFC 5258 §3.1).
        if (self.returns.subscribed || self.select.subscribed) && self.subscriptions.contains(name) {
            attributes.push(ListAttribute::Subscribed);
        }
        attributes.extend(special_use.map(ListAttribute::SpecialUse));
        ListEntry {
            attributes,
            separator: Some(SEPARATOR),
            mailbox: name.to_owned(),
            subscribed_child: why.child && self.select.subscribed,
        }
    }
}
