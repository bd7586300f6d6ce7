//! A message comes in: by SMTP, LMTP, APPEND.
//!
//! APPEND says where, and nothing else will do ([`Store::deliver`]). Mail that came from outside was filed a moment before it
//! is committed ([`Store::deliver_to_recipients`]), and what the account's owner did meanwhile is no reason to refuse it: where
//! the mailbox is gone it goes to INBOX, and a keyword that finds no room is left out.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::store::committer::{Decider, Touches};
use crate::store::journal::record::{Delivery, DeliveryPlace, Record};
use crate::store::read::summarize;
use crate::store::{
    AccountId, Bell, Commitment, Date, Decided, Delivered, Error, FlagNames, INBOX, Mailbox, MailboxId, NewMessage,
    Placed, Placement, Store, Usage,
};

/// Whether a message is left out of places where it can't be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// APPEND: there, with these flags, or not at all.
    Exactly,
    /// All recipients have it, or none.
    All,
    /// Whoever can't have it is left out.
    Partly,
}

/// A mailbox that is to have the message.
struct Target {
    mailbox: Arc<Mailbox>,
    flags: FlagNames,
    /// The recipients that want it there.
    wanted_by: Vec<usize>,
}

/// Where a message is to be put, and who can't have it.
#[derive(Default)]
struct Plan {
    targets: Vec<Target>,
    by_mailbox: HashMap<MailboxId, usize>,
    refused: Vec<(usize, Error)>,
}

impl Store {
    /// Stores a message once and places it in each of the mailboxes, in one commit.
    ///
    /// Returns when it is durable and told. Errors: [`Error::NoSuchMailbox`] when one of the mailboxes is gone,
    /// [`Error::TooManyKeywords`], [`Error::NoUidLeft`], [`Error::OverQuota`], [`Error::DiskFull`], [`Error::WriteFailed`],
    /// [`Error::Closing`]; nothing is stored then.
    pub async fn deliver(&self, message: NewMessage, placements: Vec<Placement>) -> Result<Delivered, Error> {
        self.deliver_to(message, vec![placements], Manner::Exactly).await
    }

    /// Stores a message once for recipients, each of whom wants it in one mailbox or more, in one commit. Mailboxes that
    /// several name have it once, with the flags of all.
    ///
    /// Where a recipient can't have it (no room, no account any more), nobody gets it; with `partly` only that one does not,
    /// and is named in the answer, unless there is nobody else. A recipient has it in all its mailboxes or in none that
    /// no other wants.
    ///
    /// Errors: as of [`deliver`](Self::deliver), less [`Error::TooManyKeywords`]; [`Error::NoSuchMailbox`] only where the
    /// account is gone.
    pub async fn deliver_to_recipients(
        &self,
        message: NewMessage,
        recipients: Vec<Vec<Placement>>,
        partly: bool,
    ) -> Result<Delivered, Error> {
        self.deliver_to(message, recipients, if partly { Manner::Partly } else { Manner::All }).await
    }

