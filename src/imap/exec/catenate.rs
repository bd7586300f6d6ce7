//! The URLs of CATENATE (RFC 4469 §3): octets of messages that are here already, as BODY[section] would show them. `\Seen` is
//! not set, and nothing is selected.
//!
//! What can't be found (a URL of another kind, a mailbox, a UIDVALIDITY, a message, a part) is `NO [BADURL]` (§4.1).

use super::Context;
use super::failure::Failure;
use crate::imap::command::Partial;
use crate::imap::response::Code;
use crate::imap::url::{MessageUrl, UrlMailbox};
use crate::message::Span;
use crate::message::section::Place;
use crate::store::{Error, Incoming, Message, OpenMailbox};

/// What is read in one go.
const PIECE_OCTETS: u64 = 64 * 1024;

/// Adds the octets that the URL names.
pub(super) async fn append_url(cx: &mut Context<'_>, url: &[u8], body: &mut Incoming) -> Result<(), Failure> {
    match octets(cx, url, body).await {
        Err(Trouble::NotThere | Trouble::Failure(Failure::Store(Error::Gone))) => {
            Err(Failure::no(Code::BadUrl(shown(url)), "The URL names nothing that is here"))
        }
        Err(Trouble::Failure(failure)) => Err(failure),
        Ok(()) => Ok(()),
    }
}

/// Why the octets can't be had.
enum Trouble {
    NotThere,
    Failure(Failure),
}

impl<F: Into<Failure>> From<F> for Trouble {
    fn from(failure: F) -> Self {
        Trouble::Failure(failure.into())
    }
}

async fn octets(cx: &mut Context<'_>, url: &[u8], body: &mut Incoming) -> Result<(), Trouble> {
    let MessageUrl { mailbox, uid_validity, uid, section, partial } =
        MessageUrl::parse(url).ok_or(Trouble::NotThere)?;
    let mailbox = open(cx, mailbox).await?;
    let head = mailbox.head();
    if head.gone || uid_validity.is_some_and(|uid_validity| uid_validity != head.uid_validity) {
        return Err(Trouble::NotThere);
    }
    let message = mailbox.message(uid).ok_or(Trouble::NotThere)?;
    let store = cx.store();
    let summary = store.read_summary(message.body).await?;
    match section.place(&summary).ok_or(Trouble::NotThere)? {
        Place::Octets(span) => copy(cx, &message, cut(span, partial), body).await,
        Place::Fields(fields) => {
            let _place = cx.environment.workspace.for_item(u64::from(fields.header.len())).await;
            let selected = match fields.select_common(&summary) {
                Some(selected) => selected,
                None => {
                    let (offset, octets) = (u64::from(fields.header.start), fields.header.len() as usize);
                    fields.select(&store.read_range(message.body, offset, octets).await?)
                }
            };
            let whole = Span::new(0, u32::try_from(selected.len()).unwrap_or(u32::MAX));
            Ok(body.push(cut(whole, partial).of(&selected)).await?)
        }
    }
}

async fn open(cx: &mut Context<'_>, mailbox: UrlMailbox) -> Result<OpenMailbox, Trouble> {
    let account = cx.account()?;
    let selected = cx.session.selected().map(|selected| selected.mailbox.clone());
    let name = selected.as_ref().map(|selected| selected.head().name);
    match mailbox.name(name.as_deref()) {
        None => selected.ok_or(Trouble::NotThere),
        Some(name) => {
            let mailbox = cx.store().mailbox(account, &name).ok_or(Trouble::NotThere)?;
            Ok(cx.store().open_mailbox(&mailbox).await?)
        }
    }
}

async fn copy(cx: &Context<'_>, message: &Message, span: Span, body: &mut Incoming) -> Result<(), Trouble> {
    let (mut offset, end) = (u64::from(span.start), u64::from(span.end));
    // Known before it is read: what does not fit costs nothing.
    let limit = cx.store().max_message();
    if body.len() + (end - offset) > limit {
        return Err(Error::TooLarge { limit }.into());
    }
    while offset < end {
        let piece = cx.store().read_range(message.body, offset, PIECE_OCTETS.min(end - offset) as usize).await?;
        if piece.is_empty() {
            return Err(Error::Damaged("the message is shorter than its parts".into()).into());
        }
        body.push(&piece).await?;
        offset += piece.len() as u64;
    }
    Ok(())
}

/// The octets of a place that a partial range names; beyond its end there are none.
fn cut(span: Span, partial: Option<Partial>) -> Span {
    let Some(Partial { offset, length }) = partial else { return span };
    let end = u64::from(span.end);
    let first = u64::from(span.start).saturating_add(offset).min(end);
    let last = first.saturating_add(length).min(end);
    // Neither is above `span.end`.
    Span::new(first as u32, last as u32)
}

/// The URL as a response code may show it (RFC 4469 §5, `url-resp-text`): other octets percent-encoded.
fn shown(url: &[u8]) -> String {
    url.iter().fold(String::with_capacity(url.len()), |mut shown, octet| {
        match octet {
            b']' | b'\\' => shown += &format!("%{octet:02X}"),
            octet if octet.is_ascii_graphic() => shown.push(char::from(*octet)),
            octet => shown += &format!("%{octet:02X}"),
        }
        shown
    })
}
