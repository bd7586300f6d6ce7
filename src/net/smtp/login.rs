//! What an SMTP session wants to know of the authenticator, and what its client may do for who it is.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::sasl::Offer;
use crate::auth::{LoginError, Origin};
use crate::net::limits::UserSlot;
use crate::net::{Connection, Services};
use crate::smtp::{Auth, Claim, Haste, Judged, Reply, Terms, replies};
use crate::store::Account;

use super::Door;

/// Judges the claims of one client, and holds the place of who it turns out to be.
pub(super) struct Login<'s> {
    services: &'s Services,
    peer: Origin,
    /// The place of who has logged in.
    slot: Option<UserSlot>,
}

impl<'s> Login<'s> {
    pub(super) fn new(services: &'s Services, peer: Origin) -> Self {
        Self { services, peer, slot: None }
    }

    /// What the client of this connection is offered.
    pub(super) fn terms(&self, connection: &Connection, door: Door) -> Terms {
        let services = self.services;
        let channel = connection.channel_binding();
        let auth = match door {
            Door::Lmtp => Auth::Off,
            Door::Smtp if !services.smtp.auth => Auth::Off,
            Door::Smtp | Door::Submission if connection.is_tls() || services.plaintext_login(&self.peer) => {
                let offer = Offer { scram: services.authenticator.offers_scram(), channel: channel.is_some() };
                Auth::Offered { offer, channel }
            }
            Door::Smtp | Door::Submission => Auth::UnderTls,
        };
        let haste = match door {
            Door::Lmtp => Haste::Tolerated,
            _ if services.sessions.is_exempt(self.peer.counts_as()) => Haste::Tolerated,
            // Only strangers wait: mail clients show a spinner meanwhile.
            Door::Submission => Haste::Refused { greeting_delay: Duration::ZERO },
            Door::Smtp => Haste::Refused { greeting_delay: services.smtp.greeting_delay },
        };
        let needs_login = door == Door::Submission;
        Terms { auth, needs_login, notifies: needs_login || services.directory.is_open(), haste }
    }

    /// Asks the authenticator, which may take its time over somebody who has failed before.
    pub(super) async fn judge(&mut self, claim: Claim) -> Result<Judged, Reply> {
        let authenticator = &self.services.authenticator;
        let (account, last_challenge) = match claim {
            Claim::Name(first) => return authenticator.challenge(first).await.map(Judged::Next).map_err(refusal),
            Claim::Password(login) => {
                (authenticator.login(&login.name, &login.password, self.peer.counts_as()).await.map_err(refusal)?, None)
            }
            Claim::Proof(attempt) => {
                let (account, signature) =
                    authenticator.prove(&attempt, self.peer.counts_as()).await.map_err(refusal)?;
                (account, Some(signature))
            }
        };
        self.admit(&account)?;
        Ok(Judged::Account { name: account.name.as_str().into(), last_challenge })
    }

    /// Nobody is logged in any more.
    pub(super) fn log_out(&mut self) {
        self.slot = None;
    }

    fn admit(&mut self, account: &Arc<Account>) -> Result<(), Reply> {
        let Some(slot) = self.services.sessions.admit_user(account.id, &self.peer) else {
            tracing::warn!(account = %account.name, peer = %self.peer, "too many sessions");
            return Err(replies::TOO_MANY_SESSIONS);
        };
        tracing::info!(account = %account.name, peer = %self.peer, "logged in to send");
        self.slot = Some(slot);
        Ok(())
    }
}

fn refusal(error: LoginError) -> Reply {
    match error {
        LoginError::Refused => replies::LOGIN_REFUSED,
        LoginError::Unavailable => replies::LOGIN_UNAVAILABLE,
    }
}
