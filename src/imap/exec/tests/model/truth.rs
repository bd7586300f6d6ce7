//! What is true: the mailboxes of one account as the RFCs say that commands and deliveries make them, in plain data.
//!
//! UIDs and mod-sequences are the server's to choose: they are taken from what it says, once, and held to the rules from
//! then on.

use std::collections::{BTreeMap, BTreeSet};

/// Flags by name.
pub(super) type Flags = BTreeSet<String>;

/// A message in a mailbox.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) uid: u32,
    /// Which message it is, wherever it lies.
    pub(super) token: u32,
    /// Without `\Recent`, which belongs to sessions.
    pub(super) flags: Flags,
    /// The last mod-sequence that anybody was told of it; 0: none yet.
    pub(super) mod_seq: u64,
    /// Nothing was done to it since `mod_seq` was told.
    pub(super) settled: bool,
    /// The highest mod-sequence that was told of its mailbox when its flags last changed: its own must be higher.
    above: u64,
}

/// A mailbox; sessions know it by its key in [`Truth::mailboxes`], whatever its name.
#[derive(Clone, Debug, Default)]
pub(super) struct Mailbox {
    pub(super) name: String,
    pub(super) uid_validity: Option<u64>,
    /// No UID below it will come any more.
    pub(super) uid_next: u32,
    pub(super) messages: Vec<Message>,
    /// The highest mod-sequence told of it, in whatever form.
    pub(super) highest: u64,
}

/// One account.
#[derive(Debug, Default)]
pub(super) struct Truth {
    pub(super) mailboxes: BTreeMap<u32, Mailbox>,
    pub(super) subscribed: BTreeSet<String>,
    next_id: u32,
    /// RFC 3501 §2.3.1.1: name, UIDVALIDITY and UID stand for one message for ever.
    identities: BTreeMap<(String, u64, u32), u32>,
    /// The last UIDVALIDITY that was told under a name, and whose: another mailbox of that name has a higher one.
    validities: BTreeMap<String, (u64, u32)>,
    /// A message with the same mod-sequence has the same flags, whoever reads it (RFC 7162 §3.1).
    states: BTreeMap<(u32, u32, u64), Flags>,
    /// Which read-write session was shown a message as `\Recent` (RFC 3501 §2.3.2: no more than one).
    recent: BTreeMap<(u32, u32), u32>,
}

pub(super) const SEPARATOR: char = '/';

impl Truth {
    /// The mailbox of that name.
    pub(super) fn named(&self, name: &str) -> Option<u32> {
        self.mailboxes.iter().find(|(_, mailbox)| mailbox.name == name).map(|(id, _)| *id)
    }

    /// All names.
    pub(super) fn names(&self) -> BTreeSet<String> {
        self.mailboxes.values().map(|mailbox| mailbox.name.clone()).collect()
    }

    pub(super) fn add(&mut self, name: &str) -> u32 {
        self.next_id += 1;
        let mailbox = Mailbox { name: name.to_owned(), uid_next: 1, ..Mailbox::default() };
        self.mailboxes.insert(self.next_id, mailbox);
        self.next_id
    }

    /// CREATE: with the superiors that are missing (RFC 3501 §6.3.3). Says whether it can be.
    pub(super) fn create(&mut self, name: &str) -> bool {
        if self.named(name).is_some() {
            return false;
        }
        for (at, _) in name.match_indices(SEPARATOR) {
            if self.named(&name[..at]).is_none() {
                self.add(&name[..at]);
            }
        }
        self.add(name);
        true
    }

    /// DELETE: never INBOX; inferiors stay (RFC 3501 §6.3.4).
    pub(super) fn delete(&mut self, name: &str) -> bool {
        match self.named(name) {
            Some(id) if name != "INBOX" => self.mailboxes.remove(&id).is_some(),
            _ => false,
        }
    }

