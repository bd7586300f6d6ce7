//! An accepted transaction becomes stored messages.
//!
//! A [`Transaction`] stands behind one SMTP or LMTP session and answers what the session asks: whose a recipient is,
//! whether a message can be taken, and at last whether it is on disk. It knows the directory, the store and the
//! observer, and turns their errors into replies; it knows no socket, and of the protocol only envelope and reply.
//!
//! A message is stored once, with its trace header in front, in one commit for all recipients: either each of them has
//! it or none, so one answer serves all. An account that is named twice gets it once.

mod hops;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::SystemTime;

use self::hops::HopCounter;

use crate::auth::directory::Unknown;
use crate::auth::{Directory, Origin};
use crate::message::date::Zoned;
use crate::observe::{self, Observer};
use crate::smtp::{Dialect, Envelope, Path, Reply, replies, trace_header};
use crate::store::{
    Account, Delivered, Error, FlagNames, INBOX, Incoming, Mailbox, NewMessage, Placement, Store, Usage,
};

/// What our trace header may have at the most, in octets: names, addresses and TLS parameters at their longest. A store
/// that takes messages of this much more than SIZE never refuses one that SIZE let pass.
pub const TRACE_OCTETS: u64 = 4 * 1024;

/// How much of a subject an observer is shown, in characters.
const SUBJECT_CHARS: usize = 200;

/// Where messages go and who is told. Shared by all transactions.
#[derive(Clone, Copy)]
pub struct Destination<'a> {
    /// Our name in trace headers.
    pub hostname: &'a str,
    /// Whose an address is.
    pub directory: &'a Directory,
    /// Where messages are stored.
    pub store: &'a Store,
    /// Looks on.
    pub observer: &'a dyn Observer,
    /// `Received` fields above which a message is refused.
    pub max_hops: usize,
}

/// One transaction after another of one session.
pub struct Transaction<'a> {
    to: Destination<'a>,
    /// The number of the session's connection.
    connection: u64,
    /// Messages that were opened in this session: with the connection's number it names a message in header and log.
    opened: u64,
    /// What MAIL began, without the recipients: who sends, from where, and how.
    envelope: Option<Arc<Envelope>>,
    /// The accepted recipients, each account once.
    recipients: Vec<Recipient>,
    /// Which of them each accepted path named, in the order of the paths.
    named: Vec<usize>,
    message: Option<Message>,
}

struct Recipient {
    account: Arc<Account>,
    inbox: Arc<Mailbox>,
}

/// A message that is coming in.
struct Message {
    id: String,
    envelope: Arc<Envelope>,
    body: Incoming,
    hops: HopCounter,
}

impl<'a> Transaction<'a> {
    /// For the session of that connection.
    pub fn new(to: Destination<'a>, connection: u64) -> Self {
        Self { to, connection, opened: 0, envelope: None, recipients: Vec::new(), named: Vec::new(), message: None }
    }

    /// Begins a transaction, if mail is taken from this sender. The envelope has no recipient yet; it is kept for the
    /// questions that follow.
    pub async fn begin(&mut self, envelope: Arc<Envelope>) -> Result<(), Reply> {
        self.envelope = Some(envelope);
        Ok(())
    }

    /// Adds a recipient, if there is room for a message of `size`, where that was declared. The committer has the last word:
    /// here it is said early, so that nothing is sent in vain (RFC 1870 §6.4).
    pub async fn add_recipient(&mut self, path: &Path, size: Option<u64>) -> Result<(), Reply> {
        let resolved = self.to.directory.resolve(&path.quoted_local_part(), path.domain()).await;
        let account = resolved.map_err(|unknown| {
            let reply = unknown_recipient(&unknown);
            let (connection, peer) = (self.connection, self.peer());
            tracing::info!(connection, peer, recipient = %path, reply = reply.code(), ?unknown, "refused");
            reply
        })?;
        let inbox = self.to.store.mailbox(account.id, INBOX).ok_or(replies::MAILBOX_UNAVAILABLE)?;
        // No message is without any octet.
        let more = Usage { octets: size.unwrap_or(1), messages: 1 };
        self.to.store.room(account.id, more).map_err(|error| {
            let reply = self.refusal(&error);
            tracing::info!(connection = self.connection, recipient = %path, reply = reply.code(), "no room");
            reply
        })?;
        let known = self.recipients.iter().position(|known| known.inbox.id() == inbox.id());
        self.named.push(known.unwrap_or(self.recipients.len()));
        if known.is_none() {
            self.recipients.push(Recipient { account, inbox });
        }
        Ok(())
    }

    /// From where the transaction comes, for the log.
    fn peer(&self) -> Option<tracing::field::DisplayValue<Origin>> {
        self.envelope.as_ref().map(|envelope| tracing::field::display(envelope.peer))
    }

    /// Begins a message: its trace header is stored first, and where not even that can be stored, nothing need be sent.
    pub async fn open(&mut self, envelope: Arc<Envelope>) -> Result<(), Reply> {
        let now_unix_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.opened += 1;
        // An atom, as the ID clause wants it (RFC 5321 §4.4).
        let id = format!("{now_unix_s:x}-{:x}-{:x}", self.connection, self.opened);
        let date = Zoned { unix_s: i64::try_from(now_unix_s).unwrap_or(i64::MAX), offset_min: 0 };
        let trace = trace_header(&envelope, self.to.hostname, &id, &date.to_string());
        let mut body = self.to.store.incoming();
        body.push(trace.as_bytes()).await.map_err(|error| self.refusal(&error))?;
        self.message = Some(Message { id, envelope, body, hops: HopCounter::new() });
        Ok(())
    }

