//! The accounts that transcripts run as.
//!
//! A transcript needs accounts of its own, with nothing in them. Where the server takes any name, or a command makes
//! accounts, each transcript gets new ones and all run at once. Where there are only a few accounts, transcripts take
//! turns with them, and what an earlier one left is deleted first.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Makes an account, where the server does not take any: given its name and its password.
pub type Provision =
    Box<dyn Fn(String, String) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

const MICROS_A_DAY: u64 = 86_400_000_000;
/// More than any run takes.
const NUMBERS_A_RUN: u64 = 10_000;

/// Where accounts come from.
pub enum Supply {
    /// New names without end.
    New {
        /// The form of a name; `{n}` becomes a number that is used once.
        form: String,
        /// The next number.
        next: AtomicU64,
    },
    /// A few that exist.
    Few(Arc<Few>),
}

impl Supply {
    /// New accounts whose names have this form.
    pub fn new(form: &str) -> Supply {
        // Accounts of another run against the same server are left alone, though it began a moment ago: each microsecond of a
        // day has numbers of its own.
        static LATEST: AtomicU64 = AtomicU64::new(0);
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let now = u64::try_from(since.as_micros()).unwrap_or_default();
        let later = |latest: u64| now.max(latest + 1);
        let latest = LATEST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |latest| Some(later(latest)));
        let moment = latest.map_or(now, later);
        Supply::New { form: form.to_owned(), next: AtomicU64::new(moment % MICROS_A_DAY * NUMBERS_A_RUN) }
    }

    /// These accounts, which exist.
    pub fn few(names: Vec<String>) -> Supply {
        let room = Arc::new(Semaphore::new(names.len()));
        Supply::Few(Arc::new(Few { free: Mutex::new(names.clone()), names, room, found: Mutex::default() }))
    }

    /// Why there are not so many at once; `None` where there are.
    pub fn lacks(&self, count: usize) -> Option<String> {
        match self {
            Supply::Few(few) if few.names.len() < count => {
                Some(if count == 2 { "a second account".to_owned() } else { format!("{count} accounts") })
            }
            _ => None,
        }
    }

    /// So many accounts, which no other transcript has meanwhile.
    pub async fn take(&self, count: usize) -> Result<Lease, String> {
        match self {
            Supply::New { form, next } => {
                let name = |_| form.replace("{n}", &next.fetch_add(1, Ordering::Relaxed).to_string());
                Ok(Lease { names: (0..count).map(name).collect(), few: None })
            }
            Supply::Few(few) => {
                let permits = u32::try_from(count).map_err(|e| e.to_string())?;
                let permit = few.room.clone().acquire_many_owned(permits).await.map_err(|e| e.to_string())?;
                let mut free = few.free.lock().unwrap_or_else(PoisonError::into_inner);
                let left = free.len() - count;
                let names = free.split_off(left);
                Ok(Lease { names, few: Some((few.clone(), permit)) })
            }
        }
    }
}

/// Accounts that exist, and that transcripts take turns with.
pub struct Few {
    names: Vec<String>,
    free: Mutex<Vec<String>>,
    room: Arc<Semaphore>,
    found: Mutex<HashMap<String, Found>>,
}

impl Few {
    /// The first of them; there is always one.
    pub fn first(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }
}

/// What was in an account before the first transcript: it stays, but empty.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Its mailboxes.
    pub mailboxes: Vec<Vec<u8>>,
    /// Those that it had subscribed to.
    pub subscribed: Vec<Vec<u8>>,
}

/// Accounts for as long as a transcript has them.
pub struct Lease {
    /// Their names.
    pub names: Vec<String>,
    few: Option<(Arc<Few>, OwnedSemaphorePermit)>,
}

impl Lease {
    /// Whether others have had them before.
    pub fn is_used(&self) -> bool {
        self.few.is_some()
    }

    /// What was in an account when it was seen for the first time; nothing where this is the first time.
    pub fn found(&self, name: &str) -> Option<Found> {
        let (few, _) = self.few.as_ref()?;
        few.found.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Takes note of what was in an account at first.
    pub fn remember(&self, name: &str, found: Found) {
        if let Some((few, _)) = &self.few {
            few.found.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), found);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some((few, _)) = &self.few {
            few.free.lock().unwrap_or_else(PoisonError::into_inner).append(&mut self.names);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_runs_that_begin_together_share_no_account() {
        let (one, other) = (Supply::new("t{n}"), Supply::new("t{n}"));
        let first = one.take(5_000).await.unwrap();
        let second = other.take(5_000).await.unwrap();
        assert!(second.names.iter().all(|name| !first.names.contains(name)));
    }

    #[tokio::test]
    async fn few_accounts_are_never_had_twice_at_once() {
        let supply = Supply::few(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(supply.lacks(3).as_deref(), Some("3 accounts"));
        assert_eq!(Supply::few(vec!["a".to_owned()]).lacks(2).as_deref(), Some("a second account"));
        let one = supply.take(1).await.unwrap();
        let other = supply.take(1).await.unwrap();
        assert_ne!(one.names, other.names);
        drop(one);
        let both = tokio::time::timeout(std::time::Duration::from_millis(20), supply.take(2)).await;
        assert!(both.is_err(), "one of them is not free");
        drop(other);
        let mut both = supply.take(2).await.unwrap();
        both.names.sort();
        assert_eq!(both.names, ["a", "b"]);
    }

    #[tokio::test]
    async fn new_accounts_have_new_names() {
        let supply = Supply::new("t{n}@x");
        let (one, other) = (supply.take(2).await.unwrap(), supply.take(1).await.unwrap());
        assert!(one.names[0] != one.names[1] && !one.names.contains(&other.names[0]));
        assert_eq!(supply.lacks(100), None);
    }
}
