//! Running commands: plain async functions over the store's face, a session, and the client at the other end
//! ([`context`]). One command or family, one file; there is no socket and no clock in any of them.
//!
//! [`run`] is the way of every command: the table of facts says whether it may come in this state, its handler does it and
//! writes untagged data, then the session tells what else is new as far as this command allows it, and the tagged
//! response comes last. Failures of all kinds become answers in one place ([`failure`]).
//!
//! RFC 3501 §5.2 wants news told with whatever command comes by: here every command that completes tells them all, as NOOP
//! does, and IDLE tells them at once ([`idle`]).

mod append;
mod authenticate;
mod capability;
mod catenate;
mod close;
mod compose;
mod compress;
mod condstore;
mod context;
mod copy;
mod create;
mod delete;
mod enable;
mod expunge;
mod failure;
mod fetch;
mod flags;
mod given_up;
mod id;
pub(crate) mod idle;
mod list;
mod login;
mod logout;
mod lsub;
mod messages;
mod metadata;
mod multisearch;
mod my_rights;
mod namespace;
mod news;
mod noop;
mod notify;
mod old_name;
mod pattern;
mod progress;
mod quota;
mod rename;
mod replace;
mod resync;
mod search;
mod select;
mod sort;
mod starttls;
mod status;
mod store;
mod subscribe;
mod thread;
mod tree;
mod uid_batches;
mod unauthenticate;
mod workspace;

use std::borrow::Cow;
use std::io;

pub(crate) use capability::capabilities;
pub(crate) use context::{Client, Context, Environment, Pending};
pub(crate) use news::{Told, When};
pub(crate) use workspace::Workspace;

use self::failure::Failure;
use super::command::{Command, CommandBody, Tag};
use super::response::{Code, Condition, Status};
use super::session::Facts;

/// What the connection does when a command is done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// The next command.
    Continue,
    /// The TLS handshake: the OK is written.
    StartTls,
    /// Both directions are compressed from here on: the OK is written (RFC 4978 §3).
    Compress,
    /// Nobody is logged in any more: the OK is written (RFC 8437 §3).
    Unauthenticated,
    /// IDLE has begun under this tag: `+ idling` is written, and [`idle`] says what comes.
    Idle(Tag),
    /// It ends: all is said.
    Close,
}

/// A command that was done: its OK.
#[derive(Debug)]
pub(crate) struct Done {
    code: Option<Code>,
    text: Cow<'static, str>,
    after: Next,
    /// Messages left the selected mailbox by it: a client that enabled QRESYNC is told the HIGHESTMODSEQ after the news.
    expunged: bool,
}

/// [`After`], before the tag is known.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Continue,
    StartTls,
    Compress,
    Unauthenticated,
    Idle,
    Close,
}

/// What a handler makes of its command.
type Outcome = Result<Done, Failure>;

impl Done {
    fn ok(text: impl Into<Cow<'static, str>>) -> Self {
        Self { code: None, text: text.into(), after: Next::Continue, expunged: false }
    }

    fn with_code(self, code: Code) -> Self {
        Self { code: Some(code), ..self }
    }

    fn expunged(self, expunged: bool) -> Self {
        Self { expunged, ..self }
    }

    fn then(self, after: Next) -> Self {
        Self { after, ..self }
    }
}

/// Runs a command to its end; all it has to say is written when this returns. Errs when the client is gone.
///
/// An APPEND comes without its message, which is read through [`Client`]; it has to answer for the message in any case.
pub(crate) async fn run(cx: &mut Context<'_>, command: Command) -> io::Result<After> {
    let Command { tag, body } = command;
    let facts = Facts::of(&body);
    tracing::trace!(command = facts.name, "runs");
    cx.tag = Some(tag.clone());
    // What happened before the command is told before it, so that what is told behind it happened while it ran.
    if cx.session.listens() && told_unasked(cx).await? == Told::Deleted {
        return Ok(After::Close);
    }
    let checked = facts.check(&cx.session.state).map_err(Failure::Bad);
    let outcome = match checked.and_then(|()| given_up::check(&body, facts, cx.session.enabled.dialect)) {
        Ok(()) => dispatch(cx, &tag, body).await,
        Err(failure) => {
            // Ours only if it was an APPEND: its message is on its way, or waits for `+`.
            cx.client.framer().refuse_message();
            Err(failure)
        }
    };
    conclude(cx, facts, tag, outcome).await
}

/// Tells a client that used NOTIFY SET what is new, while no command of it is in progress; BYE, if it has lost its mailbox.
pub(crate) async fn told_unasked(cx: &mut Context<'_>) -> io::Result<Told> {
    let told = news::tell(cx, When::Unasked).await?;
    if told == Told::Deleted {
        cx.put(bye_deleted());
    }
    if told != Told::Nothing {
        cx.flush().await?;
    }
    Ok(told)
}

