//! One session's picture of its mailbox, and how the store's changes become untagged responses.
//!
//! The store knows UIDs; a client counts. RFC 3501 §2.3.1.2 makes a message's sequence number its position, so that each
//! EXPUNGE renumbers all that follow, and §7.4.1 forbids EXPUNGE where a client may have numbers under way: while no
//! command is in progress, and during FETCH, STORE and SEARCH (not during their UID forms, which name messages by UID).
//! So each session has its own picture, which is older than the store by what its client was not yet told:
//!
//! - `known` are the UIDs that the client counts, ascending; a sequence number is a position in it, and nothing else.
//! - A UID that vanished while EXPUNGE was not allowed stays in `known`, and is remembered in `vanished` until it can be
//!   told. Until then its number names nothing that could be fetched, but shifts no other.
//! - EXISTS is the size of `known`. So it never shrinks: only EXPUNGE makes it smaller, by one each.
//! - What arrived and was expunged between two looks was never known, and is never told.
//!
//! A client of RFC 7162 remembers a mod-sequence, and asks from there when it comes back. It takes the highest that it reads
//! in FETCH responses, unless it is told a HIGHESTMODSEQ (§6): so as long as an expunge waits, each command ends with the
//! HIGHESTMODSEQ from before it (§3.2), and when it is told, with the new one.
//!
//! A client that used NOTIFY (RFC 5465) may be told less ([`Attention`]): nothing at all, and its picture stays as it is; or
//! no flags of others, and `flags_from` remembers since when, so that all of them are told when it asks for them again. Both
//! hold the safe mod-sequence back, as a waiting expunge does.
//!
//! The order of news: EXPUNGE (each counted after the ones before it) or VANISHED, then EXISTS, RECENT, FLAGS, the flags of
//! single messages when all their numbers and keywords are known to the client, and HIGHESTMODSEQ last.
//!
//! Knows the nouns of the store, and neither grammar nor sockets nor clocks.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::session::Enabled;
use super::watch::Attention;
use crate::store::{Changes, FlagAction, Flags, Message, ModSeq, Snapshot, Uid, UidSet};

/// Whether the client can follow a renumbering at this point (RFC 3501 §7.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExpungeAllowed {
    /// EXPUNGE may be sent.
    Yes,
    /// FETCH, STORE and SEARCH: what vanished is told later.
    No,
}

/// Something that the client is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// `* n EXPUNGE`
    Expunge(u32),
    /// `* VANISHED`: what EXPUNGE says, for a client that enabled QRESYNC or UIDONLY.
    Vanished(UidSet),
    /// `* n EXISTS`
    Exists(u32),
    /// `* n RECENT`
    Recent(u32),
    /// `* FLAGS` and `* OK [PERMANENTFLAGS]`: the mailbox has new keywords.
    Keywords(Arc<Vec<String>>),
    /// `* n FETCH (FLAGS (…))`
    Flags {
        /// The message's sequence number.
        sequence: u32,
        /// Its UID.
        uid: Uid,
        /// Its flags.
        flags: Flags,
        /// Whether it is `\Recent` in this session.
        recent: bool,
        /// Its mod-sequence.
        mod_seq: ModSeq,
    },
    /// `* OK [HIGHESTMODSEQ n]`: this one is true, whatever mod-sequences the client has read.
    HighestModSeq(ModSeq),
}

/// What a session found when it looked at its mailbox. Take the parts in this order, so that each covers the ones before
/// it: `recent_from`, `changes`, then `keywords` and `present`.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// New messages from this UID on are `\Recent` in this session.
    pub(crate) recent_from: Uid,
    /// What changed since [`View::mod_seq`].
    pub(crate) changes: Changes,
    /// The mailbox's keywords by index.
    pub(crate) keywords: Arc<Vec<String>>,
    /// All UIDs, needed where the expunge history was lost.
    pub(crate) present: Option<UidSet>,
}

