//! Every fixed reply that we give, in one table: what a client can be told, and by which RFC.
//!
//! Codes are those of RFC 5321 §4.2.3 and §4.3.2, enhanced codes those of RFC 3463 and RFC 5248.

use super::Dialect;
use super::command::{FACTS, Stage, Verb};
use super::parse::Error;
use super::reply::Reply;

// The session.
pub(crate) const RESET: Reply = Reply::new(250, "2.0.0", "Forgotten");
pub(crate) const NOTHING_DONE: Reply = Reply::new(250, "2.0.0", "Nothing done");
/// RFC 5321 §3.5.3: neither confirmed nor denied; no user is enumerated this way.
pub(crate) const NOT_VERIFIED: Reply = Reply::new(252, "2.5.0", "Not verified here; RCPT will tell");
pub(crate) const GOODBYE: Reply = Reply::new(221, "2.0.0", "Goodbye");
pub(crate) const READY_FOR_TLS: Reply = Reply::new(220, "2.0.0", "Ready for TLS");

// Logging in: RFC 4954 §4 and §6.
pub(crate) const LOGGED_IN: Reply = Reply::new(235, "2.7.0", "Logged in");
pub(crate) const LOGIN_REFUSED: Reply = Reply::new(535, "5.7.8", "Wrong name or password");
pub(crate) const LOGIN_UNAVAILABLE: Reply = Reply::new(454, "4.7.0", "Logging in is not possible at the moment");
pub(crate) const TOO_MANY_SESSIONS: Reply =
    Reply::new(454, "4.7.0", "There are too many sessions of this user from your address");
pub(crate) const LOGIN_CANCELLED: Reply = Reply::new(501, "5.0.0", "Cancelled");
pub(crate) const LOGIN_NEEDS_TLS: Reply =
    Reply::new(538, "5.7.11", "Passwords are taken under TLS only: STARTTLS first");
pub(crate) const LOGGED_IN_ALREADY: Reply = Reply::new(503, "5.5.1", "You have logged in already");
pub(crate) const NO_SUCH_MECHANISM: Reply = Reply::new(504, "5.5.4", "There is no such mechanism here");
pub(crate) const EXCHANGE_TOO_LONG: Reply = Reply::new(500, "5.5.6", "A line of the exchange is too long");
pub(crate) const TOO_MANY_LOGINS: Reply = Reply::new(421, "4.7.0", "Too many failed logins");
pub(crate) const LOGIN_FIRST: Reply = Reply::new(530, "5.7.0", "Log in first, with AUTH");
pub(crate) const TLS_AND_LOGIN_FIRST: Reply = Reply::new(530, "5.7.0", "Say STARTTLS first, then log in with AUTH");

// The transaction.
pub(crate) const SENDER_OK: Reply = Reply::new(250, "2.1.0", "Sender accepted");
pub(crate) const RECIPIENT_OK: Reply = Reply::new(250, "2.1.5", "Recipient accepted");
pub(crate) const SEND_MESSAGE: Reply = Reply::plain(354, "Send the message, then CRLF.CRLF");
pub(crate) const CHUNK_OK: Reply = Reply::new(250, "2.0.0", "Chunk received");
pub(crate) const STORED: Reply = Reply::new(250, "2.0.0", "Stored on disk");

// Refused for the sake of the grammar.
pub(crate) const NOT_IMPLEMENTED: Reply = Reply::new(502, "5.5.1", "Not implemented");
pub(crate) const LINE_TOO_LONG: Reply = Reply::new(500, "5.5.2", "Line too long");
pub(crate) const BARE_NEWLINE_IN_COMMAND: Reply = Reply::new(500, "5.5.2", "Command lines end with CRLF");
/// RFC 5321 §4.1.1.11: one that was not offered, here or at all.
pub(crate) const UNKNOWN_PARAMETER: Reply = Reply::new(555, "5.5.4", "A parameter that was not offered");
pub(crate) const TLS_FIRST_WAS_SPOKEN: Reply = Reply::new(421, "4.7.0", "TLS begins with STARTTLS at this port");
pub(crate) const GREETING_COMES_FIRST: Reply = Reply::new(554, "5.5.1", "Wait for the greeting");
pub(crate) const GO_AHEAD_COMES_FIRST: Reply = Reply::new(554, "5.5.1", "Wait for 354 behind DATA");
pub(crate) const NO_WEB_SERVER: Reply = Reply::new(421, "4.7.0", "This is a mail server");

