//! What a session offers: the greeting, the answer to EHLO and LHLO, and the parameters that are taken because of it.
//!
//! A keyword stands there where all that it promises is kept: STARTTLS where there is a certificate and no TLS yet,
//! REQUIRETLS under TLS (RFC 8689 §2).

use super::{Client, Session, State, Tls};
use crate::smtp::parameters::{MailParameters, RcptParameters};
use crate::smtp::{Dialect, Reply, replies};

impl Session {
    /// RFC 5321 §4.3.1.
    pub(super) fn greet(&mut self) {
        let protocol = if self.dialect == Dialect::Smtp { "ESMTP" } else { "LMTP" };
        self.say(&Reply::plain(220, "").with_text(format!("{} {protocol} Postbell", self.hostname)));
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
        match self.peer.tls {
            Tls::Offered => lines.push("STARTTLS".to_owned()),
            Tls::On(_) => lines.push("REQUIRETLS".to_owned()),
            Tls::Unavailable => {}
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
        let is_offered = ret.is_none() && envid.is_none() && auth.is_none();
        (!is_offered).then_some(replies::UNKNOWN_PARAMETER)
    }

    /// The same for RCPT.
    pub(super) fn refused_of_rcpt(&self, parameters: &RcptParameters) -> Option<Reply> {
        let is_offered = *parameters == RcptParameters::default();
        (!is_offered).then_some(replies::UNKNOWN_PARAMETER)
    }
}