async fn dispatch(cx: &mut Context<'_>, tag: &Tag, body: CommandBody) -> Outcome {
    match body {
        CommandBody::Capability => capability::run(cx),
        CommandBody::Noop => noop::run("NOOP done"),
        CommandBody::Logout => logout::run(cx),
        CommandBody::Id(fields) => id::run(cx, &fields),
        CommandBody::StartTls => starttls::run(cx),
        CommandBody::Authenticate { mechanism, initial_response } => {
            authenticate::run(cx, &mechanism, initial_response).await
        }
        CommandBody::Login { user, password } => login::run(cx, &user, &password).await,
        CommandBody::Select { mailbox, parameters } => select::run(cx, &mailbox, parameters, false).await,
        CommandBody::Examine { mailbox, parameters } => select::run(cx, &mailbox, parameters, true).await,
        CommandBody::Create { mailbox, uses } => create::run(cx, &mailbox, &uses).await,
        CommandBody::Delete { mailbox } => delete::run(cx, &mailbox).await,
        CommandBody::Rename { from, to } => rename::run(cx, &from, &to).await,
        CommandBody::Subscribe { mailbox } => subscribe::run(cx, &mailbox, true).await,
        CommandBody::Unsubscribe { mailbox } => subscribe::run(cx, &mailbox, false).await,
        CommandBody::List(list) => list::run(cx, list).await,
        CommandBody::Lsub { reference, pattern } => lsub::run(cx, &reference, pattern).await,
        CommandBody::Status { mailbox, items } => status::run(cx, &mailbox, &items).await,
        CommandBody::Append(append) => append::run(cx, append).await,
        CommandBody::Namespace => namespace::run(cx),
        CommandBody::MyRights { mailbox } => my_rights::run(cx, &mailbox),
        CommandBody::GetMetadata(get) => metadata::get(cx, &get),
        CommandBody::SetMetadata { mailbox, entries } => metadata::set(cx, &mailbox, entries).await,
        CommandBody::Enable(capabilities) => enable::run(cx, &capabilities),
        CommandBody::Notify(notify) => notify::run(cx, notify).await,
        CommandBody::Idle => Ok(Done::ok("").then(Next::Idle)),
        CommandBody::GetQuota(root) => quota::get(cx, &root),
        CommandBody::GetQuotaRoot { mailbox } => quota::get_root(cx, &mailbox),
        CommandBody::Unauthenticate => unauthenticate::run(cx),
        CommandBody::Compress => compress::run(cx),
        CommandBody::Check => noop::run("CHECK done"),
        CommandBody::Close => close::run(cx, true).await,
        CommandBody::Unselect => close::run(cx, false).await,
        CommandBody::Expunge => expunge::run(cx, None).await,
        CommandBody::UidBatches(asked) => uid_batches::run(cx, tag, asked),
        CommandBody::UidExpunge(set) => expunge::run(cx, Some(&set)).await,
        CommandBody::Search { by, returns, key } => search::run(cx, tag, by, returns, key).await,
        CommandBody::MultiSearch { sources, returns, key } => multisearch::run(cx, tag, sources, returns, key).await,
        CommandBody::Sort { by, returns, criteria, key } => sort::run(cx, tag, by, returns, &criteria, key).await,
        CommandBody::Thread { by, algorithm, key } => thread::run(cx, by, algorithm, key).await,
        CommandBody::Fetch { by, set, items, modifiers } => fetch::run(cx, by, &set, items, modifiers).await,
        CommandBody::Store { by, set, unchanged_since, action, silent, flags } => {
            store::run(cx, store::Change { by, set, unchanged_since, action, silent, flags }).await
        }
        CommandBody::Replace { by, message, append } => replace::run(cx, by, message, append).await,
        CommandBody::Copy { by, set, mailbox } => copy::copy(cx, by, &set, &mailbox).await,
        CommandBody::Move { by, set, mailbox } => copy::move_messages(cx, by, &set, &mailbox).await,
    }
}

/// News, then the tagged response (RFC 3501 §5.2, §7.1).
async fn conclude(cx: &mut Context<'_>, facts: Facts, tag: Tag, outcome: Outcome) -> io::Result<After> {
    let expunged = outcome.as_ref().is_ok_and(|done| done.expunged);
    let mut farewell = None;
    let (mut status, after) = match outcome {
        // Nothing tagged before DONE.
        Ok(Done { after: Next::Idle, .. }) => return idle::begin(cx, tag).await,
        Ok(done) => {
            let status = Status { tag: Some(tag.clone()), condition: Condition::Ok, code: done.code, text: done.text };
            (status, done.after)
        }
        Err(failure) => {
            failure.report(facts.name);
            let after = if failure.closes() { Next::Close } else { Next::Continue };
            farewell = failure.farewell();
            (failure.into_status(&tag)?, after)
        }
    };
    let bad = status.condition == Condition::Bad;
    let told = match bad {
        true => Told::Nothing,
        false => news::tell(cx, When::Answer { expunge: facts.expunge, expunged }).await?,
    };
    if expunged {
        status.code = condstore::code_after_expunge(cx.session).or(status.code);
    }
    cx.put(status);
    if told == Told::Deleted {
        cx.put(bye_deleted());
    }
    let hopeless = cx.session.count(bad, cx.environment.limits);
    if hopeless {
        cx.put(bye_hopeless());
    }
    if let Some(bye) = farewell {
        cx.put(bye);
    }
    cx.flush().await?;
    Ok(match after {
        _ if told == Told::Deleted || hopeless => After::Close,
        Next::StartTls => After::StartTls,
        Next::Compress => After::Compress,
        Next::Unauthenticated => After::Unauthenticated,
        Next::Close => After::Close,
        Next::Continue | Next::Idle => After::Continue,
    })
}

/// The client does not speak IMAP, or is in a loop.
pub(crate) fn bye_hopeless() -> Status {
    Status::bye("Too many bad commands")
}

/// The session loses its mailbox, and no client that enabled nothing could understand more (DESIGN §12).
pub(crate) fn bye_deleted() -> Status {
    Status::bye("The selected mailbox was deleted")
}

#[cfg(test)]
mod tests;
