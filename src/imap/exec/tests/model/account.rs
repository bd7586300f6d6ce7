//! What a client believes of its whole account that used NOTIFY SET (RFC 5465): names, subscriptions, and of each mailbox
//! what STATUS and LIST responses told, asked for or not.
//!
//! What it does itself nobody tells it (§5): it knows what its commands do, and reckons. Of the selected mailbox only what
//! happens to its messages is told, so that its numbers are taken from there when it is left.

use std::collections::{BTreeMap, BTreeSet};

use super::client::{Check, Entry};
use super::truth::{Flags, Mailbox, SEPARATOR, Truth};

/// Of a mailbox; `None`: it was not told, or it was told before something happened that makes it worthless.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Believed {
    messages: Option<u64>,
    uid_next: Option<u64>,
    unseen: Option<u64>,
    uid_validity: Option<u64>,
    highest: Option<u64>,
}

impl Believed {
    /// A mailbox that has come into being: it is empty until something else is said (RFC 3501 §6.3.3).
    const NEW: Self = Self { messages: Some(0), uid_next: Some(1), unseen: Some(0), uid_validity: None, highest: None };

    /// What a command of one's own has made of it.
    fn reckoned(mailbox: &Mailbox) -> Self {
        Self {
            messages: Some(mailbox.messages.len() as u64),
            uid_next: Some(mailbox.uid_next.into()),
            unseen: Some(unseen(mailbox.messages.iter().map(|message| &message.flags))),
            uid_validity: None,
            highest: None,
        }
    }
}

/// What a command of one's own can change; taken before and behind it.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    mailboxes: BTreeMap<u32, (String, Believed)>,
    subscribed: BTreeSet<String>,
}

impl Shape {
    pub(super) fn of(truth: &Truth) -> Self {
        let shape = |(id, mailbox): (&u32, &Mailbox)| (*id, (mailbox.name.clone(), Believed::reckoned(mailbox)));
        Self { mailboxes: truth.mailboxes.iter().map(shape).collect(), subscribed: truth.subscribed.clone() }
    }
}

/// The account as its client believes it to be.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    /// NOTIFY SET was answered.
    pub(super) listens: bool,
    /// It enabled CONDSTORE: without, HIGHESTMODSEQ is not told again when it changes (RFC 5465 §5.1).
    condstore: bool,
    mailboxes: BTreeMap<String, Believed>,
    subscribed: BTreeSet<String>,
    /// The name of the selected mailbox.
    selected: Option<String>,
}

impl Account {
    pub(super) fn new(condstore: bool) -> Self {
        Self { condstore, ..Self::default() }
    }

    /// A STATUS response.
    pub(super) fn status(&mut self, name: &str, items: &BTreeMap<String, u64>, asked: bool) -> Check {
        if !asked && self.selected.as_deref() == Some(name) {
            return Err(format!("STATUS of {name}, which is selected (RFC 5465 §3.1)"));
        }
        let known = self.mailboxes.get_mut(name).ok_or(format!("STATUS of {name}, of which nobody told"))?;
        for (item, value) in items {
            let place = match item.as_str() {
                "MESSAGES" => &mut known.messages,
                "UIDNEXT" => &mut known.uid_next,
                "UNSEEN" => &mut known.unseen,
                "UIDVALIDITY" => &mut known.uid_validity,
                "HIGHESTMODSEQ" if self.condstore => &mut known.highest,
                _ => continue,
            };
            *place = Some(*value);
        }
        Ok(())
    }

    /// A LIST response: with all attributes of the name (RFC 5465 §5.4, §5.5).
    pub(super) fn list(&mut self, name: &str, attributes: &Flags, old_name: Option<&str>) -> Check {
        match attributes.contains("\\subscribed") {
            true => self.subscribed.insert(name.to_owned()),
            false => self.subscribed.remove(name),
        };
        if attributes.contains("\\nonexistent") {
            self.mailboxes.remove(name);
            return Ok(());
        }
        match old_name {
            // INBOX leaves its messages, and stays.
            None | Some("INBOX") => {}
            Some(old) if old == name => {}
            Some(old) => {
                if !self.mailboxes.contains_key(old) || self.mailboxes.contains_key(name) {
                    return Err(format!("{old} was renamed to {name}, but there are {:?}", self.mailboxes.keys()));
                }
                let renamed = |known: &str| {
                    let below = known.strip_prefix(old)?;
                    (below.is_empty() || below.starts_with(SEPARATOR)).then(|| format!("{name}{below}"))
                };
                self.mailboxes = std::mem::take(&mut self.mailboxes)
                    .into_iter()
                    .map(|(known, believed)| (renamed(&known).unwrap_or(known), believed))
                    .collect();
                if let Some(renamed) = self.selected.as_deref().and_then(renamed) {
                    self.selected = Some(renamed);
                }
            }
        }
        let new = if self.listens { Believed::NEW } else { Believed::default() };
        self.mailboxes.entry(name.to_owned()).or_insert(new);
        Ok(())
    }

