//! Mailbox names, and the commands on mailboxes: LIST, LSUB, STATUS, RENAME (RFC 3501 §6.3, RFC 5258 §6, RFC 6154 §6,
//! RFC 5819 §4, RFC 8438 §4).

use std::borrow::Cow;

use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::take_while1;
use nom::combinator::opt;
use nom::sequence::preceded;

use super::lexeme::{Parsed, argument, ascii, astring, atom, fail, list0, list1, named, octet, string, utf8, word};
use super::{Fault, metadata};
use crate::imap::command::{CommandBody, List, ListReturn, ListSelect, StatusItem};
use crate::wire::chars::is_list_char;

/// `mailbox = "INBOX" / astring`, as it stands: [`names`](super::names) decodes it. INBOX in another case is left to the
/// store, which knows that it is one name.
pub(super) fn mailbox(rest: &[u8]) -> Parsed<'_, String> {
    utf8("a mailbox name", astring).parse(rest)
}

/// `list-mailbox = 1*list-char / string`, as it stands.
fn list_mailbox(rest: &[u8]) -> Parsed<'_, String> {
    let characters = take_while1(is_list_char).map(Cow::Borrowed);
    utf8("a mailbox pattern", alt((characters, string))).parse(rest)
}

/// ```abnf
/// create       = "CREATE" SP mailbox [SP "(" create-param *(SP create-param) ")"]  ; RFC 4466 §2.2
/// create-param = "USE" SP "(" [use-attr *(SP use-attr)] ")"                        ; RFC 6154 §6
/// use-attr     = "\" atom
/// ```
/// There is no other parameter, so that one is all.
pub(super) fn create(rest: &[u8]) -> Parsed<'_, CommandBody> {
    let (rest, mailbox) = argument(mailbox).parse(rest)?;
    let (behind, parameters) = opt(argument(list1(create_parameter))).parse(rest)?;
    match parameters.unwrap_or_default().as_mut_slice() {
        [] => Ok((behind, CommandBody::Create { mailbox, uses: Vec::new() })),
        [uses] => Ok((behind, CommandBody::Create { mailbox, uses: std::mem::take(uses) })),
        _ => fail(rest, Fault::Invalid("A parameter stands there twice")),
    }
}

fn create_parameter(rest: &[u8]) -> Parsed<'_, Vec<String>> {
    let (behind, name) = word("a parameter").parse(rest)?;
    match name.as_str() {
        "USE" => argument(list0(use_attribute)).parse(behind),
        _ => fail(rest, Fault::Invalid("Unknown parameter")),
    }
}

fn use_attribute(rest: &[u8]) -> Parsed<'_, String> {
    let attribute = preceded(octet(b'\\', "a special use"), atom);
    attribute.map(|name| format!("\\{}", ascii(name))).parse(rest)
}

/// `rename = "RENAME" SP mailbox SP mailbox`
pub(super) fn rename(rest: &[u8]) -> Parsed<'_, CommandBody> {
    (argument(mailbox), argument(mailbox)).map(|(from, to)| CommandBody::Rename { from, to }).parse(rest)
}

/// `lsub = "LSUB" SP mailbox SP list-mailbox`
pub(super) fn lsub(rest: &[u8]) -> Parsed<'_, CommandBody> {
    let arguments = (argument(mailbox), argument(list_mailbox));
    arguments.map(|(reference, pattern)| CommandBody::Lsub { reference, pattern }).parse(rest)
}

/// ```abnf
/// list         = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]
/// mbox-or-pat  = list-mailbox / patterns
/// patterns     = "(" list-mailbox *(SP list-mailbox) ")"
/// ```
pub(super) fn list(rest: &[u8]) -> Parsed<'_, CommandBody> {
    let (rest, select) = match rest.starts_with(b" (") {
        true => argument(select_options).map(Some).parse(rest)?,
        false => (rest, None),
    };
    let (rest, reference) = argument(mailbox).parse(rest)?;
    let (rest, patterns) = match rest.starts_with(b" (") {
        true => argument(list1(list_mailbox)).parse(rest)?,
        false => argument(list_mailbox.map(|pattern| vec![pattern])).parse(rest)?,
    };
    let (rest, returns) = opt(argument(return_options)).parse(rest)?;
    Ok((rest, CommandBody::List(List { select, reference, patterns, returns })))
}

