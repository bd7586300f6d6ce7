//! Messages come in together (MULTIAPPEND, RFC 3502 §6.3.11), or instead of another (REPLACE, RFC 8508 §3): all of it,
//! or nothing.
//!
//! Their bodies are written first, as deliveries that stand nowhere, and synced. Then one record, of the kind that COPY and
//! MOVE write, lets them stand in the mailbox, and lets the replaced one leave. A crash between the two leaves bodies that
//! nothing refers to: they are given up when the store is opened, and compaction takes their space back.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::store::committer::{Ahead, Touches};
use crate::store::journal::record::{Delivery, Record, References};
use crate::store::read::summarize;
use crate::store::{
    Appended, Appending, Commitment, Date, Decided, Error, FlagNames, Mailbox, Message, NewMessage, OpenMailbox, Store,
    Uid, UidSet,
};

/// A message that is parsed.
struct Parsed {
    message: NewMessage,
    flags: FlagNames,
    cache: Vec<u8>,
}

impl Store {
    /// Stores messages, at least one, and places them in the mailbox in their order; `replaced` leaves its mailbox, which
    /// may be another one of the same account. All in one commit.
    ///
    /// Returns when it is durable and told. Errors: [`Error::Gone`] when the replaced message is not there,
    /// [`Error::NoSuchMailbox`], [`Error::TooManyKeywords`], [`Error::NoUidLeft`], [`Error::OverQuota`],
    /// [`Error::DiskFull`], [`Error::Read`], [`Error::WriteFailed`], [`Error::Closing`]; nothing has happened then.
    pub async fn append(
        &self,
        mailbox: &Arc<Mailbox>,
        messages: Vec<Appending>,
        replaced: Option<(OpenMailbox, Uid)>,
    ) -> Result<Appended, Error> {
        if self.inner.intake.disk_full.load(Ordering::Relaxed) {
            return Err(Error::DiskFull);
        }
        let parsed = parse(messages).await?;
        let to = self.open_mailbox(mailbox).await?;
        let touches = match &replaced {
            Some((from, _)) => Touches::Changes(vec![from.id(), to.id()]),
            None => Touches::Adds(vec![to.id()]),
        };
        let octets = parsed.iter().map(|parsed| parsed.message.body.len()).sum();
        self.commit(touches, octets, move |decider| {
            let (gone, uid_validity) = {
                let data = to.read();
                (data.gone, data.head.uid_validity)
            };
            if gone {
                return Err(Error::NoSuchMailbox);
            }
            let mut moved = UidSet::new();
            if let Some((from, uid)) = &replaced {
                if from.read().gone || from.messages(&UidSet::range(*uid, *uid)).is_empty() {
                    return Err(Error::Gone);
                }
                moved.insert(*uid);
            }
            let account = to.account();
            let mod_seq = decider.mod_seq(account)?;
            let now = decider.now_unix_s;
            let (mut ahead, mut placed, mut new_keywords) = (Vec::new(), Vec::new(), Vec::new());
            for Parsed { message: NewMessage { body: incoming, internal_date }, flags, cache } in parsed {
                let (flags, new, full) = decider.flags(&to, &flags);
                if full {
                    return Err(Error::TooManyKeywords);
                }
                new_keywords.extend(new);
                let (body, uid) = (decider.body_id(), decider.uid(&to)?);
                let internal_date = internal_date.unwrap_or(Date { unix_s: now, offset_min: 0 });
                // The store's limit for messages is far below 4 GiB.
                let size = u32::try_from(incoming.len()).map_err(|_| Error::TooLarge { limit: u32::MAX.into() })?;
                placed.push(Message { uid, flags, mod_seq, body, size, internal_date, save_date_unix_s: now });
                let delivery = Delivery { body, internal_date, save_date_unix_s: now, places: Vec::new() };
                ahead.push(Ahead { record: Record::Delivery(delivery), cache, body: incoming });
            }
            let uids = placed.iter().map(|message| message.uid).collect();
            let record = Record::References(References {
                account,
                from: replaced.as_ref().map_or(to.id(), |(from, _)| from.id()),
                to: to.id(),
                messages: placed,
                new_keywords,
                moved,
                mod_seq,
                unix_s: now,
            });
            Ok(Decided::Commit(Box::new(Commitment {
                ahead,
                record,
                cache: Vec::new(),
                body: None,
                finish: Box::new(move |_| {
                    drop((to, replaced));
                    Appended { uid_validity, uids }
                }),
            })))
        })
        .await
    }
}

/// Looks into the messages, off the runtime.
async fn parse(messages: Vec<Appending>) -> Result<Vec<Parsed>, Error> {
    let parsing = tokio::task::spawn_blocking(move || {
        let parse = |Appending { message, flags }: Appending| {
            let octets = message.body.to_vec().map_err(|error| Error::Read(error.to_string()))?;
            Ok(Parsed { cache: summarize(&octets).encode(), message, flags })
        };
        messages.into_iter().map(parse).collect()
    });
    parsing.await.map_err(|error| Error::Read(error.to_string()))?
}
