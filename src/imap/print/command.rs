//! Commands, as a client sends them: the twin of [`parse::command`](crate::imap::parse::command).

use super::lexeme::{Literals, astring, list, number, spaced};
use super::mailbox::mailbox_of_command as mailbox;
use super::{append, condstore, fetch, flag, id, metadata, notify, search, seq_number, sequence_set, sort, thread};
use crate::imap::command::{Command, CommandBody, List, ListReturn, Numbering, Secret, StatusItem, UidBatches};
use crate::imap::sequence_set::SequenceSet;
use crate::store::FlagAction;

const CLIENT: Literals = Literals::NonSynchronizing;

/// Appends a command, CRLF included, with non-synchronizing literals where it needs literals; APPEND and REPLACE up
/// to the CRLF behind the first head of a literal whose octets are a message's.
pub fn command(out: &mut Vec<u8>, command: &Command) {
    out.extend_from_slice(command.tag.as_str().as_bytes());
    out.push(b' ');
    body(out, &command.body);
    out.extend_from_slice(b"\r\n");
}

fn body(out: &mut Vec<u8>, body: &CommandBody) {
    match body {
        CommandBody::Capability => word(out, "CAPABILITY"),
        CommandBody::Noop => word(out, "NOOP"),
        CommandBody::Logout => word(out, "LOGOUT"),
        CommandBody::Id(fields) => id(out, fields, CLIENT),
        CommandBody::StartTls => word(out, "STARTTLS"),
        CommandBody::Authenticate { mechanism, initial_response } => {
            authenticate(out, mechanism, initial_response.as_ref());
        }
        CommandBody::Login { user, password } => {
            word(out, "LOGIN ");
            astring(out, user, CLIENT);
            out.push(b' ');
            astring(out, &password.0, CLIENT);
        }
        CommandBody::Select { mailbox, parameters } => {
            with_mailbox(out, "SELECT ", mailbox);
            condstore::select_parameters(out, parameters);
        }
        CommandBody::Examine { mailbox, parameters } => {
            with_mailbox(out, "EXAMINE ", mailbox);
            condstore::select_parameters(out, parameters);
        }
        CommandBody::Create { mailbox, uses } => {
            with_mailbox(out, "CREATE ", mailbox);
            if !uses.is_empty() {
                word(out, " (USE ");
                list(out, uses, |out, name| word(out, name));
                word(out, ")");
            }
        }
        CommandBody::Delete { mailbox } => with_mailbox(out, "DELETE ", mailbox),
        CommandBody::Rename { from, to } => {
            with_mailbox(out, "RENAME ", from);
            with_mailbox(out, " ", to);
        }
        CommandBody::Subscribe { mailbox } => with_mailbox(out, "SUBSCRIBE ", mailbox),
        CommandBody::Unsubscribe { mailbox } => with_mailbox(out, "UNSUBSCRIBE ", mailbox),
        CommandBody::List(list) => list_command(out, list),
        CommandBody::Lsub { reference, pattern } => {
            with_mailbox(out, "LSUB ", reference);
            with_mailbox(out, " ", pattern);
        }
        CommandBody::Status { mailbox, items } => {
            with_mailbox(out, "STATUS ", mailbox);
            out.push(b' ');
            list(out, items, |out, item| word(out, status_item(*item)));
        }
        CommandBody::Append(arguments) => {
            word(out, "APPEND");
            append::arguments(out, arguments);
        }
        CommandBody::Replace { by, message, append: arguments } => {
            numbered(out, *by, "REPLACE ");
            seq_number(out, *message);
            append::arguments(out, arguments);
        }
        CommandBody::Namespace => word(out, "NAMESPACE"),
        CommandBody::MyRights { mailbox } => with_mailbox(out, "MYRIGHTS ", mailbox),
        CommandBody::GetMetadata(get) => metadata::get(out, get, CLIENT),
        CommandBody::SetMetadata { mailbox, entries } => metadata::set(out, mailbox, entries, CLIENT),
        CommandBody::Enable(capabilities) => {
            word(out, "ENABLE ");
            spaced(out, capabilities, |out, name| word(out, name));
        }
        CommandBody::Idle => word(out, "IDLE"),
        CommandBody::Notify(arguments) => {
            word(out, "NOTIFY");
            notify::arguments(out, arguments);
        }
        CommandBody::GetQuota(root) => {
            word(out, "GETQUOTA ");
            astring(out, root, CLIENT);
        }
        CommandBody::GetQuotaRoot { mailbox } => with_mailbox(out, "GETQUOTAROOT ", mailbox),
        CommandBody::Unauthenticate => word(out, "UNAUTHENTICATE"),
        CommandBody::Compress => word(out, "COMPRESS DEFLATE"),
        CommandBody::Check => word(out, "CHECK"),
        CommandBody::Close => word(out, "CLOSE"),
        CommandBody::Unselect => word(out, "UNSELECT"),
        CommandBody::Expunge => word(out, "EXPUNGE"),
        CommandBody::UidBatches(UidBatches { size, range }) => {
            word(out, "UIDBATCHES ");
            number(out, u64::from(size.get()));
            if let Some((from, to)) = range {
                out.push(b' ');
                number(out, u64::from(from.get()));
                out.push(b':');
                number(out, u64::from(to.get()));
            }
        }
        CommandBody::UidExpunge(set) => with_set(out, Numbering::Uid, "EXPUNGE ", set),
        CommandBody::Search { by, returns, key } => {
            numbered(out, *by, "SEARCH");
            search::arguments(out, *returns, key);
        }
        CommandBody::MultiSearch { sources, returns, key } => {
            word(out, "ESEARCH");
            search::multi_search(out, sources, *returns, key);
        }
        CommandBody::Sort { by, returns, criteria, key } => {
            numbered(out, *by, "SORT");
            sort::arguments(out, *returns, criteria, key);
        }
        CommandBody::Thread { by, algorithm, key } => {
            numbered(out, *by, "THREAD");
            thread::arguments(out, *algorithm, key);
        }
        CommandBody::Fetch { by, set, items, modifiers } => {
            with_set(out, *by, "FETCH ", set);
            out.push(b' ');
            list(out, items, fetch::item);
            condstore::fetch_modifiers(out, modifiers);
        }
        CommandBody::Store { by, set, unchanged_since, action, silent, flags } => {
            with_set(out, *by, "STORE ", set);
            condstore::store_modifiers(out, *unchanged_since);
            word(
                out,
                match action {
                    FlagAction::Add => " +FLAGS",
                    FlagAction::Remove => " -FLAGS",
                    FlagAction::Replace => " FLAGS",
                },
            );
            word(out, if *silent { ".SILENT " } else { " " });
            flag::names(out, flags, false);
        }
        CommandBody::Copy { by, set, mailbox } => {
            with_set(out, *by, "COPY ", set);
            with_mailbox(out, " ", mailbox);
        }
        CommandBody::Move { by, set, mailbox } => {
            with_set(out, *by, "MOVE ", set);
            with_mailbox(out, " ", mailbox);
        }
    }
}

