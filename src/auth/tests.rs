//! Directory and authenticator over a real store.

mod aliases;

use std::net::Ipv4Addr;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::store::{Alias, Options, Store};

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));

fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    (dir, store)
}

fn open(store: &Store, max_accounts: usize) -> Directory {
    Directory::new(store.clone(), Membership::Open { max_accounts })
}

fn closed(store: &Store, domains: &[&str]) -> Directory {
    Directory::new(store.clone(), Membership::Closed { domains: domains.iter().map(|d| (*d).to_owned()).collect() })
}

async fn add(store: &Store, name: &str, password: &str) -> Arc<Account> {
    let credentials = credentials_from_password(password).unwrap();
    store.add_account(name, name, credentials).await.unwrap()
}

fn checked(store: &Store) -> Authenticator {
    Authenticator::new(closed(store, &["example.org"]), Passwords::Checked).unwrap()
}

#[tokio::test]
async fn in_dev_every_spelling_finds_the_account_it_made() {
    let (_dir, store) = store();
    let directory = open(&store, 10);
    let alice = directory.resolve("Alice+news", "").await.unwrap();
    assert_eq!((&*alice.name, &*alice.display_name), ("alice@localhost", "Alice@localhost"));
    assert_eq!(alice.credentials.password_hash, "", "no password is good where passwords are checked");
    for (local_part, domain) in [("alice", "localhost"), ("\"ALICE\"", "LOCALHOST"), ("alice+x", "")] {
        assert_eq!(directory.resolve(local_part, domain).await.unwrap().id, alice.id);
    }
    for name in ["alice", "ALICE@localhost", "alice+x@LocalHost"] {
        assert_eq!(directory.resolve_login(name).await.unwrap().id, alice.id);
    }
    assert_eq!(directory.resolve("", "").await, Err(Unknown::User));
    assert_eq!(directory.resolve("a", "b_c").await, Err(Unknown::Domain));
    assert_eq!(store.accounts().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_creations_give_one_account_and_never_too_many() {
    let (_dir, store) = store();
    let directory = open(&store, 3);
    let tasks: Vec<_> = (0..40)
        .map(|number| {
            let directory = directory.clone();
            tokio::spawn(async move { directory.resolve(&format!("user{}", number % 4), "").await })
        })
        .collect();
    let mut refused = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => {}
            Err(Unknown::Unavailable(_)) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!((store.accounts().len(), refused), (3, 10), "one of the four names came too late");
}

#[tokio::test]
async fn in_serve_only_our_domains_and_users_are_known() {
    let (_dir, store) = store();
    let directory = closed(&store, &["example.org", "xn--bcher-kva.example"]);
    let alice = add(&store, "alice@example.org", "secret").await;
    let postmaster = add(&store, "postmaster@xn--bcher-kva.example", "secret").await;
    assert_eq!(directory.resolve("Alice+x", "EXAMPLE.org").await.unwrap().id, alice.id);
    assert_eq!(directory.resolve("Postmaster", "b\u{fc}cher.example").await.unwrap().id, postmaster.id);
    assert_eq!(directory.addressees("postMASTER", "").await.unwrap()[0].account.id, postmaster.id);
    assert_eq!(directory.addressees("alice", "").await, Err(Unknown::Domain), "only postmaster has no domain");
    assert_eq!(directory.resolve("alice", "").await, Err(Unknown::Domain));
    assert_eq!(directory.resolve("bob", "example.org").await, Err(Unknown::User));
    assert_eq!(directory.resolve("alice", "example.com").await, Err(Unknown::Domain));
    assert_eq!(directory.resolve("alice", "[192.0.2.1]").await, Err(Unknown::Domain));
    assert_eq!(directory.resolve("", "example.com").await, Err(Unknown::Domain), "the domain is looked at first");
    assert_eq!(directory.resolve_login("alice").await, Err(Unknown::User), "which of the two domains?");
    let one_domain = closed(&store, &["example.org"]);
    assert_eq!(one_domain.resolve_login("Alice").await.unwrap().id, alice.id);
    assert_eq!(one_domain.addressees("postmaster", "").await, Err(Unknown::User));
}

/// Who has logged in to send may use what comes to it, aliases too.
#[tokio::test]
async fn an_address_is_of_whom_its_mail_comes_to() {
    use super::directory::Ownership::{Foreign, OfAnother, Own};

    let (_dir, store) = store();
    let directory = closed(&store, &["example.org"]);
    add(&store, "alice@example.org", "secret").await;
    add(&store, "bob@example.org", "secret").await;
    let targets = vec!["bob@example.org".to_owned(), "alice@example.org".to_owned()];
    let alias = Alias { display_name: "Team@example.org".to_owned(), targets };
    store.set_alias("team@example.org", Some(alias)).await.unwrap();
    for (local_part, domain, expected) in [
        ("Alice", "EXAMPLE.org", Own),
        ("alice+shop", "example.org", Own),
        ("\"alice\"", "example.org", Own),
        ("team", "example.org", Own),
        ("bob", "example.org", OfAnother),
        ("nobody", "example.org", OfAnother),
        ("alice", "example.com", Foreign),
        ("alice", "", Foreign),
    ] {
        let found = directory.ownership("alice@example.org", local_part, domain).await;
        assert_eq!(found, Ok(expected), "{local_part}@{domain}");
    }
    assert_eq!(open(&store, 10).ownership("alice@example.org", "bob", "example.org").await, Ok(Own), "in dev");
}

#[tokio::test]
async fn in_dev_any_password_logs_in() {
    let (_dir, store) = store();
    let authenticator = Authenticator::new(open(&store, 1), Passwords::Any).unwrap();
    assert_eq!(authenticator.login("alice", "", PEER).await.unwrap().name, "alice@localhost");
    assert_eq!(authenticator.login("alice@localhost", "x", PEER).await.unwrap().name, "alice@localhost");
    assert_eq!(authenticator.login("a\0", "x", PEER).await, Err(LoginError::Refused));
    assert_eq!(authenticator.login("bob", "x", PEER).await, Err(LoginError::Unavailable));
}

#[tokio::test(start_paused = true)]
async fn a_password_is_good_until_it_is_changed() {
    let (_dir, store) = store();
    let alice = add(&store, "alice@example.org", "secret").await;
    let authenticator = checked(&store);
    for _ in 0..2 {
        assert_eq!(authenticator.login("Alice@Example.ORG", "secret", PEER).await.unwrap().id, alice.id);
    }
    store.set_credentials(alice.id, credentials_from_password("other").unwrap()).await.unwrap();
    assert_eq!(authenticator.login("alice", "secret", PEER).await, Err(LoginError::Refused));
    assert_eq!(authenticator.login("alice", "other", PEER).await.unwrap().id, alice.id);
}

#[tokio::test]
async fn a_good_login_is_remembered_and_needs_no_hash() {
    let (_dir, store) = store();
    add(&store, "alice@example.org", "secret").await;
    let authenticator = checked(&store);
    authenticator.login("alice", "secret", PEER).await.unwrap();
    // All cores are busy: nobody can hash.
    let permits = authenticator.hashing.available_permits();
    let _busy = authenticator.hashing.acquire_many(permits as u32).await.unwrap();
    authenticator.login("alice", "secret", PEER).await.unwrap();
    let mut wrong = std::pin::pin!(authenticator.login("alice", "wrong", PEER));
    let still_waiting = tokio::time::timeout(Duration::from_millis(50), &mut wrong).await.is_err();
    assert!(still_waiting, "a wrong password is hashed");
}

#[tokio::test]
async fn nobody_tells_an_unknown_name_from_a_wrong_password() {
    let (_dir, store) = store();
    add(&store, "alice@example.org", "secret").await;
    store.add_account("made@example.org", "", no_password()).await.unwrap();
    let authenticator = checked(&store);
    let long = "x".repeat(5000);
    let names = ["alice", "made", "nobody", "alice@elsewhere.example", "a\0", "", "@", &long];
    // From another peer each, so that none waits for another's failures.
    for (name, peer) in names.into_iter().zip(1u32..) {
        // Each hashes: with no core to be had, none is answered.
        let permits = authenticator.hashing.available_permits();
        let busy = authenticator.hashing.acquire_many(permits as u32).await.unwrap();
        let peer = IpAddr::V4(Ipv4Addr::from_bits(peer << 8));
        let mut login = std::pin::pin!(authenticator.login(name, "wrong", peer));
        let waits = tokio::time::timeout(Duration::from_millis(5), &mut login).await.is_err();
        assert!(waits, "{name:?} was answered without a hash");
        drop(busy);
        assert_eq!(login.await, Err(LoginError::Refused), "{name:?}");
    }
}

fn no_password() -> crate::store::Credentials {
    crate::store::Credentials { password_hash: String::new(), scram_sha_256: None }
}

#[tokio::test(start_paused = true)]
async fn who_fails_waits_whether_the_name_exists_or_not() {
    let (_dir, store) = store();
    add(&store, "alice@example.org", "secret").await;
    for name in ["alice@example.org", "nobody@example.org"] {
        let authenticator = checked(&store);
        let start = Instant::now();
        for _ in 0..4 {
            assert_eq!(authenticator.login(name, "wrong", STRANGER).await, Err(LoginError::Refused));
        }
        // 0 + 1 + 2 + 4 s; the clock stands still while a hash runs.
        assert_eq!(start.elapsed().as_secs(), 7, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_owner_does_not_wait_for_guesses_of_others() {
    let (_dir, store) = store();
    add(&store, "alice@example.org", "secret").await;
    let authenticator = checked(&store);
    authenticator.login("alice", "secret", PEER).await.unwrap();
    for _ in 0..3 {
        authenticator.login("alice", "wrong", STRANGER).await.unwrap_err();
    }
    let start = Instant::now();
    authenticator.login("alice", "secret", PEER).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 0);
}

/// A whole SCRAM exchange as far as the server's word: the challenge, and what came of the proof.
/// Says no to a peer that has failed twice.
#[derive(Default)]
struct TwiceIsEnough(Mutex<Vec<IpAddr>>);

impl FailedLogins for TwiceIsEnough {
    fn failed(&self, peer: IpAddr) {
        lock(&self.0).push(peer);
    }

    fn are_too_many(&self, peer: IpAddr) -> bool {
        lock(&self.0).iter().filter(|failed| **failed == peer).count() >= 2
    }
}

#[tokio::test(start_paused = true)]
async fn who_failed_too_often_is_not_tried_any_more_but_where_it_is_known() {
    let (_dir, store) = store();
    add(&store, "alice@example.org", "secret").await;
    add(&store, "bob@example.org", "secret").await;
    let authenticator = checked(&store).with_failed_logins(Arc::new(TwiceIsEnough::default()));
    let login = async |name: &str, password: &str, peer| authenticator.login(name, password, peer).await.map(|_| ());
    login("bob@example.org", "secret", PEER).await.unwrap();
    for _ in 0..2 {
        assert_eq!(login("alice@example.org", "wrong", PEER).await, Err(LoginError::Refused));
    }
    assert_eq!(login("alice@example.org", "secret", PEER).await, Err(LoginError::Unavailable));
    assert_eq!(login("nobody@example.org", "secret", PEER).await, Err(LoginError::Unavailable));
    login("bob@example.org", "secret", PEER).await.unwrap();
    login("alice@example.org", "secret", STRANGER).await.unwrap();
}

async fn scram(
    authenticator: &Authenticator,
    name: &str,
    password: &str,
    peer: IpAddr,
) -> (String, Result<Arc<Account>, LoginError>) {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use sasl::{Exchange, Mechanism, Step};

    let bare = format!("n={name},r=abc");
    let first = STANDARD.encode(format!("n,,{bare}"));
    let Step::Identify(first) = Exchange::start(Mechanism::ScramSha256, None, Some(first.as_bytes())) else {
        panic!("a name")
    };
    let Step::Challenge(challenge, exchange) = authenticator.challenge(first).await.unwrap() else {
        panic!("a challenge")
    };
    let challenge = String::from_utf8(STANDARD.decode(challenge).unwrap()).unwrap();
    let (last, signature) = scram::client::finish("n,,", None, &bare, &challenge, password);
    let Step::Prove(attempt) = exchange.respond(STANDARD.encode(last).as_bytes()) else { panic!("a proof") };
    let proven = authenticator.prove(&attempt, peer).await.map(|(account, answer)| {
        assert_eq!(answer, STANDARD.encode(&signature), "the server proves itself too");
        account
    });
    (challenge, proven)
}

/// Salt and iterations of a challenge.
fn salt(challenge: &str) -> &str {
    challenge.split_once(',').unwrap().1
}

#[tokio::test(start_paused = true)]
async fn a_password_is_proved_until_it_is_changed() {
    let (_dir, store) = store();
    let alice = add(&store, "alice@example.org", "secret").await;
    let authenticator = checked(&store);
    for name in ["alice", "ALICE@example.org", "alice+x@example.org"] {
        assert_eq!(scram(&authenticator, name, "secret", PEER).await.1.unwrap().id, alice.id, "{name}");
    }
    store.set_credentials(alice.id, credentials_from_password("other").unwrap()).await.unwrap();
    assert_eq!(scram(&authenticator, "alice", "secret", PEER).await.1, Err(LoginError::Refused));
    assert_eq!(scram(&authenticator, "alice", "other", PEER).await.1.unwrap().id, alice.id);
}

#[tokio::test]
async fn a_challenge_tells_nothing_of_who_exists() {
    let (_dir, store) = store();
    add(&store, "alice@example.org", "secret").await;
    store.add_account("made@example.org", "", no_password()).await.unwrap();
    let authenticator = checked(&store);
    let long = "x".repeat(5000);
    let names = ["alice", "made", "nobody", "alice@elsewhere.example", "a b", &long];
    let mut salts = std::collections::HashSet::new();
    for (name, peer) in names.into_iter().zip(1u32..) {
        let peer = IpAddr::V4(Ipv4Addr::from_bits(peer << 8));
        let (challenge, refused) = scram(&authenticator, name, "wrong", peer).await;
        assert_eq!(refused, Err(LoginError::Refused), "{name}");
        let (again, _) = scram(&authenticator, &name.to_uppercase(), "", peer).await;
        assert_eq!(salt(&challenge), salt(&again), "{name}: the same each time, in each spelling");
        assert_eq!(salt(&challenge).len(), "s=".len() + 24 + ",i=15000".len(), "{name}");
        assert!(salts.insert(salt(&challenge).to_owned()), "{name}: its own");
    }
}

#[tokio::test]
async fn nobody_keeps_its_salt_through_a_restart() {
    let (dir, store) = store();
    add(&store, "alice@example.org", "secret").await;
    let before = scram(&checked(&store), "nobody", "x", PEER).await.0;
    store.close().await.unwrap();
    drop(store);
    let store = Store::open(dir.path(), Options::default()).unwrap();
    assert_eq!(salt(&scram(&checked(&store), "nobody", "x", PEER).await.0), salt(&before));
}

#[tokio::test(start_paused = true)]
async fn who_proves_nothing_waits_as_whoever_gives_a_wrong_password() {
    let (_dir, store) = store();
    add(&store, "alice@example.org", "secret").await;
    for name in ["alice@example.org", "nobody@example.org"] {
        let authenticator = checked(&store);
        let start = Instant::now();
        for _ in 0..3 {
            assert_eq!(scram(&authenticator, name, "wrong", STRANGER).await.1, Err(LoginError::Refused));
        }
        assert_eq!(authenticator.login(name, "wrong", STRANGER).await, Err(LoginError::Refused));
        assert_eq!(start.elapsed().as_secs(), 7, "{name}: 0 + 1 + 2 + 4 s");
    }
}
