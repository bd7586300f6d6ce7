//! What is new in the account of a client that used NOTIFY SET: STATUS responses for messages (RFC 5465 §5.1 to §5.3), LIST
//! responses for names and subscriptions (§5.4, §5.5).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::imap::exec::Context;
use crate::imap::exec::list::Lister;
use crate::imap::response::{Code, Data, ListAttribute, ListEntry, Status, StatusValue};
use crate::imap::watch::names::{Change, changes};
use crate::imap::watch::{AccountWatch, Asks, Events, Told, Watch, Watched};
use crate::store::{AccountId, Head, INBOX, MailboxId, ModSeq, Names, SEPARATOR, Store};

/// Looks at the account, and adds what is new; says whether there was anything. `own` are the client's own changes since the
/// last look.
pub(in crate::imap::exec) fn tell(cx: &mut Context<'_>, own: &[ModSeq]) -> bool {
    let Some(account) = cx.session.account().map(|account| account.id) else { return false };
    let selected = cx.session.selected().map(|selected| selected.mailbox.id());
    let condstore = cx.session.enabled.condstore;
    let store = cx.environment.store;
    let watched_max = cx.environment.limits.watched_mailboxes;
    let Some(watch) = cx.session.watch.as_mut().and_then(|watch| watch.account.as_mut()) else { return false };
    // Whatever rings from here on rings for the next look.
    watch.bell.take();
    let Some(changed) = store.account_changes_since(account, watch.cursor) else { return false };
    if changed.mod_seq == watch.cursor && !watch.stale {
        return false;
    }
    // §5: nobody is told what he did himself. What is later than this look is somebody else's.
    let silent = all_own(watch.cursor, changed.mod_seq, own).then_some(changed.mod_seq);
    let mut lines = Vec::new();
    if changed.directory || watch.stale {
        match look_at_names(watch, store, account, silent, watched_max) {
            Ok(told) => lines.extend(told.into_iter().map(Data::List)),
            Err(overflow) => return overflows(cx, overflow),
        }
    }
    let everything = changed.directory || watch.stale;
    let may_have = |id| everything || changed.mailboxes.as_ref().is_none_or(|mailboxes| mailboxes.contains(&id));
    let mut pushed = Vec::new();
    for watched in &mut watch.mailboxes {
        let id = watched.mailbox.id();
        // Of the selected mailbox SELECTED alone decides (§3.1).
        if Some(id) == selected || !watched.events.contains(Events::MESSAGES) || !may_have(id) {
            continue;
        }
        if let Some((head, asks)) = look_at(watched, condstore, silent) {
            lines.push(status(&head, asks));
            pushed.push((id, head.highest_mod_seq));
        }
    }
    if changed.metadata {
        match metadata(watch, store, account, changed.mod_seq, own) {
            Ok(told) => lines.extend(told),
            Err(overflow) => return overflows(cx, overflow),
        }
    }
    watch.cursor = changed.mod_seq;
    watch.stale = false;
    let any = !lines.is_empty();
    cx.pushed.extend(pushed);
    for line in lines {
        cx.put(line);
    }
    any
}

/// Why what changed cannot be told any more (§5.8).
#[derive(Clone, Copy, Debug)]
enum Overflow {
    /// There are more mailboxes than a session may watch.
    Mailboxes,
    /// The names of entries that were removed since the last look are forgotten.
    Metadata,
}

/// Nothing is told from here on, as after NOTIFY NONE (§5.8).
fn overflows(cx: &mut Context<'_>, overflow: Overflow) -> bool {
    let text = match overflow {
        Overflow::Mailboxes => "There are too many mailboxes to watch; nothing is told from here on",
        Overflow::Metadata => "Too much metadata was removed meanwhile; nothing is told from here on",
    };
    cx.session.watch = Some(Box::new(Watch::none()));
    cx.put(Status::untagged_ok(text).with_code(Code::NotificationOverflow));
    true
}

/// Whether everything after `cursor` and up to `mod_seq` is the client's own.
fn all_own(cursor: ModSeq, mod_seq: ModSeq, own: &[ModSeq]) -> bool {
    let own: BTreeSet<ModSeq> = own.iter().copied().filter(|at| (cursor + 1..=mod_seq).contains(at)).collect();
    mod_seq > cursor && own.len() as u64 == mod_seq - cursor
}

