//! What strangers may do in a while: the [`Ledger`], as the drivers ask it.
//!
//! Two kinds of peers are not counted: those in `exempt_networks`, which speak for many people, and those who deliver over
//! LMTP, which are trusted to (RFC 2033 §5). Everything else about who counts as whom is the ledger's.
//!
//! A limit that is reached is logged once in its window, at `info`, with address and figure; what follows from it is not,
//! so that an attack does not fill the disk.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::limits::{Full, Sessions};
use super::now;
use crate::auth::FailedLogins;
use crate::policy::abuse::{self, Deed, Excess, Ledger};
use crate::smtp::Tarpit;

/// What is done against abuse.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Settings {
    /// How much an address and a network may do.
    pub limits: abuse::Limits,
    /// How long an SMTP client that errs waits.
    pub tarpit: Tarpit,
}

impl Settings {
    /// Nothing: for `dev`.
    pub const OFF: Settings = Settings { limits: abuse::Limits::OFF, tarpit: Tarpit::OFF };
}

/// Counts what is done, for all connections together.
#[derive(Debug)]
pub struct Guard {
    tarpit: Tarpit,
    sessions: Arc<Sessions>,
    ledger: Mutex<Ledger>,
}

impl Guard {
    /// Nobody has done anything yet; who is exempt, `sessions` know.
    pub fn new(settings: Settings, sessions: Arc<Sessions>) -> Self {
        let Settings { limits, tarpit } = settings;
        Self { tarpit, sessions, ledger: Mutex::new(Ledger::new(limits, now())) }
    }

    /// What `peer` does is counted, unless it is exempt.
    pub(crate) fn watch(&self, peer: IpAddr) -> Watched<'_> {
        Watched { guard: self, peer: Some(peer).filter(|peer| !self.sessions.is_exempt(*peer)) }
    }

    /// For whoever is trusted, wherever it comes from.
    pub(crate) fn trust(&self) -> Watched<'_> {
        Watched { guard: self, peer: None }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Nothing in there panics between two changes that belong together.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who failed too often to log in is not even tried, unless it has been in that account before: see
/// [`Authenticator`](crate::auth::Authenticator).
impl FailedLogins for Guard {
    fn failed(&self, peer: IpAddr) {
        self.watch(peer).note(Deed::FailedLogin, 1);
    }

    fn are_too_many(&self, peer: IpAddr) -> bool {
        self.watch(peer).excess(Deed::FailedLogin).is_some()
    }
}

/// What is counted of one peer; of one that is exempt, nothing.
#[derive(Clone, Copy)]
pub(crate) struct Watched<'g> {
    guard: &'g Guard,
    peer: Option<IpAddr>,
}

impl Watched<'_> {
    /// From now on nothing is counted.
    pub(crate) fn trusted(self) -> Self {
        Self { peer: None, ..self }
    }

    /// Whether nothing is counted of it.
    pub(crate) fn is_trusted(&self) -> bool {
        self.peer.is_none()
    }

    /// Whether a connection may be taken.
    pub(crate) fn may_connect(&self) -> Result<(), Excess> {
        [Deed::Error, Deed::Connection].into_iter().find_map(|deed| self.excess(deed)).map_or(Ok(()), Err)
    }

    /// Whether this may be done once more. If so, it is counted.
    pub(crate) fn allow(&self, deed: Deed) -> Result<(), Excess> {
        let Some(peer) = self.peer else { return Ok(()) };
        let allowed = self.guard.ledger().allow(peer, deed, now());
        allowed.inspect_err(|excess| report(peer, excess))
    }

    /// This has been done so often.
    pub(crate) fn note(&self, deed: Deed, times: u32) {
        if let Some(peer) = self.peer.filter(|_| times > 0) {
            self.guard.ledger().note(peer, deed, times, now());
        }
    }

    /// Whether this was done as often as it may.
    pub(crate) fn excess(&self, deed: Deed) -> Option<Excess> {
        let peer = self.peer?;
        let excess = self.guard.ledger().excess(peer, deed, now());
        excess.inspect(|excess| report(peer, excess))
    }

    /// How long an SMTP session of this peer waits when it errs. One that has used up half of its errors or unknown
    /// recipients waits from the first on: to connect anew does not help it.
    pub(crate) fn tarpit(&self) -> Tarpit {
        let Some(peer) = self.peer else { return Tarpit::OFF };
        let (ledger, now) = (self.guard.ledger(), now());
        let is_suspect = [Deed::Error, Deed::UnknownRecipient].iter().any(|deed| ledger.is_suspect(peer, *deed, now));
        let tarpit = self.guard.tarpit;
        Tarpit { from_error: if is_suspect { tarpit.from_error.min(1) } else { tarpit.from_error }, ..tarpit }
    }
}

fn report(peer: IpAddr, excess: &Excess) {
    if excess.is_news {
        tracing::info!(%peer, what = excess.deed.plural(), of = ?excess.scope, limit = excess.limit, "a limit is reached");
    }
}

/// Why a connection is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// There are too many.
    Full(Full),
    /// It comes too often, or has erred too often.
    Excess(Excess),
}

impl fmt::Display for NoPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoPlace::Full(full) => full.fmt(f),
            NoPlace::Excess(excess) => excess.fmt(f),
        }
    }
}
