//! SEARCH (RFC 3501 §6.4.4), with result options (RFC 4731 §4, RFC 5182 §3, RFC 9394 §4), and the keys of RFC 5032 §3,
//! RFC 8474 §7 and RFC 8514 §4.3.
//!
//! Strings leave here as UTF-8. Without CHARSET they should be US-ASCII, but are taken as the UTF-8 that RFC 9051 §6.4.4
//! makes of it; with CHARSET they may be in any that the WHATWG's Encoding Standard knows, but those that need a NUL.

use std::num::NonZeroU32;

use encoding_rs::Encoding;
use nom::Parser;
use nom::combinator::opt;
use nom::sequence::preceded;

use super::lexeme::{
    Parsed, argument, ascii, astring, fail, list0, named, number64, nz_number, octet, space, utf8, word,
};
use super::message::{partial_range, sequence_set};
use super::{Fault, SEARCH_DEPTH_MAX};
use crate::imap::command::{CommandBody, Numbering, SearchKey, SearchReturn};
use crate::imap::dialect::Dialect;
use crate::imap::numbers::PartialRange;
use crate::message::date::Civil;

/// RFC 8474 §7
const OBJECT_ID_OCTETS_MAX: usize = 255;

/// What strings are written in.
#[derive(Clone, Copy)]
enum Charset {
    /// None was named.
    Default,
    Ascii,
    Named(&'static Encoding),
}

/// `search = "SEARCH" [search-return-opts] [SP "CHARSET" SP astring] 1*(SP search-key)`
pub(super) fn search(rest: &[u8], by: Numbering, dialect: Dialect) -> Parsed<'_, CommandBody> {
    let (rest, returns) = opt(argument(return_options)).parse(rest)?;
    let saving = returns.is_some_and(|returns| returns.save);
    let (rest, key) = search_program(rest, saving, dialect)?;
    Ok((rest, CommandBody::Search { by, returns, key }))
}

/// `[SP "CHARSET" SP charset] 1*(SP search-key)`
pub(super) fn search_program(rest: &[u8], saving: bool, dialect: Dialect) -> Parsed<'_, SearchKey> {
    let keyword = argument(nom::bytes::complete::tag_no_case(&b"CHARSET"[..]));
    let (behind, charset) = opt(preceded(keyword, |rest| charset(rest, saving))).parse(rest)?;
    if charset.is_some() && dialect.utf8_accept {
        // RFC 6855 §3
        return fail(rest, Fault::Invalid("No CHARSET after ENABLE UTF8=ACCEPT"));
    }
    let rest = behind;
    Keys { charset: charset.unwrap_or(Charset::Default), saving }.all(rest)
}

/// `SP charset 1*(SP search-key)`: what RFC 5256 §5 calls search-criteria.
pub(super) fn search_criteria(rest: &[u8], saving: bool) -> Parsed<'_, SearchKey> {
    let (rest, charset) = charset(rest, saving)?;
    Keys { charset, saving }.all(rest)
}

/// `search-return-opts = SP "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"` (RFC 4731 §4)
pub(super) fn return_options(rest: &[u8]) -> Parsed<'_, SearchReturn> {
    let (rest, _) = named("RETURN", nom::bytes::complete::tag_no_case(&b"RETURN"[..])).parse(rest)?;
    let (behind, options) = argument(list0(return_option)).parse(rest)?;
    // RFC 4731 §3.1: an empty list means ALL.
    let mut returns = SearchReturn { all: options.is_empty(), ..SearchReturn::default() };
    for option in options {
        match option {
            ReturnOption::Min => returns.min = true,
            ReturnOption::Max => returns.max = true,
            ReturnOption::All => returns.all = true,
            ReturnOption::Count => returns.count = true,
            ReturnOption::Save => returns.save = true,
            ReturnOption::Partial(range) => {
                if returns.partial.replace(range).is_some() {
                    return fail(rest, Fault::Invalid("PARTIAL stands there twice"));
                }
            }
        }
    }
    // RFC 9394 §3.1
    if returns.all && returns.partial.is_some() {
        return fail(rest, Fault::Invalid("PARTIAL and ALL exclude each other"));
    }
    Ok((behind, returns))
}

enum ReturnOption {
    Min,
    Max,
    All,
    Count,
    Save,
    Partial(PartialRange),
}