    /// RENAME: with the inferiors; of INBOX the messages alone (RFC 3501 §6.3.5).
    pub(super) fn rename(&mut self, from: &str, to: &str) -> bool {
        let below = format!("{from}{SEPARATOR}");
        if self.named(to).is_some() || to.starts_with(&below) {
            return false;
        }
        if from == "INBOX" {
            let Some(inbox) = self.named(from) else { return false };
            self.create(to);
            let Some(target) = self.named(to) else { return false };
            let messages = self.mailboxes.get_mut(&inbox).map(|inbox| std::mem::take(&mut inbox.messages));
            let mailbox = self.mailboxes.get_mut(&target).expect("just made");
            for message in messages.into_iter().flatten() {
                let uid = mailbox.uid_next;
                mailbox.arrives(uid, message.token, message.flags);
            }
            return true;
        }
        let moved: Vec<(u32, String)> = self
            .mailboxes
            .iter()
            .filter(|(_, mailbox)| mailbox.name == from || mailbox.name.starts_with(&below))
            .map(|(id, mailbox)| (*id, format!("{to}{}", &mailbox.name[from.len()..])))
            .collect();
        if moved.is_empty() || moved.iter().any(|(_, name)| self.named(name).is_some()) {
            return false;
        }
        for (id, name) in moved {
            let mailbox = self.mailboxes.get_mut(&id).expect("it was there");
            mailbox.name = name;
            // It may be another one: a client may remember the UIDs of a mailbox that had the name before.
            mailbox.uid_validity = None;
        }
        for (at, _) in to.match_indices(SEPARATOR) {
            if self.named(&to[..at]).is_none() {
                self.add(&to[..at]);
            }
        }
        true
    }

    pub(super) fn mailbox(&mut self, id: u32) -> Result<&mut Mailbox, String> {
        self.mailboxes.get_mut(&id).ok_or_else(|| "news of a mailbox that is gone".to_owned())
    }

    /// Messages came into a mailbox: the server told their UIDs, which ascend and were never there before (RFC 3501
    /// §2.3.1.1).
    pub(super) fn arrived(
        &mut self,
        id: u32,
        uids: &[u32],
        uid_validity: u64,
        messages: Vec<(u32, Flags)>,
    ) -> Result<(), String> {
        self.told_uid_validity(id, uid_validity)?;
        let mailbox = self.mailbox(id)?;
        if uids.len() != messages.len() {
            return Err(format!("{} messages came, with {} UIDs", messages.len(), uids.len()));
        }
        for (uid, (token, flags)) in uids.iter().zip(messages) {
            if *uid < mailbox.uid_next {
                return Err(format!("UID {uid} was given below UIDNEXT {}", mailbox.uid_next));
            }
            mailbox.arrives(*uid, token, flags);
        }
        Ok(())
    }

    /// UIDVALIDITY was told: one for each mailbox, and under one name it never falls (RFC 3501 §2.3.1.1).
    pub(super) fn told_uid_validity(&mut self, id: u32, told: u64) -> Result<(), String> {
        let mailbox = self.mailbox(id)?;
        let name = mailbox.name.clone();
        if mailbox.uid_validity.replace(told).is_some_and(|before| before != told) {
            return Err(format!("UIDVALIDITY of {name} is another, {told}"));
        }
        match self.validities.insert(name.clone(), (told, id)) {
            Some((before, whose)) if told < before || (told == before && whose != id) => {
                Err(format!("UIDVALIDITY of {name} was {before} for another mailbox, and is {told}"))
            }
            _ => Ok(()),
        }
    }

    /// UIDNEXT was told: it moves when messages arrive, and then only (RFC 3501 §2.3.1.1).
    pub(super) fn told_uid_next(&mut self, id: u32, told: u64) -> Result<(), String> {
        let mailbox = self.mailbox(id)?;
        if told != u64::from(mailbox.uid_next) {
            return Err(format!("UIDNEXT of {} is {told}, expected {}", mailbox.name, mailbox.uid_next));
        }
        Ok(())
    }

    /// HIGHESTMODSEQ of a mailbox as it is now was told: never below what anybody has read of it (RFC 7162 §3.1.1).
    pub(super) fn told_highest(&mut self, id: u32, told: u64) -> Result<(), String> {
        let mailbox = self.mailbox(id)?;
        if told < mailbox.highest {
            return Err(format!("HIGHESTMODSEQ of {} fell from {} to {told}", mailbox.name, mailbox.highest));
        }
        mailbox.highest = told;
        Ok(())
    }