// Refused for what was said before.
pub(crate) const NO_RECIPIENT: Reply = Reply::new(503, "5.5.1", "No valid recipient");
pub(crate) const BINARY_NEEDS_BDAT: Reply = Reply::new(503, "5.5.1", "BODY=BINARYMIME needs BDAT");
pub(crate) const CHUNK_OUT_OF_PLACE: Reply =
    Reply::new(503, "5.5.1", "No transaction that takes a chunk; RSET, then MAIL");
pub(crate) const TLS_IS_ON: Reply = Reply::new(503, "5.5.1", "TLS is on already");
pub(crate) const NO_TLS: Reply = Reply::new(502, "5.5.1", "TLS is not configured here");
/// RFC 8689 §2: it is asked for under TLS alone.
pub(crate) const REQUIRETLS_NEEDS_TLS: Reply = Reply::new(530, "5.7.10", "REQUIRETLS needs TLS: say STARTTLS first");
/// RFC 6531 §3.5.
pub(crate) const SENDER_NEEDS_SMTPUTF8: Reply = Reply::new(550, "5.6.7", "A sender beyond ASCII needs SMTPUTF8");
/// RFC 6531 §3.5.
pub(crate) const RECIPIENT_NEEDS_SMTPUTF8: Reply = Reply::new(553, "5.6.7", "A recipient beyond ASCII needs SMTPUTF8");

// Refused for a limit.
/// RFC 5321 §4.5.3.1.10.
pub(crate) const TOO_MANY_RECIPIENTS: Reply = Reply::new(452, "4.5.3", "Too many recipients; send the others later");
/// RFC 1870 §6.1, §6.3.
pub(crate) const TOO_LARGE: Reply = Reply::new(552, "5.3.4", "The message is larger than SIZE says");
pub(crate) const TOO_MANY_HOPS: Reply =
    Reply::new(554, "5.4.6", "Too many Received fields: mail goes round in a circle");
pub(crate) const TOO_MANY_ERRORS: Reply = Reply::new(421, "4.7.0", "Too many errors");
pub(crate) const TOO_MUCH_JUNK: Reply = Reply::new(421, "4.7.0", "Too many commands that bring no mail");
pub(crate) const TOO_SLOW: Reply = Reply::new(421, "4.4.2", "Waited too long");
pub(crate) const SHUTTING_DOWN: Reply = Reply::new(421, "4.3.2", "The server is shutting down");

// Refused for what others in its place have done, or it has done before.
pub(crate) const TOO_MANY_ERRORS_OF_LATE: Reply = Reply::new(421, "4.7.0", "Too many errors from you; try again later");
pub(crate) const TOO_MANY_MESSAGES_OF_LATE: Reply =
    Reply::new(450, "4.7.1", "Too many messages from you; try again later");
/// RFC 5321 §4.5.3.1.10: the sender keeps this recipient for another time, and delivers to the others.
pub(crate) const TOO_MANY_RECIPIENTS_OF_LATE: Reply =
    Reply::new(452, "4.5.3", "Too many recipients from you; send the others later");
/// Said to every recipient, known or not: whoever guesses learns nothing more.
pub(crate) const TOO_MANY_UNKNOWN_OF_LATE: Reply =
    Reply::new(450, "4.7.1", "Too many unknown recipients from you; try again later");
pub(crate) const PLACE_IS_NEEDED: Reply = Reply::new(421, "4.3.2", "The server is full, and you were idle");
pub(crate) const GUESSES_TOO_MUCH: Reply = Reply::new(421, "4.7.0", "Too many unknown recipients from you");

// Refused for what a message is.
pub(crate) const BARE_NEWLINE: Reply = Reply::new(550, "5.6.11", "The message has a CR or LF that stands alone");

