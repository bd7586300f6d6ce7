//! An accepted transaction becomes stored messages.
//!
//! A [`Transaction`] stands behind one SMTP or LMTP session and answers what the session asks: whose a recipient is,
//! whether a message can be taken, and at last whether it is on disk. It knows the directory, the store and the
//! observer, and turns their errors into replies; it knows no socket, and of the protocol only envelope and reply.
//!
//! A message is stored once, with its trace header in front, in one commit for all recipients: either each of them has
//! it or none, so one answer serves all. In which mailboxes is decided when all of it has come ([`filing`]); each has
//! it once. Whoever is told 250 has handed over the responsibility for it (RFC 5321 §6.1).

mod filing;
mod hops;
mod notice;
mod recipient;
mod rules;
#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::SystemTime;

use self::filing::Filing;
use self::hops::{HopCounter, OWN_HOPS_MAX};
use self::notice::{HeaderCopy, Notice, Told};
use self::recipient::Recipients;
use self::rules::ruled;
use crate::auth::directory::{Ownership, Unknown};
use crate::auth::{Directory, Origin};
use crate::message::date::Zoned;
use crate::observe::{self, Observer};
use crate::policy::checks::{Checks, Conclusion, Policy};
use crate::policy::decision::Decision;
use crate::smtp::{
    Client, Dialect, Envelope, MailParameters, Path, RcptParameters, Reply, received, replies, return_path,
};
use crate::store::{Delivered, Error, INBOX, Incoming, NewMessage, Placed, Placement, Store, Usage};

/// What we put in front of a message has this much room, in octets: a trace header with names, addresses and TLS
/// parameters at their longest needs less than half of it, the rest is for verdicts. A store that takes messages of this
/// much more than SIZE never refuses one that SIZE let pass.
pub const TRACE_OCTETS: u64 = 8 * 1024;

/// Of how many places the log says for each where a message was filed: a line for a thousand recipients stays readable.
const PLACES_LOGGED_MAX: usize = 10;

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
    /// What is asked about the client and its mail; `None`: nothing.
    pub policy: Option<&'a Policy>,
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
    /// The accepted recipients.
    recipients: Recipients,
    message: Option<Message<'a>>,
    /// Where it comes from.
    checks: Option<Checks<'a>>,
}

/// A message that is coming in.
struct Message<'a> {
    id: String,
    envelope: Arc<Envelope>,
    /// When it began to come in, as RFC 5322 writes it.
    date: String,
    body: Incoming,
    hops: HopCounter<'a>,
    /// It comes from a stranger, and is checked.
    is_checked: bool,
    /// For a notice of its delivery, where one was asked for.
    copy: Option<HeaderCopy>,
}

impl<'a> Transaction<'a> {
    /// For the session of that connection.
    pub fn new(to: Destination<'a>, connection: u64) -> Self {
        Self {
            to,
            connection,
            opened: 0,
            envelope: None,
            recipients: Recipients::default(),
            message: None,
            checks: to.policy.map(Checks::new),
        }
    }

    /// Begins a transaction, if mail is taken from this sender. The envelope has no recipient yet; it is kept for the
    /// questions that follow.
    ///
    /// Too little space for a message of the declared size is told here already (RFC 1870 §6.1).
    pub async fn begin(&mut self, envelope: Arc<Envelope>) -> Result<(), Reply> {
        self.check_login(&envelope).await?;
        if let Some(checks) = &mut self.checks {
            checks.forget();
        }
        let octets = envelope.parameters.size.unwrap_or(0);
        self.to.store.incoming().has_room_for(octets).map_err(|error| self.refusal(&error))?;
        self.envelope = Some(envelope);
        Ok(())
    }

    /// Adds a recipient, if there is room for a message of `size`, where that was declared. The committer has the last word:
    /// here it is said early, so that nothing is sent in vain (RFC 1870 §6.4).
    pub async fn add_recipient(&mut self, path: &Path, size: Option<u64>) -> Result<(), Reply> {
        let resolved = self.to.directory.addressees(&path.quoted_local_part(), path.domain()).await;
        let addressees = resolved.map_err(|unknown| {
            let reply = unknown_recipient(&unknown);
            let (connection, peer) = (self.connection, self.peer());
            tracing::info!(connection, peer, recipient = %path, reply = reply.code(), ?unknown, "refused");
            reply
        })?;
        // No message is without any octet.
        let more = Usage { octets: size.unwrap_or(1), messages: 1 };
        let mut named = Vec::with_capacity(addressees.len());
        for addressee in addressees {
            let account = addressee.account.id;
            let inbox = self.to.store.mailbox(account, INBOX).ok_or(replies::MAILBOX_UNAVAILABLE)?;
            self.to.store.room(account, more).map_err(|error| {
                let reply = self.refusal(&error);
                tracing::info!(connection = self.connection, peer = self.peer(), recipient = %path, reply = reply.code(), "no room");
                reply
            })?;
            named.push((addressee, inbox));
        }
        if !self.recipients.have_room_for(&named) {
            tracing::info!(connection = self.connection, recipient = %path, "too many in one message");
            return Err(replies::TOO_MANY_RECIPIENTS);
        }
        self.check_origin(path).await?;
        self.recipients.add(named);
        Ok(())
    }

