//! APPEND up to its message (RFC 3501 §6.3.11, RFC 3516 §4.4).

use nom::Parser;
use nom::combinator::opt;

use super::date::date_time;
use super::flag::flag_list;
use super::lexeme::{Parsed, argument, literal_header, named, octet};
use super::mailbox::mailbox;
use crate::imap::command::{Append, CommandBody, LiteralHeader};

/// ```abnf
/// append = "APPEND" SP mailbox [SP flag-list] [SP date-time] SP (literal / literal8)
/// ```
/// The frame ends with the literal's head. Before login the framer knows no APPEND, and the octets follow in the frame:
/// they are passed over, since the command will be refused.
pub(super) fn append(rest: &[u8]) -> Parsed<'_, CommandBody> {
    let (rest, mailbox) = argument(mailbox).parse(rest)?;
    let (rest, flags) = opt(argument(flag_list)).parse(rest)?;
    let (rest, internal_date) = opt(argument(date_time)).parse(rest)?;
    let (rest, message) = argument(named("flags, a date or a literal", message_header)).parse(rest)?;
    let octets = usize::try_from(message.octets).unwrap_or(usize::MAX);
    let rest = match rest.strip_prefix(b"\r\n") {
        Some(octets_and_rest) => octets_and_rest.get(octets..).unwrap_or_default(),
        None => rest,
    };
    let flags = flags.unwrap_or_default();
    Ok((rest, CommandBody::Append(Append { mailbox, flags, internal_date, message })))
}

/// The head of a literal or of a literal8.
fn message_header(rest: &[u8]) -> Parsed<'_, LiteralHeader> {
    let (rest, tilde) = opt(octet(b'~', "~")).parse(rest)?;
    let (rest, header) = literal_header(rest)?;
    Ok((rest, LiteralHeader { binary: tilde.is_some(), ..header }))
}
