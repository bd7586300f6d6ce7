//! SASL mechanisms (RFC 4422) as exchanges without a protocol around them.
//!
//! IMAP AUTHENTICATE (RFC 3501 §6.2.2, RFC 4959), POP3 AUTH (RFC 5034) and SMTP AUTH (RFC 4954) put the same base64
//! lines between different words. The profile frames lines; this module decodes them, and says what to send next. An
//! exchange exists only while an answer of the client is awaited, so it can't be answered twice.
//!
//! Two mechanisms give us the password: PLAIN (RFC 4616) and LOGIN (no RFC; an expired draft that old clients speak). Two
//! prove it: SCRAM-SHA-256 and its -PLUS ([`scram`]). A profile must refuse all of them where the line could be overheard:
//! of a SCRAM exchange a password can be guessed at leisure (RFC 5802 §9), and the mail behind it is read by whoever
//! listens. Knows no account: whoever gets [`Step::Done`], [`Step::Identify`] or [`Step::Prove`] asks the
//! [`Authenticator`](super::Authenticator).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::scram::{self, Attempt, ChannelBinding, ClientFirst};

/// The longest base64 line that a client may send: what RFC 4954 §4 lets every server take, and room for mechanisms with
/// tickets.
pub const RESPONSE_OCTETS_MAX: usize = 12_288;

/// A mechanism that we offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// Name and password in one response (RFC 4616).
    Plain,
    /// Name and password asked for one by one.
    Login,
    /// A proof of the password (RFC 7677).
    ScramSha256,
    /// The same, bound to the TLS channel.
    ScramSha256Plus,
}

/// Which mechanisms there are on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// Passwords are checked: there is something to prove.
    pub scram: bool,
    /// The connection has a [`ChannelBinding`].
    pub channel: bool,
}

impl Offer {
    /// Whether this mechanism is among them.
    pub fn has(self, mechanism: Mechanism) -> bool {
        match mechanism {
            Mechanism::Plain | Mechanism::Login => true,
            Mechanism::ScramSha256 => self.scram,
            Mechanism::ScramSha256Plus => self.scram && self.channel,
        }
    }
}

impl Mechanism {
    /// All of them, best first.
    pub const ALL: [Mechanism; 4] =
        [Mechanism::ScramSha256Plus, Mechanism::ScramSha256, Mechanism::Plain, Mechanism::Login];

    /// Its name in capabilities.
    pub const fn name(self) -> &'static str {
        match self {
            Mechanism::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
        }
    }

    /// The mechanism of that name, in any case (RFC 4422 §3.1 registers capitals; clients send what they like).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }
}

/// A name and a password, to be checked. Debug output hides the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// As the client gave it: not canonical, not checked.
    pub name: String,
    /// As the client gave it.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this base64 (which may be empty) behind the protocol's `+ ` or `334 `, and give the client's next line to
    /// [`Exchange::respond`].
    Challenge(String, Exchange),
    /// The client has said all: check it.
    Done(Login),
    /// The client has said who it is: [`Authenticator::challenge`](super::Authenticator::challenge) knows what comes next.
    Identify(ClientFirst),
    /// The client has proved it: check it. If it is good, send what the check gives, and expect [`acknowledged`].
    Prove(Attempt),
    /// The exchange has failed.
    Failed(Failure),
}

/// Why an exchange failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The client sent `*`: IMAP `BAD`, POP3 `-ERR`, SMTP `501 5.0.0`.
    Cancelled,
    /// No base64, or not what the mechanism says; the text names it: IMAP `BAD`, POP3 `-ERR`, SMTP `501 5.5.2`.
    Malformed(&'static str),
    /// The client wants to act for somebody else (RFC 4616 §2), which nobody may here: the same answer as for a wrong
    /// password.
    NotAuthorized,
}

/// An exchange that waits for the client's next line.
#[derive(Clone, PartialEq, Eq)]
pub struct Exchange(State);

#[derive(Clone, PartialEq, Eq)]
enum State {
    Plain,
    LoginName,
    LoginPassword { name: String },
    ScramFirst { plus: bool, channel: Option<ChannelBinding> },
    ScramFinal(scram::Pending),
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::ScramFirst { .. } => "Exchange(ScramFirst)",
            State::ScramFinal(_) => "Exchange(ScramFinal)",
            State::Plain => "Exchange(Plain)",
            State::LoginName => "Exchange(LoginName)",
            State::LoginPassword { .. } => "Exchange(LoginPassword)",
        })
    }
}

