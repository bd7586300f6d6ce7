//! ENVELOPE (RFC 3501 §7.4.2).

use super::lexeme::{Literals, nstring};
use crate::message::{Address, Envelope, Text};

/// ```abnf
/// envelope = "(" env-date SP env-subject SP env-from SP env-sender SP env-reply-to SP env-to SP env-cc SP env-bcc SP
///            env-in-reply-to SP env-message-id ")"
/// ```
pub(super) fn envelope(out: &mut Vec<u8>, envelope: &Envelope, literals: Literals) {
    out.push(b'(');
    text(out, envelope.date.as_ref(), literals);
    out.push(b' ');
    text(out, envelope.subject.as_ref(), literals);
    let lists = [&envelope.from, envelope.sender(), envelope.reply_to(), &envelope.to, &envelope.cc, &envelope.bcc];
    for list in lists {
        out.push(b' ');
        addresses(out, list, literals);
    }
    out.push(b' ');
    text(out, envelope.in_reply_to.as_ref(), literals);
    out.push(b' ');
    text(out, envelope.message_id.as_ref(), literals);
    out.push(b')');
}

/// `"(" 1*address ")" / nil`: no space between addresses.
fn addresses(out: &mut Vec<u8>, addresses: &[Address], literals: Literals) {
    if addresses.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    out.push(b'(');
    for address in addresses {
        out.push(b'(');
        text(out, address.name.as_ref(), literals);
        for part in [&address.adl, &address.mailbox, &address.host] {
            out.push(b' ');
            text(out, part.as_ref(), literals);
        }
        out.push(b')');
    }
    out.push(b')');
}

/// `nstring`
pub(super) fn text(out: &mut Vec<u8>, text: Option<&Text>, literals: Literals) {
    nstring(out, text.map(Text::as_bytes), literals);
}
