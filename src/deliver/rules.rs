//! What recipients' own rules say about a message: their scripts are run over it, and what these want is looked up (RFC
//! 5228).
//!
//! **Rules never lose mail.** A script that fails is given up as a whole, and the message goes to INBOX; so it does where one
//! thing that a script wants can't be had (a mailbox that is not there, an address that is nobody's), beside all else that it
//! wants. Both are told in the log, and nobody else hears of it: it is no affair of the sender's.
//!
//! A message is redirected once ([decision 12](../../docs/decisions/0012-sieve-redirect-stays-here.md)): the rules of whoever
//! gets it then are run, and another redirect in them fails. So nothing goes in circles, and with [`REDIRECTED_MAX`]
//! one message costs no more than its recipients and as many again.
//!
//! Scripts run on the blocking pool, as the message parser does; what they may cost is bounded ([`crate::sieve`]), and
//! a panic costs the rules of one recipient.

use std::sync::Arc;

use super::Destination;
use super::recipient::{Recipient, Recipients};
use crate::auth::Directory;
use crate::auth::directory::Unknown;
use crate::message::HEADER_OCTETS_MAX;
use crate::message::header::header_octets;
use crate::sieve::{self, Action, Failure, FileInto, Mail, Mailboxes, Outcome, Script};
use crate::smtp::{self, Envelope};
use crate::store::{AccountId, Error, FlagNames, Flags, INBOX, Incoming, Mailbox, Placement, SpecialUse, Store};

/// How many recipients the rules of all recipients together may redirect one message to: as many as a transaction may
/// have. An address may be an alias of a thousand.
const REDIRECTED_MAX: usize = 1_000;

/// Somewhere rules want a message to be.
pub(super) enum Place {
    /// Where it would go for that recipient without rules, with flags.
    Default(Recipient, FlagNames),
    /// There.
    Mailbox(Placement),
}

/// What the rules of each recipient say, in the order of [`Recipients::each`]; `None` for one who has none. Gives the message
/// back, which is not looked at where nobody has rules.
pub(super) async fn ruled(
    to: Destination<'_>,
    recipients: &Recipients,
    envelope: &Envelope,
    id: &str,
    body: Incoming,
) -> Result<(Incoming, Vec<Option<Vec<Place>>>), Error> {
    let Destination { store, directory, .. } = to;
    if recipients.each().all(|(recipient, _)| store.script(recipient.account.id).is_none()) {
        return Ok((body, Vec::new()));
    }
    let octets = body.len();
    // One octet more, so that a header which is too long is seen to be.
    let (body, head) = body.with_head(HEADER_OCTETS_MAX as usize + 1).await?;
    let header = head[..header_octets(&head)].into();
    let from = envelope.reverse_path.as_ref().map(sieve_path);
    let mut rules = Rules { store, directory, id, header, octets, from, redirects_left: REDIRECTED_MAX };
    let mut places = Vec::new();
    for (recipient, path) in recipients.each() {
        // The envelope has the accepted paths, in their order.
        let to = envelope.recipients.get(path).map_or_else(|| recipient.own_path(), sieve_path);
        places.push(rules.places(recipient, to).await);
    }
    Ok((body, places))
}

/// Runs the rules of recipients over one message.
struct Rules<'a> {
    store: &'a Store,
    directory: &'a Directory,
    /// Names the message in the log.
    id: &'a str,
    header: Arc<[u8]>,
    /// The octets of all of it.
    octets: u64,
    from: Option<sieve::Path>,
    /// How many of [`REDIRECTED_MAX`] are left.
    redirects_left: usize,
}

