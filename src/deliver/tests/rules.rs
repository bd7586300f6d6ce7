//! Recipients' own rules: what they say comes true, and what they can't have costs no mail.

use super::*;
use crate::auth::resolution::Rules;
use crate::sieve::EXTENSIONS;
use crate::store::{Alias, Flags, SpecialUse};

impl World {
    /// Gives an account rules, which may use all extensions.
    async fn rules(&self, user: &str, script: &str) {
        let account = self.directory.resolve(user, "").await.unwrap();
        let extensions: Vec<_> = EXTENSIONS.iter().map(|extension| format!("{extension:?}")).collect();
        let script = format!("require [{}];\n{script}", extensions.join(","));
        self.store.set_script(account.id, Some(script.into())).await.unwrap();
    }

    async fn deliver(&self, recipients: &[&str], message: &[u8]) -> Result<Vec<Option<Reply>>, Reply> {
        let mut transaction = self.transaction();
        for recipient in recipients {
            transaction.add_recipient(&path(recipient), None).await.unwrap();
        }
        transaction.open(envelope(recipients)).await.unwrap();
        transaction.push(message).await.unwrap();
        transaction.deliver().await
    }

    /// Mailboxes with messages, and the flags of these: `INBOX`, `Archive \\Seen`.
    async fn shown(&self, user: &str) -> Vec<String> {
        let account = self.store.account(&format!("{user}@localhost")).unwrap();
        let mut shown = Vec::new();
        for mailbox in self.store.mailboxes(account.id) {
            let open = self.store.open_mailbox(&mailbox).await.unwrap();
            let head = mailbox.head();
            for message in open.messages(&open.snapshot().uids) {
                let mut line = head.name.clone();
                for (flag, name) in [(Flags::SEEN, " Seen"), (Flags::FLAGGED, " Flagged"), (Flags::DELETED, " Deleted")]
                {
                    line += if message.flags.contains(flag) { name } else { "" };
                }
                message.flags.keywords().for_each(|index| line += &format!(" {}", head.keywords[index]));
                shown.push(line);
            }
        }
        shown
    }
}

/// Each script over one message for `alice+shop`.
#[tokio::test]
async fn what_rules_say_comes_true() {
    for (script, expected) in [
        ("", &["Shop"][..]),
        ("keep;", &["Shop"]),
        ("keep :flags \"\\\\Seen Read\";", &["Shop Seen Read"]),
        ("addflag \"\\\\Flagged\";", &["Shop Flagged"]),
        ("fileinto \"INBOX\";", &["INBOX"]),
        ("fileinto \"inbox\";", &["INBOX"]),
        ("discard;", &[]),
        ("fileinto \"Archive\"; keep;", &["Archive", "Shop"]),
        ("fileinto :copy \"Archive\";", &["Archive", "Shop"]),
        ("fileinto \"Shop\"; keep;", &["Shop"]),
        ("fileinto :create \"A/u\u{308}\";", &["A/\u{fc}"]),
        ("fileinto :create \"A/b\"; fileinto :create \"A/b\";", &["A/b"]),
        ("fileinto :specialuse \"\\\\Junk\" \"Spam\";", &["Junk"]),
        ("fileinto :specialuse \"\\\\Flagged\" \"Archive\";", &["Archive"]),
        ("if specialuse_exists \"Junk\" \"\\\\Junk\" { discard; }", &[]),
        ("if specialuse_exists \"Junk\" \"\\\\Sent\" { discard; }", &["Shop"]),
        ("if mailboxexists [\"Archive\", \"inbox\"] { discard; }", &[]),
        ("if envelope :all \"to\" \"alice+shop\" { discard; }", &[]),
        ("if envelope \"from\" \"sender@example.org\" { discard; }", &[]),
        ("if header \"subject\" \"gr\u{fc}\u{df}e\" { discard; }", &[]),
        ("if exists [\"Received\", \"Return-Path\"] { discard; }", &[]),
        ("if size :over 60 { discard; }", &[]),
        ("redirect \"alice@localhost\";", &["INBOX"]),
        ("redirect \"alice+shop@localhost\"; keep;", &["Shop"]),
    ] {
        let world = World::new(Options::default()).await;
        world.rules("alice", script).await;
        let alice = world.store.account("alice@localhost").unwrap();
        world.store.create_mailbox(alice.id, "Shop", None).await.unwrap();
        assert_eq!(world.deliver(&["alice+shop"], MESSAGE).await, Ok(vec![None]), "{script}");
        assert_eq!(world.shown("alice").await, expected, "{script}");
    }
}

