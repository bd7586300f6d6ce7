//! SEARCH, the command (RFC 3501 §6.4.4, RFC 4731 §4, RFC 5182 §3), and ESEARCH, the response (RFC 4731 §4).

use super::date::civil;
use super::lexeme::{self, Literals, astring, list, number, spaced};
use super::mailbox_filter::mailbox_filter;
use super::{mailbox, numbers, partial_range, sequence_set};
use crate::imap::command::{Numbering, SearchKey, SearchReturn, Tag};
use crate::imap::dialect::Dialect;
use crate::imap::mailbox_filter::MailboxFilter;
use crate::imap::response::ESearch;

/// `[search-return-opts] [SP "CHARSET" SP astring] 1*(SP search-key)`: the charset is UTF-8 where ASCII is not enough.
pub(super) fn arguments(out: &mut Vec<u8>, returns: Option<SearchReturn>, key: &SearchKey) {
    if let Some(returns) = returns {
        return_options(out, returns);
    }
    let start = out.len();
    keys(out, key);
    if !out[start..].is_ascii() {
        out.splice(start..start, *b" CHARSET UTF-8");
    }
}

/// `["IN" source-mbox] search-return-opts search-program` (RFC 7377 §4)
pub(super) fn multi_search(out: &mut Vec<u8>, sources: &[MailboxFilter], returns: SearchReturn, key: &SearchKey) {
    word(out, b" IN ");
    list(out, sources, mailbox_filter);
    arguments(out, Some(returns), key);
}

/// `1*(SP search-key)`
pub(super) fn keys(out: &mut Vec<u8>, key: &SearchKey) {
    out.push(b' ');
    match key {
        SearchKey::And(keys) => spaced(out, keys, search_key),
        key => search_key(out, key),
    }
}

/// `SP "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"`
pub(super) fn return_options(out: &mut Vec<u8>, returns: SearchReturn) {
    let SearchReturn { min, max, all, count, save, partial } = returns;
    let words = [(min, "MIN"), (max, "MAX"), (all, "ALL"), (count, "COUNT"), (save, "SAVE")];
    let words = words.into_iter().filter(|(set, _)| *set).map(|(_, name)| (name, None));
    word(out, b" RETURN ");
    list(out, words.chain(partial.map(|range| ("PARTIAL ", Some(range)))), |out, (name, range)| {
        word(out, name.as_bytes());
        if let Some(range) = range {
            partial_range(out, range);
        }
    });
}

/// `esearch-response = "ESEARCH" [search-correlator] [SP "UID"] *(SP search-return-data)`, behind its name
pub(super) fn result(out: &mut Vec<u8>, found: &ESearch, dialect: Dialect) {
    correlator(
        out,
        &found.tag,
        found.mailbox.as_ref().map(|(name, uid_validity)| (name.as_str(), *uid_validity)),
        dialect,
    );
    if found.by == Numbering::Uid {
        word(out, b" UID");
    }
    for (name, value) in [(b" MIN ", found.min), (b" MAX ", found.max)] {
        if let Some(value) = value {
            size(out, name, u64::from(value));
        }
    }
    if !found.all.is_empty() {
        word(out, b" ALL ");
        numbers(out, &found.all);
    }
    if let Some((range, part)) = &found.partial {
        // partial-results = sequence-set / "NIL" (RFC 9394 §4)
        word(out, b" PARTIAL (");
        partial_range(out, *range);
        out.push(b' ');
        if part.is_empty() {
            word(out, b"NIL");
        } else {
            numbers(out, part);
        }
        out.push(b')');
    }
    if let Some(count) = found.count {
        size(out, b" COUNT ", u64::from(count));
    }
    if let Some(mod_seq) = found.mod_seq {
        size(out, b" MODSEQ ", mod_seq);
    }
}

/// `search-correlator = SP "(" one-correlator *(SP one-correlator) ")"` (RFC 7377 §4), behind its space; with a mailbox and
/// its UIDVALIDITY where it is not plain which is meant
pub(super) fn correlator(out: &mut Vec<u8>, tag: &Tag, mailbox: Option<(&str, u32)>, dialect: Dialect) {
    word(out, b"(TAG ");
    lexeme::string(out, tag.as_str().as_bytes(), Literals::Plain);
    if let Some((name, uid_validity)) = mailbox {
        word(out, b" MAILBOX ");
        mailbox::mailbox(out, name, dialect);
        size(out, b" UIDVALIDITY ", u64::from(uid_validity));
    }
    word(out, b")");
}

