//! INPROGRESS (RFC 9585), for a client that is told whenever it has waited for long.

use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::Notify;

use super::*;
use crate::imap::exec::progress::Progress;

/// A mailbox with five messages, and a client that has selected it.
async fn selected(world: &World) -> Speaker<'_> {
    let mut alice = world.login("alice").await;
    for number in 0..5 {
        world.deliver("alice", &format!("number {number}")).await;
    }
    alice.says("SELECT INBOX").await;
    alice
}

#[tokio::test]
async fn a_search_says_how_far_it_is() {
    let world = World::new();
    let mut alice = selected(&world).await;
    alice.wire.progress.store(2, Relaxed);
    let heard = alice.says("SEARCH BODY number").await;
    let tag = alice.tag;
    let said = format!("* OK [INPROGRESS (\"a{tag}\" 0 5)] ");
    hears(&heard, &[&said, &said, "* SEARCH 1 2 3 4 5", "OK"]);
    // Nothing is due: nothing is said.
    hears(&alice.says("SEARCH BODY number").await, &["* SEARCH 1 2 3 4 5", "OK"]);
}

#[tokio::test]
async fn a_fetch_says_how_far_it_is_between_its_lines() {
    let world = World::new();
    let mut alice = selected(&world).await;
    alice.wire.progress.store(1, Relaxed);
    let heard = alice.says("FETCH 4:5 RFC822.SIZE").await;
    let said = format!("* OK [INPROGRESS (\"a{}\" 0 2)] ", alice.tag);
    hears(&heard, &[&said, "* 4 FETCH", "* 5 FETCH", "OK"]);
}

#[tokio::test]
async fn commands_of_one_step_say_that_they_are_at_work() {
    let world = World::new();
    let mut alice = selected(&world).await;
    alice.says("CREATE Elsewhere").await;
    for (command, answers) in [
        ("COPY 1:5 Elsewhere", &["OK"][..]),
        ("STORE 2 +FLAGS (\\Deleted)", &["* 2 FETCH", "OK"]),
        ("EXPUNGE", &["* 2 EXPUNGE", "* 4 RECENT", "OK"]),
        ("MOVE 1 Elsewhere", &["* OK [COPYUID", "* 1 EXPUNGE", "* 3 RECENT", "OK"]),
        ("APPEND Elsewhere {1+}\r\nx", &["OK [APPENDUID"]),
        ("REPLACE 1 Elsewhere {1+}\r\nx", &["* OK [APPENDUID", "* 1 EXPUNGE", "* 2 RECENT", "OK"]),
    ] {
        alice.wire.progress.store(1, Relaxed);
        let heard = alice.says(command).await;
        let said = format!("* OK [INPROGRESS (\"a{}\" NIL NIL)] ", alice.tag);
        hears(&heard, &[&[said.as_str()], answers].concat());
    }
}

/// Is told once, and takes nothing before somebody opens it.
struct Stalled {
    framer: Framer,
    is_due: bool,
    open: Arc<Notify>,
}

impl Client for Stalled {
    fn write<'a>(&'a mut self, _: &'a [u8]) -> Pending<'a, io::Result<()>> {
        Box::pin(async {
            self.open.notified().await;
            Ok(())
        })
    }

    fn receive(&mut self) -> Pending<'_, io::Result<()>> {
        Box::pin(std::future::pending())
    }

    fn admit(&mut self, _: AccountId) -> bool {
        true
    }

    fn release(&mut self) {}

    fn channel_binding(&self) -> Option<ChannelBinding> {
        None
    }

    fn progress_due(&mut self) -> Pending<'_, ()> {
        match std::mem::take(&mut self.is_due) {
            true => Box::pin(std::future::ready(())),
            false => Box::pin(std::future::pending()),
        }
    }

    fn is_progress_due(&self) -> bool {
        self.is_due
    }

    fn framer(&mut self) -> &mut Framer {
        &mut self.framer
    }
}

/// What others wait for is not held up by a client that takes nothing.
#[tokio::test]
async fn the_work_goes_on_while_the_client_is_told() {
    let world = World::new();
    let mut session = world.login("alice").await.session;
    let open = Arc::new(Notify::new());
    let mut client =
        Stalled { framer: Framer::new(framer::Limits::BEFORE_LOGIN), is_due: true, open: Arc::clone(&open) };
    let mut cx = Context::new(world.environment(), &mut session, &mut client);
    let (begun, finished) = (Notify::new(), Notify::new());
    let work = async {
        begun.notified().await;
        finished.notify_one();
        "done"
    };
    let others = async {
        begun.notify_one();
        finished.notified().await;
        open.notify_one();
    };
    let progress = Progress::unknown();
    let (done, ()) = tokio::join!(cx.patiently(&progress, work), others);
    assert_eq!(done.unwrap(), "done");
}
