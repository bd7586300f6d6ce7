//! The recipients of one transaction: whom its paths named, each of them once.
//!
//! A path can name several (an alias), and several paths the same one. What matters is who it is and with which detail:
//! `alice` and `alice+lists` are one account and two recipients, since they may be filed apart ([`filing`](super::filing)).

use std::collections::HashMap;
use std::sync::Arc;

use crate::auth::directory::Addressee;
use crate::sieve;
use crate::store::{Account, AccountId, Mailbox, Placement};

/// So many paths always may come in one transaction (RFC 5321 §4.5.3.1.8); for those behind them the limits below hold.
const PATHS_MIN: usize = 100;
/// How many the paths of one transaction may name in all: a thousand paths that are each an alias of a thousand would be a
/// million.
const NAMED_MAX: usize = 10_000;
/// With how many details one transaction may name one account. Anybody can write down a thousand details of `alice`, and her
/// rules are run for each.
const DETAILS_MAX: usize = 100;

/// Somebody a message is for.
#[derive(Clone, Debug)]
pub(super) struct Recipient {
    pub(super) account: Arc<Account>,
    /// Where mail goes that nothing else is said about.
    pub(super) inbox: Arc<Mailbox>,
    /// What the address had behind its separator (RFC 5233), as given.
    pub(super) detail: Option<String>,
}

impl Recipient {
    /// The account's own address.
    pub(super) fn own_path(&self) -> sieve::Path {
        let (local_part, domain) = self.account.name.rsplit_once('@').unwrap_or((&self.account.name, ""));
        sieve::Path { local_part: local_part.to_owned(), domain: domain.to_owned() }
    }
}

/// All of them, and which path named whom.
#[derive(Debug, Default)]
pub(super) struct Recipients {
    each: Vec<Recipient>,
    known: HashMap<(AccountId, Option<String>), usize>,
    /// For each accepted path, in their order, the recipients that it named.
    named: Vec<Vec<usize>>,
    /// How many the paths named in all.
    total: usize,
    /// With how many details each account is named.
    details: HashMap<AccountId, usize>,
}

impl Recipients {
    /// Whether what one more path names may come with the others: of what one transaction may cost there is a limit, and the
    /// rest can come in another.
    pub(super) fn have_room_for(&self, named: &[(Addressee, Arc<Mailbox>)]) -> bool {
        let is_one_detail_too_many = |(Addressee { account, detail }, _): &(Addressee, Arc<Mailbox>)| {
            self.details.get(&account.id).is_some_and(|details| *details >= DETAILS_MAX)
                && !self.known.contains_key(&(account.id, detail.clone()))
        };
        self.named.len() < PATHS_MIN
            || (self.total + named.len() <= NAMED_MAX && !named.iter().any(is_one_detail_too_many))
    }

    /// Adds what one path named.
    pub(super) fn add(&mut self, named: Vec<(Addressee, Arc<Mailbox>)>) {
        let mut numbers = Vec::with_capacity(named.len());
        for (Addressee { account, detail }, inbox) in named {
            let number = *self.known.entry((account.id, detail.clone())).or_insert(self.each.len());
            if number == self.each.len() {
                *self.details.entry(account.id).or_default() += 1;
                self.each.push(Recipient { account, inbox, detail });
            }
            numbers.push(number);
        }
        self.total += numbers.len();
        self.named.push(numbers);
    }

    /// Each of them, with the number of the first path that named it.
    pub(super) fn each(&self) -> impl Iterator<Item = (&Recipient, usize)> {
        let mut first = vec![0; self.each.len()];
        for (path, numbers) in self.named.iter().enumerate().rev() {
            numbers.iter().for_each(|number| first[*number] = path);
        }
        self.each.iter().zip(first)
    }

    /// Where the message goes for each path, when `file` says where it goes for each recipient; it is asked in the order of
    /// [`each`](Self::each).
    pub(super) fn file(&self, file: impl FnMut(&Recipient) -> Vec<Placement>) -> Vec<Vec<Placement>> {
        let filed: Vec<_> = self.each.iter().map(file).collect();
        self.named
            .iter()
            .map(|numbers| numbers.iter().flat_map(|number| filed[*number].iter().cloned()).collect())
            .collect()
    }
}