// Refused by directory or store.
pub(crate) const NO_SUCH_USER: Reply = Reply::new(550, "5.1.1", "No such user here");
/// RFC 6409 §6.1.
pub(crate) const NOT_YOUR_ADDRESS: Reply = Reply::new(553, "5.7.1", "Not an address of who has logged in");
pub(crate) const NOT_OUR_DOMAIN: Reply = Reply::new(550, "5.7.1", "Not our domain, and we relay for nobody");
pub(crate) const RECIPIENT_UNAVAILABLE: Reply = Reply::new(451, "4.3.0", "The recipient cannot be looked up now");
pub(crate) const MAILBOX_UNAVAILABLE: Reply = Reply::new(450, "4.2.1", "The mailbox cannot be used now");
/// RFC 3463 §3.3: a full mailbox is a passing trouble in most cases. Its owner can make room, and the sender's queue waits
/// for that and tells its own user in the end. 552 would also be taken for "too many recipients" (RFC 5321 §4.5.3.1.10).
pub(crate) const MAILBOX_FULL: Reply = Reply::new(452, "4.2.2", "The mailbox is full; try again later");
/// Larger than all that the recipient may hold: no waiting helps.
pub(crate) const MAILBOX_TOO_SMALL: Reply =
    Reply::new(552, "5.2.2", "The message is larger than the recipient's mailbox may be");
pub(crate) const STORE_FULL: Reply = Reply::new(452, "4.3.1", "Too little space; try again later");
pub(crate) const STORE_BUSY: Reply = Reply::new(452, "4.3.1", "Too many messages at this moment; try again later");
pub(crate) const STORE_FAILED: Reply = Reply::new(451, "4.3.0", "The message could not be stored; try again later");

/// RFC 5321 §4.1.1.8: the commands of this dialect.
pub(crate) fn help(dialect: Dialect) -> Reply {
    let spoken = FACTS.iter().filter(|facts| facts.dialect.is_none_or(|only| only == dialect));
    let names: Vec<&str> = spoken.map(|facts| facts.name).collect();
    Reply::new(214, "2.0.0", "").with_text(names.join(" "))
}

/// What to say to a line that is no command.
pub(crate) fn not_a_command(error: Error) -> Reply {
    match error {
        Error::BadOctets => Reply::new(500, "5.5.2", "Commands are text"),
        Error::Unknown => Reply::new(500, "5.5.1", "No such command"),
        Error::Http => NO_WEB_SERVER,
        Error::NotImplemented => NOT_IMPLEMENTED,
        Error::BadArgument(verb) => Reply::new(501, "5.5.4", usage(verb)),
        Error::BadSender => Reply::new(501, "5.1.7", "After FROM: comes <local-part@domain> or <>"),
        Error::BadRecipient => Reply::new(501, "5.1.3", "After TO: comes <local-part@domain>"),
        Error::PathTooLong => Reply::new(501, "5.1.0", "Path too long"),
        Error::UnknownParameter => UNKNOWN_PARAMETER,
        Error::BadParameter => Reply::new(501, "5.5.4", "A parameter has a wrong value, or comes twice"),
    }
}

/// What to say to a command that another dialect has: RFC 2033 §4.1 recommends 500.
pub(crate) fn wrong_dialect(verb: Verb) -> Reply {
    let text = if verb == Verb::Lhlo { "This is SMTP: say EHLO" } else { "This is LMTP: say LHLO" };
    Reply::new(500, "5.5.1", text)
}

/// What to say to a command that is not allowed at this stage.
pub(crate) fn out_of_sequence(verb: Verb, stage: Stage) -> Reply {
    let text = match (verb, stage) {
        (_, Stage::Fresh) => "Say hello first",
        (Verb::Mail, Stage::Transaction | Stage::Chunks) => "A transaction is open already",
        (Verb::Auth, _) => "No logging in within a transaction",
        (_, Stage::Introduced) => "MAIL comes first",
        (_, Stage::Failed) => "The transaction has failed; RSET, then MAIL",
        (_, Stage::Transaction | Stage::Chunks) => "BDAT has begun; only BDAT goes on with it",
    };
    Reply::new(503, "5.5.1", text)
}

fn usage(verb: Verb) -> &'static str {
    match verb {
        Verb::Helo => "HELO domain",
        Verb::Ehlo => "EHLO domain",
        Verb::Lhlo => "LHLO domain",
        Verb::Mail => "MAIL FROM:<path> parameters",
        Verb::Rcpt => "RCPT TO:<path>",
        Verb::Bdat => "BDAT octets [LAST]",
        Verb::Auth => "AUTH mechanism [initial-response]",
        Verb::Vrfy => "VRFY name",
        Verb::Data | Verb::Rset | Verb::Quit | Verb::StartTls => "This command takes no argument",
        Verb::Noop | Verb::Help => "An argument is text",
    }
}
