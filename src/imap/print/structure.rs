//! BODY and BODYSTRUCTURE (RFC 3501 §7.4.2): the tree of a message's parts. BODY is the same without extension data.
//!
//! The printer recurses as deep as parts lie in one another, which `message::DEPTH_MAX` bounds.

use super::envelope::{envelope, text};
use super::lexeme::{Literals, list, number, string};
use crate::message::{Content, Part, Text};

/// `body = "(" (body-type-1part / body-type-mpart) ")"`; `extended`: with extension data.
pub(super) fn body(out: &mut Vec<u8>, part: &Part, extended: bool) {
    out.push(b'(');
    match &part.content {
        Content::Multipart(parts) => {
            // body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart]
            for part in parts {
                body(out, part, extended);
            }
            out.push(b' ');
            required(out, &part.media_subtype);
            if extended {
                out.push(b' ');
                params(out, &part.params);
                extension(out, part);
            }
        }
        Content::Message(enclosed) => {
            // body-type-msg = media-message SP body-fields SP envelope SP body SP body-fld-lines
            fields(out, part);
            out.push(b' ');
            envelope(out, &enclosed.envelope);
            out.push(b' ');
            body(out, &enclosed.structure, extended);
            one_part_end(out, part, true, extended);
        }
        Content::Leaf | Content::Opaque => {
            fields(out, part);
            // body-type-text = media-text SP body-fields SP body-fld-lines
            one_part_end(out, part, part.is_text(), extended);
        }
    }
    out.push(b')');
}

/// The media type, then `body-fields = body-fld-param SP body-fld-id SP body-fld-desc SP body-fld-enc SP body-fld-octets`.
fn fields(out: &mut Vec<u8>, part: &Part) {
    required(out, &part.media_type);
    out.push(b' ');
    required(out, &part.media_subtype);
    out.push(b' ');
    params(out, &part.params);
    out.push(b' ');
    text(out, part.id.as_ref());
    out.push(b' ');
    text(out, part.description.as_ref());
    out.push(b' ');
    required(out, &part.encoding);
    out.push(b' ');
    number(out, u64::from(part.body.len()));
}

/// `[SP body-fld-lines] [SP body-ext-1part]`; `body-ext-1part = body-fld-md5 SP body-fld-dsp SP body-fld-lang SP body-fld-loc`
fn one_part_end(out: &mut Vec<u8>, part: &Part, with_lines: bool, extended: bool) {
    if with_lines {
        out.push(b' ');
        number(out, u64::from(part.lines));
    }
    if extended {
        out.push(b' ');
        text(out, part.md5.as_ref());
        extension(out, part);
    }
}

/// `SP body-fld-dsp SP body-fld-lang SP body-fld-loc`
fn extension(out: &mut Vec<u8>, part: &Part) {
    match &part.disposition {
        Some(disposition) => {
            out.extend_from_slice(b" (");
            required(out, &disposition.kind);
            out.push(b' ');
            params(out, &disposition.params);
            out.push(b')');
        }
        None => nil(out),
    }
    if part.language.is_empty() {
        nil(out);
    } else {
        out.push(b' ');
        list(out, &part.language, required);
    }
    out.push(b' ');
    text(out, part.location.as_ref());
}

fn nil(out: &mut Vec<u8>) {
    out.extend_from_slice(b" NIL");
}

/// `body-fld-param = "(" string SP string *(SP string SP string) ")" / nil`
fn params(out: &mut Vec<u8>, params: &[(Text, Text)]) {
    if params.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    list(out, params, |out, (name, value)| {
        required(out, name);
        out.push(b' ');
        required(out, value);
    });
}

/// `string`
fn required(out: &mut Vec<u8>, text: &Text) {
    string(out, text, Literals::Plain);
}