    /// Whether mail from this client and sender is taken for this recipient.
    async fn check_origin(&mut self, recipient: &Path) -> Result<(), Reply> {
        let (Some(checks), Some(envelope)) = (&mut self.checks, &self.envelope) else { return Ok(()) };
        // Who has logged in is no stranger.
        if envelope.account.is_some() {
            return Ok(());
        }
        checks.recipient(envelope, recipient).await.inspect_err(|reply| {
            let (connection, peer) = (self.connection, envelope.peer);
            let sender = envelope.reverse_path.as_ref().map(Path::to_string).unwrap_or_default();
            let (code, why) = (reply.code(), reply.text());
            tracing::info!(connection, %peer, helo = envelope.client.name, sender, %recipient, reply = code, why, "refused");
        })
    }

    /// Who has logged in uses no address of somebody else here. Addresses of foreign domains say nothing about people
    /// here, and may be used by whoever has them; but not at a port for submission, where every sender has to be one whom a
    /// notice of delivery reaches.
    async fn check_login(&self, envelope: &Envelope) -> Result<(), Reply> {
        let (Some(account), Some(path)) = (&envelope.account, &envelope.reverse_path) else { return Ok(()) };
        let owned = self.to.directory.ownership(account, &path.quoted_local_part(), path.domain()).await;
        let refusal = match owned {
            Ok(Ownership::Own) => return Ok(()),
            Ok(Ownership::Foreign) if !envelope.is_submission => return Ok(()),
            Ok(Ownership::Foreign | Ownership::OfAnother) => replies::NOT_YOUR_ADDRESS,
            Err(unknown) => unknown_recipient(&unknown),
        };
        let (connection, peer) = (self.connection, envelope.peer);
        tracing::info!(connection, %peer, account = &**account, sender = %path, reply = refusal.code(), "refused");
        Err(refusal)
    }

    /// From where the transaction comes, for the log.
    fn peer(&self) -> Option<tracing::field::DisplayValue<Origin>> {
        self.envelope.as_ref().map(|envelope| tracing::field::display(envelope.peer))
    }

    /// Begins a message: room for what goes in front is taken first, and where not even that can be stored, nothing need be
    /// sent.
    pub async fn open(&mut self, envelope: Arc<Envelope>) -> Result<(), Reply> {
        let (now_unix_s, date) = now();
        self.opened += 1;
        // An atom, as the ID clause wants it (RFC 5321 §4.4).
        let id = format!("{now_unix_s:x}-{:x}-{:x}", self.connection, self.opened);
        let mut body = self.to.store.incoming();
        body.reserve(TRACE_OCTETS).map_err(|error| self.refusal(&error))?;
        let is_checked = self.checks.is_some() && envelope.account.is_none();
        if let (true, Some(checks)) = (is_checked, &mut self.checks) {
            checks.open();
        }
        let copy = HeaderCopy::for_envelope(&envelope);
        let hops = HopCounter::new(self.to.hostname);
        self.message = Some(Message { id, envelope, date, body, hops, copy, is_checked });
        Ok(())
    }

    /// Takes the next octets of the message.
    pub async fn push(&mut self, octets: &[u8]) -> Result<(), Reply> {
        let Some(message) = &mut self.message else { return Err(replies::STORE_FAILED) };
        if message.hops.count(octets) > self.to.max_hops || message.hops.own_hops() > OWN_HOPS_MAX {
            return Err(replies::TOO_MANY_HOPS);
        }
        if let Some(copy) = &mut message.copy {
            copy.push(octets);
        }
        let pushed = match &mut self.checks {
            Some(checks) if message.is_checked => {
                let (kept, gone) = checks.push(octets);
                match message.body.reserve(gone as u64) {
                    Ok(()) => message.body.push(&kept).await,
                    Err(error) => Err(error),
                }
            }
            _ => message.body.push(octets).await,
        };
        pushed.map_err(|error| self.refusal(&error))
    }

