//! Status responses and their codes (RFC 3501 §7.1, RFC 5530 §3, RFC 4315 §3).

use super::flag;
use super::lexeme::{Literals, astring, list, nstring, number, spaced, text};
use crate::imap::response::{Code, Condition, Status};
use crate::store::{Uid, UidSet};

/// `(tag / "*") SP condition SP ["[" resp-text-code "]" SP] text CRLF`
pub(super) fn status(out: &mut Vec<u8>, status: &Status) {
    match (&status.tag, status.condition) {
        // PREAUTH and BYE are never tagged (RFC 3501 §7.1.4, §7.1.5), whatever command was running.
        (Some(tag), Condition::Ok | Condition::No | Condition::Bad) => out.extend_from_slice(tag.as_str().as_bytes()),
        _ => out.push(b'*'),
    }
    out.extend_from_slice(match status.condition {
        Condition::Ok => b" OK ",
        Condition::No => b" NO ",
        Condition::Bad => b" BAD ",
        Condition::PreAuth => b" PREAUTH ",
        Condition::Bye => b" BYE ",
    });
    if let Some(code) = &status.code {
        out.push(b'[');
        response_code(out, code);
        out.extend_from_slice(b"] ");
    }
    match &*status.text {
        // 1*TEXT-CHAR
        "" => out.push(b'.'),
        // Else it would be read as a code.
        bracket if status.code.is_none() && bracket.starts_with('[') => {
            out.push(b'(');
            text(out, &bracket[1..]);
        }
        words => text(out, words),
    }
    out.extend_from_slice(b"\r\n");
}

/// `resp-text-code`
fn response_code(out: &mut Vec<u8>, code: &Code) {
    let name: &[u8] = match code {
        Code::Alert => b"ALERT",
        Code::BadCharset(_) => b"BADCHARSET ",
        Code::Capability(_) => b"CAPABILITY ",
        Code::Parse => b"PARSE",
        Code::PermanentFlags { .. } => b"PERMANENTFLAGS ",
        Code::ReadOnly => b"READ-ONLY",
        Code::ReadWrite => b"READ-WRITE",
        Code::TryCreate => b"TRYCREATE",
        Code::UidNext(_) => b"UIDNEXT ",
        Code::UidValidity(_) => b"UIDVALIDITY ",
        Code::Unseen(_) => b"UNSEEN ",
        Code::AppendUid { .. } => b"APPENDUID ",
        Code::CopyUid { .. } => b"COPYUID ",
        Code::UidNotSticky => b"UIDNOTSTICKY",
        Code::HighestModSeq(_) => b"HIGHESTMODSEQ ",
        Code::Modified(_) => b"MODIFIED ",
        Code::Closed => b"CLOSED",
        Code::ExpungeIssued => b"EXPUNGEISSUED",
        Code::AuthenticationFailed => b"AUTHENTICATIONFAILED",
        Code::AuthorizationFailed => b"AUTHORIZATIONFAILED",
        Code::Expired => b"EXPIRED",
        Code::PrivacyRequired => b"PRIVACYREQUIRED",
        Code::ContactAdmin => b"CONTACTADMIN",
        Code::NoPerm => b"NOPERM",
        Code::InUse => b"INUSE",
        Code::Corruption => b"CORRUPTION",
        Code::ServerBug => b"SERVERBUG",
        Code::ClientBug => b"CLIENTBUG",
        Code::Cannot => b"CANNOT",
        Code::Limit => b"LIMIT",
        Code::OverQuota => b"OVERQUOTA",
        Code::AlreadyExists => b"ALREADYEXISTS",
        Code::NonExistent => b"NONEXISTENT",
        Code::Unavailable => b"UNAVAILABLE",
        Code::TooBig => b"TOOBIG",
        Code::UnknownCte => b"UNKNOWN-CTE",
        Code::HasChildren => b"HASCHILDREN",
        Code::MailboxId(_) => b"MAILBOXID (",
        Code::NotSaved => b"NOTSAVED",
        Code::CompressionActive => b"COMPRESSIONACTIVE",
        Code::BadUrl(_) => b"BADURL ",
        Code::InProgress { .. } => b"INPROGRESS (",
        Code::NotificationOverflow => b"NOTIFICATIONOVERFLOW",
        Code::BadEvent(_) => b"BADEVENT ",
        Code::UidRequired => b"UIDREQUIRED",
        Code::TooSmall => b"TOOSMALL",
        Code::UseAttr => b"USEATTR",
        Code::MetadataLongEntries(_) => b"METADATA LONGENTRIES ",
        Code::MetadataMaxSize(_) => b"METADATA MAXSIZE ",
        Code::MetadataTooMany => b"METADATA TOOMANY",
    };
    out.extend_from_slice(name);
    match code {
        Code::BadCharset(charsets) => list(out, charsets, |out, name| astring(out, name.as_bytes(), Literals::Plain)),
        Code::Capability(names) => spaced(out, names, |out, name| text(out, name)),
        Code::PermanentFlags { flags, new_keywords } => flag::names(out, flags, *new_keywords),
        Code::UidNext(value) | Code::UidValidity(value) | Code::Unseen(value) => number(out, u64::from(*value)),
        Code::AppendUid { uid_validity, uids } => {
            number(out, u64::from(*uid_validity));
            out.push(b' ');
            uid_set(out, uids);
        }
        Code::CopyUid { uid_validity, from, to } => {
            number(out, u64::from(*uid_validity));
            out.push(b' ');
            uids_in_order(out, from);
            out.push(b' ');
            uids_in_order(out, to);
        }
        Code::MailboxId(id) => {
            text(out, id);
            out.push(b')');
        }
        Code::HighestModSeq(mod_seq) => number(out, *mod_seq),
        Code::MetadataLongEntries(octets) | Code::MetadataMaxSize(octets) => number(out, *octets),
        Code::Modified(numbers) => uid_set(out, numbers),
        Code::InProgress { tag, current, goal } => {
            // `]` in a tag would end the code for careless readers.
            let tag = tag.as_ref().map(|tag| tag.as_str().as_bytes()).filter(|tag| !tag.contains(&b']'));
            nstring(out, tag, Literals::Plain);
            for value in [current, goal] {
                out.push(b' ');
                match value {
                    Some(value) => number(out, u64::from(*value)),
                    None => out.extend_from_slice(b"NIL"),
                }
            }
            out.push(b')');
        }
        Code::BadEvent(events) => list(out, events, |out, name| text(out, name)),
        // `]` would end the code.
        Code::BadUrl(url) => text(out, &url.replace(']', "%5D")),
        _ => {}
    }
}

/// `uid-set = (uniqueid / uid-range) *("," uid-set)` (RFC 4315 §4)
pub(super) fn uid_set(out: &mut Vec<u8>, uids: &UidSet) {
    for (index, (first, last)) in uids.ranges().enumerate() {
        range(out, index == 0, first, last);
    }
}

/// A `uid-set` that keeps the order: in COPYUID the nth UID of one set belongs to the nth of the other (RFC 4315 §3).
fn uids_in_order(out: &mut Vec<u8>, uids: &[Uid]) {
    let runs = uids.chunk_by(|one, next| one.checked_add(1) == Some(*next));
    for (index, run) in runs.enumerate() {
        if let (Some(first), Some(last)) = (run.first(), run.last()) {
            range(out, index == 0, *first, *last);
        }
    }
}

fn range(out: &mut Vec<u8>, is_first: bool, first: Uid, last: Uid) {
    if !is_first {
        out.push(b',');
    }
    number(out, u64::from(first));
    if first < last {
        out.push(b':');
        number(out, u64::from(last));
    }
}
