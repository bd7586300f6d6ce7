//! SEARCH (RFC 3501 §6.4.4).
//!
//! Strings leave here as UTF-8. Without CHARSET they should be US-ASCII, but are taken as the UTF-8 that RFC 9051 §6.4.4
//! makes of it; with CHARSET they may be in any that the WHATWG's Encoding Standard knows, but those that need a NUL.

use encoding_rs::Encoding;
use nom::Parser;
use nom::combinator::opt;

use super::lexeme::{Parsed, argument, astring, fail, named, number64, octet, space, utf8, word};
use super::message::sequence_set;
use super::{Fault, SEARCH_DEPTH_MAX};
use crate::imap::command::{CommandBody, Numbering, SearchKey};
use crate::message::date::Civil;

/// What strings are written in.
#[derive(Clone, Copy)]
enum Charset {
    /// None was named.
    Default,
    Ascii,
    Named(&'static Encoding),
}

/// `search = "SEARCH" [SP "CHARSET" SP astring] 1*(SP search-key)`
pub(super) fn search(rest: &[u8], by: Numbering) -> Parsed<'_, CommandBody> {
    let (rest, charset) = opt(charset).parse(rest)?;
    let keys = Keys { charset: charset.unwrap_or(Charset::Default) };
    let (rest, first) = argument(|rest| keys.key(rest, 0)).parse(rest)?;
    let (rest, key) = keys.more(rest, first, 0)?;
    Ok((rest, CommandBody::Search { by, key }))
}

/// `SP "CHARSET" SP astring`
fn charset(rest: &[u8]) -> Parsed<'_, Charset> {
    let keyword = argument(nom::bytes::complete::tag_no_case(&b"CHARSET"[..]));
    let (behind, (_, name)) = (keyword, argument(named("a charset", astring))).parse(rest)?;
    if name.eq_ignore_ascii_case(b"US-ASCII") || name.eq_ignore_ascii_case(b"ASCII") {
        return Ok((behind, Charset::Ascii));
    }
    match Encoding::for_label_no_replacement(&name) {
        // Neither literal nor quoted string can carry UTF-16: it has NULs.
        Some(encoding) if encoding.output_encoding() == encoding => Ok((behind, Charset::Named(encoding))),
        _ => fail(rest, Fault::Charset),
    }
}

#[derive(Clone, Copy)]
struct Keys {
    charset: Charset,
}

impl Keys {
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
            Some(b'*' | b'0'..=b'9') => sequence_set.map(SearchKey::Sequence).parse(rest),
            _ => self.named_key(rest, depth),
        }
    }

    fn named_key<'f>(self, rest: &'f [u8], depth: usize) -> Parsed<'f, SearchKey> {
        let (behind, name) = word("a search key").parse(rest)?;
        let text = |key: fn(String) -> SearchKey| argument(|rest| self.string(rest)).map(key).parse(behind);
        let day = |key: fn(Civil) -> SearchKey| argument(super::date::date).map(key).parse(behind);
        let octets = |key: fn(u64) -> SearchKey| argument(number64).map(key).parse(behind);
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
            "ON" => return day(SearchKey::On),
            "OR" => {
                let (behind, one) = argument(|rest| self.key(rest, depth + 1)).parse(behind)?;
                let (behind, other) = argument(|rest| self.key(rest, depth + 1)).parse(behind)?;
                return Ok((behind, SearchKey::Or(Box::new(one), Box::new(other))));
            }
            "RECENT" => SearchKey::Recent,
            "SEEN" => SearchKey::Seen,
            "SENTBEFORE" => return day(SearchKey::SentBefore),
            "SENTON" => return day(SearchKey::SentOn),
            "SENTSINCE" => return day(SearchKey::SentSince),
            "SINCE" => return day(SearchKey::Since),
            "SMALLER" => return octets(SearchKey::Smaller),
            "SUBJECT" => return text(SearchKey::Subject),
            "TEXT" => return text(SearchKey::Text),
            "TO" => return text(SearchKey::To),
            "UID" => return argument(sequence_set).map(SearchKey::Uid).parse(behind),
            "UNANSWERED" => SearchKey::Unanswered,
            "UNDELETED" => SearchKey::Undeleted,
            "UNDRAFT" => SearchKey::Undraft,
            "UNFLAGGED" => SearchKey::Unflagged,
            "UNKEYWORD" => return keyword(SearchKey::Unkeyword),
            "UNSEEN" => SearchKey::Unseen,
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
            None => fail(rest, Fault::Undecodable),
        }
    }
}
