//! Flags change: STORE, and `\Seen` by FETCH.

use crate::store::committer::Touches;
use crate::store::journal::record::{FlagsChange, Record};
use crate::store::{
    Decided, Error, FlagAction, FlagNames, Flags, FlagsChanged, ModSeq, OpenMailbox, Store, Uid, UidSet,
};

impl Store {
    /// Changes flags of those of `uids` that are there; with `unchanged_since`, only of those whose mod-sequence is
    /// not above it.
    ///
    /// Messages that have the flags already keep their mod-sequence (RFC 7162 §3.1.11). Errors: [`Error::NoSuchMailbox`],
    /// [`Error::TooManyKeywords`], [`Error::WriteFailed`], [`Error::Closing`].
    pub async fn change_flags(
        &self,
        mailbox: &OpenMailbox,
        uids: &UidSet,
        action: FlagAction,
        flags: FlagNames,
        unchanged_since: Option<ModSeq>,
    ) -> Result<FlagsChanged, Error> {
        let (mailbox, uids) = (mailbox.clone(), uids.clone());
        self.commit(Touches::Changes(vec![mailbox.id()]), 0, move |decider| {
            // A keyword that is to be removed and that the mailbox does not know need not be made.
            let flags = if action == FlagAction::Remove { known(&mailbox, flags) } else { flags };
            let (named, new_keywords, full) = decider.flags(&mailbox, &flags);
            if full {
                return Err(Error::TooManyKeywords);
            }
            let (clear, set) = match action {
                FlagAction::Add => (Flags::NONE, named),
                FlagAction::Remove => (named, Flags::NONE),
                FlagAction::Replace => (Flags(u64::MAX), named),
            };
            let (mut targets, mut changing, mut modified) = (UidSet::new(), UidSet::new(), UidSet::new());
            {
                let data = mailbox.read();
                if data.gone {
                    return Err(Error::NoSuchMailbox);
                }
                for message in data.messages.iter().flat_map(|messages| messages.select(&uids)) {
                    if unchanged_since.is_some_and(|since| message.mod_seq > since) {
                        modified.insert(message.uid);
                        continue;
                    }
                    targets.insert(message.uid);
                    if message.flags.minus(clear).union(set) != message.flags {
                        changing.insert(message.uid);
                    }
                }
            }
            if changing.is_empty() {
                return Ok(Decided::Nothing(FlagsChanged { messages: mailbox.messages(&targets), modified }));
            }
            let account = mailbox.account();
            let record = Record::Flags(FlagsChange {
                account,
                mailbox: mailbox.id(),
                uids: changing,
                clear,
                set,
                new_keywords,
                mod_seq: decider.mod_seq(account)?,
            });
            Ok(Decided::record(record, move |_| FlagsChanged { messages: mailbox.messages(&targets), modified }))
        })
        .await
    }

    /// Takes for one session what no session was told as `\Recent`: returns the first such UID; all from there to UIDNEXT
    /// are this session's. Returns UIDNEXT when there are none.
    ///
    /// It is kept with the next checkpoint: after a crash a message may be `\Recent` twice, which RFC 3501 §2.3.2 bears.
    pub fn claim_recent(&self, mailbox: &OpenMailbox) -> Uid {
        let first = {
            let mut data = mailbox.write();
            let first = data.head.first_recent_uid;
            if first == data.head.uid_next || data.gone {
                return data.head.uid_next;
            }
            data.head.first_recent_uid = data.head.uid_next;
            data.dirty.head = true;
            first
        };
        self.inner.state.head_changed(mailbox.id());
        first
    }
}

fn known(mailbox: &OpenMailbox, mut flags: FlagNames) -> FlagNames {
    let data = mailbox.read();
    flags.keywords.retain(|name| data.head.keywords.iter().any(|known| known.eq_ignore_ascii_case(name)));
    flags
}
