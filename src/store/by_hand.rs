//! A store whose commits happen when somebody says so: for simulations, in which a disk takes as long as the dice have it.
//!
//! All else is as it is: the same committer, with the same groups, over the same journal. Only its thread is missing, and
//! with it the one thing of a commit whose moment the system's scheduler decides; and there is no checkpoint but the last.

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
    /// Who is to be told that somebody waits: a committer on a thread hears it by itself.
    pub(crate) asked: Option<Arc<Notify>>,
}

impl Requests {
    pub(crate) fn send(&self, message: Message) -> Result<(), SendError<Message>> {
        self.sender.send(message)?;
        if let Some(asked) = &self.asked {
            asked.notify_one();
        }
        Ok(())
    }

    /// Whether somebody has taken the place of the committer's thread.
    pub(crate) fn are_served_by_hand(&self) -> bool {
        self.asked.is_some()
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
