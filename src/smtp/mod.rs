//! SMTP and LMTP reception: RFC 5321 and RFC 2033, with PIPELINING (RFC 2920), SIZE (RFC 1870), 8BITMIME (RFC 1652),
//! SMTPUTF8 (RFC 6531), CHUNKING and BINARYMIME (RFC 3030), STARTTLS (RFC 3207), REQUIRETLS (RFC 8689), LIMITS (RFC 9422),
//! AUTH (RFC 4954), DSN (RFC 3461), ENHANCEDSTATUSCODES (RFC 2034).
//!
//! [`Session`] is a whole state machine over octets: it frames and parses what a client says, and asks its driver for
//! what it cannot know itself: whose a recipient is, and whether a message was stored. LMTP is a dialect of it. This
//! module owns no socket and no clock, and knows no store; it never says 250 to a message before it was told that the
//! message is stored.

mod body;
mod command;
mod parameters;
mod parse;
mod path;
pub(crate) mod replies;
mod reply;
mod session;
mod terms;
mod trace;

pub use command::{AuthArguments, Chunk, Command, FACTS, Facts, Stage, Verb};
pub use parameters::{BodyType, MailParameters, Notify, OriginalRecipient, RcptParameters, Ret};
pub use parse::{Error, command as parse_command};
pub use path::{NotAPath, Path};
pub use reply::Reply;
pub use session::{Ask, Claim, Client, Envelope, Judged, Peer, Session, Standing, Step, Tls};
pub use terms::{Auth, Haste, Terms};
pub use trace::{received, return_path};

use std::time::Duration;

use crate::auth::LOGIN_FAILURES_MAX;
use crate::wire::newline::BareNewlines;

/// Which of the two protocols is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// RFC 5321.
    Smtp,
    /// RFC 2033.
    Lmtp,
}

/// What a client may do (DESIGN §7).
#[derive(Clone, Debug)]
pub struct Limits {
    /// The longest command line in octets, with its CRLF. RFC 5321 §4.5.3.1.4 asks for 512 and extensions for a few
    /// hundred more; longer ones come from nobody who means well.
    pub command_line: usize,
    /// SIZE: the largest message in octets, our trace header not counted (RFC 1870).
    pub message_size: u64,
    /// Recipients of one transaction; the next ones get 452. RFC 5321 §4.5.3.1.8 asks for 100; mailing lists like 1,000.
    pub recipients: usize,
    /// `Received` fields of a message: what has more goes round in a circle. RFC 5321 §6.3 asks for 100.
    pub hops: usize,
    /// Refused commands without a message accepted in between; then the session ends. Who guesses addresses has to
    /// come again, and is counted there.
    pub errors: u32,
    /// Whether senders may log in at a port for mail from everywhere; they always may at one for submission.
    pub auth: bool,
    /// Failed logins of a connection; then it is closed.
    pub login_failures: u32,
    /// Commands that bring no mail nearer (NOOP, RSET, VRFY, HELP, hello) without a message accepted in between.
    pub junk_commands: u32,
    /// How long a command may take to come: RFC 5321 §4.5.3.2.7 asks for 5 minutes.
    pub command_timeout: Duration,
    /// How long nothing of a message may come: RFC 5321 §4.5.3.2.5 lets a client take 3 minutes for a block.
    pub data_timeout: Duration,
    /// Octets a second that a message must come with, beside `data_timeout` as a start: who sends one octet a minute
    /// holds a connection for years. 1,000 is slower than any modem still in use.
    pub data_rate: u32,
    /// How long the greeting is held back at a port for mail from everywhere, to see who does not wait for it.
    pub greeting_delay: Duration,
    /// How long the client may take nothing of our replies.
    pub write_timeout: Duration,
    /// How long a client that errs waits for its replies.
    pub tarpit: Tarpit,
    /// What becomes of a message with a CR or LF that stands alone. A binary message (RFC 3030) may have them.
    pub bare_newlines: BareNewlines,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            command_line: 2_048,
            message_size: 50 * 1024 * 1024,
            recipients: 1_000,
            hops: 100,
            errors: 20,
            auth: false,
            login_failures: LOGIN_FAILURES_MAX,
            junk_commands: 100,
            command_timeout: Duration::from_secs(5 * 60),
            data_timeout: Duration::from_secs(3 * 60),
            data_rate: 1_000,
            greeting_delay: Duration::ZERO,
            write_timeout: Duration::from_secs(5 * 60),
            tarpit: Tarpit::OFF,
            bare_newlines: BareNewlines::Refuse,
        }
    }
}

/// How long a client that errs waits for its replies: a dictionary of recipients is tried slowly or not at all. The delay
/// is a timer, not a thread; what the client sends meanwhile stays with its own kernel, but for what had been read already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tarpit {
    /// From this error on; 0: never. Errors are counted as for [`Limits::errors`].
    pub from_error: u32,
    /// How long the first delayed reply takes; each further one takes as much longer.
    pub step: Duration,
    /// But none longer than this.
    pub longest: Duration,
}

impl Tarpit {
    /// No reply waits.
    pub const OFF: Tarpit = Tarpit { from_error: 0, step: Duration::ZERO, longest: Duration::ZERO };

    /// How long the reply to this error waits; the first error is 1.
    fn delay(&self, error: u32) -> Duration {
        match error.checked_sub(self.from_error) {
            Some(earlier) if self.from_error > 0 => {
                self.step.saturating_mul(earlier.saturating_add(1)).min(self.longest)
            }
            _ => Duration::ZERO,
        }
    }
}

impl Default for Tarpit {
    /// Postfix waits 1 s from the tenth error on; 5 s are short of every timeout of RFC 5321 §4.5.3.2.
    fn default() -> Self {
        Self { from_error: 5, step: Duration::from_secs(1), longest: Duration::from_secs(5) }
    }
}
