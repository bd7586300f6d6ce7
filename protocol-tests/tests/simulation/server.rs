//! The server: all of Postbell but its sockets. Connections come in memory, and the disk takes as long as the dice say.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use postbell::auth::Origin;
use postbell::config::Config;
use postbell::net::listener::{self, Role};
use postbell::net::{Services, Stream, Transport};
use postbell::observe::Nobody;
use postbell::server::services;
use postbell::store::{ByHand, Store};
use tokio::io::DuplexStream;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::{JoinError, JoinHandle, JoinSet, spawn_local};

use super::clock::{Clock, Turn};
use super::dice::Dice;

/// How long a server that stops waits for its sessions: as `server` has it.
const DRAIN: Duration = Duration::from_secs(7);

/// How many writes the machine outlives: who is answered before a write, and not after it, is found out by the one that never
/// comes.
const DIES_ONCE_IN: usize = 150;

/// A server that runs now and then.
pub(crate) struct Server {
    folder: PathBuf,
    clock: Clock,
    dice: RefCell<Dice>,
    /// Whether the machine may die: somebody starts it again.
    is_mortal: bool,
    running: RefCell<Option<Running>>,
}

struct Running {
    services: Arc<Services>,
    stop: watch::Sender<bool>,
    sessions: JoinSet<()>,
    disk: JoinHandle<ByHand>,
    /// Ends the disk's work, so that it can be given away.
    disk_ends: oneshot::Sender<()>,
    /// Told when the disk has stopped to work: the machine is about to die.
    dies: Rc<Notify>,
}

impl Server {
    pub(crate) fn new(folder: PathBuf, clock: Clock, dice: Dice, is_mortal: bool) -> Self {
        Self { folder, clock, dice: RefCell::new(dice), is_mortal, running: RefCell::new(None) }
    }

    /// Opens the store, and takes connections. `committed` is called after each commit.
    pub(crate) async fn start(&self, committed: impl Fn() + 'static) -> Result<(), String> {
        let config = Config::dev(self.folder.clone());
        // Nothing else runs now: the runtime may wait for the files.
        let (store, by_hand) =
            Store::open_by_hand(&self.folder, config.store.clone()).map_err(|error| error.to_string())?;
        let (stop, shutdown) = watch::channel(false);
        let services = services(config, store, None, Arc::new(Nobody), shutdown).await;
        let services = Arc::new(services.map_err(|error| error.to_string())?);
        let (disk_ends, ends) = oneshot::channel();
        let dice = Dice::new(self.dice.borrow_mut().next());
        let dies = Rc::new(Notify::new());
        let told = self.is_mortal.then(|| Rc::clone(&dies));
        let disk = spawn_local(work(by_hand, self.clock, dice, ends, told, committed));
        *self.running.borrow_mut() = Some(Running { services, stop, sessions: JoinSet::new(), disk, disk_ends, dies });
        Ok(())
    }

    /// Waits until the machine is about to die, with changes that wait for the disk.
    pub(crate) async fn dies(&self) {
        let dies = self.running.borrow().as_ref().map(|running| Rc::clone(&running.dies));
        match dies {
            Some(dies) => dies.notified().await,
            None => std::future::pending().await,
        }
    }

    /// What runs, if it does.
    pub(crate) fn store(&self) -> Option<Store> {
        self.running.borrow().as_ref().map(|running| running.services.store.clone())
    }

    /// A connection comes in; false where nobody listens.
    pub(crate) fn accept(&self, role: Role, stream: DuplexStream) -> Result<bool, String> {
        let mut running = self.running.borrow_mut();
        let Some(Running { services, sessions, stop, .. }) = running.as_mut() else { return Ok(false) };
        if *stop.borrow() {
            return Ok(false);
        }
        while let Some(ended) = sessions.try_join_next() {
            whole(ended)?;
        }
        let peer = Origin::from(std::net::SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 1));
        listener::start(role, Stream::Plain(Transport::Memory(stream)), peer, services, sessions);
        Ok(true)
    }

    /// Stops as it should: every session says goodbye, and the store is closed; unless the machine dies meanwhile.
    pub(crate) async fn stop(&self) -> Result<(), String> {
        let Some(running) = self.running.borrow_mut().take() else { return Ok(()) };
        let Running { services, stop, mut sessions, disk, disk_ends, dies } = running;
        stop.send_replace(true);
        let ended = tokio::time::timeout(DRAIN, async {
            while let Some(ended) = sessions.join_next().await {
                whole(ended)?;
            }
            Ok::<_, String>(())
        });
        tokio::select! {
            biased;
            () = dies.notified() => return bury(services, sessions, disk).await,
            ended = ended => ended.map_err(|_| format!("sessions do not end within {DRAIN:?}"))??,
        }
        // The disk may have ended by a panic, which comes out here.
        let _ended = disk_ends.send(());
        let mut disk = disk;
        let by_hand = tokio::select! {
            biased;
            () = dies.notified() => return bury(services, sessions, disk).await,
            by_hand = &mut disk => by_hand.map_err(|error| format!("the disk: {error}"))?,
        };
        let store = services.store.clone();
        drop(services);
        let committer = std::thread::spawn(move || by_hand.run());
        let closed = store.close().await.map_err(|error| format!("closing the store: {error}"));
        committer.join().map_err(|_| "the committer panicked".to_owned())?;
        closed
    }

    /// Ends as a killed process does: nobody is told anything, and what was not committed is lost.
    pub(crate) async fn kill(&self) -> Result<(), String> {
        let Some(running) = self.running.borrow_mut().take() else { return Ok(()) };
        bury(running.services, running.sessions, running.disk).await
    }
}

/// What is left of a process that was killed goes.
async fn bury(services: Arc<Services>, mut sessions: JoinSet<()>, disk: JoinHandle<ByHand>) -> Result<(), String> {
    disk.abort();
    match disk.await {
        Err(error) if error.is_cancelled() => {}
        Err(error) => return Err(format!("the disk: {error}")),
        Ok(_) => return Err("the disk ended by itself".to_owned()),
    }
    sessions.abort_all();
    while let Some(ended) = sessions.join_next().await {
        match ended {
            Err(error) if error.is_cancelled() => {}
            ended => whole(ended)?,
        }
    }
    // What still works on the blocking pool holds the store: there is one thread, so this comes behind all of it.
    tokio::task::spawn_blocking(move || drop(services)).await.map_err(|error| error.to_string())
}

/// A session that panics is survived, and is a bug.
fn whole(ended: Result<(), JoinError>) -> Result<(), String> {
    ended.map_err(|error| format!("a session's task: {error}"))
}

/// The disk: most writes take a moment, some take long.
async fn work(
    mut by_hand: ByHand,
    clock: Clock,
    mut dice: Dice,
    mut ends: oneshot::Receiver<()>,
    dies: Option<Rc<Notify>>,
    committed: impl Fn(),
) -> ByHand {
    loop {
        tokio::select! {
            biased;
            _ = &mut ends => return by_hand,
            () = by_hand.asked() => {}
        }
        let latency = match dice.roll(20) {
            0 => dice.pause_ms(1_000..8_000),
            1..4 => dice.pause_ms(50..1_000),
            _ => dice.pause_ms(1..50),
        };
        clock.turn(Turn::DISK, latency).await;
        if let (true, Some(dies)) = (dice.once_in(DIES_ONCE_IN), &dies) {
            dies.notify_one();
            return std::future::pending().await;
        }
        by_hand.commit();
        committed();
    }
}

/// Kept by all that is spawned here.
pub(crate) type Shared = Rc<Server>;
