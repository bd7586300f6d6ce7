//! BODY and BODYSTRUCTURE (RFC 3501 §7.4.2): the tree of a message's parts. BODY is the same without extension data.
//!
//! message/global is a message like message/rfc822 to a client of IMAP4rev2 (RFC 9051 §9 `media-message`). To all others it
//! is a type like others, whose grammar knows nothing of what is inside.
//!
//! The printer recurses as deep as parts lie in one another, which `message::DEPTH_MAX` bounds.

use std::borrow::Cow;

use super::envelope;
use super::lexeme::{Literals, list, number, string};
use crate::imap::dialect::Dialect;
use crate::message::{Content, Part, Text, parameters};

/// In which form the tree is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// With extension data.
    pub(super) extended: bool,
    /// What the client reads.
    pub(super) dialect: Dialect,
}

impl Form {
    fn literals(self) -> Literals {
        Literals::of(self.dialect)
    }

    /// Whether the client is shown what is inside that message.
    fn opens(self, part: &Part) -> bool {
        self.dialect.rev2 || !part.is_global()
    }
}

/// `body = "(" (body-type-1part / body-type-mpart) ")"`
pub(super) fn body(out: &mut Vec<u8>, part: &Part, form: Form) {
    out.push(b'(');
    match &part.content {
        Content::Multipart(parts) => {
            // body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart]
            for part in parts {
                body(out, part, form);
            }
            out.push(b' ');
            required(out, &part.media_subtype, form);
            if form.extended {
                out.push(b' ');
                params(out, &part.params, form);
                extension(out, part, form);
            }
        }
        Content::Message(enclosed) if form.opens(part) => {
            // body-type-msg = media-message SP body-fields SP envelope SP body SP body-fld-lines
            fields(out, part, form);
            out.push(b' ');
            envelope::envelope(out, &enclosed.envelope, form.literals());
            out.push(b' ');
            body(out, &enclosed.structure, form);
            one_part_end(out, part, true, form);
        }
        Content::Message(_) | Content::Leaf | Content::Opaque => {
            fields(out, part, form);
            // body-type-text = media-text SP body-fields SP body-fld-lines
            one_part_end(out, part, part.is_text(), form);
        }
    }
    out.push(b')');
}

/// The media type, then `body-fields = body-fld-param SP body-fld-id SP body-fld-desc SP body-fld-enc SP body-fld-octets`.
fn fields(out: &mut Vec<u8>, part: &Part, form: Form) {
    // A message whose encoding hides it is no message in this grammar (RFC 9051 §9 `body-type-basic`).
    if part.is_global() && part.content == Content::Leaf && form.dialect.rev2 {
        out.extend_from_slice(b"\"APPLICATION\" \"OCTET-STREAM\" NIL");
    } else {
        required(out, &part.media_type, form);
        out.push(b' ');
        required(out, &part.media_subtype, form);
        out.push(b' ');
        params(out, &part.params, form);
    }
    out.push(b' ');
    text(out, part.id.as_ref(), form);
    out.push(b' ');
    text(out, part.description.as_ref(), form);
    out.push(b' ');
    required(out, &part.encoding, form);
    out.push(b' ');
    number(out, u64::from(part.body.len()));
}

/// `[SP body-fld-lines] [SP body-ext-1part]`; `body-ext-1part = body-fld-md5 SP body-fld-dsp SP body-fld-lang SP body-fld-loc`
fn one_part_end(out: &mut Vec<u8>, part: &Part, with_lines: bool, form: Form) {
    if with_lines {
        out.push(b' ');
        number(out, u64::from(part.lines));
    }
    if form.extended {
        out.push(b' ');
        text(out, part.md5.as_ref(), form);
        extension(out, part, form);
    }
}

/// `SP body-fld-dsp SP body-fld-lang SP body-fld-loc`
fn extension(out: &mut Vec<u8>, part: &Part, form: Form) {
    match &part.disposition {
        Some(disposition) => {
            out.extend_from_slice(b" (");
            required(out, &disposition.kind, form);
            out.push(b' ');
            params(out, &disposition.params, form);
            out.push(b')');
        }
        None => nil(out),
    }
    if part.language.is_empty() {
        nil(out);
    } else {
        out.push(b' ');
        list(out, &part.language, |out, tag| required(out, tag, form));
    }
    out.push(b' ');
    text(out, part.location.as_ref(), form);
}

fn nil(out: &mut Vec<u8>) {
    out.extend_from_slice(b" NIL");
}

/// `body-fld-param = "(" string SP string *(SP string SP string) ")" / nil`
fn params(out: &mut Vec<u8>, params: &[(Text, Text)], form: Form) {
    // RFC 9051 §7.5.2; RFC 3501 shows them as they stand.
    let params = if form.dialect.rev2 { parameters::put_together(params) } else { Cow::Borrowed(params) };
    if params.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    list(out, params.as_ref(), |out, (name, value)| {
        required(out, name, form);
        out.push(b' ');
        required(out, value, form);
    });
}

/// `string`
fn required(out: &mut Vec<u8>, text: &Text, form: Form) {
    string(out, text, form.literals());
}

/// `nstring`
fn text(out: &mut Vec<u8>, text: Option<&Text>, form: Form) {
    envelope::text(out, text, form.literals());
}
