//! What is new, as responses: of the selected mailbox, and of the account where NOTIFY asked for it.
//!
//! All that is told unasked goes through [`tell`], whatever the occasion: with the answer to a command, in IDLE, and at any
//! time to a client that used NOTIFY SET. What each occasion allows stands in [`When`].

use std::io;

use super::{Context, condstore, fetch, flags, metadata, notify};
use crate::imap::print;
use crate::imap::print::fetch::FetchWriter;
use crate::imap::response::{Data, Response};
use crate::imap::session::{Enabled, Found, Occasion, Selected, Session};
use crate::imap::view::{ExpungeAllowed, News};
use crate::imap::watch::Attention;
use crate::store::{ModSeq, Uid, UidSet};

/// On what occasion news are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// With the answer to a command.
    Answer {
        /// Whether the command allows EXPUNGE.
        expunge: ExpungeAllowed,
        /// It has removed messages itself.
        expunged: bool,
    },
    /// With the answer to NOTIFY SET: everything, whatever was wanted before (RFC 5465 §3.1).
    NotifySet,
    /// The client idles (RFC 2177 §3, RFC 5465 §4).
    Idle,
    /// The client used NOTIFY SET, and no command is in progress, or none that has begun.
    Unasked,
}

impl When {
    /// What may be told of the selected mailbox. A client that asked for SELECTED can follow an EXPUNGE at any time (RFC
    /// 5465 §5.3).
    fn occasion(self, session: &Session) -> Occasion {
        let immediate = session.watch.as_ref().is_some_and(|watch| watch.selected.immediate);
        let (expunge, expunged) = match self {
            When::Answer { expunge, expunged } => (expunge, expunged),
            When::NotifySet | When::Idle => (ExpungeAllowed::Yes, false),
            When::Unasked => (ExpungeAllowed::No, false),
        };
        Occasion {
            expunge: if immediate { ExpungeAllowed::Yes } else { expunge },
            attention: if self == When::NotifySet { Attention::All } else { session.attention() },
            answers: matches!(self, When::Answer { .. } | When::NotifySet),
            expunged,
        }
    }
}

/// What a look came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// There was nothing new.
    Nothing,
    /// Something was added to the output.
    News,
    /// The selected mailbox is gone; what else is new was told.
    Deleted,
}

/// Looks at the selected mailbox, where there is one, and at the account or its metadata, where those are watched; adds what
/// is new. Errs when the client is gone.
pub(super) async fn tell(cx: &mut Context<'_>, when: When) -> io::Result<Told> {
    let own = match cx.session.account() {
        Some(account) => cx.environment.store.take_own(account.id),
        None => return Ok(Told::Nothing),
    };
    let told = tell_selected(cx, when, &own).await?;
    let any = match &cx.session.watch {
        // RFC 5464 §4.4.2; who has used NOTIFY is told what that asks for.
        None => metadata::tell(cx.session, cx.environment.store, &mut cx.output),
        Some(_) => when != When::NotifySet && notify::tell_account(cx, &own),
    };
    Ok(if any && told == Told::Nothing { Told::News } else { told })
}

async fn tell_selected(cx: &mut Context<'_>, when: When, own: &[ModSeq]) -> io::Result<Told> {
    let occasion = when.occasion(cx.session);
    let enabled = cx.session.enabled;
    let Some(selected) = cx.session.selected() else { return Ok(Told::Nothing) };
    let last_before = selected.view.known().last().unwrap_or(0);
    let mut news = match selected.look(cx.environment.store, occasion, enabled) {
        Found::News(news) if news.is_empty() => return Ok(Told::Nothing),
        Found::News(news) => news,
        Found::Deleted => return Ok(Told::Deleted),
    };
    cx.pushed.push((selected.mailbox.id(), selected.view.mod_seq()));
    // HIGHESTMODSEQ is the last word, since it says what the mod-sequences before it are worth.
    let last_word = news.pop_if(|news| matches!(news, News::HighestModSeq(_)));
    print(&mut cx.output, &news, selected, enabled);
    fetch_new(cx, when, last_before, own).await?;
    if let Some(last_word) = last_word {
        cx.put_news(&[last_word]);
    }
    Ok(Told::News)
}

/// What the client asked to be sent of new messages with MessageNew (RFC 5465 §5.2); not of those that it put there itself.
async fn fetch_new(cx: &mut Context<'_>, when: When, last_before: Uid, own: &[ModSeq]) -> io::Result<()> {
    let Some(watch) = &cx.session.watch else { return Ok(()) };
    if watch.selected.items.is_empty() || when == When::NotifySet {
        return Ok(());
    }
    let items = watch.selected.items.to_vec();
    let Some(selected) = cx.session.selected() else { return Ok(()) };
    let after = UidSet::range(last_before.saturating_add(1), Uid::MAX);
    let new = selected.view.known().intersection(&after);
    let theirs = |uid: &Uid| selected.mailbox.message(*uid).is_some_and(|message| !own.contains(&message.mod_seq));
    let new: UidSet = new.iter().filter(theirs).collect();
    fetch::tell_new(cx, items, &new).await
}

/// Appends the responses, in the order of the news.
///
/// Flags come with the UID, which any FETCH response may carry (RFC 3501 §7.4.2): a client that works by UID needs it.
pub(super) fn print(out: &mut Vec<u8>, news: &[News], selected: &Selected, enabled: Enabled) {
    if news.is_empty() {
        return;
    }
    let names = selected.mailbox.head().keywords;
    let dialect = enabled.dialect;
    let put = |out: &mut Vec<u8>, response: Response| print::response(out, &response, dialect);
    for item in news {
        match item {
            News::Expunge(sequence) => put(out, Data::Expunge(*sequence).into()),
            News::Vanished(uids) => put(out, Data::Vanished { earlier: false, uids: uids.clone() }.into()),
            News::Exists(exists) => put(out, Data::Exists(*exists).into()),
            News::Recent(recent) => put(out, Data::Recent(*recent).into()),
            News::Keywords(keywords) => {
                put(out, flags::flags(keywords).into());
                put(out, flags::permanent_flags(keywords, selected.read_only).into());
            }
            News::Flags { sequence, uid, flags, recent, mod_seq } => {
                let mut line = FetchWriter::begin(out, *sequence, *uid, dialect);
                line.flags(*flags, &names, *recent);
                line.implied_uid(*uid);
                // RFC 7162 §3.2.4
                if enabled.condstore {
                    line.mod_seq(*mod_seq);
                }
                line.end();
            }
            News::HighestModSeq(mod_seq) => put(out, condstore::highest_mod_seq(*mod_seq).into()),
        }
    }
}
