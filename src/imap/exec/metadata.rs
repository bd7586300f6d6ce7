//! GETMETADATA and SETMETADATA (RFC 5464), METADATA in the answer to LIST (RFC 9590), and METADATA that nobody asked for
//! (RFC 5464 §4.4).
//!
//! - Each mailbox has `/private` and `/shared` entries. Nobody but its user sees a mailbox here, so that both are that
//!   user's alone; they are two names, as the RFC wants it.
//! - The server (`""`) has `/private` entries of each user. Its `/shared` entries are what the operator says to all users,
//!   `/shared/comment` and `/shared/admin`: no user may set one, since strangers would read it (§3.3 lets a server restrict
//!   that).
//! - An entry that is named and has no value is answered with NIL, so that each GETMETADATA has its response; entries
//!   below it are told only where they have a value.
//! - `/private/specialuse` (RFC 6154 §4) is what the mailbox's head says; the store sees to that.
//! - Whoever said ENABLE METADATA is told which entries others changed (RFC 5464 §4.1, §4.4.2), and nobody else is.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::failure::Failure;
use super::{Context, Done, Outcome};
use crate::imap::command::{Depth, GetMetadata};
use crate::imap::print;
use crate::imap::response::{Code, Data, Response};
use crate::imap::session::{MetadataWatch, Session};
use crate::store::{AccountId, Bell, Error, Mailbox, MailboxId, Store};

/// An entry and its value.
type Found = (String, Option<Arc<[u8]>>);

pub(super) fn get(cx: &mut Context<'_>, get: &GetMetadata) -> Outcome {
    let account = cx.account()?;
    let there: BTreeMap<String, Arc<[u8]>> = match target(cx.store(), account, &get.mailbox)? {
        Some(mailbox) => cx.store().metadata(account, Some(mailbox)).into_iter().collect(),
        None => server_entries(cx, account),
    };
    let mut found = matching(&there, &get.entries, get.depth);
    let mut longest = None;
    if let Some(max_size) = get.max_size {
        // §4.2.1: what is left out is told by the size of the largest.
        let octets = |entry: &Found| entry.1.as_ref().map_or(0, |value| value.len() as u64);
        longest = found.iter().map(octets).max().filter(|octets| *octets > max_size);
        found.retain(|entry| octets(entry) <= max_size);
    }
    if !found.is_empty() {
        cx.put(Data::Metadata { mailbox: get.mailbox.clone(), entries: found });
    }
    let done = Done::ok("GETMETADATA done");
    Ok(match longest {
        Some(octets) => done.with_code(Code::MetadataLongEntries(octets)),
        None => done,
    })
}

pub(super) async fn set(cx: &mut Context<'_>, mailbox: &str, entries: Vec<(String, Option<Vec<u8>>)>) -> Outcome {
    let account = cx.account()?;
    let target = target(cx.store(), account, mailbox)?;
    if target.is_none() && entries.iter().any(|(name, _)| is_shared(name)) {
        return Err(Failure::no(Code::NoPerm, "The server's shared entries are its operator's"));
    }
    let mod_seq = cx.store().set_metadata(account, target, entries).await?;
    if let (Some(watch), Some(mod_seq)) = (&mut cx.session.metadata, mod_seq) {
        watch.own.push((mod_seq, target));
    }
    Ok(Done::ok("SETMETADATA done"))
}

/// METADATA behind the LIST response of a mailbox (RFC 9590 §3): a value, or NIL, for each entry that is asked for.
pub(super) fn listed(store: &Store, account: AccountId, mailbox: &Mailbox, name: String, names: &[String]) -> Data {
    let there = store.metadata(account, Some(mailbox.id())).into_iter().collect();
    Data::Metadata { mailbox: name, entries: matching(&there, names, Depth::Zero) }
}

/// The mailbox of that name; `None` for the server.
fn target(store: &Store, account: AccountId, name: &str) -> Result<Option<MailboxId>, Failure> {
    if name.is_empty() {
        return Ok(None);
    }
    match store.mailbox(account, name) {
        Some(mailbox) => Ok(Some(mailbox.id())),
        None => Err(Failure::Store(Error::NoSuchMailbox)),
    }
}

/// What a user finds at the server.
fn server_entries(cx: &Context<'_>, account: AccountId) -> BTreeMap<String, Arc<[u8]>> {
    let mut entries: BTreeMap<_, _> = cx.store().metadata(account, None).into_iter().collect();
    let notices = &cx.environment.limits.notices;
    for (name, value) in [("/shared/comment", &notices.comment), ("/shared/admin", &notices.admin)] {
        if !value.is_empty() {
            entries.insert(name.to_owned(), value.as_bytes().into());
        }
    }
    entries
}