/// One session's picture of its mailbox: see the module's story.
#[derive(Debug)]
pub(crate) struct View {
    /// What the client counts: present and `vanished` messages.
    known: UidSet,
    /// Those of `known` that are gone, which the client was not told yet.
    vanished: UidSet,
    /// Those of `known` that this session shows as `\Recent` (RFC 3501 §2.3.2).
    recent: UidSet,
    /// The client was told everything up to here, but for `vanished`.
    mod_seq: ModSeq,
    /// The client was told everything up to here, without exception; only while something waits in `vanished`.
    mod_seq_before_vanished: Option<ModSeq>,
    /// Flags that changed after this were not told, since the client wanted none.
    flags_from: Option<ModSeq>,
    /// Changes after `mod_seq` that the client knows already, since it asked for them or read them: their flags need not
    /// be told again, as long as the message has the same mod-sequence.
    acknowledged: BTreeMap<ModSeq, UidSet>,
    /// How many keywords of the mailbox's table the client was told.
    keywords_told: usize,
    /// Those of `known` that `$` stands for: what the last `SEARCH RETURN (SAVE)` found (RFC 5182 §2.1). By UID, so that no
    /// renumbering concerns it.
    saved: UidSet,
    /// The number in the last RECENT.
    recent_told: u32,
}

impl View {
    /// The picture that SELECT gives: the client is told all of `snapshot`, and that messages from `recent_from` on are
    /// `\Recent`.
    pub(crate) fn new(snapshot: &Snapshot, recent_from: Uid) -> Self {
        let known = snapshot.uids.clone();
        let recent = known.intersection(&UidSet::range(recent_from, Uid::MAX));
        Self {
            recent_told: recent.len(),
            known,
            vanished: UidSet::new(),
            recent,
            saved: UidSet::new(),
            mod_seq: snapshot.head.highest_mod_seq,
            mod_seq_before_vanished: None,
            flags_from: None,
            acknowledged: BTreeMap::new(),
            keywords_told: snapshot.head.keywords.len(),
        }
    }

    /// How many messages the client counts.
    pub(crate) fn exists(&self) -> u32 {
        self.known.len()
    }

    /// How many of them are `\Recent` in this session.
    pub(crate) fn recent(&self) -> u32 {
        self.recent.len()
    }

    /// All UIDs that the client counts; some of them may have vanished.
    pub(crate) fn known(&self) -> &UidSet {
        &self.known
    }

    /// Whether the message is `\Recent` in this session.
    pub(crate) fn is_recent(&self, uid: Uid) -> bool {
        self.recent.contains(uid)
    }

    /// Those that are `\Recent` in this session.
    pub(crate) fn recent_uids(&self) -> &UidSet {
        &self.recent
    }

    /// What `$` stands for; some of them may have vanished.
    pub(crate) fn saved(&self) -> &UidSet {
        &self.saved
    }

    /// No message is `\Recent` in this session any more: its client has enabled IMAP4rev2 (RFC 9051 appendix E).
    pub(crate) fn forget_recent(&mut self) {
        self.recent = UidSet::new();
        self.recent_told = 0;
    }

    /// `$` stands for these of the messages that the client counts.
    pub(crate) fn save(&mut self, uids: UidSet) {
        self.saved = uids.intersection(&self.known);
    }

    /// The client was told everything up to this mod-sequence, but for expunges that it is owed.
    pub(crate) fn mod_seq(&self) -> ModSeq {
        self.mod_seq
    }

    /// The mod-sequence from which this client can ask when it comes back, and misses nothing.
    pub(crate) fn safe_mod_seq(&self) -> ModSeq {
        self.mod_seq_before_vanished.unwrap_or(self.mod_seq).min(self.flags_told())
    }

    /// The client was told of all flags up to here.
    fn flags_told(&self) -> ModSeq {
        self.flags_from.unwrap_or(self.mod_seq)
    }