/// What is to be told of a mailbox, and takes it as told. What happened up to `silent` is not told.
fn look_at(watched: &mut Watched, condstore: bool, silent: Option<ModSeq>) -> Option<(Head, Asks)> {
    let head = watched.mailbox.head();
    if head.gone {
        return None;
    }
    let asks = watched.told.asks(&head, watched.events, condstore);
    let telling = !asks.is_empty() && silent.is_none_or(|silent| head.highest_mod_seq > silent);
    let uid_validity = if telling { head.uid_validity } else { watched.told.uid_validity };
    watched.told = Told { uid_validity, ..Told::all(&head) };
    telling.then_some((head, asks))
}

/// `STATUS`, with what is asked.
pub(super) fn status(head: &Head, asks: Asks) -> Data {
    let items = [
        asks.messages.then_some(StatusValue::Messages(head.exists)),
        asks.messages.then_some(StatusValue::UidNext(head.uid_next)),
        asks.uid_validity.then_some(StatusValue::UidValidity(head.uid_validity)),
        asks.unseen.then_some(StatusValue::Unseen(head.unseen)),
        asks.mod_seq.then_some(StatusValue::HighestModSeq(head.highest_mod_seq)),
    ];
    Data::Status { mailbox: head.name.clone(), items: items.into_iter().flatten().collect() }
}

/// `METADATA`, with the names of what others changed up to `mod_seq` (§5.6, §5.7): each change is known by its own
/// mod-sequence. ENABLE METADATA is not needed for it.
fn metadata(
    watch: &AccountWatch,
    store: &Store,
    account: AccountId,
    mod_seq: ModSeq,
    own: &[ModSeq],
) -> Result<Vec<Data>, Overflow> {
    if !watch.rules.any(Events::MAILBOX_METADATA) && !watch.rules.any(Events::SERVER_METADATA) {
        return Ok(Vec::new());
    }
    let Some(names) = store.names(account) else { return Ok(Vec::new()) };
    let mut changed = BTreeMap::<Option<MailboxId>, Vec<String>>::new();
    let since = store.metadata_changes_since(account, watch.cursor);
    if since.history_lost {
        return Err(Overflow::Metadata);
    }
    for change in since.changes {
        // What is later is told with the next look.
        if change.mod_seq <= mod_seq && !own.contains(&change.mod_seq) {
            changed.entry(change.mailbox).or_default().push(change.entry);
        }
    }
    let name = |id| {
        let Some(id) = id else { return watch.rules.any(Events::SERVER_METADATA).then(String::new) };
        let (name, _) = names.mailboxes.iter().find(|(_, mailbox)| mailbox.id() == id)?;
        let events = watch.rules.events(name, names.subscriptions.contains(name));
        events.contains(Events::MAILBOX_METADATA).then(|| name.clone())
    };
    let told = changed.into_iter().filter_map(|(id, entries)| Some((name(id)?, entries)));
    Ok(told.map(|(mailbox, entries)| Data::MetadataChanged { mailbox, entries }).collect())
}

/// Compares the names that were told with those that are there, takes them as told, and says what to tell.
fn look_at_names(
    watch: &mut AccountWatch,
    store: &Store,
    account: AccountId,
    silent: Option<ModSeq>,
    watched_max: usize,
) -> Result<Vec<ListEntry>, Overflow> {
    let Some(names) = store.names(account) else { return Ok(Vec::new()) };
    let silent = silent.is_some_and(|silent| names.mod_seq <= silent);
    let news = if silent { Vec::new() } else { News::new(watch, store, account, &names).tell() };
    take_names(watch, &names, watched_max)?;
    Ok(news)
}

/// The names are told; the rules say anew what is watched.
fn take_names(watch: &mut AccountWatch, names: &Names, watched_max: usize) -> Result<(), Overflow> {
    let before = std::mem::take(&mut watch.mailboxes);
    let kept = super::kept(&watch.rules, names);
    let mut mailboxes: Vec<Watched> = kept
        .map(|(name, mailbox, events)| {
            let known = before.binary_search_by_key(&mailbox.id(), |watched| watched.mailbox.id());
            let told = match known.ok().map(|at| &before[at]) {
                Some(watched) if watched.events.contains(Events::MESSAGES) => watched.told,
                // From here on it is watched: its client knows nothing of it.
                _ => Told::EMPTY,
            };
            Watched { mailbox: Arc::clone(mailbox), name: name.into(), events, told }
        })
        .collect();
    if mailboxes.len() > watched_max {
        return Err(Overflow::Mailboxes);
    }
    mailboxes.sort_by_key(|watched| watched.mailbox.id());
    watch.mailboxes = mailboxes.into_boxed_slice();
    if watch.rules.any(Events::SUBSCRIPTIONS) {
        watch.subscriptions = names.subscriptions.iter().map(|name| name.as_str().into()).collect();
    }
    Ok(())
}