    /// Takes the next octets of the message.
    pub async fn push(&mut self, octets: &[u8]) -> Result<(), Reply> {
        let Some(message) = &mut self.message else { return Err(replies::STORE_FAILED) };
        if message.hops.count(octets) > self.to.max_hops {
            return Err(replies::TOO_MANY_HOPS);
        }
        message.body.push(octets).await.map_err(|error| self.refusal(&error))
    }

    /// Stores the message for all recipients. When this says yes, it is on disk.
    ///
    /// LMTP has an answer for each recipient (RFC 2033 §4.2): whoever has no room is left out, and the refusals are told by
    /// recipient. SMTP has one for all: where one has no room, nobody gets the message, and the sender learns at RCPT who it
    /// was when it tries again.
    pub async fn deliver(&mut self) -> Result<Vec<Option<Reply>>, Reply> {
        let recipients = std::mem::take(&mut self.recipients);
        let named = std::mem::take(&mut self.named);
        self.envelope = None;
        let Some(message) = self.message.take() else { return Err(replies::STORE_FAILED) };
        let Message { id, envelope, body, .. } = message;
        let octets = body.len();
        let placements =
            recipients.iter().map(|to| Placement { mailbox: Arc::clone(&to.inbox), flags: FlagNames::default() });
        // INTERNALDATE is the moment of acceptance, which is the commit's.
        let (message, placements) = (NewMessage { body, internal_date: None }, placements.collect());
        let stored = match envelope.dialect {
            Dialect::Lmtp => self.to.store.deliver_where_there_is_room(message, placements).await,
            Dialect::Smtp => self.to.store.deliver(message, placements).await,
        };
        let outcome = match stored {
            Ok(delivered) => {
                self.tell(&recipients, &delivered, octets);
                let refusal = |number: &usize| {
                    let refused = delivered.refused.iter().find(|(refused, _)| refused == number);
                    refused.map(|(_, error)| self.refusal(error))
                };
                Ok(named.iter().map(refusal).collect())
            }
            Err(error) => Err(self.refusal(&error)),
        };
        tracing::info!(
            connection = self.connection,
            id,
            peer = %envelope.peer,
            helo = envelope.client.name,
            sender = envelope.reverse_path.as_ref().map(Path::to_string).unwrap_or_default(),
            recipients = envelope.recipients.len(),
            octets,
            reply = outcome.as_ref().err().map_or(replies::STORED.code(), Reply::code),
            "message"
        );
        outcome
    }

    /// Forgets the recipients and what was stored of the message.
    pub fn abandon(&mut self) {
        self.envelope = None;
        self.recipients.clear();
        self.named.clear();
        if let Some(message) = self.message.take() {
            let octets = message.body.len();
            tracing::info!(connection = self.connection, id = message.id, octets, "message abandoned");
        }
    }

    fn tell(&self, recipients: &[Recipient], delivered: &Delivered, octets: u64) {
        let subject = delivered.summary.envelope.display_subject(SUBJECT_CHARS);
        // The places are in the order of the placements, and those in the order of the recipients.
        let has_it = |number: &usize| delivered.refused.iter().all(|(refused, _)| refused != number);
        let there = recipients.iter().enumerate().filter(|(number, _)| has_it(number)).map(|(_, to)| to);
        for (to, place) in there.zip(&delivered.places) {
            self.to.observer.delivered(&observe::Delivery {
                account: to.account.name.clone(),
                mailbox: place.mailbox.head().name,
                mailbox_id: place.mailbox.id(),
                uid: place.uid,
                mod_seq: place.mod_seq,
                commit_seq: delivered.commit_seq,
                octets,
                subject: subject.clone(),
                told: place.told,
                watching: place.watching,
                committed_at: delivered.committed_at,
            });
        }
    }

    /// What to say when the store says no.
    fn refusal(&self, error: &Error) -> Reply {
        match error {
            Error::TooLarge { .. } => replies::TOO_LARGE,
            Error::DiskFull => replies::STORE_FULL,
            Error::Busy => replies::STORE_BUSY,
            Error::OverQuota { hopeless: false } => replies::MAILBOX_FULL,
            Error::OverQuota { hopeless: true } => replies::MAILBOX_TOO_SMALL,
            Error::NoSuchMailbox | Error::NoSuchAccount => replies::MAILBOX_UNAVAILABLE,
            Error::Closing => replies::STORE_FAILED,
            _ => {
                tracing::error!(connection = self.connection, %error, "a message could not be stored");
                replies::STORE_FAILED
            }
        }
    }
}

/// What to say about a recipient that is nobody's here.
fn unknown_recipient(unknown: &Unknown) -> Reply {
    match unknown {
        Unknown::Domain => replies::NOT_OUR_DOMAIN,
        Unknown::User => replies::NO_SUCH_USER,
        Unknown::Unavailable(_) => replies::RECIPIENT_UNAVAILABLE,
    }
}