    async fn deliver_to(
        &self,
        message: NewMessage,
        recipients: Vec<Vec<Placement>>,
        manner: Manner,
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
        let mailboxes = self.may_touch(&recipients);
        let mut open = Vec::with_capacity(mailboxes.len());
        for mailbox in mailboxes.values() {
            match self.open_mailbox(mailbox).await {
                Ok(mailbox) => open.push(mailbox),
                Err(Error::NoSuchMailbox) if manner != Manner::Exactly => {}
                Err(error) => return Err(error),
            }
        }
        let octets = body.len();
        self.commit(Touches::Adds(mailboxes.into_keys().collect()), octets, move |decider| {
            let Plan { targets, refused, .. } = Plan::new(decider, recipients, manner, octets)?;
            let mut places = Vec::with_capacity(targets.len());
            let mut placed = Vec::with_capacity(targets.len());
            for Target { mailbox, flags, .. } in targets {
                let uid_validity = mailbox.read().head.uid_validity;
                let (flags, new_keywords, full) = decider.flags(&mailbox, &flags);
                if full && manner == Manner::Exactly {
                    return Err(Error::TooManyKeywords);
                }
                let uid = decider.uid(&mailbox)?;
                let mod_seq = decider.mod_seq(mailbox.account())?;
                let (account, id) = (mailbox.account(), mailbox.id());
                places.push(DeliveryPlace { account, mailbox: id, uid, mod_seq, flags, new_keywords });
                placed.push(Placed { mailbox, uid_validity, uid, mod_seq, told: 0, watching: 0 });
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

    /// The mailboxes that a delivery may add to: those that are named, and the INBOXes in their stead.
    fn may_touch(&self, recipients: &[Vec<Placement>]) -> HashMap<MailboxId, Arc<Mailbox>> {
        let mut mailboxes = HashMap::new();
        let mut accounts = HashSet::new();
        for Placement { mailbox, .. } in recipients.iter().flatten() {
            mailboxes.insert(mailbox.id(), Arc::clone(mailbox));
            if accounts.insert(mailbox.account())
                && let Some(inbox) = self.mailbox(mailbox.account(), INBOX)
            {
                mailboxes.insert(inbox.id(), inbox);
            }
        }
        mailboxes
    }
}

impl Plan {
    fn new(decider: &Decider<'_>, recipients: Vec<Vec<Placement>>, manner: Manner, octets: u64) -> Result<Plan, Error> {
        let mut plan = Plan::default();
        for (number, placements) in recipients.into_iter().enumerate() {
            for Placement { mailbox, flags } in placements {
                match mailbox_or_inbox(decider, mailbox, manner) {
                    Ok(mailbox) => plan.add(number, mailbox, flags),
                    Err(error) if manner == Manner::Partly => plan.refused.push((number, error)),
                    Err(error) => return Err(error),
                }
            }
        }
        if manner == Manner::Partly {
            plan.leave_out(decider, octets);
        }
        match (plan.targets.as_slice(), plan.refused.as_slice()) {
            ([], [(_, error), ..]) => Err(error.clone()),
            _ => Ok(plan),
        }
    }

    fn add(&mut self, recipient: usize, mailbox: Arc<Mailbox>, flags: FlagNames) {
        let Some(known) = self.by_mailbox.get(&mailbox.id()) else {
            self.by_mailbox.insert(mailbox.id(), self.targets.len());
            self.targets.push(Target { mailbox, flags, wanted_by: vec![recipient] });
            return;
        };
        let target = &mut self.targets[*known];
        target.flags.system = target.flags.system.union(flags.system);
        target.flags.keywords.extend(flags.keywords);
        target.wanted_by.push(recipient);
    }

    /// Finds out who has no room, and drops the places that nobody else wants. The committer admits the whole record or
    /// not at all, so it is counted here as it counts there.
    fn leave_out(&mut self, decider: &Decider<'_>, octets: u64) {
        let mut given: HashMap<AccountId, Usage> = HashMap::new();
        for Target { mailbox, wanted_by, .. } in &self.targets {
            let of_account = given.entry(mailbox.account()).or_default();
            let more = of_account.plus(Usage { octets, messages: 1 });
            match decider.room(mailbox.account(), more) {
                Ok(()) => *of_account = more,
                Err(error) => self.refused.extend(wanted_by.iter().map(|number| (*number, error.clone()))),
            }
        }
        self.refused.sort_by_key(|(number, _)| *number);
        self.refused.dedup_by_key(|(number, _)| *number);
        let refused: HashSet<_> = self.refused.iter().map(|(number, _)| *number).collect();
        self.targets.retain(|target| !target.wanted_by.iter().all(|number| refused.contains(number)));
    }
}

/// The mailbox, or its account's INBOX where it is gone and that will do.
fn mailbox_or_inbox(decider: &Decider<'_>, mailbox: Arc<Mailbox>, manner: Manner) -> Result<Arc<Mailbox>, Error> {
    if !mailbox.read().gone {
        return Ok(mailbox);
    }
    let directory = decider.inner.state.directory();
    let inbox = directory.account(mailbox.account()).and_then(|entry| entry.mailboxes.get(INBOX));
    match (manner, inbox) {
        (Manner::All | Manner::Partly, Some(inbox)) => Ok(Arc::clone(inbox)),
        (Manner::Exactly, _) | (_, None) => Err(Error::NoSuchMailbox),
    }
}
