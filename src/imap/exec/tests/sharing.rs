//! Several sessions on one mailbox: who hears what, and when (RFC 3501 §5.2, §7.4.1).

use super::*;

#[tokio::test]
async fn a_delivery_is_heard_with_the_next_command_and_at_once_in_idle() {
    let world = World::new();
    let mut alice = world.select("alice").await;
    world.deliver("alice", "one").await;
    hears(&alice.says("NOOP").await, &["* 1 EXISTS", "* 1 RECENT", "OK"]);
    hears(&alice.says("IDLE").await, &["+ idling"]);
    world.deliver("alice", "two").await;
    world.deliver("alice", "three").await;
    hears(&alice.listens().await, &["* 3 EXISTS", "* 3 RECENT"]);
    hears(&alice.listens().await, &[]);
}

#[tokio::test]
async fn what_happens_between_select_and_idle_is_told_before_idling() {
    let world = World::new();
    let mut alice = world.select("alice").await;
    world.deliver("alice", "one").await;
    hears(&alice.says("IDLE").await, &["* 1 EXISTS", "* 1 RECENT", "+ idling"]);
}

#[tokio::test]
async fn idle_without_a_mailbox_hears_nothing() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    hears(&alice.says("IDLE").await, &["+ idling"]);
    world.deliver("alice", "one").await;
    hears(&alice.listens().await, &[]);
}

#[tokio::test]
async fn expunges_wait_while_sequence_numbers_are_in_use() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    for subject in ["one", "two", "three"] {
        world.deliver("alice", subject).await;
    }
    alice.says("SELECT INBOX").await;
    let mut phone = world.select("alice").await;
    hears(&phone.says("STORE 1 +FLAGS.SILENT (\\Deleted)").await, &["OK"]);
    hears(&phone.says("EXPUNGE").await, &["* 1 EXPUNGE", "OK"]);

    // Not with FETCH, STORE, SEARCH: number 2 stays the message that it was.
    hears(&alice.says("FETCH 2 (UID)").await, &["* 2 FETCH (UID 2)", "OK"]);
    hears(&alice.says("FETCH 1 (UID)").await, &["NO [EXPUNGEISSUED]"]);
    hears(
        &alice.says("STORE 1:2 +FLAGS (\\Seen)").await,
        &["* 2 FETCH (FLAGS (\\Seen \\Recent))", "NO [EXPUNGEISSUED]"],
    );
    hears(&alice.says("SEARCH ALL").await, &["* SEARCH 2 3", "OK"]);
    hears(&alice.says("STORE 1:2 +FLAGS.SILENT (\\Seen)").await, &["OK"]);
    hears(&alice.says("COPY 1 INBOX").await, &["* 1 EXPUNGE", "* 2 RECENT", "NO [EXPUNGEISSUED]"]);
    hears(&alice.says("FETCH 1 (UID)").await, &["* 1 FETCH (UID 2)", "OK"]);
}

#[tokio::test]
async fn uid_commands_may_bring_expunges() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    for subject in ["one", "two"] {
        world.deliver("alice", subject).await;
    }
    alice.says("SELECT INBOX").await;
    let mut phone = world.select("alice").await;
    phone.says("UID STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    hears(&phone.says("UID EXPUNGE 1:5").await, &["* 1 EXPUNGE", "OK"]);
    let heard = alice.says("UID FETCH 1:* (FLAGS)").await;
    hears(&heard, &["* 2 FETCH (FLAGS (\\Recent) UID 2)", "* 1 EXPUNGE", "* 1 RECENT", "OK"]);
}

#[tokio::test]
async fn flags_of_one_session_are_told_to_the_others_and_silence_is_only_for_oneself() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    world.deliver("alice", "one").await;
    alice.says("EXAMINE INBOX").await;
    let mut phone = world.select("alice").await;
    hears(&phone.says("STORE 1 +FLAGS.SILENT (\\Seen)").await, &["OK"]);
    hears(&phone.says("STORE 1 +FLAGS (\\Flagged)").await, &["* 1 FETCH (FLAGS (\\Flagged \\Seen \\Recent))", "OK"]);
    hears(&phone.says("NOOP").await, &["OK"]);
    hears(&alice.says("NOOP").await, &["* 1 FETCH (FLAGS (\\Flagged \\Seen \\Recent) UID 1)", "OK"]);

    // Somebody else's change is told although ours was silent.
    let mut laptop = world.select("alice").await;
    laptop.says("STORE 1 -FLAGS (\\Flagged)").await;
    hears(
        &phone.says("STORE 1 +FLAGS.SILENT (\\Answered)").await,
        &["* 1 FETCH (FLAGS (\\Answered \\Seen \\Recent) UID 1)", "OK"],
    );
}

#[tokio::test]
async fn a_new_keyword_is_announced_before_it_is_used() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    world.deliver("alice", "one").await;
    alice.says("SELECT INBOX").await;
    let mut phone = world.select("alice").await;
    let heard = phone.says("STORE 1 +FLAGS ($Work)").await;
    hears(&heard, &["* FLAGS (", "* OK [PERMANENTFLAGS (", "* 1 FETCH (FLAGS ($Work))", "OK"]);
    assert!(heard[0].contains("$Work") && heard[1].contains("$Work \\*)"), "{heard:?}");
    let heard = alice.says("NOOP").await;
    hears(&heard, &["* FLAGS (", "* OK [PERMANENTFLAGS (", "* 1 FETCH (FLAGS (\\Recent $Work) UID 1)", "OK"]);
}

