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
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinHandle, JoinSet, spawn_local};

use super::clock::{Clock, Turn};
use super::dice::Dice;

/// How long a server that stops waits for its sessions: as `server` has it.
const DRAIN: Duration = Duration::from_secs(7);

/// A server that runs now and then.
pub(crate) struct Server {
    folder: PathBuf,
    clock: Clock,
    dice: RefCell<Dice>,
    running: RefCell<Option<Running>>,
}

struct Running {
    services: Arc<Services>,
    stop: watch::Sender<bool>,
    sessions: JoinSet<()>,
    disk: JoinHandle<ByHand>,
    /// Ends the disk's work, so that it can be given away.
    disk_ends: oneshot::Sender<()>,
}

impl Server {
    pub(crate) fn new(folder: PathBuf, clock: Clock, dice: Dice) -> Self {
        Self { folder, clock, dice: RefCell::new(dice), running: RefCell::new(None) }
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
        let disk = spawn_local(work(by_hand, self.clock, dice, ends, committed));
        *self.running.borrow_mut() = Some(Running { services, stop, sessions: JoinSet::new(), disk, disk_ends });
        Ok(())
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

    /// Stops as it should: every session says goodbye, and the store is closed.
    pub(crate) async fn stop(&self) -> Result<(), String> {
        let told = match &*self.running.borrow() {
            Some(Running { stop, .. }) => stop.send_replace(true),
            None => return Ok(()),
        };
        assert!(!told, "stopped once");
        let until = tokio::time::Instant::now() + DRAIN;
        // Nobody else may look for sessions while they are waited for.
        let mut sessions = match &mut *self.running.borrow_mut() {
            Some(running) => std::mem::take(&mut running.sessions),
            None => return Ok(()),
        };
        let ended = tokio::time::timeout_at(until, async {
            while let Some(ended) = sessions.join_next().await {
                whole(ended)?;
            }
            Ok::<_, String>(())
        });
        ended.await.map_err(|_| format!("{} sessions do not end within {DRAIN:?}", sessions.len()))??;
        let Some(Running { services, disk, disk_ends, .. }) = self.running.borrow_mut().take() else { return Ok(()) };
        // The disk may have ended by a panic, which comes out here.
        let _ended = disk_ends.send(());
        let by_hand = disk.await.map_err(|error| format!("the disk: {error}"))?;
        let store = services.store.clone();
        drop(services);
        let committer = std::thread::spawn(move || by_hand.run());
        let closed = store.close().await.map_err(|error| format!("closing the store: {error}"));
        committer.join().map_err(|_| "the committer panicked".to_owned())?;
        closed
    }

    /// Ends as a killed process does: nobody is told anything, and what was not committed is lost.
    pub(crate) async fn kill(&self) -> Result<(), String> {
        let Some(Running { services, mut sessions, disk, .. }) = self.running.borrow_mut().take() else {
            return Ok(());
        };
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
        by_hand.commit();
        committed();
    }
}

/// Kept by all that is spawned here.
pub(crate) type Shared = Rc<Server>;
