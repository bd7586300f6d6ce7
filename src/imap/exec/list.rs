//! LIST (RFC 3501 §6.3.8), with `\HasChildren` and `\HasNoChildren` (RFC 3348 §3), special uses (RFC 6154 §2), and the
//! options of RFC 5258, among them STATUS (RFC 5819), MYRIGHTS (RFC 8440) and METADATA (RFC 9590).
//!
//! A superior that is no mailbox, but has mailboxes below it, is a name that can't be selected: `\Noselect`, or
//! `\NonExistent` for a client that uses options and so knows the word (RFC 5258 §3).

use std::collections::{BTreeMap, BTreeSet};

use super::failure::Failure;
use super::pattern::Pattern;
use super::tree::{self, Node, Tree};
use super::{Context, Done, Outcome, metadata, my_rights, status};
use crate::imap::command::{List, ListReturn, ListSelect};
use crate::imap::response::{Code, Data, ListAttribute, ListEntry};
use crate::store::{AccountId, Error, Head, SEPARATOR, Store};

/// The most patterns of one LIST (RFC 5258 §3): each is tried on each name, and clients send one to three.
const PATTERNS_MAX: usize = 100;
/// The most entries of metadata that one LIST asks for: each is answered for each mailbox, be it with NIL.
const ENTRIES_MAX: usize = 100;

pub(super) async fn run(cx: &mut Context<'_>, list: List) -> Outcome {
    // An empty pattern asks for the separator and for the root of the reference (RFC 3501 §6.3.8). All our names have one
    // root, which has no name. With options it is a pattern that matches nothing (RFC 5258 §3).
    if !is_extended(&list) && list.patterns.iter().all(String::is_empty) {
        cx.put(Data::List(ListEntry {
            attributes: vec![ListAttribute::NoSelect],
            separator: Some(SEPARATOR),
            ..ListEntry::default()
        }));
        return Ok(Done::ok("LIST done"));
    }
    if list.patterns.len() > PATTERNS_MAX {
        return Err(Failure::no(Code::Limit, "There are too many patterns"));
    }
    let returns = list.returns.clone().unwrap_or_default();
    if returns.metadata.len() > ENTRIES_MAX {
        return Err(Failure::no(Code::Limit, "There are too many entries of metadata"));
    }
    let account = cx.account()?;
    let store = cx.store().clone();
    for listed in off_runtime(move || Lister::new(&store, account, &list).entries()).await? {
        put(cx, account, listed, &returns).await?;
        cx.step().await?;
    }
    Ok(Done::ok("LIST done"))
}

/// Whether the client uses RFC 5258: with options, or with several patterns (§3).
fn is_extended(list: &List) -> bool {
    list.select.is_some() || list.returns.is_some() || list.patterns.len() > 1
}

/// The LIST response of a mailbox, and behind it what else is asked for: its STATUS (RFC 5819 §2), the rights
/// (RFC 8440 §3), its metadata (RFC 9590 §3).
async fn put(cx: &mut Context<'_>, account: AccountId, listed: Listed, asked: &ListReturn) -> Result<(), Failure> {
    let Listed { mut entry, has_status } = listed;
    let status = if has_status && !asked.status.is_empty() {
        Some(status::of(cx.store(), account, &entry.mailbox, &asked.status).await)
    } else {
        None
    };
    let status = match status {
        // Deleted since it was listed: RFC 5819 §2 wants it told in the LIST response.
        Some(Err(Error::NoSuchMailbox)) => {
            entry.attributes.push(ListAttribute::NoSelect);
            None
        }
        other => other.transpose()?,
    };
    let mailbox = cx.store().mailbox(account, &entry.mailbox).filter(|_| has_status);
    let name = entry.mailbox.clone();
    cx.put(Data::List(entry));
    if let Some(status) = status {
        cx.put(status);
    }
    if let Some(mailbox) = mailbox {
        if asked.my_rights {
            cx.put(my_rights::of(&name));
        }
        if !asked.metadata.is_empty() {
            cx.put(metadata::listed(cx.store(), account, &mailbox, name, &asked.metadata));
        }
    }
    Ok(())
}

/// The LIST response of one mailbox, for who did not ask for it: with all its attributes (RFC 9051 §6.3.2).
pub(super) fn entry_of(store: &Store, account: AccountId, head: &Head) -> ListEntry {
    let has_children = store.has_inferiors(account, &head.name);
    let mut attributes = vec![if has_children { ListAttribute::HasChildren } else { ListAttribute::HasNoChildren }];
    if store.is_subscribed(account, &head.name) {
        attributes.push(ListAttribute::Subscribed);
    }
    attributes.extend(head.special_use.map(ListAttribute::SpecialUse));
    ListEntry { attributes, separator: Some(SEPARATOR), mailbox: head.name.clone(), ..ListEntry::default() }
}

/// A mailbox in the answer.
struct Listed {
    entry: ListEntry,
    /// It can be selected, and is in the answer for its own sake (RFC 5819 §2, RFC 8440 §3): STATUS and its like follow.
    has_status: bool,
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
    /// Something that is selected lies below it (RECURSIVEMATCH).
    child: bool,
}

/// Makes the answers.
pub(super) struct Lister {
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
            returns: list.returns.clone().unwrap_or_default(),
            extended: is_extended(list),
            tree: Tree::of(store, account),
            subscriptions: store.subscriptions(account).into_iter().collect(),
        }
    }

    /// For LIST responses that nobody asked for: they tell all that is true of a name (RFC 5465 §5.4, §5.5).
    pub(super) fn of_all(store: &Store, account: AccountId) -> Self {
        let returns = ListReturn { subscribed: true, children: true, special_use: true, ..ListReturn::default() };
        let select = Some(ListSelect::default());
        Self::new(
            store,
            account,
            &List { select, reference: String::new(), patterns: Vec::new(), returns: Some(returns) },
        )
    }

    /// What is true of the name.
    pub(super) fn describe(&self, name: &str) -> ListEntry {
        self.entry(name, Why { itself: true, child: false }).entry
    }

    fn entries(&self) -> Vec<Listed> {
        self.find().into_iter().map(|(name, why)| self.entry(name, why)).collect()
    }

    /// The names to answer with, in their order.
    fn find(&self) -> BTreeMap<&str, Why> {
        let mut found = BTreeMap::<&str, Why>::new();
        let mailboxes = self.tree.iter().map(|(name, _)| name);
        // Only SUBSCRIBED selects names that do not exist (RFC 5258 §3.1).
        let subscribed = self.subscriptions.iter().map(String::as_str).filter(|_| self.select.subscribed);
        for name in mailboxes.chain(subscribed).filter(|name| self.selects(name)) {
            let shown = self.matches(name);
            if shown {
                found.entry(name).or_default().itself = true;
            }
            if self.select.recursive_match {
                // A superior that is not selected itself is shown only for the sake of a name that is not (RFC 5258 §3.5);
                // one that is selected tells of what is below it in any case.
                let tells = |superior: &&str| self.matches(superior) && (!shown || self.selects(superior));
                for superior in tree::superiors(name).filter(tells) {
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

    fn entry(&self, name: &str, why: Why) -> Listed {
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
        let entry = ListEntry {
            attributes,
            separator: Some(SEPARATOR),
            mailbox: name.to_owned(),
            subscribed_child: why.child && self.select.subscribed,
            old_name: None,
        };
        Listed { entry, has_status: exists && why.itself }
    }
}
