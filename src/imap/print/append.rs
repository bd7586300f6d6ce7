//! APPEND and REPLACE up to the first literal of a message: the twin of `parse/append.rs`.

use super::date;
use super::flag;
use super::lexeme::{Literals, astring, number};
use super::mailbox::mailbox_of_command as mailbox;
use crate::imap::command::{Append, AppendPiece, LiteralHeader};

/// `SP mailbox 1*append-message`, as far as the frame goes.
pub(super) fn arguments(out: &mut Vec<u8>, append: &Append) {
    out.push(b' ');
    mailbox(out, &append.mailbox);
    let mut before = None;
    for next in &append.pieces {
        piece(out, next, before == Some(&AppendPiece::Catenate));
        before = Some(next);
    }
}

fn piece(out: &mut Vec<u8>, piece: &AppendPiece, is_first_part: bool) {
    if *piece != AppendPiece::EndCatenate && !is_first_part {
        out.push(b' ');
    }
    match piece {
        AppendPiece::Message { flags, internal_date } => {
            flag::names(out, flags, false);
            if let Some(internal_date) = internal_date {
                out.push(b' ');
                date::date_time(out, *internal_date);
            }
        }
        AppendPiece::Literal(header) => literal(out, *header),
        AppendPiece::Utf8(header) | AppendPiece::Utf8Text(header) => {
            out.extend_from_slice(b"UTF8 (");
            literal(out, *header);
        }
        AppendPiece::Catenate => out.extend_from_slice(b"CATENATE ("),
        AppendPiece::Url(url) => {
            out.extend_from_slice(b"URL ");
            astring(out, url, Literals::NonSynchronizing);
        }
        AppendPiece::Text(header) => {
            out.extend_from_slice(b"TEXT ");
            literal(out, *header);
        }
        AppendPiece::EndCatenate => out.push(b')'),
    }
}

/// The head of a literal whose octets are a message's.
fn literal(out: &mut Vec<u8>, header: LiteralHeader) {
    out.extend_from_slice(if header.binary { b"~{" } else { b"{" });
    number(out, header.octets);
    out.extend_from_slice(if header.non_synchronizing { b"+}" } else { b"}" });
}