    /// A mailbox is selected.
    pub(super) fn selects(&mut self, name: &str) {
        self.selected = Some(name.to_owned());
    }

    /// The selected mailbox is left. Its UIDNEXT is anybody's guess.
    pub(super) fn leaves(&mut self, entries: &[Entry]) {
        let Some(believed) = self.selected.take().and_then(|name| self.mailboxes.get_mut(&name)) else { return };
        let flags: Option<Vec<&Flags>> = entries.iter().map(|entry| entry.flags.as_ref()).collect();
        *believed = Believed {
            messages: Some(entries.len() as u64),
            unseen: flags.map(|flags| unseen(flags.into_iter())),
            uid_validity: believed.uid_validity,
            ..Believed::default()
        };
    }

    /// A command of its own has made of `before` what is now.
    pub(super) fn reckons(&mut self, before: &Shape, now: &Shape) {
        let changed = |one: &Shape, other: &Shape| -> Vec<(u32, String, Believed)> {
            let differs = |id: &u32| one.mailboxes.get(id) != other.mailboxes.get(id);
            let these = one.mailboxes.iter().filter(|(id, _)| differs(id));
            these.map(|(id, (name, believed))| (*id, name.clone(), *believed)).collect()
        };
        let mut selected = None;
        for (id, name, _) in changed(before, now) {
            self.mailboxes.remove(&name);
            if self.selected.as_ref() == Some(&name) {
                selected = Some(id);
            }
        }
        for (id, name, believed) in changed(now, before) {
            if selected == Some(id) {
                self.selected = Some(name.clone());
            }
            self.mailboxes.insert(name, believed);
        }
        for name in before.subscribed.symmetric_difference(&now.subscribed) {
            match now.subscribed.contains(name) {
                true => self.subscribed.insert(name.clone()),
                false => self.subscribed.remove(name),
            };
        }
    }

    /// Everything was told: what it believes is true. `exactly`: what an auditor was told of each mailbox is of this moment.
    pub(super) fn is_right(&self, truth: &Truth, exactly: bool) -> Check {
        let same = |what: &str, believed: Option<u64>, is: u64| match believed {
            Some(believed) if believed != is => Err(format!("{what} is believed to be {believed}, and is {is}")),
            _ => Ok(()),
        };
        let names: BTreeSet<String> = self.mailboxes.keys().cloned().collect();
        if names != truth.names() {
            return Err(format!("the mailboxes are believed to be {names:?}, and are {:?}", truth.names()));
        }
        if self.subscribed != truth.subscribed {
            let (believed, is) = (&self.subscribed, &truth.subscribed);
            return Err(format!("the subscriptions are believed to be {believed:?}, and are {is:?}"));
        }
        for mailbox in truth.mailboxes.values() {
            let name = &mailbox.name;
            if self.selected.as_ref() == Some(name) {
                continue;
            }
            let (believed, is) = (&self.mailboxes[name], Believed::reckoned(mailbox));
            same(&format!("MESSAGES of {name}"), believed.messages, is.messages.unwrap_or(0))?;
            same(&format!("UNSEEN of {name}"), believed.unseen, is.unseen.unwrap_or(0))?;
            same(&format!("UIDNEXT of {name}"), believed.uid_next, mailbox.uid_next.into())?;
            if let (Some(uid_validity), true) = (mailbox.uid_validity, exactly) {
                same(&format!("UIDVALIDITY of {name}"), believed.uid_validity, uid_validity)?;
                same(&format!("HIGHESTMODSEQ of {name}"), believed.highest, mailbox.highest)?;
            }
        }
        Ok(())
    }
}

fn unseen<'a>(flags: impl Iterator<Item = &'a Flags>) -> u64 {
    flags.filter(|flags| !flags.contains("\\Seen")).count() as u64
}
