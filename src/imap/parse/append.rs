//! APPEND and REPLACE, between the octets of their messages (RFC 3501 §6.3.11, RFC 3502 §6.3.11, RFC 3516 §4.4, RFC
//! 4469 §5, RFC 6855 §4, RFC 8508 §5).
//!
//! Such a command comes in frames: the first ends with the head of the first literal whose octets belong to a message, each
//! other begins behind such octets. What a frame says is a list of [`AppendPiece`]s.

use nom::Parser;
use nom::combinator::opt;

use super::date::date_time;
use super::flag::flag_list;
use super::lexeme::{Parsed, argument, astring, expected, fail, literal_header, named, octet, word};
use super::mailbox::mailbox;
use super::message::seq_number;
use super::{Fault, ParseError, located};
use crate::imap::command::{Append, AppendPiece, CommandBody, LiteralHeader, Numbering};

/// ```abnf
/// append         = "APPEND" SP mailbox 1*append-message            ; RFC 3502
/// append-message = [SP flag-list] [SP date-time] SP append-data    ; RFC 4466 §3
/// append-data    = literal / literal8 / "CATENATE" SP "(" cat-part *(SP cat-part) ")"
///                  / "UTF8" SP "(" literal8 ")"                    ; RFC 6855 §4
/// cat-part       = "TEXT" SP literal / "URL" SP astring            ; RFC 4469 §5
///                  / "UTF8" SP "(" literal8 ")"                    ; RFC 6855 §4
/// ```
/// A frame ends with a literal's head. Before login the framer knows no APPEND, and the octets follow in the frame:
/// they are passed over, since the command will be refused.
pub(super) fn append(rest: &[u8]) -> Parsed<'_, CommandBody> {
    arguments.map(CommandBody::Append).parse(rest)
}

/// `replace = "REPLACE" SP seq-number SP mailbox append-message` (RFC 8508 §5)
pub(super) fn replace(rest: &[u8], by: Numbering) -> Parsed<'_, CommandBody> {
    let (rest, message) = argument(named("a message number", seq_number)).parse(rest)?;
    let (behind, append) = arguments(rest)?;
    let messages = append.pieces.iter().filter(|piece| matches!(piece, AppendPiece::Message { .. })).count();
    if messages > 1 {
        return fail(rest, Fault::Invalid("REPLACE takes one message"));
    }
    Ok((behind, CommandBody::Replace { by, message, append }))
}

/// Reads what stands behind the octets of a message: a frame as [`Framer`](crate::imap::framer::Framer) gives it behind
/// [`Event::Message`](crate::imap::framer::Event::Message). `behind`: the piece whose octets those
/// were.
pub fn append_rest(frame: &[u8], behind: &AppendPiece) -> Result<Vec<AppendPiece>, ParseError> {
    let rest = match behind {
        AppendPiece::Utf8(_) | AppendPiece::Utf8Text(_) => octet(b')', ")").parse(frame).map(|(rest, _)| rest),
        _ => Ok(frame),
    };
    match rest.and_then(|rest| pieces(rest, is_text(behind))) {
        Ok((_, pieces)) => Ok(pieces),
        Err(nom::Err::Error(failure) | nom::Err::Failure(failure)) => Err(located(frame, None, failure)),
        // Complete parsers are never incomplete.
        Err(nom::Err::Incomplete(_)) => {
            Err(ParseError { tag: None, fault: Fault::Expected("the rest of the command"), position: 0 })
        }
    }
}

fn arguments(rest: &[u8]) -> Parsed<'_, Append> {
    let (rest, mailbox) = argument(mailbox).parse(rest)?;
    if rest.is_empty() {
        return expected(rest, "a message");
    }
    pieces(rest, false).map(|(rest, pieces)| (rest, Append { mailbox, pieces }))
}