impl Exchange {
    /// Begins an exchange. `initial_response` is what stood behind the mechanism's name, still in base64, where
    /// something did; `=` is an empty one (RFC 4954 §4, RFC 4959 §3, RFC 5034 §4). `channel` is what the connection can be
    /// bound to, where [`Mechanism::ScramSha256Plus`] was offered, whichever mechanism is begun.
    pub fn start(mechanism: Mechanism, channel: Option<ChannelBinding>, initial_response: Option<&[u8]>) -> Step {
        let exchange = Exchange(match mechanism {
            Mechanism::Plain => State::Plain,
            Mechanism::Login => State::LoginName,
            Mechanism::ScramSha256 => State::ScramFirst { plus: false, channel },
            Mechanism::ScramSha256Plus => State::ScramFirst { plus: true, channel },
        });
        match initial_response {
            // All mechanisms let the client speak first; without an initial response it is asked by an empty challenge
            // (RFC 4422 §3), and LOGIN by its prompt.
            None => match exchange.0 {
                State::LoginName => challenge("Username:", exchange.0),
                _ => Step::Challenge(String::new(), exchange),
            },
            Some(b"=") => exchange.decoded(Vec::new()),
            Some(b"") => Step::Failed(Failure::Malformed("an empty initial response is written as =")),
            Some(response) => exchange.encoded(response),
        }
    }

    /// Goes on behind the server's first message of SCRAM.
    pub(super) fn scram(challenge: &str, pending: scram::Pending) -> Step {
        self::challenge(challenge, State::ScramFinal(pending))
    }

    /// Goes on with the client's line, without its CRLF.
    pub fn respond(self, line: &[u8]) -> Step {
        match line {
            b"*" => Step::Failed(Failure::Cancelled),
            _ => self.encoded(line),
        }
    }

    fn encoded(self, response: &[u8]) -> Step {
        if response.len() > RESPONSE_OCTETS_MAX {
            return Step::Failed(Failure::Malformed("the response is too long"));
        }
        // RFC 4648 §3.3: characters outside the alphabet are refused, and padding must be there (§3.2).
        match STANDARD.decode(response) {
            Ok(decoded) => self.decoded(decoded),
            Err(_) => Step::Failed(Failure::Malformed("the response is not base64")),
        }
    }

    fn decoded(self, response: Vec<u8>) -> Step {
        // All our mechanisms speak UTF-8 (RFC 4616 §2).
        let Ok(text) = String::from_utf8(response) else {
            return Step::Failed(Failure::Malformed("the response is not UTF-8"));
        };
        match self.0 {
            State::Plain => plain(&text),
            State::LoginName if text.is_empty() => Step::Failed(Failure::Malformed("the name is empty")),
            State::LoginName => challenge("Password:", State::LoginPassword { name: text }),
            State::LoginPassword { name } => Step::Done(Login { name, password: text }),
            State::ScramFirst { plus, channel } => {
                ClientFirst::parse(&text, plus, channel).map_or_else(Step::Failed, Step::Identify)
            }
            State::ScramFinal(pending) => pending.prove(&text).map_or_else(Step::Failed, Step::Prove),
        }
    }
}

/// Whether the client's line takes note of the last challenge, which told that all is well: protocols that can't say
/// more with their OK say it ahead of it, and the client answers with nothing (RFC 4422 §3, RFC 3501 §6.2.2).
pub fn acknowledged(line: &[u8]) -> Result<(), Failure> {
    match line {
        b"" => Ok(()),
        b"*" => Err(Failure::Cancelled),
        _ => Err(Failure::Malformed("an empty response was expected")),
    }
}

fn challenge(prompt: &str, next: State) -> Step {
    Step::Challenge(STANDARD.encode(prompt), Exchange(next))
}

