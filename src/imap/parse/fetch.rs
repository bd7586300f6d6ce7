//! FETCH (RFC 3501 §6.4.5), with BINARY (RFC 3516 §4.2) and PREVIEW (RFC 8970 §3).

use std::num::NonZeroU32;

use nom::Parser;
use nom::branch::alt;
use nom::combinator::opt;
use nom::multi::separated_list0;
use nom::sequence::delimited;

use super::lexeme::{Parsed, argument, astring, expected, fail, list1, named, number64, nz_number, octet, word};
use super::message::sequence_set;
use super::{Fault, condstore};
use crate::imap::command::{CommandBody, FetchItem, Numbering, Partial};
use crate::message::{Section, SectionText};

/// ```abnf
/// fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")")
///         [fetch-modifiers]
/// ```
pub(super) fn fetch(rest: &[u8], by: Numbering) -> Parsed<'_, CommandBody> {
    let items = alt((list1(item), macro_items, item.map(|item| vec![item])));
    let (rest, set) = argument(sequence_set).parse(rest)?;
    let (rest, items) = argument(named("a fetch item or a list of them", items)).parse(rest)?;
    let (rest, modifiers) = condstore::fetch_modifiers(rest, by)?;
    Ok((rest, CommandBody::Fetch { by, set, items, modifiers }))
}

/// `"ALL" / "FULL" / "FAST"`, which stand alone (RFC 3501 §6.4.5).
fn macro_items(rest: &[u8]) -> Parsed<'_, Vec<FetchItem>> {
    use FetchItem::{Body, Envelope, Flags, InternalDate, Rfc822Size};
    let (behind, name) = word("a fetch item").parse(rest)?;
    let items = match name.as_str() {
        "FAST" => vec![Flags, InternalDate, Rfc822Size],
        "ALL" => vec![Flags, InternalDate, Rfc822Size, Envelope],
        "FULL" => vec![Flags, InternalDate, Rfc822Size, Envelope, Body],
        _ => return expected(rest, "a fetch item"),
    };
    Ok((behind, items))
}

/// ```abnf
/// fetch-att = "ENVELOPE" / "FLAGS" / "INTERNALDATE" / "RFC822" [".HEADER" / ".SIZE" / ".TEXT"] /
///             "BODY" ["STRUCTURE"] / "UID" / "MODSEQ" / "SAVEDATE" / "EMAILID" / "THREADID" /
///             "BODY" section ["<" number "." nz-number ">"] /
///             "BODY.PEEK" section ["<" number "." nz-number ">"] /
///             "BINARY" [".PEEK"] section-binary [partial] / "BINARY.SIZE" section-binary /
///             "PREVIEW" [SP "(" preview-mod *(SP preview-mod) ")"]
/// ```
pub(super) fn item(rest: &[u8]) -> Parsed<'_, FetchItem> {
    let (behind, name) = word("a fetch item").parse(rest)?;
    let plain = match name.as_str() {
        "ENVELOPE" => FetchItem::Envelope,
        "FLAGS" => FetchItem::Flags,
        "INTERNALDATE" => FetchItem::InternalDate,
        "RFC822" => FetchItem::Rfc822,
        "RFC822.HEADER" => FetchItem::Rfc822Header,
        "RFC822.SIZE" => FetchItem::Rfc822Size,
        "RFC822.TEXT" => FetchItem::Rfc822Text,
        "BODYSTRUCTURE" => FetchItem::BodyStructure,
        "SAVEDATE" => FetchItem::SaveDate,
        "EMAILID" => FetchItem::EmailId,
        "THREADID" => FetchItem::ThreadId,
        "PREVIEW" => return preview(behind),
        "UID" => FetchItem::Uid,
        "MODSEQ" => FetchItem::ModSeq,
        "BODY" if !behind.starts_with(b"[") => FetchItem::Body,
        "BODY" => return body_section(behind, false),
        "BODY.PEEK" => return body_section(behind, true),
        "BINARY" => return binary(behind, false),
        "BINARY.PEEK" => return binary(behind, true),
        "BINARY.SIZE" => return section_binary.map(|part| FetchItem::BinarySize { part }).parse(behind),
        _ => return fail(rest, Fault::Invalid("Unknown fetch item")),
    };
    Ok((behind, plain))
}