fn is_shared(name: &str) -> bool {
    name.split('/').nth(1).is_some_and(|scope| scope.eq_ignore_ascii_case("shared"))
}

/// The entries that are asked for, each once. One that is named is shown as the client spells it.
fn matching(there: &BTreeMap<String, Arc<[u8]>>, names: &[String], depth: Depth) -> Vec<Found> {
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    for asked in names {
        let name = asked.to_ascii_lowercase();
        let value = there.get(&name).cloned();
        if value.is_some() || depth == Depth::Zero {
            found.insert(name.clone(), (asked.clone(), value));
        }
        if depth == Depth::Zero {
            continue;
        }
        let prefix = format!("{name}/");
        let below = there.range(prefix.clone()..).take_while(|(below, _)| below.starts_with(&prefix));
        for (below, value) in below {
            if depth == Depth::Infinity || !below[prefix.len()..].contains('/') {
                found.entry(below.clone()).or_insert_with(|| (below.clone(), Some(Arc::clone(value))));
            }
        }
    }
    found.into_values().collect()
}

/// ENABLE METADATA: from here on the session is told what changes.
pub(super) fn enable(cx: &mut Context<'_>) {
    let Ok(account) = cx.account() else { return };
    if cx.session.metadata.is_none() {
        // Listened to first, so that nothing is lost in between.
        let bell = cx.store().hub().listen(Bell::Account(account));
        let seen = cx.store().account_mod_seq(account);
        cx.session.metadata = Some(Box::new(MetadataWatch { seen, own: Vec::new(), bell }));
    }
}

/// Appends what others changed since the last look, for a session that enabled it; says whether there was anything.
pub(super) fn tell(session: &mut Session, store: &Store, out: &mut Vec<u8>) -> bool {
    let Some(account) = session.account().map(|account| account.id) else { return false };
    let dialect = session.enabled.dialect;
    let Some(watch) = &mut session.metadata else { return false };
    watch.bell.take();
    let now = store.account_mod_seq(account);
    if now == watch.seen {
        return false;
    }
    let mut changed: BTreeMap<Option<MailboxId>, Vec<String>> = BTreeMap::new();
    // RFC 5464 has no word for entries whose names are forgotten; to who uses NOTIFY an overflow is told.
    for change in store.metadata_changes_since(account, watch.seen).changes {
        // §4.3: what the client set itself it need not be told; what that changed elsewhere it is told.
        if !watch.own.contains(&(change.mod_seq, change.mailbox)) {
            changed.entry(change.mailbox).or_default().push(change.entry);
        }
        watch.seen = watch.seen.max(change.mod_seq);
    }
    watch.seen = watch.seen.max(now);
    watch.own.clear();
    let mut told = false;
    for (mailbox, entries) in changed {
        let name = match mailbox {
            None => Some(String::new()),
            Some(id) => store.mailbox_by_id(account, id).map(|mailbox| mailbox.head().name),
        };
        // Without a name it was deleted meanwhile.
        if let Some(mailbox) = name {
            print::response(out, &Response::Data(Data::MetadataChanged { mailbox, entries }), dialect);
            told = true;
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there() -> BTreeMap<String, Arc<[u8]>> {
        let names = ["/private/a", "/private/a/b", "/private/a/b/c", "/private/ab", "/shared/a"];
        names.into_iter().map(|name| (name.to_owned(), name.as_bytes().into())).collect()
    }

    fn found(names: &[&str], depth: Depth) -> Vec<String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        matching(&there(), &names, depth).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn depth_says_how_far_below() {
        assert_eq!(found(&["/private/a"], Depth::Zero), ["/private/a"]);
        assert_eq!(found(&["/private/a"], Depth::One), ["/private/a", "/private/a/b"]);
        assert_eq!(found(&["/private/a"], Depth::Infinity), ["/private/a", "/private/a/b", "/private/a/b/c"]);
        assert_eq!(found(&["/private"], Depth::One), ["/private/a", "/private/ab"]);
    }

    #[test]
    fn each_entry_comes_once_and_as_it_was_spelt() {
        let twice = ["/private/A", "/private/a", "/private/a/b", "/PRIVATE/a"];
        assert_eq!(found(&twice, Depth::Infinity), ["/PRIVATE/a", "/private/a/b", "/private/a/b/c"]);
        assert_eq!(found(&["/Private/Never"], Depth::Zero), ["/Private/Never"]);
        assert_eq!(found(&["/Private/Never"], Depth::One), [""; 0]);
    }
}