    /// A message's mod-sequence was told, with its flags or without. `now`: it is certainly of this moment, and not of a
    /// moment ago, when the command began that is still answered.
    pub(super) fn told_state(
        &mut self,
        id: u32,
        uid: u32,
        mod_seq: u64,
        flags: Option<&Flags>,
        now: bool,
    ) -> Result<(), String> {
        if let Some(flags) = flags {
            let before = self.states.entry((id, uid, mod_seq)).or_insert_with(|| flags.clone());
            if before != flags {
                return Err(format!("UID {uid} with MODSEQ {mod_seq} was {before:?} and is {flags:?}"));
            }
        }
        let mailbox = self.mailbox(id)?;
        let Some(message) = mailbox.messages.iter_mut().find(|message| message.uid == uid) else { return Ok(()) };
        if mod_seq < message.mod_seq {
            return if now {
                Err(format!("MODSEQ of UID {uid} fell from {} to {mod_seq}", message.mod_seq))
            } else {
                Ok(())
            };
        }
        if now {
            if message.settled && mod_seq != message.mod_seq {
                return Err(format!("MODSEQ of UID {uid} was {} and is {mod_seq}, for nothing", message.mod_seq));
            }
            if mod_seq <= message.above {
                let above = message.above;
                return Err(format!(
                    "UID {uid} has changed, but its MODSEQ {mod_seq} is not above {above}, which was told"
                ));
            }
            message.mod_seq = mod_seq;
            message.settled = true;
        }
        mailbox.highest = mailbox.highest.max(mod_seq);
        Ok(())
    }

    /// The message behind a UID was shown.
    pub(super) fn told_identity(&mut self, id: u32, uid: u32, token: u32) -> Result<(), String> {
        let mailbox = self.mailbox(id)?;
        if let Some(message) = mailbox.messages.iter().find(|message| message.uid == uid)
            && message.token != token
        {
            return Err(format!("UID {uid} of {} is message {token}, expected {}", mailbox.name, message.token));
        }
        let Some(uid_validity) = mailbox.uid_validity else { return Ok(()) };
        let before = *self.identities.entry((self.mailboxes[&id].name.clone(), uid_validity, uid)).or_insert(token);
        if before != token {
            return Err(format!("UID {uid} of UIDVALIDITY {uid_validity} was message {before} and is {token}"));
        }
        Ok(())
    }

    /// A read-write session was shown a message as `\Recent`.
    pub(super) fn told_recent(&mut self, id: u32, uid: u32, session: u32) -> Result<(), String> {
        let before = *self.recent.entry((id, uid)).or_insert(session);
        if before != session {
            return Err(format!("UID {uid} is recent in two sessions (RFC 3501 §2.3.2)"));
        }
        Ok(())
    }
}

impl Mailbox {
    pub(super) fn get(&self, uid: u32) -> Option<&Message> {
        self.messages.iter().find(|message| message.uid == uid)
    }

    pub(super) fn uids(&self) -> Vec<u32> {
        self.messages.iter().map(|message| message.uid).collect()
    }

    /// A message came, and was given this UID.
    pub(super) fn arrives(&mut self, uid: u32, token: u32, flags: Flags) {
        self.uid_next = uid + 1;
        self.messages.push(Message { uid, token, flags, mod_seq: 0, settled: false, above: self.highest });
    }

    /// Flags of a message change.
    pub(super) fn change(&mut self, uid: u32, change: impl FnOnce(&mut Flags)) {
        let highest = self.highest;
        if let Some(message) = self.messages.iter_mut().find(|message| message.uid == uid) {
            let before = message.flags.clone();
            change(&mut message.flags);
            message.settled = false;
            if before != message.flags {
                message.above = message.above.max(highest);
            }
        }
    }

    /// Messages go.
    pub(super) fn expunge(&mut self, gone: impl Fn(&Message) -> bool) {
        self.messages.retain(|message| !gone(message));
    }
}