/// `"PREVIEW" [SP "(" preview-mod *(SP preview-mod) ")"]`; `preview-mod = "LAZY"` (RFC 8970 §6). Behind a PREVIEW without
/// parentheses of its own, those of the command's modifiers may follow (RFC 4466 §2.4): CHANGEDSINCE is no preview-mod.
fn preview(rest: &[u8]) -> Parsed<'_, FetchItem> {
    let modifier = |rest| {
        let (behind, name) = word("LAZY").parse(rest)?;
        if name == "LAZY" { Ok((behind, ())) } else { expected(rest, "LAZY") }
    };
    let (rest, modifiers) = opt(argument(list1(modifier))).parse(rest)?;
    Ok((rest, FetchItem::Preview { lazy: modifiers.is_some() }))
}

fn body_section(rest: &[u8], peek: bool) -> Parsed<'_, FetchItem> {
    let section = delimited(octet(b'[', "["), section_spec, octet(b']', "]"));
    (section, opt(partial)).map(|(section, partial)| FetchItem::BodySection { peek, section, partial }).parse(rest)
}

fn binary(rest: &[u8], peek: bool) -> Parsed<'_, FetchItem> {
    (section_binary, opt(partial)).map(|(part, partial)| FetchItem::Binary { peek, part, partial }).parse(rest)
}

/// `section-binary = "[" [section-part] "]"`
fn section_binary(rest: &[u8]) -> Parsed<'_, Vec<u32>> {
    let numbers = separated_list0(octet(b'.', "."), nz_number.map(NonZeroU32::get));
    delimited(octet(b'[', "["), numbers, octet(b']', "numbers and ]")).parse(rest)
}

/// ```abnf
/// section-spec    = section-msgtext / (section-part ["." section-text])
/// section-part    = nz-number *("." nz-number)
/// section-msgtext = "HEADER" / "HEADER.FIELDS" [".NOT"] SP header-list / "TEXT"
/// section-text    = section-msgtext / "MIME"
/// ```
pub(super) fn section_spec(rest: &[u8]) -> Parsed<'_, Section> {
    let (mut rest, mut path) = (rest, Vec::new());
    while rest.first().is_some_and(u8::is_ascii_digit) {
        let (behind, number) = nz_number(rest)?;
        path.push(number.get());
        rest = behind;
        match rest.strip_prefix(b".") {
            Some(behind) if behind.first() != Some(&b']') => rest = behind,
            _ => return Ok((rest, Section { path, text: None })),
        }
    }
    if path.is_empty() && rest.starts_with(b"]") {
        return Ok((rest, Section::default()));
    }
    let (behind, name) = word("a section").parse(rest)?;
    let (behind, text) = match name.as_str() {
        "HEADER" => (behind, SectionText::Header),
        "TEXT" => (behind, SectionText::Text),
        "HEADER.FIELDS" => header_list.map(SectionText::HeaderFields).parse(behind)?,
        "HEADER.FIELDS.NOT" => header_list.map(SectionText::HeaderFieldsNot).parse(behind)?,
        // "MIME" has no meaning without a part in front (RFC 3501 §6.4.5).
        "MIME" if !path.is_empty() => (behind, SectionText::Mime),
        _ => return fail(rest, Fault::Invalid("Unknown section")),
    };
    Ok((behind, Section { path, text: Some(text) }))
}

/// `SP header-list`; `header-list = "(" header-fld-name *(SP header-fld-name) ")"`, names are astrings.
fn header_list(rest: &[u8]) -> Parsed<'_, Vec<Vec<u8>>> {
    argument(list1(named("a field name", astring).map(|name| name.into_owned()))).parse(rest)
}

/// `partial = "<" number "." nz-number ">"`
fn partial(rest: &[u8]) -> Parsed<'_, Partial> {
    let (rest, _) = octet(b'<', "<").parse(rest)?;
    let (rest, offset) = number64(rest)?;
    let (rest, _) = octet(b'.', ".").parse(rest)?;
    let (behind, length) = number64(rest)?;
    if length == 0 {
        return fail(rest, Fault::Expected("a number above 0"));
    }
    let (behind, _) = octet(b'>', ">").parse(behind)?;
    Ok((behind, Partial { offset, length }))
}