/// `search-return-opt = "MIN" / "MAX" / "ALL" / "COUNT" / "SAVE" / "PARTIAL" SP partial-range`
fn return_option(rest: &[u8]) -> Parsed<'_, ReturnOption> {
    let (behind, name) = word("a result option").parse(rest)?;
    let plain = match name.as_str() {
        "MIN" => ReturnOption::Min,
        "MAX" => ReturnOption::Max,
        "ALL" => ReturnOption::All,
        "COUNT" => ReturnOption::Count,
        "SAVE" => ReturnOption::Save,
        "PARTIAL" => return argument(partial_range).map(ReturnOption::Partial).parse(behind),
        _ => return fail(rest, Fault::Invalid("Unknown result option")),
    };
    Ok((behind, plain))
}

/// `SP astring`
fn charset(rest: &[u8], saving: bool) -> Parsed<'_, Charset> {
    let (behind, name) = argument(named("a charset", astring)).parse(rest)?;
    if name.eq_ignore_ascii_case(b"US-ASCII") || name.eq_ignore_ascii_case(b"ASCII") {
        return Ok((behind, Charset::Ascii));
    }
    match Encoding::for_label_no_replacement(&name) {
        // Neither literal nor quoted string can carry UTF-16: it has NULs.
        Some(encoding) if encoding.output_encoding() == encoding => Ok((behind, Charset::Named(encoding))),
        _ => fail(rest, Fault::Charset { saving }),
    }
}

/// `objectid = 1*255(ALPHA / DIGIT / "_" / "-")` (RFC 8474 §7)
fn object_id(rest: &[u8]) -> Parsed<'_, String> {
    let character = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-');
    let id = nom::bytes::complete::take_while_m_n(1, OBJECT_ID_OCTETS_MAX, character);
    named("an object identifier", id.map(ascii)).parse(rest)
}

#[derive(Clone, Copy)]
struct Keys {
    charset: Charset,
    /// The result is to be saved.
    saving: bool,
}

