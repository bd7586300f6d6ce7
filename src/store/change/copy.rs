//! Messages come to stand in another mailbox, too (COPY), or instead (MOVE, RFC 6851 §3.1): references only, no byte is
//! copied.

use std::sync::Arc;

use crate::store::committer::{Decider, Touches};
use crate::store::journal::record::{Record, References};
use crate::store::{Copied, Decided, Error, FlagNames, Flags, Mailbox, Message, OpenMailbox, Store, UidSet};

/// The flags that stand for no keyword.
const SYSTEM: Flags =
    Flags::SEEN.union(Flags::ANSWERED).union(Flags::FLAGGED).union(Flags::DELETED).union(Flags::DRAFT);

impl Store {
    /// Copies those of `uids` that are there, with flags and INTERNALDATE.
    ///
    /// Errors: [`Error::NoSuchMailbox`], [`Error::NoUidLeft`], [`Error::DiskFull`], [`Error::WriteFailed`],
    /// [`Error::Closing`].
    pub async fn copy(&self, from: &OpenMailbox, uids: &UidSet, to: &Arc<Mailbox>) -> Result<Copied, Error> {
        if self.inner.intake.disk_full.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(Error::DiskFull);
        }
        self.refer(from, uids, to, false).await
    }

    /// Moves those of `uids` that are there, in one commit (RFC 6851). Both mailboxes count on to the mod-sequence that the
    /// messages have from then on (RFC 6851 §4.5).
    ///
    /// Errors: as [`Store::copy`].
    pub async fn move_messages(&self, from: &OpenMailbox, uids: &UidSet, to: &Arc<Mailbox>) -> Result<Copied, Error> {
        self.refer(from, uids, to, true).await
    }

    async fn refer(&self, from: &OpenMailbox, uids: &UidSet, to: &Arc<Mailbox>, leave: bool) -> Result<Copied, Error> {
        let (from, uids) = (from.clone(), uids.clone());
        let to = self.open_mailbox(to).await?;
        self.commit(Touches::Changes(vec![from.id(), to.id()]), 0, move |decider| {
            let uid_validity = to.read().head.uid_validity;
            if from.read().gone || to.read().gone {
                return Err(Error::NoSuchMailbox);
            }
            let there = from.messages(&uids);
            if there.is_empty() {
                return Ok(Decided::Nothing(Copied { uid_validity, ..Copied::default() }));
            }
            let (keywords, new_keywords) = translate_keywords(decider, &from, &to, &there);
            let account = to.account();
            let mod_seq = decider.mod_seq(account)?;
            let now = decider.now_unix_s;
            let mut copied = Copied { uid_validity, from: Vec::new(), to: Vec::new() };
            let mut messages = Vec::with_capacity(there.len());
            for message in there {
                let flags = keywords
                    .iter()
                    .filter(|(here, _)| message.flags.contains(*here))
                    .fold(Flags(message.flags.0 & SYSTEM.0), |flags, (_, there)| flags.union(*there));
                let uid = decider.uid(&to)?;
                copied.from.push(message.uid);
                copied.to.push(uid);
                messages.push(Message { uid, flags, mod_seq, save_date_unix_s: now, ..message });
            }
            let moved = if leave { copied.from.iter().copied().collect() } else { UidSet::new() };
            let (from_id, to_id) = (from.id(), to.id());
            let record = Record::References(References {
                account,
                from: from_id,
                to: to_id,
                messages,
                new_keywords,
                moved,
                mod_seq,
                unix_s: now,
            });
            Ok(Decided::record(record, move |_| {
                drop((from, to));
                copied
            }))
        })
        .await
    }
}

/// For each keyword that the messages have: its flag here and there. A keyword that finds no room there is left behind
/// (RFC 3501 §6.4.7: the flags SHOULD be preserved), so that a full table does not stop a copy.
fn translate_keywords(
    decider: &mut Decider<'_>,
    from: &Mailbox,
    to: &Mailbox,
    messages: &[Message],
) -> (Vec<(Flags, Flags)>, Vec<String>) {
    let used = messages.iter().fold(Flags::NONE, |used, message| used.union(message.flags));
    let table = Arc::clone(&from.read().head.keywords);
    let (mut flags, mut new_keywords) = (Vec::new(), Vec::new());
    for index in used.keywords() {
        let Some(name) = table.get(index) else { continue };
        let names = FlagNames { system: Flags::NONE, keywords: vec![name.clone()] };
        let (there, new, _full) = decider.flags(to, &names);
        flags.push((Flags::keyword(index), there));
        new_keywords.extend(new);
    }
    (flags, new_keywords)
}
