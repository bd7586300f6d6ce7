//! What a session offers: the greeting, the answer to EHLO and LHLO, and the parameters that are taken because of it.
//!
//! A keyword stands there where all that it promises is kept: STARTTLS where there is a certificate and no TLS yet,
//! REQUIRETLS under TLS (RFC 8689 §2), AUTH where a password may come and none has come yet, DSN where
//! every sender can be told.

use std::time::Instant;

use super::{Client, Progress, Session, State, TLS_HANDSHAKE_RECORD, Tls};
use crate::auth::sasl::Mechanism;
use crate::smtp::parameters::{MailParameters, RcptParameters};
use crate::smtp::{Auth, Dialect, Haste, Reply, replies};

impl Session {
    /// RFC 5321 §4.3.1.
    pub(super) fn greet(&mut self) {
        let protocol = if self.dialect == Dialect::Smtp { "ESMTP" } else { "LMTP" };
        self.say(&Reply::plain(220, "").with_text(format!("{} {protocol} Postbell", self.hostname)));
    }

    /// Nothing may come before the greeting.
    pub(super) fn advance_silence(&mut self, until: Instant) -> Progress {
        self.state = State::Silent(until);
        let reply = match self.unread().first() {
            None => return Progress::Stalled,
            Some(&TLS_HANDSHAKE_RECORD) => replies::TLS_FIRST_WAS_SPOKEN,
            Some(_) => replies::GREETING_COMES_FIRST,
        };
        tracing::info!(peer = %self.peer.origin, "spoke before the greeting");
        self.close_with(&reply);
        Progress::Made
    }

    /// Nothing may come behind DATA before it was answered. What came is not looked at: its sender takes it for a message,
    /// and refused alone it would be commands.
    pub(super) fn hurries(&self) -> bool {
        self.peer.terms.haste != Haste::Tolerated && !self.unread().is_empty()
    }

    /// RFC 5321 §4.1.1.1, RFC 2033 §4.1; ends a transaction as RSET does (RFC 5321 §4.1.4).
    pub(super) fn hello(&mut self, client: Client) {
        let text = if client.extended { self.keywords() } else { self.hostname.to_string() };
        self.say(&Reply::plain(250, "").with_text(text));
        self.abandon();
        self.state = State::Introduced(client);
    }

    /// The lines of the answer to EHLO and LHLO.
    fn keywords(&self) -> String {
        let mut lines = vec![self.hostname.to_string()];
        lines.extend(["PIPELINING".to_owned(), format!("SIZE {}", self.limits.message_size)]);
        lines.extend(["8BITMIME", "SMTPUTF8", "CHUNKING", "BINARYMIME", "ENHANCEDSTATUSCODES"].map(str::to_owned));
        // RFC 9422 §4.2: the RCPT commands that a transaction takes. There is no such limit of transactions (MAILMAX).
        lines.push(format!("LIMITS RCPTMAX={}", self.limits.recipients));
        if self.peer.terms.notifies {
            lines.push("DSN".to_owned());
        }
        match self.peer.tls {
            Tls::Offered => lines.push("STARTTLS".to_owned()),
            Tls::On(_) => lines.push("REQUIRETLS".to_owned()),
            Tls::Unavailable => {}
        }
        // A second AUTH is refused (RFC 4954 §4), so it is no offer.
        if let (Auth::Offered { offer, .. }, None) = (&self.peer.terms.auth, &self.account) {
            let offered = Mechanism::ALL.into_iter().filter(|mechanism| offer.has(*mechanism));
            let names: Vec<&str> = offered.map(Mechanism::name).collect();
            lines.push(format!("AUTH {}", names.join(" ")));
        }
        lines.push("HELP".to_owned());
        lines.join("\n")
    }

    /// Why a parameter of MAIL is not taken in this session, if there is such a one (RFC 5321 §4.1.1.11).
    pub(super) fn refused_of_mail(&self, parameters: &MailParameters) -> Option<Reply> {
        if parameters.require_tls && !matches!(self.peer.tls, Tls::On(_)) {
            return Some(replies::REQUIRETLS_NEEDS_TLS);
        }
        let MailParameters { ret, envid, auth, .. } = parameters;
        let has_auth = self.peer.terms.auth != Auth::Off;
        let has_dsn = self.peer.terms.notifies;
        let is_offered = (has_dsn || ret.is_none() && envid.is_none()) && (has_auth || auth.is_none());
        (!is_offered).then_some(replies::UNKNOWN_PARAMETER)
    }

    /// The same for RCPT.
    pub(super) fn refused_of_rcpt(&self, parameters: &RcptParameters) -> Option<Reply> {
        let is_offered = self.peer.terms.notifies || *parameters == RcptParameters::default();
        (!is_offered).then_some(replies::UNKNOWN_PARAMETER)
    }
}