impl Keys {
    /// `1*(SP search-key)`
    fn all<'f>(self, rest: &'f [u8]) -> Parsed<'f, SearchKey> {
        let (rest, first) = argument(|rest| self.key(rest, 0)).parse(rest)?;
        self.more(rest, first, 0)
    }

    /// `*(SP search-key)` behind the first: all of them together.
    fn more<'f>(self, rest: &'f [u8], first: SearchKey, depth: usize) -> Parsed<'f, SearchKey> {
        if !rest.starts_with(b" ") {
            return Ok((rest, first));
        }
        let mut keys = vec![first];
        let mut rest = rest;
        while rest.starts_with(b" ") {
            let (behind, key) = argument(|rest| self.key(rest, depth)).parse(rest)?;
            keys.push(key);
            rest = behind;
        }
        Ok((rest, SearchKey::And(keys)))
    }

    /// `search-key`, `depth` others around it.
    fn key<'f>(self, rest: &'f [u8], depth: usize) -> Parsed<'f, SearchKey> {
        if depth > SEARCH_DEPTH_MAX {
            return fail(rest, Fault::Invalid("Search keys lie too deep in one another"));
        }
        match rest.first() {
            Some(b'(') => {
                let (rest, first) = self.key(&rest[1..], depth + 1)?;
                let (rest, key) = self.more(rest, first, depth + 1)?;
                let (rest, _) = octet(b')', ") or a space").parse(rest)?;
                Ok((rest, key))
            }
            Some(b'*' | b'$' | b'0'..=b'9') => sequence_set.map(SearchKey::Sequence).parse(rest),
            _ => self.named_key(rest, depth),
        }
    }

    fn named_key<'f>(self, rest: &'f [u8], depth: usize) -> Parsed<'f, SearchKey> {
        let (behind, name) = word("a search key").parse(rest)?;
        let text = |key: fn(String) -> SearchKey| argument(|rest| self.string(rest)).map(key).parse(behind);
        let day = |key: fn(Civil) -> SearchKey| argument(super::date::date).map(key).parse(behind);
        let octets = |key: fn(u64) -> SearchKey| argument(number64).map(key).parse(behind);
        let seconds = |key: fn(NonZeroU32) -> SearchKey| argument(nz_number).map(key).parse(behind);
        let object_id = |key: fn(String) -> SearchKey| argument(object_id).map(key).parse(behind);
        let keyword = |key: fn(String) -> SearchKey| argument(super::flag::keyword).map(key).parse(behind);
        let key = match name.as_str() {
            "ALL" => SearchKey::All,
            "ANSWERED" => SearchKey::Answered,
            "BCC" => return text(SearchKey::Bcc),
            "BEFORE" => return day(SearchKey::Before),
            "BODY" => return text(SearchKey::Body),
            "CC" => return text(SearchKey::Cc),
            "DELETED" => SearchKey::Deleted,
            "DRAFT" => SearchKey::Draft,
            "EMAILID" => return object_id(SearchKey::EmailId),
            "FLAGGED" => SearchKey::Flagged,
            "FROM" => return text(SearchKey::From),
            "HEADER" => return self.header(behind),
            "KEYWORD" => return keyword(SearchKey::Keyword),
            "LARGER" => return octets(SearchKey::Larger),
            "MODSEQ" => return super::condstore::search_mod_seq.map(SearchKey::ModSeq).parse(behind),
            "NEW" => SearchKey::New,
            "NOT" => {
                let (behind, key) = argument(|rest| self.key(rest, depth + 1)).parse(behind)?;
                return Ok((behind, SearchKey::Not(Box::new(key))));
            }
            "OLD" => SearchKey::Old,
            "OLDER" => return seconds(SearchKey::Older),
            "ON" => return day(SearchKey::On),
            "OR" => {
                let (behind, one) = argument(|rest| self.key(rest, depth + 1)).parse(behind)?;
                let (behind, other) = argument(|rest| self.key(rest, depth + 1)).parse(behind)?;
                return Ok((behind, SearchKey::Or(Box::new(one), Box::new(other))));
            }
            "RECENT" => SearchKey::Recent,
            "SAVEDATESUPPORTED" => SearchKey::SaveDateSupported,
            "SAVEDBEFORE" => return day(SearchKey::SavedBefore),
            "SAVEDON" => return day(SearchKey::SavedOn),
            "SAVEDSINCE" => return day(SearchKey::SavedSince),
            "SEEN" => SearchKey::Seen,
            "SENTBEFORE" => return day(SearchKey::SentBefore),
            "SENTON" => return day(SearchKey::SentOn),
            "SENTSINCE" => return day(SearchKey::SentSince),
            "SINCE" => return day(SearchKey::Since),
            "SMALLER" => return octets(SearchKey::Smaller),
            "SUBJECT" => return text(SearchKey::Subject),
            "TEXT" => return text(SearchKey::Text),
            "THREADID" => return object_id(SearchKey::ThreadId),
            "TO" => return text(SearchKey::To),
            "UID" => return argument(sequence_set).map(SearchKey::Uid).parse(behind),
            "UNANSWERED" => SearchKey::Unanswered,
            "UNDELETED" => SearchKey::Undeleted,
            "UNDRAFT" => SearchKey::Undraft,
            "UNFLAGGED" => SearchKey::Unflagged,
            "UNKEYWORD" => return keyword(SearchKey::Unkeyword),
            "UNSEEN" => SearchKey::Unseen,
            "YOUNGER" => return seconds(SearchKey::Younger),
            _ => return fail(rest, Fault::Invalid("Unknown search key")),
        };
        Ok((behind, key))
    }

    /// `"HEADER" SP header-fld-name SP astring`
    fn header<'f>(self, rest: &'f [u8]) -> Parsed<'f, SearchKey> {
        let (rest, name) = argument(utf8("a field name", astring)).parse(rest)?;
        let (rest, _) = space(rest)?;
        let (rest, text) = self.string(rest)?;
        Ok((rest, SearchKey::Header(name, text)))
    }

    /// An astring in the charset of the search, as UTF-8.
    fn string<'f>(self, rest: &'f [u8]) -> Parsed<'f, String> {
        let (behind, octets) = named("a string to look for", astring).parse(rest)?;
        let text = match self.charset {
            Charset::Ascii if !octets.is_ascii() => None,
            Charset::Default | Charset::Ascii => std::str::from_utf8(&octets).ok().map(str::to_owned),
            Charset::Named(encoding) => {
                encoding.decode_without_bom_handling_and_without_replacement(&octets).map(|text| text.into_owned())
            }
        };
        match text {
            Some(text) => Ok((behind, text)),
            None => fail(rest, Fault::Undecodable { saving: self.saving }),
        }
    }
}
