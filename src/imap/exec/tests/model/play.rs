//! The stage: a store, an account, some clients and a delivery stream; what each step does, and what the truth is after it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::super::*;
use super::client::{Asked, Client as Reader, Dialect, Entry};
use super::reply::{self, Reply, uids};
use super::step::{Dice, Step, Verb};
use super::truth::{Flags, Message, Truth};
use crate::imap::command::Tag;

type Check = Result<(), String>;

const NAMES: [&str; 5] = ["INBOX", "a", "a/b", "c", "d e"];
const FLAGS: [&str; 6] = ["\\Seen", "\\Deleted", "\\Flagged", "\\Answered", "one", "two"];
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

/// A set of messages: as it is said, what it names of what the client counts, and whether all numbers exist.
struct Named {
    text: String,
    uids: Vec<u32>,
    good: bool,
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
            self.sweep().await?;
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
        let needs_mailbox = !matches!(
            verb,
            Verb::Append
                | Verb::Select
                | Verb::Status
                | Verb::List
                | Verb::Create
                | Verb::Rename
                | Verb::Delete
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
        Ok(())
    }

    fn disconnect(&mut self, who: usize) -> Check {
        if self.seats[who].connection.take().is_some() {
            self.log.borrow_mut().push(format!("{who} is cut off"));
        }
        let name = self.selected(who).and_then(|id| Some(self.truth.mailboxes.get(&id)?.name.clone()));
        self.seats[who].client.leaves(name.as_deref());
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

    /// What is told without being asked for: to those who idle, and to those whose mailbox is gone.
    async fn sweep(&mut self) -> Check {
        let world = self.world();
        for who in 0..self.seats.len() {
            let gone = self.selected(who).is_some_and(|id| !self.truth.mailboxes.contains_key(&id));
            let Seat { client, connection: Some(connection) } = &mut self.seats[who] else { continue };
            let rung = connection.session.selected().is_some_and(|selected| selected.bell.take());
            if gone {
                expect(rung, "the bell of a mailbox that was deleted")?;
                self.disconnect(who)?;
                continue;
            }
            if !client.idling {
                // It is still to be heard by IDLE, which looks first.
                continue;
            }
            if rung {
                let mut cx = Context::new(world.environment(), &mut connection.session, &mut connection.wire);
                idle::news(&mut cx).await.map_err(|error| error.to_string())?;
                let octets = std::mem::take(&mut *connection.gate.heard.lock().unwrap());
                for (line, reply) in reply::read(&octets)? {
                    self.log.borrow_mut().push(format!("{who} S: {line}"));
                    client.reads(&reply, Some(Asked::Freely), true, &mut self.truth)?;
                }
            }
            client.is_right(&self.truth, false).map_err(|error| format!("{who} idles and was not rung: {error}"))?;
        }
        Ok(())
    }

    // A command and its answer.

    async fn says(
        &mut self,
        who: usize,
        command: &str,
        asked: Asked,
        inner: Option<&Step>,
        effect: impl FnOnce(&mut Truth, &mut Reader, &Answer) -> Check,
    ) -> Result<Answer, String> {
        self.says_and_hears(who, command, asked, inner, usize::MAX, effect).await
    }

    /// Says a command, of whose answer so many replies reach the client. `effect`: what it does to the truth. With `inner`,
    /// which is for commands without effect, that step is done where the answer is first handed over.
    async fn says_and_hears(
        &mut self,
        who: usize,
        command: &str,
        asked: Asked,
        inner: Option<&Step>,
        reach: usize,
        effect: impl FnOnce(&mut Truth, &mut Reader, &Answer) -> Check,
    ) -> Result<Answer, String> {
        let world = self.world();
        let mut connection = self.seats[who].connection.take().ok_or("not connected")?;
        connection.commands += 1;
        let tag = format!("{who}.{} ", connection.commands);
        self.log.borrow_mut().push(format!("{who} C: {tag}{command}"));
        connection.wire.framer.receive([tag.as_bytes(), command.as_bytes(), b"\r\n"].concat());
        let gate = Arc::clone(&connection.gate);
        *gate.tag.lock().unwrap() = tag;
        gate.armed.store(inner.is_some(), Ordering::SeqCst);
        let mut answer = Answer::default();
        let mut closed = false;
        while let Some(event) = connection.wire.framer.next_event() {
            let (Event::Command(frame) | Event::Append(frame)) = event else {
                if event == Event::Continue {
                    continue;
                }
                return Err(format!("{event:?}"));
            };
            let dialect = connection.session.enabled.dialect;
            let command = match parse::command(&frame, dialect) {
                Ok(command) => command,
                Err(error) => {
                    print::response(&mut gate.heard.lock().unwrap(), &error.status().into(), dialect);
                    continue;
                }
            };
            let mut cx = Context::new(world.environment(), &mut connection.session, &mut connection.wire);
            let mut running = pin!(run(&mut cx, command));
            let after = loop {
                tokio::select! {
                    biased;
                    after = &mut running => break after.map_err(|error| error.to_string())?,
                    () = gate.reached.notified() => {
                        self.hear(who, &gate.heard, &mut answer)?;
                        for reply in answer.replies.clone() {
                            self.seats[who].client.reads(&reply, Some(asked), true, &mut self.truth)?;
                        }
                        answer.interrupted = true;
                        self.log.borrow_mut().push(format!("{who} has heard so much of it when"));
                        self.step(inner.expect("armed"), None).await?;
                        self.log.borrow_mut().push(format!("{who} hears on"));
                        gate.open.notify_one();
                    }
                }
            };
            match after {
                After::Idle(tag) => connection.idle = Some(tag),
                After::Close => closed = true,
                After::Continue | After::StartTls | After::Compress | After::Unauthenticated => {}
            }
        }
        gate.armed.store(false, Ordering::SeqCst);
        let read = answer.replies.len();
        self.hear(who, &gate.heard, &mut answer)?;
        expect(gate.heard.lock().unwrap().is_empty(), "whole replies")?;
        effect(&mut self.truth, &mut self.seats[who].client, &answer)?;
        // A mailbox that was deleted in the middle of the answer: BYE is all that counts.
        let gone = self.selected(who).is_some_and(|id| !self.truth.mailboxes.contains_key(&id));
        expect(!gone || (answer.interrupted && closed), "BYE")?;
        for reply in answer.replies.iter().skip(read).take(if gone { 0 } else { reach }) {
            self.seats[who].client.reads(reply, Some(asked), !answer.interrupted, &mut self.truth)?;
        }
        answer.bye = closed;
        if closed {
            drop(connection);
            self.disconnect(who)?;
        } else {
            self.seats[who].connection = Some(connection);
            if reach == usize::MAX && answer.condition != "BAD" && !answer.condition.is_empty() {
                let owed = matches!(asked, Asked::ByNumber | Asked::Select { .. });
                self.seats[who].client.is_right(&self.truth, owed).map_err(|error| format!("{who}: {error}"))?;
            }
        }
        Ok(answer)
    }

    /// Takes what came by now into the answer.
    fn hear(&mut self, who: usize, heard: &Mutex<Vec<u8>>, answer: &mut Answer) -> Check {
        let mut heard = heard.lock().unwrap();
        // A step of output may end within a reply.
        let whole = reply::whole(&heard)?;
        let octets: Vec<u8> = heard.drain(..whole).collect();
        for (line, reply) in reply::read(&octets)? {
            self.log.borrow_mut().push(format!("{who} S: {line}"));
            if let Reply::Tagged { condition, code } = &reply {
                (answer.condition, answer.code) = (condition.clone(), code.clone());
            }
            answer.replies.push(reply);
        }
        Ok(())
    }

    async fn idle(&mut self, who: usize) -> Check {
        self.says(who, "IDLE", Asked::Freely, None, nothing).await?;
        self.seats[who].client.idling = self.seats[who].connection.is_some();
        if self.seats[who].client.idling {
            self.seats[who]
                .client
                .is_right(&self.truth, false)
                .map_err(|error| format!("{who} begins to idle: {error}"))?;
        }
        Ok(())
    }

    async fn done(&mut self, who: usize) -> Check {
        let world = self.world();
        let Seat { client, connection: Some(connection) } = &mut self.seats[who] else { return Ok(()) };
        let tag = connection.idle.take().ok_or("not idling")?;
        connection.wire.framer.receive(b"DONE\r\n".to_vec());
        let Some(Event::Line(line)) = connection.wire.framer.next_event() else { return Err("no line".into()) };
        let mut cx = Context::new(world.environment(), &mut connection.session, &mut connection.wire);
        idle::end(&mut cx, &tag, &line).await.map_err(|error| error.to_string())?;
        let octets = std::mem::take(&mut *connection.gate.heard.lock().unwrap());
        client.idling = false;
        self.log.borrow_mut().push(format!("{who} C: DONE"));
        for (line, reply) in reply::read(&octets)? {
            self.log.borrow_mut().push(format!("{who} S: {line}"));
            client.reads(&reply, Some(Asked::Freely), true, &mut self.truth)?;
        }
        client.is_right(&self.truth, false).map_err(|error| format!("{who} idled: {error}"))
    }

    // Messages come.

    fn message(&mut self) -> (u32, String) {
        self.delivered += 1;
        let token = self.delivered;
        let body = "All work and no play.\r\n".repeat(if token.is_multiple_of(5) { 60 } else { 1 });
        let header = format!(
            "From: Bob <bob@example.org>\r\nSubject: word{}\r\nMessage-ID: <m{token}@model>\r\n\r\n",
            token % 4
        );
        (token, header + &body)
    }

    async fn deliver(&mut self, _: &mut Dice, names: &[&str]) -> Check {
        let names: BTreeSet<&str> = names.iter().copied().filter(|name| self.truth.named(name).is_some()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let (token, message) = self.message();
        let world = self.world();
        let mut body = world.store.incoming();
        body.push(message.as_bytes()).await.map_err(|error| error.to_string())?;
        let place = |name: &&str| Placement {
            mailbox: world.store.mailbox(self.account, name).expect("it is there"),
            flags: FlagNames::default(),
        };
        let placements = names.iter().map(place).collect();
        let delivered = world.store.deliver(NewMessage { body, internal_date: None }, placements).await;
        let delivered = delivered.map_err(|error| error.to_string())?;
        self.log.borrow_mut().push(format!("message {token} is delivered to {names:?}"));
        for (name, place) in names.iter().zip(delivered.places) {
            let id = self.truth.named(name).ok_or("it is there")?;
            self.truth.arrived(id, &[place.uid], place.uid_validity.into(), vec![(token, Flags::new())])?;
        }
        Ok(())
    }

    async fn append(&mut self, who: usize, dice: &mut Dice) -> Check {
        let name = dice.pick(&["INBOX", "INBOX", "a", "c"]);
        let flags: Flags = (0..dice.roll(3)).map(|_| dice.pick(&FLAGS).to_owned()).collect();
        let (token, message) = self.message();
        let list = flags.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let command = format!("APPEND \"{name}\" ({list}) {{{}+}}\r\n{message}", message.len());
        let effect = |truth: &mut Truth, _: &mut Reader, answer: &Answer| {
            let Some(id) = truth.named(name) else { return refused(answer, "TRYCREATE") };
            expect(answer.ok(), "APPEND")?;
            let (uid_validity, uids) = place(answer.code("APPENDUID"))?;
            truth.arrived(id, &uids, uid_validity, vec![(token, flags)])
        };
        self.says(who, &command, Asked::Freely, None, effect).await.map(drop)
    }

    // Selecting.

    async fn select(
        &mut self,
        who: usize,
        name: &str,
        read_only: bool,
        dice: &mut Dice,
        inner: Option<&Step>,
    ) -> Result<bool, String> {
        let before = self.selected(who).and_then(|id| Some(self.truth.mailboxes.get(&id)?.name.clone()));
        let client = &mut self.seats[who].client;
        client.leaves(before.as_deref());
        let cache = client.caches.get(name).cloned().filter(|cache| client.enabled.qresync && cache.mod_seq > 0);
        let parameter = match &cache {
            Some(cache) => format!(
                " (QRESYNC ({} {}{}))",
                cache.uid_validity,
                cache.mod_seq,
                known(cache, client.enabled.uid_only, dice)
            ),
            None if client.enabled.condstore && dice.once_in(2) => " (CONDSTORE)".to_owned(),
            None => String::new(),
        };
        client.selects(cache);
        let verb = if read_only { "EXAMINE" } else { "SELECT" };
        let command = format!("{verb} \"{name}\"{parameter}");
        let Some(id) = self.truth.named(name) else {
            let answer = self.says(who, &command, Asked::Freely, None, nothing).await?;
            refused(&answer, "NONEXISTENT")?;
            self.seats[who].client.selects(None);
            return Ok(false);
        };
        let asked = Asked::Select { id, read_only };
        let answer = self.says(who, &command, asked, inner, nothing).await?;
        if answer.interrupted {
            self.seats[who].client.selects(None);
            return Ok(true);
        }
        expect(answer.ok(), &command)?;
        let code = if read_only { "READ-ONLY" } else { "READ-WRITE" };
        expect(answer.code.first().is_some_and(|word| word == code), code)?;
        for needed in ["UIDVALIDITY", "UIDNEXT", "HIGHESTMODSEQ"] {
            expect(answer.code(needed).is_some(), needed)?;
        }
        Ok(false)
    }

    async fn leave(&mut self, who: usize, close: bool) -> Check {
        let Some(selected) = &self.seats[who].client.selected else { return Ok(()) };
        let (id, read_only) = (selected.id, selected.read_only);
        let counted: Vec<u32> = selected.entries.iter().map(|entry| entry.uid).collect();
        let command = if close { "CLOSE" } else { "UNSELECT" };
        let effect = |truth: &mut Truth, client: &mut Reader, answer: &Answer| {
            expect(answer.ok(), command)?;
            let mailbox = truth.mailbox(id)?;
            if close && !read_only {
                mailbox.expunge(|message| counted.contains(&message.uid) && is_deleted(message));
            }
            client.leaves(Some(&mailbox.name));
            Ok(())
        };
        self.says(who, command, Asked::ByNumber, None, effect).await.map(drop)
    }

    // Messages are read.

    async fn fetch(&mut self, who: usize, dice: &mut Dice, inner: Option<&Step>) -> Result<bool, String> {
        let by_uid = dice.once_in(2) || self.seats[who].client.enabled.uid_only;
        let named = self.set(who, by_uid, dice);
        let client = &self.seats[who].client;
        let mod_seq = if client.enabled.condstore { " MODSEQ" } else { "" };
        let items = match dice.roll(6) {
            0 => format!("(UID FLAGS{mod_seq})"),
            1 => format!("(FLAGS{mod_seq} {TOKEN})"),
            2 => TOKEN.to_owned(),
            3 => "(RFC822.SIZE INTERNALDATE ENVELOPE BODYSTRUCTURE)".to_owned(),
            4 => "BODY[TEXT]".to_owned(),
            _ => format!("(FLAGS{mod_seq})"),
        };
        let uid = if by_uid { "UID " } else { "" };
        let command = format!("{uid}FETCH {} {items}", named.text);
        let selected = client.selected.as_ref().ok_or("nothing selected")?;
        let (id, sees) = (selected.id, items == "BODY[TEXT]" && !selected.read_only);
        let asked = if by_uid { Asked::Freely } else { Asked::ByNumber };
        let there: Vec<u32> = self.alive(id, &named.uids);
        let seen = there.clone();
        let effect = move |truth: &mut Truth, _: &mut Reader, answer: &Answer| {
            for uid in seen.iter().filter(|_| sees && answer.condition != "BAD") {
                truth.mailbox(id)?.change(*uid, |flags| flags.extend(["\\Seen".to_owned()]));
            }
            Ok(())
        };
        let answer = self.says(who, &command, asked, inner.filter(|_| !sees), effect).await?;
        if answer.bye {
            return Ok(answer.interrupted);
        }
        if !named.good {
            expect(answer.condition == "BAD", "numbers that do not exist are refused (RFC 3501 §9)")?;
            return Ok(answer.interrupted);
        }
        // Each that is there is told; where one is not, the answer may be NO (RFC 2180 §4.1).
        if !answer.interrupted {
            expect(answer.ok() || (there.len() < named.uids.len() && !by_uid), &command)?;
            // One that was expunged by this very answer has no number any more: so count them.
            let told = answer.replies.iter().filter(|reply| matches!(reply, Reply::Fetch(_))).count();
            expect(told >= there.len(), &format!("{told} FETCH responses for {} messages", there.len()))?;
        }
        Ok(answer.interrupted)
    }

    /// A client that knows QRESYNC asks what it missed without selecting anew (RFC 7162 §3.2.6).
    async fn missed(&mut self, who: usize, inner: Option<&Step>) -> Result<bool, String> {
        let client = &self.seats[who].client;
        if !client.enabled.qresync {
            return Ok(false);
        }
        let since = client.selected.as_ref().ok_or("nothing selected")?.resume_from;
        let command = match since {
            0 => "UID FETCH 1:* (FLAGS MODSEQ)".to_owned(),
            since => format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {since} VANISHED)"),
        };
        let answer = self.says(who, &command, Asked::Missed, inner, nothing).await?;
        expect(answer.ok() || answer.bye, &command)?;
        Ok(answer.interrupted)
    }

    async fn search(&mut self, who: usize, dice: &mut Dice) -> Check {
        let Dialect { rev2, uid_only, .. } = self.seats[who].client.enabled;
        let by_uid = dice.once_in(2) || uid_only;
        // IMAP4rev2 answers in this form in any case (RFC 9051 §6.4.4).
        let returns = dice.once_in(3);
        let extended = returns || rev2;
        let mut numbers = false;
        let (key, matches) = self.key(who, dice, 2, &mut numbers);
        let uid = if by_uid { "UID " } else { "" };
        let asks = if returns { "RETURN (ALL COUNT) " } else { "" };
        let command = format!("{uid}SEARCH {asks}{key}");
        let asked = if by_uid && !numbers { Asked::Freely } else { Asked::ByNumber };
        let selected = self.seats[who].client.selected.clone().ok_or("nothing selected")?;
        let Some(mailbox) = self.truth.mailboxes.get(&selected.id).cloned() else { return Ok(()) };
        let answer = self.says(who, &command, asked, None, nothing).await?;
        if answer.condition == "BAD" && numbers {
            return Ok(());
        }
        expect(answer.ok(), &command)?;
        let found = answer.replies.iter().find_map(|reply| match reply {
            Reply::Search(numbers) if !extended => Some(numbers.clone()),
            Reply::ESearch(items) if extended => match items.get("ALL") {
                Some(all) => uids(all).filter(|all| !returns || items["COUNT"] == all.len().to_string()),
                None => (!returns || items.get("COUNT").map(String::as_str) == Some("0")).then(Vec::new),
            },
            _ => None,
        });
        let found = found.ok_or(format!("no result of {command}"))?;
        for (number, Entry { uid, .. }) in (1..).zip(&selected.entries) {
            let is_found = found.contains(if by_uid { uid } else { &number });
            // One that is gone may be in it or not: the client does not know yet.
            if let Some(message) = mailbox.get(*uid)
                && let Some(right) = matches(message, number)
                && right != is_found
            {
                return Err(format!("{command}: UID {uid} is {}in it", if is_found { "" } else { "not " }));
            }
        }
        let own = |number: &u32| match by_uid {
            true => selected.entries.iter().any(|entry| entry.uid == *number),
            false => *number as usize <= selected.entries.len() && *number > 0,
        };
        expect(found.iter().all(own), "SEARCH finds what the client counts")
    }

    async fn status(&mut self, who: usize, dice: &mut Dice) -> Check {
        let name = dice.pick(&NAMES);
        let more = if self.seats[who].client.enabled.condstore { " HIGHESTMODSEQ" } else { "" };
        let recent = if self.seats[who].client.enabled.rev2 { "" } else { " RECENT" };
        let command = format!("STATUS \"{name}\" (MESSAGES UNSEEN UIDNEXT UIDVALIDITY{recent}{more})");
        let effect = |truth: &mut Truth, _: &mut Reader, answer: &Answer| {
            let Some(id) = truth.named(name) else { return refused(answer, "NONEXISTENT") };
            expect(answer.ok(), "STATUS")?;
            let items = answer.replies.iter().find_map(|reply| match reply {
                Reply::Status { mailbox, items } if mailbox == name => Some(items),
                _ => None,
            });
            let items = items.ok_or("no STATUS")?;
            let messages = &truth.mailbox(id)?.messages;
            let unseen = messages.iter().filter(|message| !message.flags.contains("\\Seen")).count();
            expect(items["MESSAGES"] == messages.len() as u64, "MESSAGES")?;
            expect(items["UNSEEN"] == unseen as u64, "UNSEEN")?;
            truth.told_uid_next(id, items["UIDNEXT"])?;
            truth.told_uid_validity(id, items["UIDVALIDITY"])?;
            match items.get("HIGHESTMODSEQ") {
                Some(highest) => truth.told_highest(id, *highest),
                None => expect(more.is_empty(), "HIGHESTMODSEQ"),
            }
        };
        self.says(who, &command, Asked::Freely, None, effect).await.map(drop)
    }

    async fn list(&mut self, who: usize) -> Check {
        let answer = self.says(who, "LIST \"\" *", Asked::Freely, None, nothing).await?;
        expect(answer.ok(), "LIST")?;
        expect(listed(&answer) == self.truth.names(), &format!("LIST, expected {:?}", self.truth.names()))
    }

    /// The mailboxes that an account has from the first login on.
    async fn learns_mailboxes(&mut self) -> Check {
        let auditor = self.clients();
        self.connect(auditor).await?;
        let answer = self.says(auditor, "CAPABILITY", Asked::Freely, None, nothing).await?;
        for reply in answer.replies {
            if let Reply::Capability(offered) = reply {
                self.offered = offered;
            }
        }
        let answer = self.says(auditor, "LIST \"\" *", Asked::Freely, None, nothing).await?;
        for name in listed(&answer) {
            self.truth.add(&name);
        }
        expect(self.truth.named("INBOX").is_some(), "INBOX")
    }

    // Messages change.

    async fn store(&mut self, who: usize, dice: &mut Dice, reach: usize) -> Check {
        let by_uid = dice.once_in(2) || self.seats[who].client.enabled.uid_only;
        let named = self.set(who, by_uid, dice);
        let action = dice.pick(&["+FLAGS", "-FLAGS", "FLAGS", "+FLAGS.SILENT", "-FLAGS.SILENT", "FLAGS.SILENT"]);
        let change: Flags = (0..1 + dice.roll(2)).map(|_| dice.pick(&FLAGS).to_owned()).collect();
        let client = &self.seats[who].client;
        let selected = client.selected.as_ref().ok_or("nothing selected")?;
        let (id, read_only) = (selected.id, selected.read_only);
        let since = (client.enabled.condstore && dice.once_in(3)).then(|| {
            let highest = self.truth.mailboxes.get(&id).map_or(1, |mailbox| mailbox.highest);
            highest.saturating_sub(dice.roll(4) as u64).max(1)
        });
        let modifier = since.map(|since| format!(" (UNCHANGEDSINCE {since})")).unwrap_or_default();
        let list = change.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let uid = if by_uid { "UID " } else { "" };
        let command = format!("{uid}STORE {}{modifier} {action} ({list})", named.text);
        let numbered: Vec<u32> = selected.entries.iter().map(|entry| entry.uid).collect();
        let apply = move |flags: &mut Flags| match action.chars().next() {
            Some('+') => flags.extend(change.iter().cloned()),
            Some('-') => flags.retain(|flag| !change.contains(flag)),
            _ => {
                flags.retain(|flag| flag == "\\Recent");
                flags.extend(change.iter().cloned());
            }
        };
        let asked = if by_uid { Asked::Freely } else { Asked::ByNumber };
        let (there, all) = (self.alive(id, &named.uids), named.uids.len());
        let silent = action.ends_with("SILENT");
        let effect = |truth: &mut Truth, client: &mut Reader, answer: &Answer| {
            if !named.good || read_only {
                return expect(!answer.ok(), "STORE is refused");
            }
            let modified: Vec<u32> = match answer.code("MODIFIED") {
                Some(code) => uids(code.first().ok_or("MODIFIED without a set")?).ok_or("MODIFIED without a set")?,
                None => Vec::new(),
            };
            let modified: Vec<u32> = match by_uid {
                true => modified,
                false => modified.iter().filter_map(|number| numbered.get(*number as usize - 1).copied()).collect(),
            };
            expect(since.is_some() || modified.is_empty(), "MODIFIED without UNCHANGEDSINCE")?;
            expect(answer.ok() || (there.len() < all && !by_uid), "STORE")?;
            let mailbox = truth.mailbox(id)?;
            let mut changed = Vec::new();
            for uid in &there {
                let message = mailbox.get(*uid).ok_or("it was there")?;
                let refused = modified.contains(uid);
                if let (Some(since), true) = (since, message.settled) {
                    let right = message.mod_seq > since;
                    expect(right == refused, &format!("UID {uid} has MODSEQ {} (RFC 7162 §3.1.3)", message.mod_seq))?;
                }
                if !refused {
                    mailbox.change(*uid, &apply);
                    changed.push(*uid);
                }
            }
            // RFC 7162 §3.1.3: its new mod-sequence is told, with `.SILENT` too.
            let told = |uid: &u32| {
                let fetched = answer.replies.iter().any(
                    |reply| matches!(reply, Reply::Fetch(told) if told.uid == Some(*uid) && told.mod_seq.is_some()),
                );
                fetched || !client.enabled.condstore
            };
            expect(changed.iter().all(told), "the mod-sequence of what was changed")?;
            // Before the news that come with the answer; if it is heard to its end.
            if silent && answer.ok() && reach >= answer.replies.len() {
                client.reckons(&changed, &apply);
            }
            Ok(())
        };
        self.says_and_hears(who, &command, asked, None, reach, effect).await.map(drop)
    }

    async fn copy(&mut self, who: usize, dice: &mut Dice, moves: bool) -> Check {
        let by_uid = dice.once_in(2) || self.seats[who].client.enabled.uid_only;
        let named = self.set(who, by_uid, dice);
        let name = dice.pick(&["INBOX", "a", "a", "c", "d e"]);
        let selected = self.seats[who].client.selected.as_ref().ok_or("nothing selected")?;
        let (id, read_only) = (selected.id, selected.read_only);
        let (verb, uid) = (if moves { "MOVE" } else { "COPY" }, if by_uid { "UID " } else { "" });
        let command = format!("{uid}{verb} {} \"{name}\"", named.text);
        let there = self.alive(id, &named.uids);
        let effect = |truth: &mut Truth, _: &mut Reader, answer: &Answer| {
            let all_there = by_uid || there.len() == named.uids.len();
            let Some(target) = truth.named(name).filter(|_| named.good && all_there && !(moves && read_only)) else {
                return expect(!answer.ok(), &format!("{verb} is refused"));
            };
            expect(answer.ok(), verb)?;
            if there.is_empty() {
                return expect(answer.code("COPYUID").is_none(), "COPYUID of nothing");
            }
            let code = answer.code("COPYUID").ok_or("no COPYUID (RFC 4315 §3)")?;
            let [uid_validity, from, to] = code else { return Err("COPYUID of three parts".into()) };
            expect(uids(from).as_ref() == Some(&there), "COPYUID names what was copied")?;
            let to = uids(to).ok_or("COPYUID")?;
            let copy = |message: &Message| (message.token, message.flags.clone());
            let copies = there.iter().filter_map(|uid| truth.mailboxes[&id].get(*uid).map(copy)).collect();
            if moves {
                truth.mailbox(id)?.expunge(|message| there.contains(&message.uid));
            }
            truth.arrived(target, &to, uid_validity.parse().map_err(|_| "COPYUID")?, copies)
        };
        self.says(who, &command, Asked::Freely, None, effect).await.map(drop)
    }

    async fn expunge(&mut self, who: usize, dice: &mut Dice, reach: usize) -> Check {
        let by_uid = dice.once_in(3);
        let named = self.set(who, true, dice);
        let selected = self.seats[who].client.selected.as_ref().ok_or("nothing selected")?;
        let (id, read_only) = (selected.id, selected.read_only);
        // Nobody deletes what he does not know of.
        let counted: Vec<u32> = match by_uid {
            true => named.uids,
            false => selected.entries.iter().map(|entry| entry.uid).collect(),
        };
        let command = if by_uid { format!("UID EXPUNGE {}", named.text) } else { "EXPUNGE".to_owned() };
        let effect = |truth: &mut Truth, _: &mut Reader, answer: &Answer| {
            if read_only {
                return refused(answer, "READ-ONLY");
            }
            expect(answer.ok(), "EXPUNGE")?;
            truth.mailbox(id)?.expunge(|message| counted.contains(&message.uid) && is_deleted(message));
            Ok(())
        };
        self.says_and_hears(who, &command, Asked::Freely, None, reach, effect).await.map(drop)
    }

    /// CREATE, RENAME, DELETE.
    async fn rebuilds(&mut self, who: usize, verb: Verb, dice: &mut Dice) -> Check {
        let (name, to) = (dice.pick(&NAMES), dice.pick(&NAMES));
        let doomed = self.truth.named(name);
        let command = match verb {
            Verb::Create => format!("CREATE \"{name}\""),
            Verb::Rename => format!("RENAME \"{name}\" \"{to}\""),
            _ => format!("DELETE \"{name}\""),
        };
        let effect = |truth: &mut Truth, client: &mut Reader, answer: &Answer| {
            let done = match verb {
                Verb::Create => truth.create(name),
                Verb::Rename => truth.rename(name, to),
                _ => truth.delete(name),
            };
            if verb == Verb::Delete && done && doomed == client.selected.as_ref().map(|selected| selected.id) {
                client.leaves(None);
            }
            expect(done == answer.ok(), if done { "it can be done" } else { "it can't be done" })
        };
        self.says(who, &command, Asked::Freely, None, effect).await?;
        // A mailbox that INBOX's messages went into has UIDs that nobody was told yet, and none that could be wrong.
        Ok(())
    }

    // Everything is looked at.

    async fn quiet(&mut self) -> Check {
        for who in 0..self.clients() {
            if self.selected(who).is_none() || self.seats[who].client.idling {
                continue;
            }
            expect(self.says(who, "NOOP", Asked::Freely, None, nothing).await?.ok(), "NOOP")?;
            let selected = self.seats[who].client.selected.as_ref().ok_or("still selected")?;
            if !selected.entries.is_empty() {
                let more = if self.seats[who].client.enabled.condstore { " MODSEQ" } else { "" };
                let (uid, asked) = match self.seats[who].client.enabled.uid_only {
                    true => ("UID ", Asked::Freely),
                    false => ("", Asked::ByNumber),
                };
                let command = format!("{uid}FETCH 1:* (UID FLAGS{more})");
                expect(self.says(who, &command, asked, None, nothing).await?.ok(), &command)?;
                let selected = self.seats[who].client.selected.as_ref().ok_or("still selected")?;
                expect(selected.entries.iter().all(|entry| entry.flags.is_some()), "all flags are told")?;
            }
        }
        let auditor = self.clients();
        if self.seats[auditor].connection.is_none() {
            self.connect(auditor).await?;
        }
        for name in self.truth.names() {
            self.select(auditor, &name, true, &mut Dice::new(1), None).await?;
            let selected = self.seats[auditor].client.selected.as_ref().ok_or(format!("EXAMINE {name}"))?;
            if !selected.entries.is_empty() {
                let command = format!("UID FETCH 1:* (FLAGS MODSEQ {TOKEN})");
                let answer = self.says(auditor, &command, Asked::Freely, None, nothing).await?;
                let whole = |reply: &&Reply| matches!(reply, Reply::Fetch(told) if told.items == 4);
                let told = answer.replies.iter().filter(whole).count();
                let selected = self.seats[auditor].client.selected.as_ref().ok_or("still selected")?;
                expect(told == selected.entries.len(), &format!("{told} messages in {name}"))?;
            }
        }
        self.list(auditor).await?;
        // It must not hold a mailbox that others delete.
        self.leave(auditor, false).await
    }

    // What is said.

    /// Those of `uids` that are still there.
    fn alive(&self, id: u32, uids: &[u32]) -> Vec<u32> {
        let there = self.truth.mailboxes.get(&id).map(|mailbox| mailbox.uids()).unwrap_or_default();
        uids.iter().copied().filter(|uid| there.contains(uid)).collect()
    }

    /// Some messages.
    fn set(&self, who: usize, by_uid: bool, dice: &mut Dice) -> Named {
        let selected = self.seats[who].client.selected.as_ref();
        let known: Vec<u32> = selected.map(|s| s.entries.iter().map(|entry| entry.uid).collect()).unwrap_or_default();
        let next = selected.and_then(|selected| self.truth.mailboxes.get(&selected.id)).map_or(1, |m| m.uid_next);
        let (most, star) = match by_uid {
            true => (next.saturating_sub(1).max(1), known.last().copied().unwrap_or(0)),
            false => (known.len().max(1) as u32, known.len() as u32),
        };
        let mut number = || match dice.roll(25) {
            // Perhaps one that is not there.
            0 => most + 1,
            roll => 1 + dice.roll(most as usize).min(most as usize) as u32 * u32::from(roll > 0),
        };
        let (first, second) = (number(), number());
        let (text, ranges) = match dice.roll(6) {
            0 | 1 => (format!("{first}"), vec![(first, first)]),
            2 => (format!("{first}:{second}"), vec![(first, second)]),
            3 => (format!("{first},{second}"), vec![(first, first), (second, second)]),
            4 => (format!("{first}:*"), vec![(first, star)]),
            _ => ("1:*".to_owned(), vec![(1, star)]),
        };
        let named = |number: u32| ranges.iter().any(|(a, b)| (*a.min(b)..=*a.max(b)).contains(&number));
        let good =
            by_uid || ranges.iter().all(|(a, b)| (1..=known.len() as u32).contains(a.min(b)) && *a.max(b) <= star);
        let uids = (1..).zip(&known).filter(|(at, uid)| named(if by_uid { **uid } else { *at }));
        Named { text, uids: uids.map(|(_, uid)| *uid).collect(), good }
    }

    /// A search key, and whether a message matches it; `None`: either will do.
    #[allow(clippy::type_complexity)]
    fn key(
        &self,
        who: usize,
        dice: &mut Dice,
        depth: usize,
        numbers: &mut bool,
    ) -> (String, Box<dyn Fn(&Message, u32) -> Option<bool>>) {
        let flagged = |flag: &'static str, is: bool| {
            Box::new(move |message: &Message, _: u32| Some(message.flags.contains(flag) == is)) as Box<_>
        };
        let roll = dice.roll(if depth == 0 { 10 } else { 13 });
        match roll {
            7 if self.seats[who].client.enabled.uid_only => ("ALL".to_owned(), Box::new(|_, _| Some(true))),
            0 => ("ALL".to_owned(), Box::new(|_, _| Some(true))),
            1 => ("SEEN".to_owned(), flagged("\\Seen", true)),
            2 => ("UNSEEN".to_owned(), flagged("\\Seen", false)),
            3 => ("DELETED".to_owned(), flagged("\\Deleted", true)),
            4 => ("UNFLAGGED".to_owned(), flagged("\\Flagged", false)),
            5 => ("KEYWORD one".to_owned(), flagged("one", true)),
            6 => {
                let named = self.set(who, true, dice);
                let uids = named.uids;
                (format!("UID {}", named.text), Box::new(move |message, _| Some(uids.contains(&message.uid))))
            }
            7 => {
                *numbers = true;
                let named = self.set(who, false, dice);
                let uids = named.uids;
                (named.text, Box::new(move |message, _| Some(uids.contains(&message.uid))))
            }
            8 => {
                let word = dice.roll(4) as u32;
                (format!("SUBJECT word{word}"), Box::new(move |message, _| Some(message.token % 4 == word)))
            }
            9 if self.seats[who].client.enabled.condstore => {
                let since = 1 + dice.roll(30) as u64;
                let matches = move |message: &Message, _: u32| message.settled.then_some(message.mod_seq >= since);
                (format!("MODSEQ {since}"), Box::new(matches))
            }
            9 => ("BODY \"no play\"".to_owned(), Box::new(|_, _| Some(true))),
            10 => {
                let (text, matches) = self.key(who, dice, depth - 1, numbers);
                (format!("NOT ({text})"), Box::new(move |message, at| Some(!matches(message, at)?)))
            }
            roll => {
                let (one, first) = self.key(who, dice, depth - 1, numbers);
                let (two, second) = self.key(who, dice, depth - 1, numbers);
                match roll {
                    11 => (
                        format!("OR ({one}) ({two})"),
                        Box::new(move |message, at| Some(first(message, at)? | second(message, at)?)),
                    ),
                    _ => (
                        format!("({one}) ({two})"),
                        Box::new(move |message, at| Some(first(message, at)? & second(message, at)?)),
                    ),
                }
            }
        }
    }
}