/// All pieces of a frame.
fn pieces(mut rest: &[u8], mut in_catenate: bool) -> Parsed<'_, Vec<AppendPiece>> {
    let mut pieces = Vec::new();
    loop {
        if in_catenate {
            // At the end of a frame more parts follow, or the parenthesis, behind the octets of this one.
            if rest.is_empty() && pieces.last().is_some_and(is_text) {
                return Ok((rest, pieces));
            }
            let is_first = matches!(pieces.last(), Some(AppendPiece::Catenate));
            let (behind, piece) = match rest.strip_prefix(b")") {
                Some(behind) if !is_first => (behind, AppendPiece::EndCatenate),
                _ if is_first => catenate_part(rest)?,
                _ => argument(named("a part or )", catenate_part)).parse(rest)?,
            };
            in_catenate = piece != AppendPiece::EndCatenate;
            pieces.push(piece);
            rest = behind;
        } else if rest.is_empty() {
            return Ok((rest, pieces));
        } else {
            let (behind, flags) = opt(argument(flag_list)).parse(rest)?;
            let (behind, internal_date) = opt(argument(date_time)).parse(behind)?;
            let (behind, data) = argument(named("flags, a date or a literal", data)).parse(behind)?;
            in_catenate = data == AppendPiece::Catenate;
            pieces.extend([AppendPiece::Message { flags: flags.unwrap_or_default(), internal_date }, data]);
            rest = behind;
        }
    }
}

/// Whether this is a part of a message whose octets follow.
fn is_text(piece: &AppendPiece) -> bool {
    matches!(piece, AppendPiece::Text(_) | AppendPiece::Utf8Text(_))
}

/// A literal's head, or what stands in front of the parts of a message.
fn data(rest: &[u8]) -> Parsed<'_, AppendPiece> {
    if matches!(rest.first(), Some(b'{' | b'~')) {
        return message_header.map(AppendPiece::Literal).parse(rest);
    }
    let (behind, name) = word("flags, a date or a literal").parse(rest)?;
    match name.as_str() {
        "CATENATE" => argument(octet(b'(', "(")).map(|_| AppendPiece::Catenate).parse(behind),
        "UTF8" => utf8_literal.map(AppendPiece::Utf8).parse(behind),
        _ => expected(rest, "flags, a date or a literal"),
    }
}

/// `SP "(" literal8 ")"`; the last parenthesis is behind the octets, which are mostly not in this frame.
fn utf8_literal(rest: &[u8]) -> Parsed<'_, LiteralHeader> {
    let (rest, _) = argument(octet(b'(', "(")).parse(rest)?;
    let (behind, header) = named("a literal8", head).parse(rest)?;
    if !header.binary {
        return expected(rest, "a literal8");
    }
    let behind = match behind.is_empty() {
        true => behind,
        false => octet(b')', ")").parse(behind_octets(behind, header))?.0,
    };
    Ok((behind, header))
}

fn catenate_part(rest: &[u8]) -> Parsed<'_, AppendPiece> {
    let (behind, name) = word("TEXT, URL or UTF8").parse(rest)?;
    match name.as_str() {
        "TEXT" => argument(named("a literal", message_header)).map(AppendPiece::Text).parse(behind),
        "URL" => argument(named("a URL", astring)).map(|url| AppendPiece::Url(url.into_owned())).parse(behind),
        "UTF8" => utf8_literal.map(AppendPiece::Utf8Text).parse(behind),
        _ => expected(rest, "TEXT, URL or UTF8"),
    }
}

/// The head of a literal or of a literal8, and its octets where they follow.
fn message_header(rest: &[u8]) -> Parsed<'_, LiteralHeader> {
    let (rest, header) = head(rest)?;
    Ok((behind_octets(rest, header), header))
}

fn head(rest: &[u8]) -> Parsed<'_, LiteralHeader> {
    let (rest, tilde) = opt(octet(b'~', "~")).parse(rest)?;
    let (rest, header) = literal_header(rest)?;
    Ok((rest, LiteralHeader { binary: tilde.is_some(), ..header }))
}

fn behind_octets(rest: &[u8], header: LiteralHeader) -> &[u8] {
    let Some(octets_and_rest) = rest.strip_prefix(b"\r\n") else { return rest };
    octets_and_rest.get(usize::try_from(header.octets).unwrap_or(usize::MAX)..).unwrap_or_default()
}
