//! All that is shared: the clock, the server, what is true, what was said, and who is to be asked what he believes.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::{Rc, Weak};
use std::time::Duration;

use postbell::store::{MailboxId, OpenMailbox};
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use super::belief::Belief;
use super::clock::{Clock, Turn};
use super::dice::Dice;
use super::server::{Server, Shared};
use super::truth::{Place, Truth};

/// How many lines of the end a failure shows.
const SHOWN: usize = 120;
const KEPT: usize = 50_000;

/// How often what.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) sessions: Cell<usize>,
    pub(crate) letters: Cell<usize>,
    pub(crate) deleted: Cell<usize>,
    pub(crate) lost: Cell<usize>,
    pub(crate) resynced: Cell<usize>,
    pub(crate) starts: Cell<usize>,
    /// How often an idler was asked what it believes.
    pub(crate) asked: Cell<usize>,
}

impl Counts {
    /// All of them, in their order.
    pub(crate) fn figures(&self) -> [usize; 7] {
        let Counts { sessions, letters, deleted, lost, resynced, starts, asked } = self;
        [sessions, letters, deleted, lost, resynced, starts, asked].map(Cell::get)
    }
}

/// One more.
pub(crate) fn count(counter: &Cell<usize>) {
    counter.set(counter.get() + 1);
}

/// What was said and done.
#[derive(Default)]
struct Log {
    lines: VecDeque<(usize, String)>,
    digest: DefaultHasher,
    lines_in_all: usize,
}

/// A world.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) clock: Clock,
    pub(crate) server: Shared,
    pub(crate) users: Vec<String>,
    pub(crate) truth: RefCell<Truth>,
    pub(crate) counts: Counts,
    /// When nobody does anything any more but listen.
    pub(crate) rest_from: Duration,
    /// When people sleep; phones do not.
    pub(crate) night: std::ops::Range<Duration>,
    listeners: RefCell<Vec<Weak<RefCell<Belief>>>>,
    /// When each mailbox changed last, and to what.
    changed: RefCell<BTreeMap<MailboxId, (u64, Instant)>>,
    log: RefCell<Log>,
    failure: RefCell<Option<(usize, String)>>,
    failed: Notify,
}

/// The seat of nobody.
pub(crate) const NOBODY: usize = usize::MAX;

impl World {
    pub(crate) fn new(seed: u64, clock: Clock, server: Server, users: Vec<String>, times: [Duration; 3]) -> Rc<Self> {
        let [dusk, dawn, rest_from] = times;
        Rc::new(Self {
            seed,
            clock,
            server: Rc::new(server),
            users,
            truth: RefCell::default(),
            counts: Counts::default(),
            rest_from,
            night: dusk..dawn,
            listeners: RefCell::default(),
            changed: RefCell::default(),
            log: RefCell::default(),
            failure: RefCell::default(),
            failed: Notify::new(),
        })
    }

    /// Takes note of something, for the report.
    pub(crate) fn note(&self, seat: usize, what: impl AsRef<str>) {
        let mut log = self.log.borrow_mut();
        let line = format!("{:>12.3} {}", self.clock.now().as_secs_f64(), what.as_ref());
        // When, who, and how long: what is said has dates and random identifiers in it.
        (self.clock.now(), seat, line.len()).hash(&mut log.digest);
        log.lines_in_all += 1;
        log.lines.push_back((seat, line));
        if log.lines.len() > KEPT {
            log.lines.pop_front();
        }
    }

    /// What stands for all that was noted.
    pub(crate) fn digest(&self) -> (u64, usize) {
        let log = self.log.borrow();
        (log.digest.finish(), log.lines_in_all)
    }

    /// All that was noted.
    pub(crate) fn said(&self) -> String {
        let log = self.log.borrow();
        log.lines.iter().map(|(_, line)| format!("{line}\n")).collect()
    }

    /// A rule is broken.
    pub(crate) fn fail(&self, seat: usize, why: String) {
        self.failure.borrow_mut().get_or_insert((seat, why));
        self.failed.notify_one();
    }

    /// Waits for it.
    pub(crate) async fn failed(&self) {
        self.failed.notified().await;
    }

    /// What is broken, if something is, and what was said by and to whoever found it.
    pub(crate) fn failure(&self) -> Option<String> {
        let failure = self.failure.borrow();
        let (seat, why) = failure.as_ref()?;
        let log = self.log.borrow();
        let told: Vec<&str> = log
            .lines
            .iter()
            .filter(|(whose, _)| whose == seat || *whose == NOBODY)
            .map(|(_, line)| line.as_str())
            .collect();
        let shown = &told[told.len().saturating_sub(SHOWN)..];
        Some(format!("{why}\n  {}", shown.join("\n  ")))
    }

