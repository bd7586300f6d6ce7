//! The stage: a store, an account, some clients and a delivery stream; which step does what, and the clients' connections.
//!
//! - [`talk`]: a command and its answer
//! - [`messages`], [`mailboxes`], [`searching`]: the commands by family, what each does to the truth, and what its answer
//!   must say
//! - [`quiet`]: quiet points, where everything is looked at

mod mailboxes;
mod messages;
mod quiet;
mod searching;
mod talk;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::super::*;
use super::account::{Account, Shape};
use super::client::{Asked, Client as Reader, Dialect, Entry};
use super::reply::{self, Reply, uids};
use super::step::{Dice, Step, Verb};
use super::truth::{Flags, Message, Truth};
use crate::imap::command::Tag;

type Check = Result<(), String>;

const NAMES: [&str; 5] = ["INBOX", "a", "a/b", "c", "d e"];
const FLAGS: [&str; 6] = ["\\Seen", "\\Deleted", "\\Flagged", "\\Answered", "one", "two"];
/// What tells a name's state whole, as a LIST response does that nobody asked for.
const LIST_SUBSCRIBED: &str = "LIST \"\" * RETURN (SUBSCRIBED CHILDREN)";
const TOKEN: &str = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]";

/// What was said, for whoever has to read it.
pub(super) type Log = Rc<RefCell<Vec<String>>>;

/// Who looks at everything at a quiet point: the seat behind the clients'.
const AUDITOR_DIALECT: Dialect = Dialect::CONDSTORE;

/// Where an answer can stop in the middle, for as long as something else happens.
#[derive(Default)]
pub(in super::super) struct Gate {
    heard: Mutex<Vec<u8>>,
    /// It stops once.
    armed: AtomicBool,
    /// What the last step of the answer has in it: at its end nothing stops.
    tag: Mutex<String>,
    reached: Notify,
    open: Notify,
}

impl Gate {
    pub(in super::super) fn passes<'a>(&'a self, octets: &[u8]) -> impl Future<Output = io::Result<()>> + use<'a> {
        self.heard.lock().unwrap().extend_from_slice(octets);
        let last = String::from_utf8_lossy(octets).contains(self.tag.lock().unwrap().as_str());
        let waits = !last && self.armed.swap(false, Ordering::SeqCst);
        async move {
            if waits {
                self.reached.notify_one();
                self.open.notified().await;
            }
            Ok(())
        }
    }
}

/// The server's end of a connection.
struct Connection {
    session: Session,
    wire: Wire,
    gate: Arc<Gate>,
    commands: u32,
    idle: Option<Tag>,
}

/// A client and its connection.
struct Seat {
    client: Reader,
    connection: Option<Connection>,
}

/// An answer as a whole.
#[derive(Debug, Default)]
struct Answer {
    condition: String,
    code: Vec<String>,
    replies: Vec<Reply>,
    /// Something else happened in the middle of it.
    interrupted: bool,
    bye: bool,
}

impl Answer {
    fn ok(&self) -> bool {
        self.condition == "OK"
    }

    /// The arguments of a code, tagged or not.
    fn code(&self, name: &str) -> Option<&[String]> {
        let untagged = self.replies.iter().filter_map(|reply| match reply {
            Reply::Condition { code, .. } => Some(code),
            _ => None,
        });
        let mut codes = untagged.chain([&self.code]);
        codes.find(|code| code.first().is_some_and(|word| word == name)).map(|code| &code[1..])
    }
}

pub(super) struct Play {
    world: Option<Rc<World>>,
    user: String,
    account: AccountId,
    pub(super) truth: Truth,
    seats: Vec<Seat>,
    log: Log,
    /// The server's capabilities, after login.
    offered: Flags,
    delivered: u32,
    sessions: u32,
}

impl Play {
    /// An account with three messages, and its clients.
    pub(super) async fn begin(world: World, user: String, dialects: &[Dialect], log: Log) -> Result<Self, String> {
        world.authenticator.login(&user, "secret", "127.0.0.1".parse().unwrap()).await.map_err(|e| format!("{e:?}"))?;
        let account = world.account(&user).id;
        let seats = dialects.iter().chain([&AUDITOR_DIALECT]);
        let seats = seats.map(|dialect| Seat { client: Reader::new(*dialect), connection: None }).collect();
        let mut play = Self {
            world: Some(Rc::new(world)),
            user,
            account,
            truth: Truth::default(),
            seats,
            log,
            offered: Flags::new(),
            delivered: 0,
            sessions: 0,
        };
        play.learns_mailboxes().await?;
        for name in ["c", "a"] {
            let created = |truth: &mut Truth, _: &mut Reader, answer: &Answer| {
                expect(answer.ok() && truth.create(name), "CREATE")
            };
            play.says(dialects.len(), &format!("CREATE {name}"), Asked::Freely, None, created).await?;
        }
        for _ in 0..3 {
            play.deliver(&mut Dice::new(0), &["INBOX"]).await?;
        }
        Ok(play)
    }