/// What the QRESYNC parameter says beyond UIDVALIDITY and mod-sequence: nothing, the UIDs that are known, some numbers and
/// their UIDs, or both; numbers not after UIDONLY (RFC 9586 §3).
fn known(cache: &super::client::Cache, uid_only: bool, dice: &mut Dice) -> String {
    let uids: Vec<u32> = cache.flags.keys().copied().collect();
    let list = |uids: &[u32]| uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    let pairs: Vec<(u32, u32)> = (1..).zip(uids.iter().copied()).take(cache.complete).step_by(2).collect();
    let (numbers, matching): (Vec<u32>, Vec<u32>) = pairs.into_iter().unzip();
    let mut text = String::new();
    let form = dice.roll(if uid_only { 2 } else { 4 });
    if form & 1 > 0 && !uids.is_empty() {
        text += &format!(" {}", list(&uids));
    }
    if form & 2 > 0 && !numbers.is_empty() {
        text += &format!(" ({} {})", list(&numbers), list(&matching));
    }
    text
}

fn listed(answer: &Answer) -> BTreeSet<String> {
    let there = answer.replies.iter().filter_map(|reply| match reply {
        Reply::List { mailbox, attributes } => {
            let absent = attributes.contains("\\noselect") || attributes.contains("\\nonexistent");
            (!absent).then(|| mailbox.clone())
        }
        _ => None,
    });
    there.collect()
}

/// UIDVALIDITY and UIDs of APPENDUID.
fn place(code: Option<&[String]>) -> Result<(u64, Vec<u32>), String> {
    let Some([uid_validity, set]) = code else { return Err("APPENDUID (RFC 4315 §3)".into()) };
    Ok((uid_validity.parse().map_err(|_| "APPENDUID")?, uids(set).ok_or("APPENDUID")?))
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
