//! The memory that commands of all connections share for what does not pass through one step of output.
//!
//! Most answers cost a connection a few hundred KiB whatever their size. Some do not: BINARY undoes the encoding of a whole
//! part before its length is known, HEADER.FIELDS has a whole header before it, and SEARCH BODY a whole message. One is
//! cheap; on many connections at a time, and with messages of 50 MiB, they would take all the memory that there is. So
//! each waits for its place in here. The places are given in the order in which they were asked for.
//!
//! Nobody holds a place while it asks for another of the same kind, so nobody waits for itself; and what is for orders is
//! asked for before what is for searches.

use std::thread::available_parallelism;

use tokio::sync::{Semaphore, SemaphorePermit};

/// What the items of FETCH lines may hold together: twice a message of the greatest size and its decoded form, and a
/// hundred attachments of the usual few MiB.
const ITEM_OCTETS: u64 = 256 << 20;

/// An item this small needs no place: it costs no more than the buffers that every connection has.
const SMALL_ITEM_OCTETS: u64 = 256 << 10;

/// What a permit of [`Workspace::items`] stands for; tokio counts permits in 32 bits where several are asked for.
const PERMIT_OCTETS: u64 = 1 << 10;

/// Memory that is shared; one for all connections of a server.
#[derive(Debug)]
pub(crate) struct Workspace {
    searches: Semaphore,
    orders: Semaphore,
    items: Semaphore,
}

/// A place in the workspace, free again when it is dropped.
pub(crate) type Place<'a> = Option<SemaphorePermit<'a>>;

impl Default for Workspace {
    fn default() -> Self {
        // More searches than cores make none of them faster. Two at least: one long message stops no other search.
        let searches = available_parallelism().map_or(2, |cores| cores.get().max(2));
        Self {
            searches: Semaphore::new(searches),
            orders: Semaphore::new(searches),
            items: Semaphore::new((ITEM_OCTETS / PERMIT_OCTETS) as usize),
        }
    }
}

impl Workspace {
    /// A place for looking through one group of messages. Not held while a client is written to, so that it comes free by
    /// itself soon.
    pub(super) async fn for_search(&self) -> Place<'_> {
        // It errs only when the semaphore is closed, which nobody does.
        self.searches.acquire().await.ok()
    }

    /// A place for putting a whole mailbox into order, which takes up to some hundred octets for each message. It is held
    /// while [`for_search`](Self::for_search) gives places, which never happens the other way round. Not held while a
    /// client is written to.
    pub(super) async fn for_order(&self) -> Place<'_> {
        self.orders.acquire().await.ok()
    }

    /// A place for an item of which `octets` are read at a time, and as many made of them. It is held until the client has
    /// taken the item: a client that takes nothing gives it back when it is given up as stalled.
    pub(super) async fn for_item(&self, octets: u64) -> Place<'_> {
        if octets <= SMALL_ITEM_OCTETS {
            return None;
        }
        // Whoever asks for more than there is has all of it: no item is refused for its size.
        let permits = (octets.saturating_mul(2)).min(ITEM_OCTETS) / PERMIT_OCTETS;
        self.items.acquire_many(permits as u32).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    /// One item holds everything; the next has to wait for it, and a small one does not.
    #[tokio::test]
    async fn items_wait_for_one_another() {
        let workspace = Workspace::default();
        let everything = workspace.for_item(u64::MAX).await;
        assert!(everything.is_some());
        assert!(workspace.for_item(SMALL_ITEM_OCTETS).await.is_none());
        let mut next = pin!(workspace.for_item(SMALL_ITEM_OCTETS + 1));
        assert!(poll_fn(|task| Poll::Ready(next.as_mut().poll(task).is_pending())).await);
        drop(everything);
        assert!(next.await.is_some());
    }
}
