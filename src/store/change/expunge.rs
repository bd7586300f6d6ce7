//! Messages leave: EXPUNGE, CLOSE, UID EXPUNGE, POP3's DELE at QUIT.

use crate::store::committer::Touches;
use crate::store::journal::record::{Expunge, Record};
use crate::store::{Decided, Error, Flags, OpenMailbox, Store, UidSet};

impl Store {
    /// Expunges those of `uids` that are there, whatever their flags; with `only_deleted`, those with `\Deleted`. Returns
    /// what this call expunged.
    ///
    /// Errors: [`Error::NoSuchMailbox`], [`Error::WriteFailed`], [`Error::Closing`].
    pub async fn expunge(&self, mailbox: &OpenMailbox, uids: &UidSet, only_deleted: bool) -> Result<UidSet, Error> {
        let (mailbox, uids) = (mailbox.clone(), uids.clone());
        self.commit(Touches::Changes(vec![mailbox.id()]), 0, move |decider| {
            let leaving: UidSet = {
                let data = mailbox.read();
                if data.gone {
                    return Err(Error::NoSuchMailbox);
                }
                if only_deleted && data.head.deleted == 0 {
                    return Ok(Decided::Nothing(UidSet::new()));
                }
                let there = data.messages.iter().flat_map(|messages| messages.select(&uids));
                there
                    .filter(|message| !only_deleted || message.flags.contains(Flags::DELETED))
                    .map(|message| message.uid)
                    .collect()
            };
            if leaving.is_empty() {
                return Ok(Decided::Nothing(leaving));
            }
            let account = mailbox.account();
            let record = Record::Expunge(Expunge {
                account,
                mailbox: mailbox.id(),
                uids: leaving.clone(),
                mod_seq: decider.mod_seq(account)?,
                unix_s: decider.now_unix_s,
            });
            Ok(Decided::record(record, move |_| {
                drop(mailbox);
                leaving
            }))
        })
        .await
    }
}