/// LIST responses that nobody asked for.
struct News<'a> {
    watch: &'a AccountWatch,
    names: &'a Names,
    lister: Lister,
    entries: Vec<ListEntry>,
    /// Those whose present state was told.
    described: BTreeSet<String>,
}

impl<'a> News<'a> {
    fn new(watch: &'a AccountWatch, store: &Store, account: AccountId, names: &'a Names) -> Self {
        let lister = Lister::of_all(store, account);
        Self { watch, names, lister, entries: Vec::new(), described: BTreeSet::new() }
    }

    fn tell(mut self) -> Vec<ListEntry> {
        if self.watch.rules.any(Events::NAMES) {
            self.tell_names();
        }
        if self.watch.rules.any(Events::SUBSCRIPTIONS) {
            self.tell_subscriptions();
        }
        self.entries
    }

    fn watches(&self, name: &str, events: Events) -> bool {
        self.watch.rules.events(name, self.names.subscriptions.contains(name)).contains(events)
    }

    fn tell_names(&mut self) {
        let mut told = BTreeMap::<MailboxId, String>::new();
        for watched in &self.watch.mailboxes {
            told.insert(watched.mailbox.id(), watched.name.to_string());
        }
        let mut now: BTreeMap<_, _> =
            self.names.mailboxes.iter().map(|(name, mailbox)| (mailbox.id(), name.clone())).collect();
        // A mailbox is of interest by the name that it had, or by the one that it has.
        let of_interest: BTreeSet<MailboxId> =
            told.iter().chain(&now).filter(|(_, name)| self.watches(name, Events::NAMES)).map(|(id, _)| *id).collect();
        told.retain(|id, _| of_interest.contains(id));
        now.retain(|id, _| of_interest.contains(id));
        let mut parents = BTreeSet::new();
        for change in changes(&told, &now) {
            match change {
                Change::Gone(name) => {
                    parents.extend(parent(&name).map(str::to_owned));
                    // Another mailbox may have the name by now; it is told behind this.
                    let entry = match self.names.mailboxes.binary_search_by(|(there, _)| there.as_str().cmp(&name)) {
                        Ok(_) => ListEntry {
                            attributes: vec![ListAttribute::NonExistent],
                            separator: Some(SEPARATOR),
                            mailbox: name,
                            subscribed_child: false,
                            old_name: None,
                        },
                        Err(_) => self.describe(&name),
                    };
                    self.entries.push(entry);
                }
                Change::Renamed { from, to } => {
                    let entry = ListEntry { old_name: Some(from), ..self.describe(&to) };
                    self.entries.push(entry);
                }
                Change::Created(name) => {
                    parents.extend(parent(&name).map(str::to_owned));
                    let old_name = self.was_inbox(&name).then(|| INBOX.to_owned());
                    let entry = ListEntry { old_name, ..self.describe(&name) };
                    self.entries.push(entry);
                }
            }
        }
        // §5.4: the direct parent is affected too.
        for name in parents {
            if !self.described.contains(&name) && self.watches(&name, Events::NAMES) {
                let entry = self.describe(&name);
                self.entries.push(entry);
            }
        }
    }

    fn tell_subscriptions(&mut self) {
        let now: BTreeSet<&str> = self.names.subscriptions.iter().map(String::as_str).collect();
        let told: BTreeSet<&str> = self.watch.subscriptions.iter().map(|name| &**name).collect();
        for name in now.symmetric_difference(&told) {
            // `SUBSCRIBED` covers what is subscribed, and what was until now.
            if !self.described.contains(*name) && self.watch.rules.events(name, true).contains(Events::SUBSCRIPTIONS) {
                let entry = self.describe(name);
                self.entries.push(entry);
            }
        }
    }

    /// The mailbox that INBOX's messages went to is a new one, but to the client INBOX was renamed (§5.4).
    fn was_inbox(&self, name: &str) -> bool {
        let Some((mod_seq, to)) = self.names.inbox_renamed else { return false };
        mod_seq > self.watch.cursor
            && self.names.mailboxes.iter().any(|(there, mailbox)| there == name && mailbox.id() == to)
    }

    fn describe(&mut self, name: &str) -> ListEntry {
        self.described.insert(name.to_owned());
        self.lister.describe(name)
    }
}

fn parent(name: &str) -> Option<&str> {
    name.rsplit_once(SEPARATOR).map(|(parent, _)| parent)
}
