//! Who somebody is.
//!
//! [`address`] says what makes two spellings one name, [`directory`] whose a name is, [`Origin`] where somebody comes
//! from, [`password`] what is kept of a password, [`sasl`] how a client says name and password, [`scram`] how it proves one, and [`Authenticator`] brings them
//! together with what keeps guessing slow and logging in fast:
//!
//! - A hash costs tens of milliseconds by intent. At most one for each core runs at a time, off the runtime; others
//!   queue. So a login storm delays logins and nothing else.
//! - A login that was good is remembered in memory as a keyed hash, so that a client that comes back every minute costs
//!   a microsecond. Another password, or the same one set anew, is another key.
//! - Who failed waits before the next check (`throttle`), as a timer, not as a thread. Who failed too often in an hour
//!   ([`FailedLogins`]) is not checked at all, unless it was in that account lately.
//! - Nothing tells whether a name exists: neither the answer, nor the time it takes, nor the delays.

pub mod address;
pub mod directory;
mod origin;
pub mod password;
mod remembered;
pub mod resolution;
pub mod sasl;
pub mod scram;
#[cfg(test)]
mod tests;
mod throttle;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::store::{Account, ScramVerifier};

use directory::Unknown;
pub use directory::{Directory, Membership};
pub use origin::Origin;
pub use password::credentials_from_password;
use remembered::Remembered;
use throttle::{Peer, Throttle};

/// After so many failed logins a protocol says goodbye and closes the connection (DESIGN §7): a person mistypes twice,
/// a guesser pays a new connection.
pub const LOGIN_FAILURES_MAX: u32 = 3;

/// No address is longer (RFC 5321 §4.5.3.1); what a client gives as a name beyond it is cut for counting and logs.
const NAME_OCTETS_MAX: usize = 320;

/// Which passwords are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passwords {
    /// `dev`: any. Nobody is slowed down.
    Any,
    /// `serve`: the account's.
    Checked,
}

/// Counts failed logins for longer than the throttle, and knows what is too many.
pub trait FailedLogins: Send + Sync {
    /// `peer` gave a wrong name or password.
    fn failed(&self, peer: IpAddr);
    /// Whether it did so too often to be let try again now.
    fn are_too_many(&self, peer: IpAddr) -> bool;
}

/// Checks passwords. Shared by all protocols.
pub struct Authenticator {
    directory: Directory,
    passwords: Passwords,
    hashing: Arc<Semaphore>,
    remembered: Mutex<Remembered>,
    throttle: Mutex<Throttle>,
    /// What the salts of nobody are made of: as old as the store, so that they stay the same.
    salt_secret: [u8; 32],
    is_shared_peer: Box<dyn Fn(IpAddr) -> bool + Send + Sync>,
    failed_logins: Option<Arc<dyn FailedLogins>>,
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").field("passwords", &self.passwords).finish_non_exhaustive()
    }
}

/// Why a login failed. The client sees the same for every cause, after the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginError {
    /// Wrong name or password.
    Refused,
    /// Cannot be checked now, or is not, since there were too many wrong ones from there; try later.
    Unavailable,
}

