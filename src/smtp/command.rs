//! The commands of SMTP and LMTP as values, the facts about each in one table, and their printer.
//!
//! RFC 5321 §4.1, RFC 2033 §4 (LHLO), RFC 3030 §2 (BDAT), RFC 3207 (STARTTLS), RFC 4954 (AUTH). The parameters of MAIL
//! and RCPT are in [`super::parameters`], the parser is [`super::parse`].

use std::fmt;

use super::Dialect;
use super::parameters::{MailParameters, RcptParameters};
use super::path::Path;

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `HELO Domain`
    Helo(String),
    /// `EHLO ( Domain / address-literal )`
    Ehlo(String),
    /// `LHLO`, in LMTP what EHLO is in SMTP.
    Lhlo(String),
    /// `MAIL FROM:<reverse-path> [parameters]`; no path is the null path `<>` of notifications.
    Mail(Option<Path>, MailParameters),
    /// `RCPT TO:<forward-path> [parameters]`
    Rcpt(Path, RcptParameters),
    /// `DATA`
    Data,
    /// `BDAT chunk-size [LAST]`
    Bdat(Chunk),
    /// `RSET`
    Rset,
    /// `NOOP [string]`; the string means nothing.
    Noop,
    /// `VRFY string`; we do not tell, so the string is not kept, nor SMTPUTF8 behind it (RFC 6531 §3.7.4.2).
    Vrfy,
    /// `HELP [string]`; the string is not looked at.
    Help,
    /// `QUIT`
    Quit,
    /// `STARTTLS`
    StartTls,
    /// `AUTH mechanism [initial-response]` (RFC 4954 §4)
    Auth(AuthArguments),
}

/// What AUTH begins. Debug output hides the response, which may be a password.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthArguments {
    /// The mechanism's name, as it came.
    pub mechanism: String,
    /// The first response, in base64, or `=` for an empty one.
    pub initial_response: Option<String>,
}

impl fmt::Debug for AuthArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthArguments").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

/// What BDAT announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// How many octets follow.
    pub octets: u64,
    /// Whether the message ends with them.
    pub last: bool,
}

/// The keyword of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the RFCs name them; `Command` says what they carry")]
pub enum Verb {
    Helo,
    Ehlo,
    Lhlo,
    Mail,
    Rcpt,
    Data,
    Bdat,
    Rset,
    Noop,
    Vrfy,
    Help,
    Quit,
    StartTls,
    Auth,
}

/// How far a conversation is, as far as it decides what may be said next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The client has not said who it is.
    Fresh,
    /// No transaction is open.
    Introduced,
    /// MAIL was accepted.
    Transaction,
    /// BDAT has begun.
    Chunks,
    /// A BDAT was refused: RFC 3030 §2 wants RSET now.
    Failed,
}

/// What is true of a command whatever its arguments are.
#[derive(Debug)]
pub struct Facts {
    /// Which command.
    pub verb: Verb,
    /// Its keyword.
    pub name: &'static str,
    /// The only dialect that has it; `None`: both.
    pub dialect: Option<Dialect>,
    /// Where it is allowed; elsewhere it is answered with 503.
    pub stages: &'static [Stage],
    /// It brings no mail nearer: too many of them end the session.
    pub junk: bool,
}

use Stage::{Chunks, Failed, Fresh, Introduced, Transaction};

/// RFC 5321 §4.1.4: hello, NOOP, HELP, VRFY, RSET and QUIT are allowed at any time.
const ALWAYS: &[Stage] = &[Fresh, Introduced, Transaction, Chunks, Failed];

