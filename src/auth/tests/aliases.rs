//! Addresses that lead to accounts of other names.

use super::*;
use crate::auth::directory::{Addressee, Ownership, Unknown};
use crate::auth::resolution::Rules;
use crate::store;

async fn lead(store: &Store, name: &str, targets: &[&str]) {
    let targets = targets.iter().map(|target| (*target).to_owned()).collect();
    store.set_alias(name, Some(store::Alias { display_name: name.to_owned(), targets })).await.unwrap();
}

/// The names of those who get what is sent there, each with its detail.
async fn names(directory: &Directory, local_part: &str, domain: &str) -> Result<Vec<String>, Unknown> {
    let addressees = directory.addressees(local_part, domain).await?;
    let name = |Addressee { account, detail }: Addressee| format!("{}/{}", account.name, detail.unwrap_or_default());
    Ok(addressees.into_iter().map(name).collect())
}

/// RFC 5321 §3.9
#[tokio::test]
async fn aliases_lead_to_accounts_and_log_nobody_in() {
    let (_dir, store) = store();
    let directory = closed(&store, &["example.org", "example.net"]);
    let alice = add(&store, "alice@example.org", "secret").await;
    add(&store, "bob@example.org", "secret").await;
    lead(&store, "info@example.org", &["alice@example.org", "bob@example.org"]).await;
    lead(&store, "@example.net", &["@example.org"]).await;
    lead(&store, "gone@example.org", &["carol@example.org"]).await;
    let both = |detail| Ok(["alice", "bob"].map(|who| format!("{who}@example.org/{detail}")).to_vec());
    assert_eq!(names(&directory, "info", "example.org").await, both(""));
    assert_eq!(names(&directory, "Info+x", "EXAMPLE.NET").await, both("x"));
    assert_eq!(names(&directory, "gone", "example.org").await, Err(Unknown::User), "it leads to nobody");
    for name in ["info@example.org", "alice@example.net"] {
        assert_eq!(directory.resolve_login(name).await, Err(Unknown::User), "{name}");
    }
    assert_eq!(directory.ownership(&alice.name, "info", "example.net").await, Ok(Ownership::Own));
    assert_eq!(directory.ownership(&alice.name, "bob", "example.org").await, Ok(Ownership::OfAnother));
    // A circle that came about after all: mail waits.
    lead(&store, "one@example.org", &["two@example.org"]).await;
    lead(&store, "two@example.org", &["one@example.org"]).await;
    assert!(matches!(names(&directory, "one", "example.org").await, Err(Unknown::Unavailable(_))));
}

/// RFC 5321 §4.5.1, RFC 2142 §5: postmaster is there in every domain, with and without it.
#[tokio::test]
async fn postmaster_is_whom_the_configuration_names() {
    let (_dir, store) = store();
    let without = closed(&store, &["example.org", "example.net"]);
    let rules = Rules { postmaster: Some("alice@example.org".into()), ..Rules::default() };
    let directory = without.clone().with_rules(rules);
    add(&store, "alice@example.org", "secret").await;
    let alice = || Ok(vec!["alice@example.org/".to_owned()]);
    for (local_part, domain) in [("Postmaster", ""), ("postmaster", "example.net"), ("ABUSE", "example.org")] {
        assert_eq!(names(&directory, local_part, domain).await, alice(), "{local_part} {domain}");
        assert_eq!(names(&without, local_part, domain).await, Err(Unknown::User));
    }
    add(&store, "bob@example.net", "secret").await;
    lead(&store, "postmaster@example.net", &["bob@example.net"]).await;
    assert_eq!(names(&directory, "postmaster", "example.net").await, Ok(vec!["bob@example.net/".to_owned()]));
    assert_eq!(names(&without, "postmaster", "").await, Ok(vec!["bob@example.net/".to_owned()]));
}

/// In `dev` any address makes an account, but for those that are aliases.
#[tokio::test]
async fn in_dev_an_alias_makes_no_account() {
    let (_dir, store) = store();
    let directory = Directory::new(store.clone(), Membership::Open { max_accounts: 10 });
    lead(&store, "info@localhost", &["alice@localhost"]).await;
    lead(&store, "@caught.example", &["alice@localhost"]).await;
    for (local_part, domain) in [("info", ""), ("anybody", "caught.example"), ("alice", "")] {
        assert_eq!(names(&directory, local_part, domain).await, Ok(vec!["alice@localhost/".to_owned()]));
    }
    assert_eq!(directory.resolve_login("info").await, Err(Unknown::User));
    assert_eq!(store.accounts().len(), 1);
}