    /// The mod-sequence from which [`catch_up`](Self::catch_up) has to see what changed.
    pub(crate) fn look_from(&self, attention: Attention) -> ModSeq {
        if attention == Attention::All { self.flags_told() } else { self.mod_seq }
    }

    /// Whether there are expunged messages that the client was not told yet.
    pub(crate) fn owes_expunges(&self) -> bool {
        !self.vanished.is_empty()
    }

    /// The sequence number of a message that the client counts.
    pub(crate) fn sequence(&self, uid: Uid) -> Option<u32> {
        Some(self.known.position(uid)? + 1)
    }

    /// Whether the client's idea of the message's flags is what `message` says: it was told, or has been sent them.
    pub(crate) fn is_told(&self, message: &Message) -> bool {
        message.mod_seq <= self.flags_told()
            || self.acknowledged.get(&message.mod_seq).is_some_and(|uids| uids.contains(message.uid))
    }

    /// The client knows this state of the message: it needs no telling, unless the message changes again.
    pub(crate) fn acknowledge(&mut self, message: &Message) {
        if message.mod_seq > self.mod_seq && self.known.contains(message.uid) {
            self.acknowledged.entry(message.mod_seq).or_default().insert(message.uid);
        }
    }

    /// After a STORE with `.SILENT` made `after` of `before`: the client reckons the result itself (RFC 3501 §6.4.6), and
    /// reckons right only if it knew `before` and nothing else changed in between. Else the next news tell it.
    pub(crate) fn acknowledge_silent(&mut self, before: &Message, after: &Message, action: FlagAction, flags: Flags) {
        let reckoned = match action {
            FlagAction::Add => before.flags.union(flags),
            FlagAction::Remove => before.flags.minus(flags),
            FlagAction::Replace => flags,
        };
        // A replacement needs no knowledge of what was before.
        if reckoned == after.flags && (self.is_told(before) || action == FlagAction::Replace) {
            self.acknowledge(after);
        }
    }

    /// Takes in what was found, and says what to tell the client, in this order. Afterwards the client knows everything
    /// up to the look, but the expunges that could not be told.
    pub(crate) fn catch_up(
        &mut self,
        look: Look,
        expunge: ExpungeAllowed,
        enabled: Enabled,
        attention: Attention,
    ) -> Vec<News> {
        let owed_before = self.mod_seq_before_vanished;
        let owed_flags = self.flags_from.is_some();
        let Look { recent_from, changes, keywords, present } = look;
        let mut news = Vec::new();

        let gone = match &present {
            Some(present) => self.known.difference(present),
            None => self.known.intersection(&changes.vanished),
        };
        self.vanished.insert_all(&gone);
        if expunge == ExpungeAllowed::Yes {
            self.tell_vanished(enabled, &mut news);
        }
        self.mod_seq_before_vanished = self.owes_expunges().then_some(owed_before.unwrap_or(self.mod_seq));

        let (known_before, highest_before) = (self.exists(), self.known.last().unwrap_or(0));
        let added = changes.changed.iter().map(|message| message.uid).filter(|uid| *uid > highest_before);
        for uid in added {
            // Gone again between the two looks at a mailbox without history: never known, so never told.
            if present.as_ref().is_some_and(|present| !present.contains(uid)) {
                continue;
            }
            self.known.insert(uid);
            // A client of IMAP4rev2 knows no `\Recent`, and so takes none.
            if uid >= recent_from && !enabled.dialect.rev2 {
                self.recent.insert(uid);
            }
        }
        if self.exists() > known_before {
            news.push(News::Exists(self.exists()));
        }
        if self.recent() != self.recent_told {
            self.recent_told = self.recent();
            news.push(News::Recent(self.recent_told));
        }
        news.extend(self.learn_keywords(&keywords));
        if attention == Attention::All {
            self.tell_flags(&changes.changed, highest_before, &mut news);
            self.flags_from = None;
        } else if self.keeps_flags_back(&changes.changed, highest_before) {
            self.flags_from = Some(self.flags_told());
        }

        self.mod_seq = self.mod_seq.max(changes.highest_mod_seq);
        self.acknowledged.clear();
        let owes = self.owes_expunges() || self.flags_from.is_some();
        if enabled.condstore && (owed_before.is_some() || owed_flags || owes) {
            news.push(News::HighestModSeq(self.safe_mod_seq()));
        }
        news
    }