fn word(out: &mut Vec<u8>, word: &str) {
    out.extend_from_slice(word.as_bytes());
}

fn with_mailbox(out: &mut Vec<u8>, verb: &str, name: &str) {
    word(out, verb);
    mailbox(out, name);
}

fn numbered(out: &mut Vec<u8>, by: Numbering, verb: &str) {
    if by == Numbering::Uid {
        word(out, "UID ");
    }
    word(out, verb);
}

fn with_set(out: &mut Vec<u8>, by: Numbering, verb: &str, set: &SequenceSet) {
    numbered(out, by, verb);
    sequence_set(out, set);
}

fn authenticate(out: &mut Vec<u8>, mechanism: &str, initial_response: Option<&Secret>) {
    word(out, "AUTHENTICATE ");
    word(out, mechanism);
    match initial_response {
        None => {}
        Some(Secret(response)) => {
            out.push(b' ');
            out.extend_from_slice(response);
        }
    }
}

fn list_command(out: &mut Vec<u8>, command: &List) {
    word(out, "LIST ");
    if let Some(select) = command.select {
        let options = [
            (select.subscribed, "SUBSCRIBED"),
            (select.remote, "REMOTE"),
            (select.recursive_match, "RECURSIVEMATCH"),
            (select.special_use, "SPECIAL-USE"),
        ];
        chosen(out, &options);
        out.push(b' ');
    }
    mailbox(out, &command.reference);
    out.push(b' ');
    match command.patterns.as_slice() {
        [pattern] => mailbox(out, pattern),
        patterns => list(out, patterns, |out, pattern| mailbox(out, pattern)),
    }
    if let Some(returns) = &command.returns {
        word(out, " RETURN ");
        return_options(out, returns);
    }
}

/// `"(" [return-option *(SP return-option)] ")"`
fn return_options(out: &mut Vec<u8>, returns: &ListReturn) {
    let named = [
        (returns.subscribed, "SUBSCRIBED"),
        (returns.children, "CHILDREN"),
        (returns.special_use, "SPECIAL-USE"),
        (!returns.status.is_empty(), "STATUS"),
        (returns.my_rights, "MYRIGHTS"),
        (!returns.metadata.is_empty(), "METADATA"),
    ];
    let options = named.into_iter().filter(|(set, _)| *set).map(|(_, name)| name);
    list(out, options, |out, name| {
        word(out, name);
        match name {
            "STATUS" => {
                out.push(b' ');
                list(out, &returns.status, |out, item| word(out, status_item(*item)));
            }
            "METADATA" => {
                out.push(b' ');
                metadata::entries(out, &returns.metadata, CLIENT);
            }
            _ => {}
        }
    });
}

/// The names of the options that are set.
fn chosen(out: &mut Vec<u8>, options: &[(bool, &str)]) {
    list(out, options.iter().filter(|(set, _)| *set), |out, (_, name)| word(out, name));
}

fn status_item(item: StatusItem) -> &'static str {
    match item {
        StatusItem::Messages => "MESSAGES",
        StatusItem::Deleted => "DELETED",
        StatusItem::DeletedStorage => "DELETED-STORAGE",
        StatusItem::Recent => "RECENT",
        StatusItem::UidNext => "UIDNEXT",
        StatusItem::UidValidity => "UIDVALIDITY",
        StatusItem::Unseen => "UNSEEN",
        StatusItem::Size => "SIZE",
        StatusItem::MailboxId => "MAILBOXID",
        StatusItem::AppendLimit => "APPENDLIMIT",
        StatusItem::HighestModSeq => "HIGHESTMODSEQ",
    }
}