    /// How many clients there are, without the auditor.
    pub(super) fn clients(&self) -> usize {
        self.seats.len() - 1
    }

    /// Gives the world back, for the next play.
    pub(super) fn end(mut self) -> Option<World> {
        self.seats.clear();
        Rc::try_unwrap(self.world.take()?).ok()
    }

    fn world(&self) -> Rc<World> {
        Rc::clone(self.world.as_ref().expect("there is always one"))
    }

    /// Plays a history, and looks at everything in the end.
    pub(super) async fn run(&mut self, steps: &[Step]) -> Check {
        let mut at = 0;
        while let Some(step) = steps.get(at) {
            // The next step may happen in the middle of this one's answer.
            let inner = steps
                .get(at + 1)
                .filter(|next| next.who != step.who && !matches!(next.verb, Verb::Restart | Verb::Quiet));
            let taken = self.step(step, inner).await?;
            at += 1 + usize::from(taken);
        }
        self.quiet().await
    }

    /// Does a step; says whether `inner` was done in the middle of it.
    fn step<'a>(
        &'a mut self,
        step: &'a Step,
        inner: Option<&'a Step>,
    ) -> Pin<Box<dyn Future<Output = Result<bool, String>> + 'a>> {
        Box::pin(async move {
            let mut dice = Dice::new(step.seed);
            let taken = self.does(step.who % self.clients(), step.verb, &mut dice, inner).await?;
            self.sweep(step.seed).await?;
            Ok(taken)
        })
    }

    async fn does(&mut self, who: usize, verb: Verb, dice: &mut Dice, inner: Option<&Step>) -> Result<bool, String> {
        match verb {
            Verb::Deliver => {
                let names = [dice.pick(&["INBOX", "INBOX", "INBOX", "a", "c"]), dice.pick(&NAMES)];
                self.deliver(dice, if dice.clone().once_in(4) { &names } else { &names[..1] }).await?;
                return Ok(false);
            }
            Verb::Quiet => return self.quiet().await.map(|()| false),
            Verb::Restart => return self.restart().await.map(|()| false),
            Verb::Disconnect => return self.disconnect(who).map(|()| false),
            _ => {}
        }
        // Only who has been let in again after a deletion inside another's command may be missing here.
        if self.seats[who].connection.is_none() {
            self.connect(who).await?;
        }
        if self.seats[who].client.idling {
            self.done(who).await?;
        }
        // Who asked for SELECTED reads before it speaks, since numbers and names may not be what they were (RFC 5465 §6.1.1).
        if !matches!(verb, Verb::Noop | Verb::Idle) {
            self.listens(who).await?;
            if self.seats[who].connection.is_none() {
                return Ok(false);
            }
        }
        let needs_mailbox = !matches!(
            verb,
            Verb::Append
                | Verb::Select
                | Verb::Status
                | Verb::List
                | Verb::Create
                | Verb::Rename
                | Verb::Delete
                | Verb::Subscribe
                | Verb::Noop
        );
        if needs_mailbox && self.selected(who).is_none() {
            let name = dice.pick(&["INBOX", "INBOX", "a"]);
            self.select(who, name, false, dice, None).await?;
            if self.selected(who).is_none() {
                return Ok(false);
            }
        }
        match verb {
            Verb::Append => self.append(who, dice).await?,
            Verb::Select => {
                let name = dice.pick(&["INBOX", "INBOX", "INBOX", "INBOX", "a", "a/b", "c", "d e"]);
                let read_only = dice.once_in(4);
                return self.select(who, name, read_only, dice, inner).await;
            }
            Verb::Unselect => self.leave(who, false).await?,
            Verb::Close => self.leave(who, true).await?,
            Verb::Fetch => return self.fetch(who, dice, inner).await,
            Verb::Missed => return self.missed(who, inner).await,
            Verb::Store => self.store(who, dice, usize::MAX).await?,
            Verb::Copy => self.copy(who, dice, false).await?,
            Verb::Move => self.copy(who, dice, true).await?,
            Verb::Expunge => self.expunge(who, dice, usize::MAX).await?,
            Verb::Search => self.search(who, dice).await?,
            Verb::Noop => drop(self.says(who, "NOOP", Asked::Freely, None, nothing).await?),
            Verb::Idle => self.idle(who).await?,
            Verb::Status => self.status(who, dice).await?,
            Verb::List => self.list(who).await?,
            Verb::Create | Verb::Rename | Verb::Delete => self.rebuilds(who, verb, dice).await?,
            Verb::Subscribe => self.subscribe(who, dice).await?,
            Verb::Cut => {
                let reach = dice.roll(4);
                match dice.once_in(3) {
                    true => self.expunge(who, dice, reach).await?,
                    false => self.store(who, dice, reach).await?,
                }
                self.disconnect(who)?;
            }
            Verb::Deliver | Verb::Quiet | Verb::Restart | Verb::Disconnect => {}
        }
        Ok(false)
    }

    // Connections.

    async fn connect(&mut self, who: usize) -> Check {
        self.sessions += 1;
        let number = self.sessions;
        self.seats[who].client.reconnects(number);
        let gate = Arc::<Gate>::default();
        let world = self.world();
        let Speaker { session, mut wire, .. } = world.connect();
        wire.gate = Some(Arc::clone(&gate));
        self.seats[who].connection = Some(Connection { session, wire, gate, commands: 0, idle: None });
        let login = format!("LOGIN {} secret", self.user);
        expect(self.says(who, &login, Asked::Freely, None, nothing).await?.ok(), &login)?;
        let dialect = self.seats[who].client.dialect.offered(&self.offered);
        for command in dialect.commands() {
            expect(self.says(who, command, Asked::Freely, None, nothing).await?.ok(), command)?;
        }
        self.seats[who].client.enabled = dialect;
        if dialect.notify {
            self.begins_to_listen(who).await?;
        }
        Ok(())
    }

    /// Learns all names and subscriptions, and is told of everything from here on (RFC 5465 §3.1).
    async fn begins_to_listen(&mut self, who: usize) -> Check {
        let client = &mut self.seats[who].client;
        client.account = Some(Account::new(client.enabled.condstore));
        let items = match (client.enabled.condstore, client.enabled.rev2) {
            (true, _) => " (UID FLAGS MODSEQ)",
            (_, true) => " (UID FLAGS)",
            _ => "",
        };
        let set = format!(
            "NOTIFY SET STATUS (selected (MessageNew{items} MessageExpunge FlagChange)) \
             (personal (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange))"
        );
        for command in [LIST_SUBSCRIBED, "LIST (SUBSCRIBED) \"\" *", &set] {
            expect(self.says(who, command, Asked::Freely, None, nothing).await?.ok(), command)?;
        }
        let account = self.seats[who].client.account.as_mut().ok_or("just begun")?;
        account.listens = true;
        account.is_right(&self.truth, false).map_err(|error| format!("{who} begins to listen: {error}"))
    }

    fn disconnect(&mut self, who: usize) -> Check {
        if self.seats[who].connection.take().is_some() {
            self.log.borrow_mut().push(format!("{who} is cut off"));
        }
        let name = self.selected(who).and_then(|id| Some(self.truth.mailboxes.get(&id)?.name.clone()));
        self.seats[who].client.leaves(name.as_deref());
        self.seats[who].client.account = None;
        self.seats[who].client.idling = false;
        Ok(())
    }

    async fn restart(&mut self) -> Check {
        for who in 0..self.seats.len() {
            self.disconnect(who)?;
        }
        self.log.borrow_mut().push("the server is restarted".to_owned());
        let world = Rc::try_unwrap(self.world.take().expect("there is always one")).ok().expect("nobody holds it");
        self.world = Some(Rc::new(world.restart().await));
        Ok(())
    }

    fn selected(&self, who: usize) -> Option<u32> {
        self.seats[who].client.selected.as_ref().map(|selected| selected.id)
    }
}

fn is_deleted(message: &Message) -> bool {
    message.flags.contains("\\Deleted")
}

fn nothing(_: &mut Truth, _: &mut Reader, _: &Answer) -> Check {
    Ok(())
}

fn expect(holds: bool, what: &str) -> Check {
    if holds { Ok(()) } else { Err(format!("expected: {what}")) }
}

/// NO, with that code.
fn refused(answer: &Answer, code: &str) -> Check {
    let right = answer.condition == "NO" && answer.code.first().is_some_and(|word| word == code);
    expect(right, &format!("NO [{code}]"))
}