/// Where each command is allowed, and what it counts as.
#[rustfmt::skip]
pub const FACTS: [Facts; 14] = [
    Facts { verb: Verb::Helo, name: "HELO", dialect: Some(Dialect::Smtp), stages: ALWAYS, junk: true },
    Facts { verb: Verb::Ehlo, name: "EHLO", dialect: Some(Dialect::Smtp), stages: ALWAYS, junk: true },
    Facts { verb: Verb::Lhlo, name: "LHLO", dialect: Some(Dialect::Lmtp), stages: ALWAYS, junk: true },
    Facts { verb: Verb::Mail, name: "MAIL", dialect: None, stages: &[Introduced], junk: false },
    Facts { verb: Verb::Rcpt, name: "RCPT", dialect: None, stages: &[Transaction], junk: false },
    Facts { verb: Verb::Data, name: "DATA", dialect: None, stages: &[Transaction], junk: false },
    // RFC 3030 §2: what a refused BDAT announces is read and dropped, so it is "run" at every stage.
    Facts { verb: Verb::Bdat, name: "BDAT", dialect: None, stages: ALWAYS, junk: false },
    Facts { verb: Verb::Rset, name: "RSET", dialect: None, stages: ALWAYS, junk: true },
    Facts { verb: Verb::Noop, name: "NOOP", dialect: None, stages: ALWAYS, junk: true },
    Facts { verb: Verb::Vrfy, name: "VRFY", dialect: None, stages: ALWAYS, junk: true },
    Facts { verb: Verb::Help, name: "HELP", dialect: None, stages: ALWAYS, junk: true },
    Facts { verb: Verb::Quit, name: "QUIT", dialect: None, stages: ALWAYS, junk: false },
    // TLS forgets what was said, an open transaction too (RFC 3207 §4.2); but not one whose message has begun.
    Facts { verb: Verb::StartTls, name: "STARTTLS", dialect: None, stages: &[Fresh, Introduced, Transaction], junk: false },
    // RFC 4954 §4: not within a transaction.
    Facts { verb: Verb::Auth, name: "AUTH", dialect: None, stages: &[Introduced], junk: false },
];

impl Verb {
    /// Its row of the table.
    pub fn facts(self) -> &'static Facts {
        // The table has a row for each verb, in the order of the enum; a test holds it to that.
        &FACTS[self as usize]
    }

    /// Whether it is one of the three with which a client introduces itself.
    pub fn is_hello(self) -> bool {
        matches!(self, Verb::Helo | Verb::Ehlo | Verb::Lhlo)
    }
}

impl Command {
    /// Its keyword.
    pub fn verb(&self) -> Verb {
        match self {
            Command::Helo(_) => Verb::Helo,
            Command::Ehlo(_) => Verb::Ehlo,
            Command::Lhlo(_) => Verb::Lhlo,
            Command::Mail(..) => Verb::Mail,
            Command::Rcpt(..) => Verb::Rcpt,
            Command::Data => Verb::Data,
            Command::Bdat(_) => Verb::Bdat,
            Command::Rset => Verb::Rset,
            Command::Noop => Verb::Noop,
            Command::Vrfy => Verb::Vrfy,
            Command::Help => Verb::Help,
            Command::Quit => Verb::Quit,
            Command::StartTls => Verb::StartTls,
            Command::Auth(_) => Verb::Auth,
        }
    }
}

/// The command line without its CRLF. VRFY, which must have a string, gets one that is nobody's.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.verb().facts().name)?;
        match self {
            Command::Helo(name) | Command::Ehlo(name) | Command::Lhlo(name) => write!(f, " {name}"),
            Command::Mail(None, parameters) => write!(f, " FROM:<>{parameters}"),
            Command::Mail(Some(path), parameters) => write!(f, " FROM:<{path}>{parameters}"),
            Command::Rcpt(path, parameters) => write!(f, " TO:<{path}>{parameters}"),
            Command::Bdat(Chunk { octets, last: false }) => write!(f, " {octets}"),
            Command::Bdat(Chunk { octets, last: true }) => write!(f, " {octets} LAST"),
            Command::Vrfy => f.write_str(" \"\""),
            Command::Auth(AuthArguments { mechanism, initial_response: None }) => write!(f, " {mechanism}"),
            Command::Auth(AuthArguments { mechanism, initial_response: Some(text) }) => {
                write!(f, " {mechanism} {text}")
            }
            Command::Data | Command::Rset | Command::Noop | Command::Help | Command::Quit | Command::StartTls => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_verbs() {
        for (row, facts) in FACTS.iter().enumerate() {
            assert_eq!(facts.verb as usize, row);
        }
    }
}
