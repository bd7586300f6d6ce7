//! How long a user has to wait from one login to the next (RFC 2449 §6.5). The one thing of POP3 that outlives a session;
//! whoever asks brings the clock.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::store::AccountId;

/// So many logins are remembered: some MiB. Where more users log in within one delay, the oldest logins are forgotten, and
/// those users wait less than they should.
const LOGINS_MAX: usize = 65_536;

/// Who has logged in lately.
#[derive(Debug, Default)]
pub struct LoginDelay {
    /// When each account may log in again.
    until: HashMap<AccountId, Instant>,
    /// The same in the order of their time; what is in here alone was taken back.
    oldest_first: VecDeque<(Instant, AccountId)>,
}

impl LoginDelay {
    /// Whether this account may log in now; if so, this was a login, and the next has to wait for `delay`.
    pub fn admit(&mut self, account: AccountId, delay: Duration, now: Instant) -> bool {
        if delay.is_zero() {
            return true;
        }
        while let Some((until, account)) = self.oldest_first.front().copied() {
            if until > now && self.oldest_first.len() < LOGINS_MAX {
                break;
            }
            self.oldest_first.pop_front();
            if self.until.get(&account) == Some(&until) {
                self.until.remove(&account);
            }
        }
        if self.until.contains_key(&account) {
            return false;
        }
        let until = now + delay;
        self.until.insert(account, until);
        self.oldest_first.push_back((until, account));
        true
    }

    /// Nothing came of the login: it does not count.
    pub fn take_back(&mut self, account: AccountId) {
        self.until.remove(&account);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_secs(60);

    #[test]
    fn each_account_waits_from_its_last_login() {
        let (mut logins, now) = (LoginDelay::default(), Instant::now());
        assert!(logins.admit(AccountId(1), DELAY, now));
        assert!(logins.admit(AccountId(2), DELAY, now + DELAY / 2));
        assert!(!logins.admit(AccountId(1), DELAY, now + DELAY / 2), "too soon");
        assert!(logins.admit(AccountId(1), DELAY, now + DELAY), "a refusal does not begin the delay anew");
        assert!(!logins.admit(AccountId(2), DELAY, now + DELAY));
        logins.take_back(AccountId(1));
        assert!(logins.admit(AccountId(1), DELAY, now + DELAY));
        assert!(!logins.admit(AccountId(1), DELAY, now + DELAY * 2 - Duration::from_secs(1)));
    }

    #[test]
    fn no_delay_remembers_nobody() {
        let mut logins = LoginDelay::default();
        for _ in 0..2 {
            assert!(logins.admit(AccountId(1), Duration::ZERO, Instant::now()));
        }
        assert!(logins.until.is_empty());
    }

    #[test]
    fn memory_is_bounded_and_given_back() {
        let (mut logins, now) = (LoginDelay::default(), Instant::now());
        for account in 0..LOGINS_MAX as u64 + 10 {
            assert!(logins.admit(AccountId(account), DELAY, now));
            logins.take_back(AccountId(account));
            assert!(logins.admit(AccountId(account), DELAY, now));
        }
        assert!(logins.until.len() <= LOGINS_MAX && logins.oldest_first.len() <= LOGINS_MAX);
        assert!(logins.admit(AccountId(0), DELAY, now), "forgotten");
        assert!(logins.admit(AccountId(0), DELAY, now + DELAY));
        assert_eq!((logins.until.len(), logins.oldest_first.len()), (1, 1));
    }
}