#[tokio::test]
async fn recent_is_for_one_session() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    world.deliver("alice", "one").await;
    hears(
        &alice.says("STATUS INBOX (MESSAGES RECENT UNSEEN)").await,
        &["* STATUS INBOX (MESSAGES 1 RECENT 1 UNSEEN 1)", "OK"],
    );
    let heard = alice.says("EXAMINE INBOX").await;
    assert!(heard.contains(&"* 1 RECENT".to_owned()), "EXAMINE sees it and takes nothing: {heard:?}");
    let heard = alice.says("SELECT INBOX").await;
    assert!(heard.contains(&"* 1 RECENT".to_owned()), "{heard:?}");
    let mut phone = world.login("alice").await;
    let heard = phone.says("SELECT INBOX").await;
    assert!(heard.contains(&"* 0 RECENT".to_owned()), "{heard:?}");
}

#[tokio::test]
async fn a_deleted_mailbox_takes_its_sessions_along() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    alice.says("CREATE work").await;
    alice.says("SELECT work").await;
    let mut phone = world.login("alice").await;
    hears(&phone.says("DELETE work").await, &["OK"]);
    hears(&alice.says("NOOP").await, &["OK", "* BYE"]);
}

#[tokio::test]
async fn an_idling_session_of_a_deleted_mailbox_is_told() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    alice.says("CREATE work").await;
    alice.says("SELECT work").await;
    alice.says("IDLE").await;
    let mut phone = world.login("alice").await;
    phone.says("DELETE work").await;
    hears(&alice.listens().await, &["* BYE"]);
}

#[tokio::test]
async fn whoever_deletes_its_own_mailbox_stays() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    alice.says("CREATE work").await;
    alice.says("SELECT work").await;
    hears(&alice.says("DELETE work").await, &["OK"]);
    hears(&alice.says("FETCH 1 FLAGS").await, &["BAD"]);
    hears(&alice.says("SELECT INBOX").await[8..], &["OK"]);
}

#[tokio::test]
async fn a_renamed_mailbox_stays_selected() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    alice.says("CREATE work").await;
    alice.says("SELECT work").await;
    let mut phone = world.login("alice").await;
    hears(&phone.says("RENAME work done/work").await, &["OK"]);
    world.deliver_to("alice", "done/work", b"Subject: x\r\n\r\n").await;
    hears(&alice.says("NOOP").await, &["* 1 EXISTS", "* 1 RECENT", "OK"]);
}

#[tokio::test]
async fn renaming_inbox_empties_it() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    world.deliver("alice", "one").await;
    alice.says("SELECT INBOX").await;
    let mut phone = world.login("alice").await;
    hears(&phone.says("RENAME INBOX old").await, &["OK"]);
    hears(&alice.says("NOOP").await, &["* 1 EXPUNGE", "* 0 RECENT", "OK"]);
    hears(&phone.says("STATUS old (MESSAGES)").await, &["* STATUS old (MESSAGES 1)", "OK"]);
}

#[tokio::test]
async fn a_move_is_heard_on_both_sides() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    for subject in ["one", "two", "three"] {
        world.deliver("alice", subject).await;
    }
    alice.says("SELECT INBOX").await;
    hears(&alice.says("MOVE 1 Archive").await, &["NO [TRYCREATE]"]);
    alice.says("CREATE Archive").await;
    let mut phone = world.login("alice").await;
    phone.says("SELECT Archive").await;
    let heard = alice.says("UID MOVE 1,3 Archive").await;
    hears(&heard, &["* OK [COPYUID ", "* 1 EXPUNGE", "* 2 EXPUNGE", "* 1 RECENT", "OK"]);
    assert!(heard[0].contains(" 1,3 1:2]"), "{heard:?}");
    hears(&phone.says("NOOP").await, &["* 2 EXISTS", "* 2 RECENT", "OK"]);
}

#[tokio::test]
async fn close_expunges_without_a_word_and_examine_nothing() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    world.deliver("alice", "one").await;
    alice.says("SELECT INBOX").await;
    alice.says("STORE 1 +FLAGS (\\Deleted)").await;
    hears(&alice.says("UNSELECT").await, &["OK"]);
    alice.says("EXAMINE INBOX").await;
    hears(&alice.says("EXPUNGE").await, &["NO [READ-ONLY]"]);
    hears(&alice.says("STORE 1 -FLAGS (\\Deleted)").await, &["NO [READ-ONLY]"]);
    hears(&alice.says("CLOSE").await, &["OK"]);
    hears(&alice.says("STATUS INBOX (MESSAGES)").await, &["* STATUS INBOX (MESSAGES 1)", "OK"]);
    alice.says("SELECT INBOX").await;
    hears(&alice.says("CLOSE").await, &["OK"]);
    hears(&alice.says("STATUS INBOX (MESSAGES)").await, &["* STATUS INBOX (MESSAGES 0)", "OK"]);
}
