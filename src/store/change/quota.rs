//! Quotas: how much an account may hold, and how much it does (RFC 9208).
//!
//! What an account holds is the sum over its mailboxes, whose heads count messages and octets anyway; a message that stands
//! in two mailboxes counts twice. The limits are the store's ([`Options::quota`](crate::store::Options)), unless the account
//! has its own. Nothing is taken away from an account that is over a limit; nothing is added to it.
//!
//! The committer decides ([`Decider::admit`]), by what each record adds and for whichever road it comes, so that two
//! deliveries at one moment cannot both have the last place. What is asked before ([`Store::room`]) saves a client the way.

use std::collections::HashMap;

use crate::store::committer::{Decider, Staged, Touches};
use crate::store::journal::record::{Record, References};
use crate::store::{AccountId, Decided, Error, Quota, Store, Usage};

/// # Quotas
impl Store {
    /// What an account may hold.
    pub fn quota(&self, account: AccountId) -> Quota {
        self.own_quota(account).unwrap_or(self.inner.options.quota)
    }

    /// The limits that are this account's own, if it has some.
    pub fn own_quota(&self, account: AccountId) -> Option<Quota> {
        self.inner.state.directory().quota(account)
    }

    /// What an account holds.
    pub fn usage(&self, account: AccountId) -> Usage {
        self.inner.state.directory().usage(account)
    }

    /// Whether there is room for so much more at this moment.
    ///
    /// Errors: [`Error::OverQuota`].
    pub fn room(&self, account: AccountId, more: Usage) -> Result<(), Error> {
        let quota = self.quota(account);
        if quota.is_unlimited() { Ok(()) } else { quota.admits(self.usage(account), more) }
    }

    /// Gives an account limits of its own, or those of the store again.
    ///
    /// Errors: [`Error::NoSuchAccount`].
    pub async fn set_quota(&self, account: AccountId, quota: Option<Quota>) -> Result<(), Error> {
        self.commit(Touches::Everything, 0, move |decider| {
            decider.inner.state.directory().account(account).ok_or(Error::NoSuchAccount)?;
            Ok(Decided::record(Record::SetQuota(account, quota), |_| ()))
        })
        .await
    }
}

impl Quota {
    /// Whether nothing is limited.
    pub fn is_unlimited(self) -> bool {
        self == Quota::default()
    }

    /// Whether somebody who holds `used` may have `more`. What is not to grow is not looked at: who is over a limit for
    /// octets may still replace a message by a smaller one.
    pub(crate) fn admits(self, used: Usage, more: Usage) -> Result<(), Error> {
        let over = |limit: Option<u64>, used: u64, more: u64| {
            more > 0 && limit.is_some_and(|limit| used.saturating_add(more) > limit)
        };
        let is_over = |used: Usage| {
            over(self.octets, used.octets, more.octets) || over(self.messages, used.messages, more.messages)
        };
        if is_over(used) { Err(Error::OverQuota { hopeless: is_over(Usage::default()) }) } else { Ok(()) }
    }
}

impl Usage {
    /// Both together.
    pub fn plus(self, other: Usage) -> Usage {
        Usage {
            octets: self.octets.saturating_add(other.octets),
            messages: self.messages.saturating_add(other.messages),
        }
    }

    /// What is left when the other is taken away.
    pub fn minus(self, other: Usage) -> Usage {
        Usage {
            octets: self.octets.saturating_sub(other.octets),
            messages: self.messages.saturating_sub(other.messages),
        }
    }
}

impl Decider<'_> {
    /// Whether an account may have so much more, beside what this group has given it already.
    pub(crate) fn room(&self, account: AccountId, more: Usage) -> Result<(), Error> {
        let directory = self.inner.state.directory();
        let quota = directory.quota(account).unwrap_or(self.inner.options.quota);
        if quota.is_unlimited() {
            return Ok(());
        }
        let taken = self.quota_taken.get(&account).copied().unwrap_or_default();
        quota.admits(directory.usage(account).plus(taken), more)
    }

    /// Whether each account has room for what a job adds to it; if so, that much is taken.
    pub(crate) fn admit(&mut self, staged: &Staged) -> Result<(), Error> {
        let growth = self.growth(staged);
        growth.iter().try_for_each(|(account, more)| self.room(*account, *more))?;
        for (account, more) in growth {
            let taken = self.quota_taken.entry(account).or_default();
            *taken = taken.plus(more);
        }
        Ok(())
    }

    /// What a job adds to each account: messages that leave make room for those that come with the same record.
    fn growth(&self, staged: &Staged) -> HashMap<AccountId, Usage> {
        let mut growth: HashMap<AccountId, Usage> = HashMap::new();
        match &staged.record {
            Record::Delivery(delivery) => {
                let octets = staged.body.as_ref().map_or(0, |body| body.len());
                for place in &delivery.places {
                    let of_account = growth.entry(place.account).or_default();
                    *of_account = of_account.plus(Usage { octets, messages: 1 });
                }
            }
            Record::References(references) => {
                let coming = Usage::of(references.messages.iter().map(|message| message.size));
                growth.insert(references.account, coming.minus(self.leaving(references)));
            }
            // All others add no message: INBOX, renamed, keeps them in its account.
            _ => {}
        }
        growth
    }

    fn leaving(&self, references: &References) -> Usage {
        let from = self.inner.state.directory().mailbox(references.from).cloned();
        let Some(from) = from.filter(|_| !references.moved.is_empty()) else { return Usage::default() };
        let data = from.read();
        // They are in memory: whoever made the record has looked at them.
        let messages = data.messages.iter().flat_map(|messages| messages.select(&references.moved));
        Usage::of(messages.map(|message| message.size))
    }
}

impl Usage {
    /// Messages of these sizes.
    fn of(sizes: impl Iterator<Item = u32>) -> Usage {
        sizes.fold(Usage::default(), |sum, size| sum.plus(Usage { octets: u64::from(size), messages: 1 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_reached_and_not_passed() {
        let quota = Quota { octets: Some(100), messages: Some(3) };
        let usage = |octets, messages| Usage { octets, messages };
        assert_eq!(quota.admits(usage(90, 2), usage(10, 1)), Ok(()));
        assert_eq!(quota.admits(usage(90, 2), usage(11, 1)), Err(Error::OverQuota { hopeless: false }));
        assert_eq!(quota.admits(usage(0, 3), usage(1, 1)), Err(Error::OverQuota { hopeless: false }));
        assert_eq!(quota.admits(usage(0, 0), usage(101, 1)), Err(Error::OverQuota { hopeless: true }));
        assert_eq!(quota.admits(usage(200, 9), usage(0, 0)), Ok(()), "what does not grow is let be");
        assert_eq!(Quota::default().admits(usage(u64::MAX, u64::MAX), usage(1, 1)), Ok(()));
    }
}