impl Authenticator {
    /// Checks passwords of the accounts in `directory`. Errs where the system has no random numbers for the secret that
    /// remembered logins are keyed with.
    pub fn new(directory: Directory, passwords: Passwords) -> io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Self {
            salt_secret: directory.secret("salts of unknown names"),
            directory,
            passwords,
            hashing: Arc::new(Semaphore::new(cores)),
            remembered: Mutex::new(Remembered::new()?),
            throttle: Mutex::default(),
            is_shared_peer: Box::new(|_| false),
            failed_logins: None,
        })
    }

    /// Whoever has failed too often is not tried any more for a while, but where it has logged in to that account lately.
    pub fn with_failed_logins(mut self, failed_logins: Arc<dyn FailedLogins>) -> Self {
        self.failed_logins = Some(failed_logins);
        self
    }

    /// Failures at a peer that speaks for many people (a webmail beside the server) are counted by name alone: one of
    /// its users who mistypes does not make the others wait.
    pub fn with_shared_peers(mut self, is_shared: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        self.is_shared_peer = Box::new(is_shared);
        self
    }

    /// Checks a name and a password; waits where this peer has failed before. `name` is as the client gave it.
    pub async fn login(&self, name: &str, password: &str, peer: IpAddr) -> Result<Arc<Account>, LoginError> {
        match self.passwords {
            Passwords::Any => self.find(name).await?.ok_or(LoginError::Refused),
            Passwords::Checked => self.login_checked(name, password, peer).await,
        }
    }

    async fn login_checked(&self, name: &str, password: &str, peer: IpAddr) -> Result<Arc<Account>, LoginError> {
        let counted = self.counted(name, peer);
        self.wait(&counted).await?;
        let account = self.find(name).await?;
        let good = match &account {
            Some(account) if lock(&self.remembered).knows(account, password) => true,
            _ => self.check_by_hash(account.clone(), password).await?,
        };
        let account = self.count(&counted, account.filter(|_| good))?;
        lock(&self.remembered).remember(&account, password);
        Ok(account)
    }

    /// Who a login is counted for.
    fn counted(&self, name: &str, peer: IpAddr) -> Counted {
        Counted {
            peer: Peer { address: peer, is_shared: (self.is_shared_peer)(peer) },
            name: self.directory.canonical_login(name).unwrap_or_else(|| cut(name).to_lowercase()),
        }
    }

    /// Whoever has failed before waits, and whoever has failed too often waits in vain: whether the password is good is not
    /// looked at, so nothing is learned of it.
    async fn wait(&self, counted: &Counted) -> Result<(), LoginError> {
        let Counted { peer, name } = counted;
        let delay = lock(&self.throttle).delay(*peer, name, now());
        tokio::time::sleep(delay).await;
        let too_many = self.failed_logins.as_ref().is_some_and(|failed| failed.are_too_many(peer.address));
        let mut throttle = lock(&self.throttle);
        if too_many && !throttle.is_welcome(*peer, name, now()) {
            throttle.insisted(*peer, now());
            return Err(LoginError::Unavailable);
        }
        Ok(())
    }

    /// Counts a login, which failed where there is no account.
    fn count(&self, counted: &Counted, account: Option<Arc<Account>>) -> Result<Arc<Account>, LoginError> {
        match account {
            Some(account) => {
                lock(&self.throttle).succeeded(counted.peer, &counted.name, now());
                Ok(account)
            }
            None => {
                lock(&self.throttle).failed(counted.peer, &counted.name, now());
                if let Some(failed_logins) = &self.failed_logins {
                    failed_logins.failed(counted.peer.address);
                }
                tracing::info!(peer = %counted.peer.address, name = ?cut(&counted.name), "a login failed");
                Err(LoginError::Refused)
            }
        }
    }

    async fn find(&self, name: &str) -> Result<Option<Arc<Account>>, LoginError> {
        match self.directory.resolve_login(name).await {
            Ok(account) => Ok(Some(account)),
            Err(Unknown::Domain | Unknown::User) => Ok(None),
            Err(Unknown::Unavailable(reason)) => {
                tracing::warn!(reason, "a login can't be checked");
                Err(LoginError::Unavailable)
            }
        }
    }

    /// The slow way. It takes the same time for nobody as for somebody.
    async fn check_by_hash(&self, account: Option<Arc<Account>>, password: &str) -> Result<bool, LoginError> {
        // The permit goes into the thread: a client that hangs up does not make room for a hash beyond the cores.
        let permit = Arc::clone(&self.hashing).acquire_owned().await.map_err(|_| LoginError::Unavailable)?;
        let password = password.to_owned();
        let check = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            match account {
                Some(account) => password::verify(&password, &account.credentials.password_hash),
                None => {
                    password::verify_nobody(&password);
                    false
                }
            }
        });
        check.await.map_err(|error| {
            tracing::error!(%error, "a password check ended early");
            LoginError::Unavailable
        })
    }
}

/// # SCRAM
impl Authenticator {
    /// Whether there are passwords to be proved: where any is good, none is.
    pub fn offers_scram(&self) -> bool {
        self.passwords == Passwords::Checked
    }

    /// Answers the client's first message with a salt, whether there is such an account or not.
    pub async fn challenge(&self, first: scram::ClientFirst) -> Result<sasl::Step, LoginError> {
        let account = self.find_to_prove(&first.name).await?;
        let verifier = self.verifier(account.as_deref(), &first.name);
        let (challenge, pending) = first.challenge(&verifier.salt, verifier.iterations).map_err(|error| {
            tracing::error!(%error, "there are no random numbers for a login");
            LoginError::Unavailable
        })?;
        Ok(sasl::Exchange::scram(&challenge, pending))
    }

    /// Checks the client's proof; waits where this peer has failed before. Beside the account it gives the challenge that
    /// proves to the client that we know its password too.
    pub async fn prove(&self, attempt: &scram::Attempt, peer: IpAddr) -> Result<(Arc<Account>, String), LoginError> {
        let counted = self.counted(&attempt.name, peer);
        self.wait(&counted).await?;
        let account = self.find_to_prove(&attempt.name).await?;
        let verifier = self.verifier(account.as_deref(), &attempt.name);
        let signature = attempt.check(&verifier);
        let account = self.count(&counted, account.filter(|_| signature.is_some()))?;
        Ok((account, signature.unwrap_or_default()))
    }

    /// The account, if it has a verifier: who has none can't prove anything, like nobody.
    async fn find_to_prove(&self, name: &str) -> Result<Option<Arc<Account>>, LoginError> {
        if !self.offers_scram() {
            return Err(LoginError::Refused);
        }
        Ok(self.find(name).await?.filter(|account| account.credentials.scram_sha_256.is_some()))
    }

    /// The verifier of an account or of nobody, made in any case, so that it takes the same time.
    fn verifier(&self, account: Option<&Account>, name: &str) -> ScramVerifier {
        // All spellings of a name have the same salt, as they do where there is an account.
        let name = self.directory.canonical_login(name).unwrap_or_else(|| cut(name).to_lowercase());
        let nobody = scram::nobody(&self.salt_secret, &name, password::SALT_OCTETS, password::SCRAM_ITERATIONS);
        account.and_then(|account| account.credentials.scram_sha_256.clone()).unwrap_or(nobody)
    }
}

/// Who a login is counted for.
struct Counted {
    peer: Peer,
    name: String,
}

fn now() -> std::time::Instant {
    // Tokio's clock, which tests may pause.
    Instant::now().into_std()
}

fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_OCTETS_MAX)]
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Both tables are whole after each step, so a panic elsewhere while one was locked does no harm to it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