/// RFC 5228 §2.10.6: it is in INBOX, beside what could be done.
#[tokio::test]
async fn what_rules_can_not_have_costs_no_mail() {
    let long = format!("fileinto :create \"{}\";", "x".repeat(1_001));
    let slow = format!("discard; if header :matches \"x\" \"*{}b\" {{ keep; }}", "a?".repeat(100));
    for (script, expected) in [
        ("fileinto \"Absent\";", &["INBOX"][..]),
        ("fileinto :flags \"\\\\Deleted\" \"Absent\";", &["INBOX"]),
        ("fileinto \"Absent\"; fileinto \"Archive\";", &["Archive", "INBOX"]),
        ("fileinto :create \"a//b\";", &["INBOX"]),
        ("fileinto :create \"\";", &["INBOX"]),
        (&long, &["INBOX"]),
        ("redirect \"a b@localhost\";", &["INBOX"]),
        ("fileinto \"Archive\"; redirect \"\\\"\\\"@localhost\";", &["INBOX"]),
        (
            "discard; redirect \"carol@localhost\"; redirect \"dave@localhost\"; redirect \"erin@localhost\";",
            &["INBOX"],
        ),
        ("discard; frobnicate;", &["INBOX"]),
        (&slow, &["INBOX"]),
    ] {
        let world = World::new(Options::default()).await;
        world.rules("alice", script).await;
        let message = format!("X: {}\r\n\r\n", "a".repeat(1_000_000));
        assert_eq!(world.deliver(&["alice"], message.as_bytes()).await, Ok(vec![None]), "{script}");
        assert_eq!(world.shown("alice").await, expected, "{script}");
    }
}

/// A header that is longer than what is parsed, and lies in a file by then.
#[tokio::test]
async fn rules_do_not_look_at_a_header_that_is_too_long() {
    let world = World::new(Options::default()).await;
    world.rules("alice", "discard;").await;
    for (octets, expected) in [(1_000_000, 0), (1_100_000, 1)] {
        let message = format!("X: {}\r\n\r\n{}", "a".repeat(octets), "b".repeat(1_000_000));
        assert_eq!(world.deliver(&["alice"], message.as_bytes()).await, Ok(vec![None]));
        assert_eq!(world.shown("alice").await.len(), expected);
    }
}

#[tokio::test]
async fn a_redirect_runs_the_rules_of_whoever_gets_it_and_goes_no_further() {
    let world = World::new(Options::default()).await;
    world.rules("alice", "redirect \"Bob@localhost\";").await;
    world
        .rules(
            "bob",
            "if envelope \"to\" \"bob@localhost\" { addflag \"Passed\"; } redirect :copy \"alice@localhost\";",
        )
        .await;
    assert_eq!(world.deliver(&["alice"], MESSAGE).await, Ok(vec![None]));
    assert_eq!(world.shown("alice").await, [""; 0]);
    assert_eq!(world.shown("bob").await, ["INBOX Passed"]);
    // Written to both, each sends it to the other, and each has it.
    assert_eq!(world.deliver(&["alice", "bob"], MESSAGE).await, Ok(vec![None, None]));
    assert_eq!(world.shown("alice").await, ["INBOX"]);
    assert_eq!(world.shown("bob").await.len(), 2);
}