    /// What to tell the client where nothing has happened since the last look.
    pub(crate) fn unchanged(&self, enabled: Enabled) -> Option<News> {
        let owes = self.mod_seq_before_vanished.is_some() || self.flags_from.is_some();
        (owes && enabled.condstore).then(|| News::HighestModSeq(self.safe_mod_seq()))
    }

    /// What to tell a client that wants no news, when it has itself expunged messages: those have to leave its picture, and
    /// others that are gone leave it with them. Everything else stays as it was.
    pub(crate) fn catch_up_with_expunges(&mut self, vanished: &UidSet, enabled: Enabled) -> Vec<News> {
        let mut news = Vec::new();
        self.vanished.insert_all(&self.known.intersection(vanished));
        self.tell_vanished(enabled, &mut news);
        self.mod_seq_before_vanished = None;
        news
    }

    /// What to tell a client that wants no news, when the mailbox is at `highest`: nothing, but that mod-sequences which it
    /// may have read are no place to go on from.
    pub(crate) fn held(&self, highest: ModSeq, enabled: Enabled) -> Option<News> {
        let behind = highest > self.safe_mod_seq();
        (behind && enabled.condstore).then(|| News::HighestModSeq(self.safe_mod_seq()))
    }

    /// Whether flags changed that the client would be told, if it wanted to be.
    fn keeps_flags_back(&self, changed: &[Message], highest: Uid) -> bool {
        changed
            .iter()
            .any(|message| message.uid <= highest && self.known.contains(message.uid) && !self.is_told(message))
    }

    /// The mailbox has these keywords now: what to tell the client before it sees one that it does not know.
    pub(crate) fn learn_keywords(&mut self, keywords: &Arc<Vec<String>>) -> Option<News> {
        if keywords.len() <= self.keywords_told {
            return None;
        }
        self.keywords_told = keywords.len();
        Some(News::Keywords(Arc::clone(keywords)))
    }

    /// EXPUNGE for each that vanished, counted after the ones before it (RFC 3501 §7.4.1), or VANISHED for all of them (RFC
    /// 7162 §3.2.10.2).
    fn tell_vanished(&mut self, enabled: Enabled, news: &mut Vec<News>) {
        let vanished = std::mem::take(&mut self.vanished);
        if vanished.is_empty() {
            return;
        }
        self.recent.remove_all(&vanished);
        // What is expunged is taken out of `$` (RFC 5182 §2.1).
        self.saved.remove_all(&vanished);
        if enabled.vanished() {
            self.known.remove_all(&vanished);
            return news.push(News::Vanished(vanished));
        }
        for (told_before, uid) in (0..).zip(vanished.iter()) {
            if let Some(sequence) = self.sequence(uid) {
                news.push(News::Expunge(sequence - told_before));
            }
        }
        self.known.remove_all(&vanished);
    }

    /// FETCH FLAGS for those up to `highest` whose state the client does not know. What is above it was not known before:
    /// EXISTS is all that a client is told of it unasked, and it will ask.
    fn tell_flags(&mut self, changed: &[Message], highest: Uid, news: &mut Vec<News>) {
        for message in changed.iter().filter(|message| message.uid <= highest && !self.is_told(message)) {
            if let Some(sequence) = self.sequence(message.uid) {
                let Message { uid, flags, mod_seq, .. } = *message;
                news.push(News::Flags { sequence, uid, flags, recent: self.is_recent(uid), mod_seq });
            }
        }
    }
}

#[cfg(test)]
mod tests;
