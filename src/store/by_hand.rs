//! A store whose commits happen when somebody says so: for simulations, in which a disk takes as long as the dice have it.
//!
//! All else is as it is: the same committer, with the same groups, over the same journal. Only its thread is missing, and
//! with it the one thing of a commit whose moment the system's scheduler decides.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SendError, Sender};

use tokio::sync::Notify;

use super::committer::{Committer, Message};
use super::disk::RealDisk;
use super::{OpenError, Options, Store};

/// The way to the committer.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    pub(crate) sender: Sender<Message>,
    /// Who is to be told that a change waits: a committer on a thread hears it by itself. What the maintenance thread asks for
    /// between changes waits for the next one.
    pub(crate) asked: Option<Arc<Notify>>,
}

impl Requests {
    pub(crate) fn send(&self, message: Message) -> Result<(), SendError<Message>> {
        let is_change = matches!(message, Message::Job(_));
        self.sender.send(message)?;
        if let Some(asked) = self.asked.as_ref().filter(|_| is_change) {
            asked.notify_one();
        }
        Ok(())
    }
}

/// The committer of a store that was opened by [`Store::open_by_hand`]. Whoever drops it refuses what waits, as a process
/// does that dies.
pub struct ByHand {
    committer: Committer,
    asked: Arc<Notify>,
}

impl Store {
    /// Opens the store in `dir` as [`open`](Self::open) does, but nothing is committed before [`ByHand::commit`] says so.
    /// Blocks.
    pub fn open_by_hand(dir: &Path, options: Options) -> Result<(Store, ByHand), OpenError> {
        let asked = Arc::new(Notify::new());
        let disk = Arc::new(RealDisk);
        let (store, committer) = Store::open_without_committer(disk, dir, options, Some(Arc::clone(&asked)))?;
        Ok((store, ByHand { committer, asked }))
    }
}

impl ByHand {
    /// Waits until somebody waits for a commit.
    pub async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Commits what waits now, in as few groups as it may: syncs, tells, and answers. Blocks.
    pub fn commit(&mut self) {
        self.committer.run_waiting();
    }

    /// Commits whatever is asked for at once, from here on and until the store is closed. Blocks.
    pub fn run(self) {
        self.committer.run();
    }
}