/// `search-key`
fn search_key(out: &mut Vec<u8>, key: &SearchKey) {
    match key {
        SearchKey::All => word(out, b"ALL"),
        SearchKey::Answered => word(out, b"ANSWERED"),
        SearchKey::Bcc(text) => string(out, b"BCC ", text),
        SearchKey::Before(day) => date(out, b"BEFORE ", *day),
        SearchKey::Body(text) => string(out, b"BODY ", text),
        SearchKey::Cc(text) => string(out, b"CC ", text),
        SearchKey::Deleted => word(out, b"DELETED"),
        SearchKey::Draft => word(out, b"DRAFT"),
        SearchKey::EmailId(id) => atom(out, b"EMAILID ", id),
        SearchKey::Flagged => word(out, b"FLAGGED"),
        SearchKey::From(text) => string(out, b"FROM ", text),
        SearchKey::Header(name, text) => {
            string(out, b"HEADER ", name);
            string(out, b" ", text);
        }
        SearchKey::Keyword(keyword) => atom(out, b"KEYWORD ", keyword),
        SearchKey::Larger(octets) => size(out, b"LARGER ", *octets),
        SearchKey::ModSeq(mod_seq) => size(out, b"MODSEQ ", *mod_seq),
        SearchKey::New => word(out, b"NEW"),
        SearchKey::Not(key) => {
            word(out, b"NOT ");
            search_key(out, key);
        }
        SearchKey::Old => word(out, b"OLD"),
        SearchKey::Older(seconds) => size(out, b"OLDER ", u64::from(seconds.get())),
        SearchKey::On(day) => date(out, b"ON ", *day),
        SearchKey::Or(one, other) => {
            word(out, b"OR ");
            search_key(out, one);
            out.push(b' ');
            search_key(out, other);
        }
        SearchKey::Recent => word(out, b"RECENT"),
        SearchKey::SavedBefore(day) => date(out, b"SAVEDBEFORE ", *day),
        SearchKey::SaveDateSupported => word(out, b"SAVEDATESUPPORTED"),
        SearchKey::SavedOn(day) => date(out, b"SAVEDON ", *day),
        SearchKey::SavedSince(day) => date(out, b"SAVEDSINCE ", *day),
        SearchKey::Seen => word(out, b"SEEN"),
        SearchKey::SentBefore(day) => date(out, b"SENTBEFORE ", *day),
        SearchKey::SentOn(day) => date(out, b"SENTON ", *day),
        SearchKey::SentSince(day) => date(out, b"SENTSINCE ", *day),
        SearchKey::Since(day) => date(out, b"SINCE ", *day),
        SearchKey::Smaller(octets) => size(out, b"SMALLER ", *octets),
        SearchKey::Subject(text) => string(out, b"SUBJECT ", text),
        SearchKey::Text(text) => string(out, b"TEXT ", text),
        SearchKey::ThreadId(id) => atom(out, b"THREADID ", id),
        SearchKey::To(text) => string(out, b"TO ", text),
        SearchKey::Uid(set) => {
            word(out, b"UID ");
            sequence_set(out, set);
        }
        SearchKey::Unanswered => word(out, b"UNANSWERED"),
        SearchKey::Undeleted => word(out, b"UNDELETED"),
        SearchKey::Undraft => word(out, b"UNDRAFT"),
        SearchKey::Unflagged => word(out, b"UNFLAGGED"),
        SearchKey::Unkeyword(keyword) => atom(out, b"UNKEYWORD ", keyword),
        SearchKey::Unseen => word(out, b"UNSEEN"),
        SearchKey::Younger(seconds) => size(out, b"YOUNGER ", u64::from(seconds.get())),
        SearchKey::Sequence(set) => sequence_set(out, set),
        SearchKey::And(keys) => list(out, keys, search_key),
    }
}

fn word(out: &mut Vec<u8>, word: &[u8]) {
    out.extend_from_slice(word);
}

fn string(out: &mut Vec<u8>, name: &[u8], text: &str) {
    word(out, name);
    astring(out, text.as_bytes(), Literals::NonSynchronizing);
}

fn atom(out: &mut Vec<u8>, name: &[u8], atom: &str) {
    word(out, name);
    word(out, atom.as_bytes());
}

fn date(out: &mut Vec<u8>, name: &[u8], day: crate::message::date::Civil) {
    word(out, name);
    civil(out, day);
}

fn size(out: &mut Vec<u8>, name: &[u8], octets: u64) {
    word(out, name);
    number(out, octets);
}
