//! Mailbox names, LIST and STATUS (RFC 3501 §7.2, RFC 5258 §4, RFC 6154 §2).

use super::lexeme::{Literals, astring, list, number, spaced, string, text};
use crate::imap::dialect::Dialect;
use crate::imap::response::{ListAttribute, ListEntry, StatusValue};
use crate::wire::utf7;

/// `mailbox`: in modified UTF-7 (RFC 3501 §5.1.3), which is ASCII and never needs a literal, or in UTF-8 (RFC 6855 §3, RFC
/// 9051 §5.1).
pub(super) fn mailbox(out: &mut Vec<u8>, name: &str, dialect: Dialect) {
    match dialect.utf8() {
        true => astring(out, name.as_bytes(), Literals::NotUtf8),
        false => astring(out, utf7::encode(name).as_bytes(), Literals::Plain),
    }
}

/// `mailbox`, as a client names it to a server whatever it has enabled.
pub(super) fn mailbox_of_command(out: &mut Vec<u8>, name: &str) {
    mailbox(out, name, Dialect::REV1);
}

/// `mailbox-list = "(" [mbx-list-flags] ")" SP (DQUOTE QUOTED-CHAR DQUOTE / nil) SP mailbox [SP mbox-list-extended]`
pub(super) fn list_entry(out: &mut Vec<u8>, entry: &ListEntry, dialect: Dialect) {
    list(out, &entry.attributes, |out, attribute| out.extend_from_slice(list_attribute(*attribute)));
    out.push(b' ');
    separator(out, entry.separator);
    out.push(b' ');
    mailbox(out, &entry.mailbox, dialect);
    let child_info = entry.subscribed_child.then_some(ExtendedItem::ChildInfo);
    let old_name = entry.old_name.as_deref().map(ExtendedItem::OldName);
    let items: Vec<_> = child_info.into_iter().chain(old_name).collect();
    if !items.is_empty() {
        out.extend_from_slice(b" (");
        spaced(out, items, |out, item| match item {
            // In CHILDINFO selection options are quoted, other than in the command (RFC 5258 §6).
            ExtendedItem::ChildInfo => out.extend_from_slice(b"\"CHILDINFO\" (\"SUBSCRIBED\")"),
            ExtendedItem::OldName(name) => {
                out.extend_from_slice(b"\"OLDNAME\" (");
                mailbox(out, name, dialect);
                out.push(b')');
            }
        });
        out.push(b')');
    }
}

/// `mbox-list-extended-item` (RFC 5258 §6, RFC 9051 §6.3.9.6, §6.3.9.7)
enum ExtendedItem<'e> {
    ChildInfo,
    OldName(&'e str),
}

/// The hierarchy separator: `DQUOTE QUOTED-CHAR DQUOTE / nil`
pub(super) fn separator(out: &mut Vec<u8>, separator: Option<char>) {
    match separator {
        Some(separator) => string(out, separator.encode_utf8(&mut [0; 4]).as_bytes(), Literals::Plain),
        None => out.extend_from_slice(b"NIL"),
    }
}

fn list_attribute(attribute: ListAttribute) -> &'static [u8] {
    match attribute {
        ListAttribute::NoInferiors => b"\\Noinferiors",
        ListAttribute::NoSelect => b"\\Noselect",
        ListAttribute::Marked => b"\\Marked",
        ListAttribute::Unmarked => b"\\Unmarked",
        ListAttribute::HasChildren => b"\\HasChildren",
        ListAttribute::HasNoChildren => b"\\HasNoChildren",
        ListAttribute::NonExistent => b"\\NonExistent",
        ListAttribute::Subscribed => b"\\Subscribed",
        ListAttribute::Remote => b"\\Remote",
        ListAttribute::SpecialUse(special_use) => special_use.name().as_bytes(),
    }
}

/// `mailbox SP "(" [status-att-list] ")"`
pub(super) fn status(out: &mut Vec<u8>, name: &str, items: &[StatusValue], dialect: Dialect) {
    mailbox(out, name, dialect);
    out.push(b' ');
    list(out, items, |out, item| {
        let (name, value): (&[u8], _) = match *item {
            StatusValue::MailboxId(ref id) => {
                out.extend_from_slice(b"MAILBOXID (");
                text(out, id);
                return out.push(b')');
            }
            StatusValue::Messages(value) => (b"MESSAGES ", u64::from(value)),
            StatusValue::Recent(value) => (b"RECENT ", u64::from(value)),
            StatusValue::UidNext(value) => (b"UIDNEXT ", u64::from(value)),
            StatusValue::UidValidity(value) => (b"UIDVALIDITY ", u64::from(value)),
            StatusValue::Unseen(value) => (b"UNSEEN ", u64::from(value)),
            StatusValue::Deleted(value) => (b"DELETED ", u64::from(value)),
            StatusValue::DeletedStorage(value) => (b"DELETED-STORAGE ", value),
            StatusValue::Size(value) => (b"SIZE ", value),
            StatusValue::AppendLimit(value) => (b"APPENDLIMIT ", value),
            StatusValue::HighestModSeq(value) => (b"HIGHESTMODSEQ ", value),
        };
        out.extend_from_slice(name);
        number(out, value);
    });
}