    /// Somebody thinks; at night he sleeps, and in the end for ever.
    pub(crate) async fn think(&self, seat: usize, dice: &mut Dice, how_long_ms: std::ops::Range<u64>) {
        let mut pause = dice.pause_ms(how_long_ms);
        let then = self.clock.now() + pause;
        if self.night.contains(&then) {
            pause += self.night.end - then;
        }
        self.clock.turn(Turn::thoughts(seat), pause).await;
        if self.clock.now() >= self.rest_from {
            std::future::pending().await
        }
    }

    /// From now on it is asked whether it knows what it has to.
    pub(crate) fn listens(&self, belief: &Rc<RefCell<Belief>>) {
        self.listeners.borrow_mut().push(Rc::downgrade(belief));
    }

    fn mailboxes(&self) -> Vec<(Place, std::sync::Arc<postbell::store::Mailbox>)> {
        let Some(store) = self.server.store() else { return Vec::new() };
        let mut mailboxes = Vec::new();
        for user in &self.users {
            let Some(account) = store.account(user) else { continue };
            for mailbox in store.mailboxes(account.id) {
                mailboxes.push(((user.clone(), mailbox.head().name), mailbox));
            }
        }
        mailboxes
    }

    /// After a commit: in a while, whoever listens to a mailbox that has changed has to know of it.
    pub(crate) fn committed(self: &Rc<Self>) {
        let now = Instant::now();
        for (place, mailbox) in self.mailboxes() {
            let head = mailbox.head();
            let before = self.changed.borrow_mut().insert(mailbox.id(), (head.highest_mod_seq, now));
            match before {
                Some((mod_seq, at)) if mod_seq == head.highest_mod_seq => {
                    self.changed.borrow_mut().insert(mailbox.id(), (mod_seq, at));
                }
                _ => {
                    let world = Rc::clone(self);
                    spawn_local(async move {
                        sleep(world.clock.bound()).await;
                        world.ask_all_of(&place).await;
                    });
                }
            }
        }
    }

    /// The mailbox, if nothing has changed in it for as long as a change may take to be told.
    async fn still(&self, place: &Place) -> Option<OpenMailbox> {
        let store = self.server.store()?;
        let account = store.account(&place.0)?;
        let mailbox = store.mailbox(account.id, &place.1)?;
        let opened = store.open_mailbox(&mailbox).await.ok()?;
        let changed = self.changed.borrow().get(&mailbox.id()).copied();
        let is_still = changed
            .is_none_or(|(mod_seq, at)| at.elapsed() >= self.clock.bound() && mod_seq == opened.head().highest_mod_seq);
        is_still.then_some(opened)
    }

    /// Asks whoever listens to the mailbox whether it knows what is in it.
    pub(crate) async fn ask_all_of(&self, place: &Place) {
        let Some(mailbox) = self.still(place).await else { return };
        let mut listeners = self.listeners.borrow_mut();
        listeners.retain(|listener| listener.strong_count() > 0);
        for listener in listeners.iter().filter_map(Weak::upgrade) {
            let belief = listener.borrow();
            if !belief.is_attentive(self.clock.bound()) {
                continue;
            }
            if let Some(checked) = belief.is_right_of(place, &mailbox) {
                count(&self.counts.asked);
                if let Err(why) = checked {
                    self.fail(belief.seat, format!("{}: {why}", belief.who));
                }
            }
        }
    }

    /// Asks all, of all mailboxes.
    pub(crate) async fn ask_all(&self) {
        for (place, _) in self.mailboxes() {
            self.ask_all_of(&place).await;
        }
    }

    /// All that is stored.
    pub(crate) async fn stored(&self) -> Result<BTreeMap<Place, BTreeMap<u32, Vec<u8>>>, String> {
        let store = self.server.store().ok_or("the server does not run")?;
        let mut stored = BTreeMap::new();
        for (place, mailbox) in self.mailboxes() {
            let opened = store.open_mailbox(&mailbox).await.map_err(|error| error.to_string())?;
            let mut messages = BTreeMap::new();
            for message in opened.messages(&opened.snapshot().uids) {
                let octets = store.read_body(message.body).await.map_err(|error| error.to_string())?;
                messages.insert(message.uid, octets.to_vec());
            }
            stored.insert(place, messages);
        }
        Ok(stored)
    }
}