    /// Stores the message ([`Transaction::deliver`]), and a notice for its sender where that was asked for.
    pub async fn complete(&mut self) -> Result<Vec<Option<Reply>>, Reply> {
        let asked = self.message.as_mut().and_then(|message| {
            let copy = message.copy.take()?;
            Some((copy, Arc::clone(&message.envelope), message.id.clone()))
        });
        let outcome = self.deliver().await;
        if let (Some((copy, envelope, id)), Ok(refusals)) = (asked, &outcome) {
            let arrived = |number: usize| refusals.get(number).is_none_or(Option::is_none);
            let told = Told { hostname: self.to.hostname, id: &id, date: &now().1 };
            if let Some(notice) = notice::of_delivery(&envelope, arrived, &copy, &told) {
                self.notify(notice).await;
            }
        }
        outcome
    }

    /// Delivers a notice: a message of ours, from the null path.
    async fn notify(&mut self, Notice { to, octets }: Notice) {
        let envelope = Envelope {
            dialect: Dialect::Smtp,
            client: Client { name: self.to.hostname.to_owned(), extended: false },
            peer: Origin::Address((Ipv4Addr::LOCALHOST, 0).into()),
            tls: None,
            account: None,
            is_submission: false,
            reverse_path: None,
            parameters: MailParameters::default(),
            recipients: vec![to.clone()],
            recipient_parameters: vec![RcptParameters::default()],
        };
        // Nobody need be asked about us.
        let to_ourselves = Destination { policy: None, ..self.to };
        let mut transaction = Transaction { opened: self.opened, ..Transaction::new(to_ourselves, self.connection) };
        let delivered = async {
            transaction.add_recipient(&to, Some(octets.len() as u64)).await?;
            transaction.open(Arc::new(envelope)).await?;
            transaction.push(&octets).await?;
            transaction.deliver().await
        };
        let delivered = delivered.await;
        // The next message has a name of its own.
        self.opened = transaction.opened;
        // Nobody is told of a notice that can't be delivered (RFC 3461 §5.2, RFC 5321 §4.5.5).
        if let Err(reply) = delivered {
            tracing::warn!(connection = self.connection, %to, reply = reply.text(), "a notice of delivery is lost");
        }
    }

    /// Stores the message for all recipients. When this says yes, it is on disk.
    ///
    /// LMTP has an answer for each recipient (RFC 2033 §4.2): whoever has no room is left out, and the refusals are told by
    /// recipient. SMTP has one for all: where one has no room, nobody gets the message, and the sender learns at RCPT who it
    /// was when it tries again; but not where a rule led to whoever has no room, since that is known only here.
    pub async fn deliver(&mut self) -> Result<Vec<Option<Reply>>, Reply> {
        let recipients = std::mem::take(&mut self.recipients);
        self.envelope = None;
        let Some(message) = self.message.take() else { return Err(replies::STORE_FAILED) };
        let Message { id, envelope, date, body, is_checked, .. } = message;
        let judged = match &mut self.checks {
            Some(checks) if is_checked => Some(checks.conclude(&envelope, &id).await),
            _ => None,
        };
        let trace = received(&envelope, self.to.hostname, &id, &date);
        let (mut octets, mut junk) = (body.len(), false);
        let mut filed = String::new();
        let outcome = match self.finish(body, judged, &return_path(&envelope), &trace).await {
            Ok((body, is_junk)) => {
                (octets, junk) = (body.len(), is_junk);
                match ruled(self.to, &recipients, &envelope, &id, body).await {
                    Ok((body, places)) => {
                        let mut places = places.into_iter();
                        let mut filing = Filing::new(self.to.store, is_junk);
                        let places = recipients.file(|recipient| match places.next().flatten() {
                            Some(places) => filing.placements_of(places),
                            None => filing.placements(recipient),
                        });
                        self.store(body, places, envelope.dialect, &mut filed).await
                    }
                    Err(error) => Err(self.refusal(&error)),
                }
            }
            Err(reply) => Err(reply),
        };
        tracing::info!(
            connection = self.connection,
            id,
            peer = %envelope.peer,
            helo = envelope.client.name,
            sender = envelope.reverse_path.as_ref().map(Path::to_string).unwrap_or_default(),
            recipients = envelope.recipients.len(),
            octets,
            junk,
            filed,
            refused = outcome.as_ref().map_or(0, |refusals| refusals.iter().flatten().count()),
            reply = outcome.as_ref().err().map_or(replies::STORED.code(), Reply::code),
            why = outcome.as_ref().err().map_or("", Reply::text),
            "message"
        );
        outcome
    }

