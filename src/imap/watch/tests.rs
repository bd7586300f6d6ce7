use super::*;

const MESSAGES: Events = Events::MESSAGES;
const FLAGS: Events = Events::MESSAGES.union(Events::FLAGS);

fn rules(groups: &[(MailboxFilter, Events)]) -> Rules {
    Rules::new(groups.to_vec())
}

fn mailboxes(name: &str) -> MailboxFilter {
    MailboxFilter::Mailboxes(vec![name.to_owned()])
}

fn subtree(name: &str) -> MailboxFilter {
    MailboxFilter::Subtree(vec![name.to_owned()])
}

#[test]
fn a_mailbox_has_the_events_of_all_groups_that_cover_it() {
    let rules = rules(&[(mailboxes("a"), MESSAGES), (MailboxFilter::Personal, Events::SUBSCRIPTIONS)]);
    assert_eq!(rules.events("a", false), MESSAGES.union(Events::SUBSCRIPTIONS));
    assert_eq!(rules.events("b", false), Events::SUBSCRIPTIONS);
}

#[test]
fn none_takes_a_mailbox_out_of_wider_groups_but_not_out_of_narrower_ones() {
    let all_but_trash = rules(&[(subtree("Trash"), Events::NONE), (MailboxFilter::Personal, MESSAGES)]);
    assert_eq!(all_but_trash.events("Trash/old", false), Events::NONE);
    assert_eq!(all_but_trash.events("Work", false), MESSAGES);
    let work_alone = rules(&[(MailboxFilter::Personal, Events::NONE), (mailboxes("Work"), MESSAGES)]);
    assert_eq!(work_alone.events("Work", false), MESSAGES);
    assert_eq!(work_alone.events("Trash", false), Events::NONE);
}

fn head(uid_next: Uid, exists: u32, unseen: u32, highest_mod_seq: ModSeq) -> Head {
    Head {
        name: "a".to_owned(),
        uid_validity: 7,
        uid_next,
        exists,
        unseen,
        deleted: 0,
        octets: 0,
        first_recent_uid: 1,
        highest_mod_seq,
        keywords: Arc::default(),
        special_use: None,
        gone: false,
    }
}

#[test]
fn what_is_told_depends_on_what_changed_and_on_what_the_client_can_use() {
    let told = Told::all(&head(10, 5, 2, 100));
    let messages = Asks { messages: true, ..Asks::default() };
    let asks = |head: Head, events, condstore| told.asks(&head, events, condstore);
    // A message came; one went; both, and the number is the same.
    for changed in [head(11, 6, 2, 101), head(10, 4, 2, 101), head(11, 5, 2, 101)] {
        assert_eq!(asks(changed.clone(), MESSAGES, false), messages);
        assert_eq!(asks(changed, MESSAGES, true), Asks { mod_seq: true, ..messages });
    }
    // `\Seen`.
    let seen = head(10, 5, 1, 101);
    assert!(asks(seen.clone(), MESSAGES, true).is_empty());
    let unseen = Asks { unseen: true, uid_validity: true, ..Asks::default() };
    assert_eq!(asks(seen.clone(), FLAGS, false), unseen);
    assert_eq!(asks(seen, FLAGS, true), Asks { mod_seq: true, ..unseen });
    // Another flag.
    let flagged = head(10, 5, 2, 101);
    assert!(asks(flagged.clone(), FLAGS, false).is_empty());
    assert_eq!(asks(flagged, FLAGS, true), Asks { mod_seq: true, uid_validity: true, ..Asks::default() });
    // Nothing.
    assert!(asks(head(10, 5, 2, 100), FLAGS, true).is_empty());
}

#[test]
fn a_new_mailbox_is_taken_to_be_empty_until_there_is_something_in_it() {
    assert!(Told::EMPTY.asks(&head(1, 0, 0, 50), FLAGS, true).is_empty());
    assert_eq!(Told::EMPTY.asks(&head(2, 1, 1, 51), MESSAGES, false), Asks::all(MESSAGES, false));
    let looked_at = Told { uid_validity: 0, ..Told::all(&head(1, 0, 0, 50)) };
    assert_eq!(looked_at.asks(&head(2, 1, 1, 51), MESSAGES, false), Asks::all(MESSAGES, false));
}

#[test]
fn another_uidvalidity_makes_all_that_was_told_void() {
    let told = Told::all(&head(10, 5, 2, 100));
    let renamed = Head { uid_validity: 8, ..head(10, 5, 2, 101) };
    assert_eq!(told.asks(&renamed, FLAGS, false), Asks::all(FLAGS, false));
}