impl Rules<'_> {
    /// The places for a recipient who was named by that address; none: it is to be nowhere. `None`: there are no rules.
    async fn places(&mut self, recipient: &Recipient, to: sieve::Path) -> Option<Vec<Place>> {
        let outcome = self.run(recipient, to).await?;
        let mut places = Vec::new();
        for action in outcome {
            match action {
                Action::Redirect { position, to } => match self.redirect(recipient, &to).await {
                    Ok(theirs) => places.extend(theirs),
                    Err(why) => {
                        self.failed(recipient, &Failure { position, text: format!("{to}: {why}") });
                        places.push(inbox(recipient));
                    }
                },
                other => places.push(self.place(recipient, other).await),
            }
        }
        // RFC 5228 §4.4: whoever sent it learns nothing.
        if places.is_empty() {
            tracing::info!(id = self.id, account = recipient.account.name, "discarded by rules");
        }
        Some(places)
    }

    /// What the script of a recipient wants; `None`: there is none.
    async fn run(&self, recipient: &Recipient, to: sieve::Path) -> Option<Vec<Action>> {
        let account = recipient.account.id;
        let script = self.store.script(account)?;
        let (store, directory) = (self.store.clone(), self.directory.clone());
        let (header, octets, from) = (Arc::clone(&self.header), self.octets, self.from.clone());
        let run = tokio::task::spawn_blocking(move || {
            let mail =
                Mail { header: &header, octets, from: from.as_ref(), to: &to, separators: directory.separators() };
            run_script(&script, &mail, &OfAccount { store, account })
        });
        let outcome = run.await.unwrap_or_else(|error| {
            tracing::error!(id = self.id, account = recipient.account.name, %error, "a script could not be run");
            Err(Failure { position: sieve::Position { line: 1, column: 1 }, text: "it could not be run".to_owned() })
        });
        match outcome {
            Ok(actions) => Some(actions),
            Err(failure) => {
                self.failed(recipient, &failure);
                Some(vec![Action::FileInto(into_inbox(failure.position))])
            }
        }
    }

    fn failed(&self, recipient: &Recipient, Failure { position, text }: &Failure) {
        let account = &recipient.account.name;
        tracing::warn!(id = self.id, account, %position, reason = text, "rules failed: the message goes to INBOX");
    }

    /// The place of an action that is no redirect.
    async fn place(&self, recipient: &Recipient, action: Action) -> Place {
        let (position, text) = match action {
            Action::Keep { flags, .. } => return Place::Default(recipient.clone(), flag_names(&flags)),
            Action::FileInto(into) => match self.mailbox(recipient, &into).await {
                Ok(mailbox) => return Place::Mailbox(Placement { mailbox, flags: flag_names(&into.flags) }),
                Err(error) => (into.position, format!("{:?}: {error}", into.mailbox)),
            },
            Action::Redirect { position, to } => (position, format!("{to}: it was redirected once already")),
        };
        self.failed(recipient, &Failure { position, text });
        inbox(recipient)
    }

    /// The mailbox that a script means; made, where it is not there and the script says so.
    async fn mailbox(&self, recipient: &Recipient, into: &FileInto) -> Result<Arc<Mailbox>, Error> {
        let account = recipient.account.id;
        let special_use = into.special_use.as_deref().and_then(SpecialUse::from_name);
        if let Some(special_use) = special_use {
            let has_it = |mailbox: &Arc<Mailbox>| mailbox.head().special_use == Some(special_use);
            if let Some(mailbox) = self.store.mailboxes(account).into_iter().find(has_it) {
                return Ok(mailbox);
            }
        }
        if let Some(mailbox) = self.store.mailbox(account, &into.mailbox) {
            return Ok(mailbox);
        }
        if !into.create {
            return Err(Error::NoSuchMailbox);
        }
        match self.store.create_mailbox(account, &into.mailbox, special_use).await {
            Ok(mailbox) => {
                // So that clients which show what is subscribed show it.
                self.store.set_subscribed(account, &mailbox.head().name, true).await?;
                Ok(mailbox)
            }
            // Another message made it meanwhile.
            Err(Error::MailboxExists) => self.store.mailbox(account, &into.mailbox).ok_or(Error::NoSuchMailbox),
            Err(error) => Err(error),
        }
    }

    /// The places for all whom that address names. An address of the recipient's own is filed as it is without rules.
    async fn redirect(&mut self, recipient: &Recipient, to: &sieve::Path) -> Result<Vec<Place>, String> {
        let addressees = self.directory.addressees(&to.quoted_local_part(), &to.domain).await;
        let addressees = addressees.map_err(|unknown| match unknown {
            Unknown::Domain => "it is not an address of this server".to_owned(),
            Unknown::User => "there is no such user here".to_owned(),
            Unknown::Unavailable(why) => why,
        })?;
        let left = self.redirects_left.checked_sub(addressees.len());
        self.redirects_left = left.ok_or("this message is redirected to too many")?;
        let mut places = Vec::new();
        for addressee in addressees {
            let account = addressee.account.id;
            let inbox = self.store.mailbox(account, INBOX).ok_or("the account has gone")?;
            let target = Recipient { account: addressee.account, inbox, detail: addressee.detail };
            tracing::info!(
                id = self.id,
                account = recipient.account.name,
                to = target.account.name,
                "redirected by rules"
            );
            let is_the_same = account == recipient.account.id;
            match if is_the_same { None } else { self.run(&target, to.clone()).await } {
                None => places.push(Place::Default(target, FlagNames::default())),
                Some(actions) => {
                    for action in actions {
                        places.push(self.place(&target, action).await);
                    }
                }
            }
        }
        Ok(places)
    }
}

