//! INPROGRESS (RFC 9585): a command that takes long says now and then that it is at work, so that neither its client nor
//! anything between them takes the connection for dead.
//!
//! When it is time is the driver's to say ([`Client::progress_due`]): when nothing was written for a while. What is told is
//! written while the work goes on: a client that takes nothing must not hold up what others wait for.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Context;
use crate::imap::response::{Code, Status};

/// How far a command has come, where that is known.
#[derive(Debug, Default)]
pub(super) struct Progress {
    done: AtomicU32,
    /// 0: nobody knows.
    goal: u32,
}

impl Progress {
    /// Nobody knows how far it is.
    pub(super) fn unknown() -> Self {
        Self::default()
    }

    /// So many messages are to be gone through.
    pub(super) fn to(goal: u32) -> Self {
        Self { done: AtomicU32::new(0), goal }
    }

    /// So many more are done.
    pub(super) fn add(&self, more: usize) {
        self.done.fetch_add(u32::try_from(more).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// What has come, and of how many (RFC 9585 §4): never more than there are.
    fn counted(&self) -> (Option<u32>, Option<u32>) {
        let goal = (self.goal > 0).then_some(self.goal);
        (goal.map(|goal| self.done.load(Ordering::Relaxed).min(goal)), goal)
    }
}

impl Context<'_> {
    /// Waits for what may take long, and tells how far it is whenever that is due. The work can't use the context meanwhile.
    pub(super) async fn patiently<T>(&mut self, progress: &Progress, work: impl Future<Output = T>) -> io::Result<T> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = self.client.progress_due() => {}
            }
            self.put_progress(progress);
            let output = std::mem::take(&mut self.output);
            let mut writing = self.client.write(&output);
            let done = tokio::select! {
                biased;
                written = &mut writing => {
                    written?;
                    None
                }
                done = &mut work => {
                    writing.await?;
                    Some(done)
                }
            };
            if let Some(done) = done {
                return Ok(done);
            }
        }
    }

    /// Tells how far it is, if that is due: between the steps of what writes by itself, but perhaps not for long.
    pub(super) async fn tell_progress(&mut self, progress: &Progress) -> io::Result<()> {
        if !self.client.is_progress_due() {
            return Ok(());
        }
        self.put_progress(progress);
        self.flush().await
    }

    fn put_progress(&mut self, progress: &Progress) {
        let (current, goal) = progress.counted();
        let code = Code::InProgress { tag: self.tag.clone(), current, goal };
        self.put(Status::untagged_ok("Still at it").with_code(code));
    }
}