/// A sender hears of the one whom it goes to, as if it had written to them.
#[tokio::test]
async fn a_redirect_to_one_who_is_full_is_put_off() {
    let world = World::new(Options::default()).await;
    world.rules("alice", "redirect \"bob@localhost\";").await;
    let bob = world.directory.resolve("bob", "").await.unwrap();
    world.store.set_quota(bob.id, Some(Quota { octets: None, messages: Some(0) })).await.unwrap();
    let refused = world.deliver(&["alice"], MESSAGE).await;
    assert_eq!(refused.map_err(|reply| reply.code()), Err(552));
    assert_eq!((world.shown("alice").await, world.shown("bob").await), (vec![], vec![]));
}

/// RFC 5232 §5: what can't be stored is no reason to fail.
#[tokio::test]
async fn more_keywords_than_a_mailbox_holds_are_left_out() {
    let world = World::new(Options::default()).await;
    let many: String = (0..80).map(|number| format!("k{number} ")).collect();
    world.rules("alice", &format!("addflag \"\\\\Seen {many}\";")).await;
    assert_eq!(world.deliver(&["alice"], MESSAGE).await, Ok(vec![None]));
    let shown = world.shown("alice").await;
    assert!(shown[0].starts_with("INBOX Seen k0 k1 "), "{shown:?}");
}

/// Made with its use, and seen by clients that show what is subscribed.
#[tokio::test]
async fn a_mailbox_that_rules_make() {
    let world = World::new(Options { special_mailboxes: false, ..Options::default() }).await;
    world.rules("alice", "fileinto :create :specialuse \"\\\\Junk\" \"Rubbish\";").await;
    for _ in 0..2 {
        assert_eq!(world.deliver(&["alice"], MESSAGE).await, Ok(vec![None]));
    }
    assert_eq!(world.shown("alice").await, ["Rubbish", "Rubbish"]);
    let alice = world.store.account("alice@localhost").unwrap().id;
    assert_eq!(world.store.mailbox(alice, "Rubbish").unwrap().head().special_use, Some(SpecialUse::Junk));
    assert!(world.store.subscriptions(alice).contains(&"Rubbish".to_owned()));
}

/// All of them together: an alias of many is many.
#[tokio::test]
async fn redirects_of_one_message_are_counted() {
    let world = World::new(Options::default()).await;
    world.rules("alice", "redirect \"many@localhost\";").await;
    world.directory.resolve("bob", "").await.unwrap();
    let targets = (0..600).map(|number| format!("bob+{number}@localhost")).collect();
    let many = Alias { display_name: "many@localhost".to_owned(), targets };
    world.store.set_alias("many@localhost", Some(many)).await.unwrap();
    assert_eq!(world.deliver(&["alice+1", "alice+2"], MESSAGE).await, Ok(vec![None; 2]));
    for user in ["alice", "bob"] {
        assert_eq!(world.shown(user).await, ["INBOX"], "{user}");
    }
}

/// RFC 5228 §5.4: the path by which it came to this recipient, cut where addresses are cut here (RFC 5233 §4).
#[tokio::test]
async fn each_recipient_has_the_path_that_named_it() {
    let mut world = World::new(Options::default()).await;
    let separators = Rules { separators: "-".to_owned(), ..Rules::default() };
    world.directory = world.directory.with_rules(separators);
    world.rules("alice", "if envelope :detail \"to\" \"shop\" { fileinto \"Archive\"; }").await;
    assert_eq!(world.deliver(&["bob", "alice-shop", "alice"], MESSAGE).await, Ok(vec![None; 3]));
    assert_eq!(world.shown("alice").await, ["Archive", "INBOX"]);
    assert_eq!(world.deliver(&["alice", "bob-shop"], MESSAGE).await, Ok(vec![None; 2]));
    assert_eq!(world.shown("alice").await, ["Archive", "INBOX", "INBOX"]);
}
