//! APPEND up to its message (RFC 3501 §6.3.11, RFC 3516 §4.4, RFC 6855 §4).

use nom::Parser;
use nom::combinator::opt;

use super::date::date_time;
use super::flag::flag_list;
use super::lexeme::{Parsed, argument, expected, literal_header, named, octet};
use super::mailbox::mailbox;
use crate::imap::command::{Append, CommandBody, LiteralHeader};

/// ```abnf
/// append       = "APPEND" SP mailbox [SP flag-list] [SP date-time] SP append-data
/// append-data  = literal / literal8 / utf8-literal
/// utf8-literal = "UTF8" SP "(" literal8 ")"
/// ```
/// The frame ends with the literal's head. Before login the framer knows no APPEND, and the octets follow in the frame:
/// they are passed over, since the command will be refused.
pub(super) fn append(rest: &[u8]) -> Parsed<'_, CommandBody> {
    let (rest, mailbox) = argument(mailbox).parse(rest)?;
    let (rest, flags) = opt(argument(flag_list)).parse(rest)?;
    let (rest, internal_date) = opt(argument(date_time)).parse(rest)?;
    let (rest, utf8) = opt(argument(utf8_opening)).parse(rest)?;
    let utf8 = utf8.is_some();
    let (rest, message) = match utf8 {
        true => named("a literal8", message_header).parse(rest)?,
        false => argument(named("flags, a date or a literal", message_header)).parse(rest)?,
    };
    if utf8 && !message.binary {
        return expected(rest, "a literal8");
    }
    let octets = usize::try_from(message.octets).unwrap_or(usize::MAX);
    let rest = match rest.strip_prefix(b"\r\n") {
        Some(octets_and_rest) => {
            let behind = octets_and_rest.get(octets..).unwrap_or_default();
            if utf8 { octet(b')', ")").parse(behind)?.0 } else { behind }
        }
        None => rest,
    };
    let flags = flags.unwrap_or_default();
    Ok((rest, CommandBody::Append(Append { mailbox, flags, internal_date, utf8, message })))
}

/// `"UTF8" SP "("`
fn utf8_opening(rest: &[u8]) -> Parsed<'_, ()> {
    let (rest, _) = nom::bytes::complete::tag_no_case(&b"UTF8"[..]).parse(rest)?;
    argument(octet(b'(', "(")).map(|_| ()).parse(rest)
}

/// The head of a literal or of a literal8.
fn message_header(rest: &[u8]) -> Parsed<'_, LiteralHeader> {
    let (rest, tilde) = opt(octet(b'~', "~")).parse(rest)?;
    let (rest, header) = literal_header(rest)?;
    Ok((rest, LiteralHeader { binary: tilde.is_some(), ..header }))
}