/// RFC 4616 §2: `message = [authzid] UTF8NUL authcid UTF8NUL passwd`, the last two not empty and none with a NUL in it.
fn plain(message: &str) -> Step {
    let mut fields = message.split('\0');
    let (Some(authzid), Some(authcid), Some(passwd), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Step::Failed(Failure::Malformed("PLAIN takes an identity, a name and a password with NULs between"));
    };
    if authcid.is_empty() || passwd.is_empty() {
        return Step::Failed(Failure::Malformed("the name or the password is empty"));
    }
    if !authzid.is_empty() && authzid != authcid {
        return Step::Failed(Failure::NotAuthorized);
    }
    Step::Done(Login { name: authcid.to_owned(), password: passwd.to_owned() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn base64(text: &str) -> Vec<u8> {
        STANDARD.encode(text).into_bytes()
    }

    fn done(name: &str, password: &str) -> Step {
        Step::Done(Login { name: name.to_owned(), password: password.to_owned() })
    }

    #[test]
    fn plain_with_and_without_an_initial_response() {
        assert_eq!(
            Exchange::start(Mechanism::Plain, None, Some(&base64("\0tim\0tanstaaftanstaaf"))),
            done("tim", "tanstaaftanstaaf")
        );
        let Step::Challenge(text, exchange) = Exchange::start(Mechanism::Plain, None, None) else {
            panic!("a challenge")
        };
        assert_eq!(text, "");
        assert_eq!(exchange.respond(&base64("tim\0tim\0p\u{e4}ss")), done("tim", "p\u{e4}ss"));
    }

    #[test]
    fn login_asks_twice() {
        let Step::Challenge(text, exchange) = Exchange::start(Mechanism::Login, None, None) else {
            panic!("a challenge")
        };
        assert_eq!(text, "VXNlcm5hbWU6");
        let Step::Challenge(text, exchange) = exchange.respond(&base64("alice")) else { panic!("a challenge") };
        assert_eq!(text, "UGFzc3dvcmQ6");
        assert_eq!(exchange.respond(&base64("secret")), done("alice", "secret"));
    }

    #[test]
    fn login_takes_the_name_as_initial_response() {
        let step = Exchange::start(Mechanism::Login, None, Some(&base64("alice")));
        let Step::Challenge(text, exchange) = step else { panic!("a challenge") };
        assert_eq!(text, "UGFzc3dvcmQ6");
        assert_eq!(exchange.respond(&base64("secret")), done("alice", "secret"));
    }

    #[test]
    fn nobody_acts_for_somebody_else() {
        let step = Exchange::start(Mechanism::Plain, None, Some(&base64("boss\0alice\0secret")));
        assert_eq!(step, Step::Failed(Failure::NotAuthorized));
    }

    /// RFC 4422 §3
    #[test]
    fn a_star_cancels_at_each_step_but_not_as_initial_response() {
        let Step::Challenge(_, exchange) = Exchange::start(Mechanism::Plain, None, None) else { panic!("a challenge") };
        assert_eq!(exchange.respond(b"*"), Step::Failed(Failure::Cancelled));
        let Step::Challenge(_, exchange) = Exchange::start(Mechanism::Login, None, Some(b"YQ==")) else {
            panic!("a challenge")
        };
        assert_eq!(exchange.respond(b"*"), Step::Failed(Failure::Cancelled));
        assert!(matches!(Exchange::start(Mechanism::Plain, None, Some(b"*")), Step::Failed(Failure::Malformed(_))));
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let long = vec![b'A'; RESPONSE_OCTETS_MAX + 4];
        for response in [
            &b""[..],
            b"=",
            b"AHRpbQ=",
            b"AHRp bQ==",
            b"AHRpbQ",
            b"\xff",
            &long,
            &base64("tim\0secret"),
            &base64("\0tim\0"),
            &base64("\0\0secret"),
            &base64("\0tim\0se\0cret"),
            STANDARD.encode(b"\0tim\0\xff").as_bytes(),
        ] {
            let step = Exchange::start(Mechanism::Plain, None, Some(response));
            assert!(matches!(step, Step::Failed(Failure::Malformed(_))), "{response:?}: {step:?}");
        }
    }

    #[test]
    fn a_password_is_never_printed() {
        let Step::Challenge(_, exchange) = Exchange::start(Mechanism::Login, None, Some(b"YQ==")) else {
            panic!("a challenge")
        };
        let step = exchange.respond(&base64("secret"));
        assert!(!format!("{step:?}").contains("secret"));
    }

    proptest! {
        #[test]
        fn any_name_and_password_come_through_plain(name in "[^\0]{1,40}", password in "[^\0]{1,40}") {
            let message = format!("\0{name}\0{password}");
            prop_assert_eq!(Exchange::start(Mechanism::Plain, None, Some(&base64(&message))), done(&name, &password));
        }

        #[test]
        fn no_bytes_panic(first in proptest::collection::vec(any::<u8>(), 0..60), second in proptest::collection::vec(any::<u8>(), 0..60)) {
            for mechanism in Mechanism::ALL {
                if let Step::Challenge(_, exchange) = Exchange::start(mechanism, None, Some(&first)) {
                    let _ = exchange.respond(&second);
                }
            }
        }
    }
}