    /// Puts in front of the message what belongs there, unless it is refused, and says whether it is junk. What was found
    /// out about it stands above `Received` (RFC 8601 §4.1, RFC 7208 §9.1).
    async fn finish(
        &self,
        mut body: Incoming,
        judged: Option<Conclusion>,
        return_path: &str,
        trace: &str,
    ) -> Result<(Incoming, bool), Reply> {
        let mut verdicts = String::new();
        let mut junk = false;
        if let Some(Conclusion { fields, decision, rest }) = judged {
            match decision {
                Decision::Refuse(reply) => return Err(reply),
                Decision::Take { is_junk } => junk = is_junk,
            }
            body.push(&rest).await.map_err(|error| self.refusal(&error))?;
            verdicts = fields;
        }
        let front = [return_path, &verdicts, trace].concat();
        body.prepend(front.as_bytes()).map_err(|error| self.refusal(&error))?;
        Ok((body, junk))
    }

    /// Stores the message in the places of each path, and says which paths were refused; where it stands is `filed`, for the
    /// log. INTERNALDATE is the moment of acceptance, which is the commit's.
    async fn store(
        &self,
        body: Incoming,
        places: Vec<Vec<Placement>>,
        dialect: Dialect,
        filed: &mut String,
    ) -> Result<Vec<Option<Reply>>, Reply> {
        let octets = body.len();
        let mut refusals = vec![None; places.len()];
        // Who has no place for it has it as it wants it.
        let (paths, places): (Vec<_>, Vec<_>) = places.into_iter().enumerate().filter(|(_, to)| !to.is_empty()).unzip();
        if places.is_empty() {
            return Ok(refusals);
        }
        let message = NewMessage { body, internal_date: None };
        let partly = dialect == Dialect::Lmtp;
        match self.to.store.deliver_to_recipients(message, places, partly).await {
            Ok(delivered) => {
                self.tell(&delivered, octets);
                *filed = self.places_of(&delivered);
                for (number, error) in &delivered.refused {
                    refusals[paths[*number]] = Some(self.refusal(error));
                }
                Ok(refusals)
            }
            Err(error) if partly && paths.len() < refusals.len() => {
                for path in paths {
                    refusals[path] = Some(self.refusal(&error));
                }
                Ok(refusals)
            }
            Err(error) => Err(self.refusal(&error)),
        }
    }

    /// Forgets the recipients and what was stored of the message.
    pub fn abandon(&mut self) {
        self.envelope = None;
        self.recipients = Recipients::default();
        if let Some(checks) = &mut self.checks {
            checks.forget();
        }
        if let Some(message) = self.message.take() {
            let octets = message.body.len();
            tracing::info!(connection = self.connection, id = message.id, octets, "message abandoned");
        }
    }

    /// Where a message stands now, for the log: account, mailbox and UID of the first [`PLACES_LOGGED_MAX`] places.
    fn places_of(&self, delivered: &Delivered) -> String {
        let place_of = |place: &Placed| {
            let account = self.to.store.account_by_id(place.mailbox.account());
            let name = account.map_or_else(|| "(removed)".to_owned(), |account| account.name.clone());
            format!("{name} {:?} {}", place.mailbox.head().name, place.uid)
        };
        let mut places: Vec<_> = delivered.places.iter().take(PLACES_LOGGED_MAX).map(place_of).collect();
        if let more @ 1.. = delivered.places.len().saturating_sub(PLACES_LOGGED_MAX) {
            places.push(format!("and {more} more"));
        }
        places.join(", ")
    }

    fn tell(&self, delivered: &Delivered, octets: u64) {
        let subject = delivered.summary.envelope.display_subject(SUBJECT_CHARS);
        for place in &delivered.places {
            // It may be removed at this very moment; then there is nobody to tell of.
            let Some(account) = self.to.store.account_by_id(place.mailbox.account()) else { continue };
            self.to.observer.delivered(&observe::Delivery {
                account: account.name.clone(),
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

/// The time as Unix seconds, and as RFC 5322 writes it.
fn now() -> (u64, String) {
    let unix_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let date = Zoned { unix_s: i64::try_from(unix_s).unwrap_or(i64::MAX), offset_min: 0 };
    (unix_s, date.to_string())
}

/// What to say about a recipient that is nobody's here.
fn unknown_recipient(unknown: &Unknown) -> Reply {
    match unknown {
        Unknown::Domain => replies::NOT_OUR_DOMAIN,
        Unknown::User => replies::NO_SUCH_USER,
        Unknown::Unavailable(_) => replies::RECIPIENT_UNAVAILABLE,
    }
}
