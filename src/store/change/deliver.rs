//! A message comes in: by SMTP, LMTP, APPEND.

use std::collections::HashMap;
use std::sync::Arc;

use crate::store::committer::Touches;
use crate::store::journal::record::{Delivery, DeliveryPlace, Record};
use crate::store::read::summarize;
use crate::store::{
    AccountId, Bell, Commitment, Date, Decided, Delivered, Error, NewMessage, Placed, Placement, Store, Usage,
};

impl Store {
    /// Stores a message once and places it in each of the mailboxes, in one commit.
    ///
    /// Returns when it is durable and told. Errors: [`Error::NoSuchMailbox`] when one of the mailboxes is gone,
    /// [`Error::TooManyKeywords`], [`Error::NoUidLeft`], [`Error::OverQuota`], [`Error::DiskFull`], [`Error::WriteFailed`],
    /// [`Error::Closing`]; nothing is stored then.
    pub async fn deliver(&self, message: NewMessage, placements: Vec<Placement>) -> Result<Delivered, Error> {
        self.deliver_to(message, placements, false).await
    }

    /// The same, but accounts that have no room are left out, and named in the answer; an error where none has.
    pub async fn deliver_where_there_is_room(
        &self,
        message: NewMessage,
        placements: Vec<Placement>,
    ) -> Result<Delivered, Error> {
        self.deliver_to(message, placements, true).await
    }

    async fn deliver_to(
        &self,
        message: NewMessage,
        placements: Vec<Placement>,
        partly: bool,
    ) -> Result<Delivered, Error> {
        if self.inner.intake.disk_full.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(Error::DiskFull);
        }
        let NewMessage { body, internal_date } = message;
        let (body, summary, cache) = tokio::task::spawn_blocking(move || {
            let summary = summarize(&body.to_vec().map_err(|error| Error::Read(error.to_string()))?);
            let cache = summary.encode();
            Ok::<_, Error>((body, summary, cache))
        })
        .await
        .map_err(|error| Error::Read(error.to_string()))??;
        let summary = Arc::new(summary);
        let mut open = Vec::with_capacity(placements.len());
        for placement in &placements {
            open.push(self.open_mailbox(&placement.mailbox).await?);
        }
        let touches = Touches::Adds(placements.iter().map(|placement| placement.mailbox.id()).collect());
        let octets = body.len();
        self.commit(touches, octets, move |decider| {
            let mut places = Vec::with_capacity(placements.len());
            let mut placed = Vec::with_capacity(placements.len());
            let mut refused = Vec::new();
            let mut given: HashMap<AccountId, Usage> = HashMap::new();
            for (number, Placement { mailbox, flags }) in placements.into_iter().enumerate() {
                if partly {
                    let of_account = given.entry(mailbox.account()).or_default();
                    let more = of_account.plus(Usage { octets, messages: 1 });
                    if let Err(error) = decider.room(mailbox.account(), more) {
                        refused.push((number, error));
                        continue;
                    }
                    *of_account = more;
                }
                let (gone, uid_validity) = {
                    let data = mailbox.read();
                    (data.gone, data.head.uid_validity)
                };
                if gone {
                    return Err(Error::NoSuchMailbox);
                }
                let (flags, new_keywords, full) = decider.flags(&mailbox, &flags);
                if full {
                    return Err(Error::TooManyKeywords);
                }
                let uid = decider.uid(&mailbox)?;
                let mod_seq = decider.mod_seq(mailbox.account())?;
                let (account, id) = (mailbox.account(), mailbox.id());
                places.push(DeliveryPlace { account, mailbox: id, uid, mod_seq, flags, new_keywords });
                placed.push(Placed { mailbox, uid_validity, uid, mod_seq, told: 0, watching: 0 });
            }
            if let ([], [(_, error), ..]) = (places.as_slice(), refused.as_slice()) {
                return Err(error.clone());
            }
            let now = decider.now_unix_s;
            let record = Record::Delivery(Delivery {
                body: decider.body_id(),
                internal_date: internal_date.unwrap_or(Date { unix_s: now, offset_min: 0 }),
                save_date_unix_s: now,
                places,
            });
            Ok(Decided::Commit(Box::new(Commitment {
                ahead: Vec::new(),
                record,
                cache,
                body: Some(body),
                finish: Box::new(move |outcome| {
                    drop(open);
                    for place in &mut placed {
                        let woken = |bell: Bell| outcome.told.get(&bell).copied().unwrap_or(0);
                        place.told = woken(Bell::Mailbox(place.mailbox.id()));
                        place.watching = woken(Bell::Account(place.mailbox.account()));
                    }
                    let (commit_seq, committed_at) = (outcome.commit_seq, outcome.committed_at);
                    Delivered { commit_seq, committed_at, summary, places: placed, refused }
                }),
            })))
        })
        .await
    }
}