/// `list-select-opts` (RFC 5258 §6, RFC 6154 §6): RECURSIVEMATCH only beside SUBSCRIBED, the one base option that we know.
fn select_options(rest: &[u8]) -> Parsed<'_, ListSelect> {
    let (behind, words) = list0(word("a selection option")).parse(rest)?;
    let mut select = ListSelect::default();
    for word in words {
        match word.as_str() {
            "SUBSCRIBED" => select.subscribed = true,
            "REMOTE" => select.remote = true,
            "RECURSIVEMATCH" => select.recursive_match = true,
            "SPECIAL-USE" => select.special_use = true,
            // RFC 5258 §3: unknown options are BAD.
            _ => return fail(rest, Fault::Invalid("Unknown selection option")),
        }
    }
    if select.recursive_match && !select.subscribed {
        return fail(rest, Fault::Invalid("RECURSIVEMATCH without SUBSCRIBED"));
    }
    Ok((behind, select))
}

/// `list-return-opts = "RETURN" SP "(" [return-option *(SP return-option)] ")"`
fn return_options(rest: &[u8]) -> Parsed<'_, ListReturn> {
    let (rest, _) = named("RETURN", nom::bytes::complete::tag_no_case(&b"RETURN"[..])).parse(rest)?;
    let (behind, options) = argument(list0(return_option)).parse(rest)?;
    let mut returns = ListReturn::default();
    for option in options {
        match option {
            ReturnOption::Subscribed => returns.subscribed = true,
            ReturnOption::Children => returns.children = true,
            ReturnOption::SpecialUse => returns.special_use = true,
            ReturnOption::Status(items) => returns.status.extend(items),
            ReturnOption::MyRights => returns.my_rights = true,
            ReturnOption::Metadata(entries) => returns.metadata.extend(entries),
        }
    }
    Ok((behind, returns))
}

enum ReturnOption {
    Subscribed,
    Children,
    SpecialUse,
    Status(Vec<StatusItem>),
    MyRights,
    Metadata(Vec<String>),
}

/// ```abnf
/// return-option = "SUBSCRIBED" / "CHILDREN" / "SPECIAL-USE" / "STATUS" SP "(" status-att *(SP status-att) ")"
///               / "MYRIGHTS"              ; RFC 8440 §5
///               / "METADATA" SP entries   ; RFC 9590
/// ```
fn return_option(rest: &[u8]) -> Parsed<'_, ReturnOption> {
    let (behind, name) = word("a return option").parse(rest)?;
    let plain = match name.as_str() {
        "SUBSCRIBED" => ReturnOption::Subscribed,
        "CHILDREN" => ReturnOption::Children,
        "SPECIAL-USE" => ReturnOption::SpecialUse,
        "STATUS" => return argument(list1(status_item)).map(ReturnOption::Status).parse(behind),
        "MYRIGHTS" => ReturnOption::MyRights,
        "METADATA" => return argument(metadata::entries).map(ReturnOption::Metadata).parse(behind),
        _ => return fail(rest, Fault::Invalid("Unknown return option")),
    };
    Ok((behind, plain))
}

/// `status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")"`
pub(super) fn status(rest: &[u8]) -> Parsed<'_, CommandBody> {
    let arguments = (argument(mailbox), argument(list1(status_item)));
    arguments.map(|(mailbox, items)| CommandBody::Status { mailbox, items }).parse(rest)
}

/// `status-att = "MESSAGES" / "RECENT" / "UIDNEXT" / "UIDVALIDITY" / "UNSEEN" / "DELETED" / "DELETED-STORAGE" / "SIZE" /
/// "APPENDLIMIT" / "MAILBOXID" / "HIGHESTMODSEQ"`
fn status_item(rest: &[u8]) -> Parsed<'_, StatusItem> {
    let (behind, item) = word("a status item").parse(rest)?;
    let item = match item.as_str() {
        "MESSAGES" => StatusItem::Messages,
        "RECENT" => StatusItem::Recent,
        "UIDNEXT" => StatusItem::UidNext,
        "UIDVALIDITY" => StatusItem::UidValidity,
        "UNSEEN" => StatusItem::Unseen,
        "DELETED" => StatusItem::Deleted,
        "DELETED-STORAGE" => StatusItem::DeletedStorage,
        "SIZE" => StatusItem::Size,
        "APPENDLIMIT" => StatusItem::AppendLimit,
        "MAILBOXID" => StatusItem::MailboxId,
        "HIGHESTMODSEQ" => StatusItem::HighestModSeq,
        _ => return fail(rest, Fault::Invalid("Unknown status item")),
    };
    Ok((behind, item))
}