/// What a script wants, or why it was given up.
fn run_script(script: &str, mail: &Mail<'_>, mailboxes: &OfAccount) -> Result<Vec<Action>, Failure> {
    let script = Script::new(script.as_bytes()).map_err(|mut problems| {
        // It was right when it was put; another version knows less.
        let sieve::Problem { position, text } = problems.swap_remove(0);
        Failure { position, text }
    })?;
    let Outcome { actions, failure } = script.run(mail, mailboxes);
    failure.map_or(Ok(actions), Err)
}

/// INBOX, with no flag that would hide it.
fn inbox(recipient: &Recipient) -> Place {
    Place::Mailbox(Placement { mailbox: Arc::clone(&recipient.inbox), flags: FlagNames::default() })
}

fn into_inbox(position: sieve::Position) -> FileInto {
    FileInto { position, mailbox: INBOX.to_owned(), special_use: None, create: false, flags: sieve::Flags::default() }
}

/// Flags as the store takes them.
fn flag_names(flags: &sieve::Flags) -> FlagNames {
    let mut names = FlagNames::default();
    for flag in flags.iter() {
        let system = match flag {
            "\\Seen" => Flags::SEEN,
            "\\Answered" => Flags::ANSWERED,
            "\\Flagged" => Flags::FLAGGED,
            "\\Deleted" => Flags::DELETED,
            "\\Draft" => Flags::DRAFT,
            keyword => {
                names.keywords.push(keyword.to_owned());
                continue;
            }
        };
        names.system = names.system.union(system);
    }
    names
}

/// A path of the envelope, as scripts see it.
fn sieve_path(path: &smtp::Path) -> sieve::Path {
    sieve::Path { local_part: path.local_part().to_owned(), domain: path.domain().to_owned() }
}

/// An account's mailboxes.
struct OfAccount {
    store: Store,
    account: AccountId,
}

impl Mailboxes for OfAccount {
    fn exists(&self, name: &str) -> bool {
        self.store.mailbox(self.account, name).is_some()
    }

    fn has_special_use(&self, name: Option<&str>, special_use: &str) -> bool {
        let Some(special_use) = SpecialUse::from_name(special_use) else { return false };
        let has_it = |mailbox: &Arc<Mailbox>| mailbox.head().special_use == Some(special_use);
        match name {
            Some(name) => self.store.mailbox(self.account, name).as_ref().is_some_and(has_it),
            None => self.store.mailboxes(self.account).iter().any(has_it),
        }
    }
}
