//! The rules, by example and against an oracle that knows them as a table of plain data.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// Accounts and aliases by name.
#[derive(Clone, Debug, Default)]
struct Book {
    accounts: BTreeSet<String>,
    aliases: BTreeMap<String, Vec<String>>,
}

impl Names for Book {
    fn is_account(&self, name: &str) -> bool {
        self.accounts.contains(name)
    }
    fn alias(&self, name: &str) -> Option<Arc<Alias>> {
        let targets = self.aliases.get(name)?.clone();
        Some(Arc::new(Alias { display_name: name.to_owned(), targets }))
    }
}

fn book(accounts: &[&str], aliases: &[(&str, &[&str])]) -> Book {
    let aliases = aliases.iter();
    Book {
        accounts: accounts.iter().map(|name| (*name).to_owned()).collect(),
        aliases: aliases
            .map(|(name, targets)| ((*name).to_owned(), targets.iter().map(|target| (*target).to_owned()).collect()))
            .collect(),
    }
}

fn rules(separators: &str, postmaster: Option<&str>) -> Rules {
    Rules { separators: separators.to_owned(), postmaster: postmaster.map(str::to_owned) }
}

fn look(book: &Book, rules: &Rules, address: &str) -> Meaning {
    let (local_part, domain) = halves(address).unwrap();
    meaning(book, rules, local_part, domain).unwrap()
}

/// Accounts with their details, a `/` between the two.
fn leads(book: &Book, rules: &Rules, address: &str) -> Vec<String> {
    let found = look(book, rules, address);
    assert_eq!(found.troubles, [], "{address}");
    let shown = |(name, detail): (String, Option<String>)| match detail {
        Some(detail) => format!("{name}/{detail}"),
        None => name,
    };
    found.accounts.into_iter().map(shown).collect()
}

#[test]
fn each_rule_comes_before_the_next() {
    let book = book(
        &["alice@a", "bob@a", "bob+x@a", "carol@b"],
        &[
            ("info@a", &["alice@a"]),
            ("info+x@a", &["bob@a"]),
            ("team@a", &["Alice@A", "bob+own@a", "info@a"]),
            // An account of that name comes first.
            ("bob@a", &["alice@a"]),
            ("@a", &["alice@a"]),
            ("@n", &["@a"]),
            ("carol@n", &["carol@b"]),
        ],
    );
    let rules = rules("+", Some("carol@b"));
    for (address, expected) in [
        ("alice@a", &["alice@a"] as &[_]),
        ("ALICE+Lists@a", &["alice@a/Lists"]),
        ("bob@a", &["bob@a"]),
        // Its whole name is an account's, so nothing is detail.
        ("bob+x@a", &["bob+x@a"]),
        ("bob+y@a", &["bob@a/y"]),
        ("info@a", &["alice@a"]),
        ("info+x@a", &["bob@a"]),
        ("info+y@a", &["alice@a/y"]),
        // A target's own detail is not replaced; one account by two ways is there once.
        ("team@a", &["alice@a", "bob@a/own"]),
        ("team+t@a", &["alice@a/t", "bob@a/own"]),
        // The rest of a domain, and all of another.
        ("nobody+x@a", &["alice@a"]),
        ("bob+y@n", &["bob@a/y"]),
        ("info@n", &["alice@a"]),
        ("carol@n", &["carol@b"]),
        ("postmaster@a", &["carol@b"]),
        ("Postmaster@n", &["carol@b"]),
        ("abuse@b", &["carol@b"]),
        ("webmaster@b", &[]),
    ] {
        assert_eq!(leads(&book, &rules, address), expected, "{address}");
    }
}

#[test]
fn separators_are_as_configured() {
    let book = book(&["mary@a", "mary-ann@a"], &[]);
    let leads = |separators, address| leads(&book, &rules(separators, None), address);
    assert_eq!(leads("+-", "mary-ann@a"), ["mary-ann@a"], "the account of just this name");
    assert_eq!(leads("+-", "mary-x+y@a"), ["mary@a/x+y"]);
    assert_eq!(leads("+-", "mary+x-y@a"), ["mary@a/x-y"]);
    assert_eq!(leads("-", "mary+x@a"), [""; 0]);
    assert_eq!(leads("", "mary+x@a"), [""; 0]);
    assert_eq!(leads("", "mary@a"), ["mary@a"]);
}

#[test]
fn who_is_gone_is_named_and_stops_nobody_else() {
    let book = book(&["alice@a"], &[("team@a", &["gone@a", "alice@a"]), ("old@a", &["gone+x@a"]), ("@b", &["gone@b"])]);
    let rules = rules("+", None);
    let gone =
        |address| look(&book, &rules, address).nobody.iter().map(|address| address.name.clone()).collect::<Vec<_>>();
    assert_eq!(leads(&book, &rules, "team@a"), ["alice@a"]);
    assert_eq!(gone("team@a"), ["gone@a"]);
    assert_eq!((leads(&book, &rules, "old@a"), gone("old@a")), (vec![], vec!["gone@a".to_owned()]));
    // A catch-all whose target is gone is no circle.
    assert_eq!((leads(&book, &rules, "any@b"), gone("any@b")), (vec![], vec!["gone@b".to_owned()]));
}

#[test]
fn circles_and_what_goes_too_far_are_troubles() {
    let rules = rules("+", None);
    let circle = book(
        &["alice@a"],
        &[("one@a", &["two@a", "alice@a"]), ("two@a", &["one+x@a"]), ("@x", &["@y"]), ("@y", &["@x"])],
    );
    let found = look(&circle, &rules, "one@a");
    assert_eq!(found.accounts, [("alice@a".to_owned(), None)]);
    assert_eq!(found.troubles, [Trouble::Circle("one@a".into())]);
    assert_eq!(look(&circle, &rules, "any@x").troubles, [Trouble::Circle("any@x".into())]);
    // An alias in the other domain that leads back to the first one is none.
    let back = book(&["dave@n"], &[("@m", &["@n"]), ("anna@n", &["dave@m"])]);
    assert_eq!(leads(&back, &rules, "anna@m"), ["dave@n"]);

    // A ladder of as many steps as may be, and one more.
    let mut ladder = book(&["alice@a"], &[]);
    for step in 0..=DEPTH_MAX {
        let target = if step == 0 { "alice@a".to_owned() } else { format!("l{}@a", step - 1) };
        ladder.aliases.insert(format!("l{step}@a"), vec![target]);
    }
    assert_eq!(look(&ladder, &rules, &format!("l{}@a", DEPTH_MAX - 1)).troubles, []);
    assert_eq!(look(&ladder, &rules, &format!("l{DEPTH_MAX}@a")).troubles, [Trouble::TooDeep]);

    // As many as may be, and one more.
    let mut many = book(&[], &[]);
    let names: Vec<_> = (0..=ADDRESSEES_MAX).map(|number| format!("u{number}@a")).collect();
    many.accounts.extend(names.iter().cloned());
    many.aliases.insert("most@a".into(), names[..ADDRESSEES_MAX].to_vec());
    many.aliases.insert("all@a".into(), names);
    assert_eq!(look(&many, &rules, "most@a").troubles, []);
    assert_eq!(look(&many, &rules, "most@a").accounts.len(), ADDRESSEES_MAX);
    assert_eq!(look(&many, &rules, "all@a").troubles, [Trouble::TooMany]);
}

/// A web in which each alias leads to all others: each is looked into once, and not each way through it is gone.
#[test]
fn a_web_of_aliases_ends() {
    let names: Vec<_> = (0..300).map(|number| format!("w{number}@a")).collect();
    let aliases = names.iter().map(|name| (name.clone(), names.clone())).collect();
    let web = Book { accounts: BTreeSet::new(), aliases };
    let found = look(&web, &rules("+", None), "w0@a");
    assert!(found.troubles.contains(&Trouble::TooDeep) && found.accounts.is_empty());
}

/// Long lists of people who are gone lead to few accounts, and take as long to look through.
#[test]
fn long_lists_of_nobody_end() {
    let people = |list| (0..1_000).map(|number| format!("u{list}.{number}@a")).collect::<Vec<_>>();
    let lists = 0..LOOKUPS_MAX / 1_000;
    let mut book = Book::default();
    book.aliases.insert("all@a".into(), lists.clone().map(|list| format!("l{list}@a")).collect());
    book.aliases.extend(lists.map(|list| (format!("l{list}@a"), people(list))));
    let found = look(&book, &rules("+", None), "all@a");
    assert_eq!((found.troubles, found.accounts), (vec![Trouble::TooMany], vec![]));
}

/// The oracle: which accounts an address reaches, told as sets that grow until nothing is added. Details are left out of it,
/// and circles are to it like anything else.
fn reaches(book: &Book, start: &str) -> BTreeSet<String> {
    let mut known = BTreeSet::from([(start.to_owned(), false)]);
    loop {
        let mut next = known.clone();
        for (address, caught) in &known {
            next.extend(one_step(book, address, *caught));
        }
        if next == known {
            break;
        }
        known = next;
    }
    known.into_iter().map(|(address, _)| address).filter(|address| book.accounts.contains(address)).collect()
}

/// Where one rule leads, and whether it was the catch-all's.
fn one_step(book: &Book, address: &str, caught: bool) -> Vec<(String, bool)> {
    let (user, domain) = address.split_once('@').unwrap();
    let cut = format!("{}@{domain}", user.split('+').next().unwrap());
    for name in [address, &cut] {
        if book.accounts.contains(name) {
            return vec![(name.to_owned(), caught)];
        }
        if let Some(targets) = book.aliases.get(name) {
            return targets.iter().map(|target| (target.clone(), caught)).collect();
        }
    }
    let of_domain = book.aliases.get(&format!("@{domain}"));
    match of_domain.map(Vec::as_slice) {
        Some([target]) if target.starts_with('@') => vec![(format!("{user}{target}"), caught)],
        Some(targets) if !caught => targets.iter().map(|target| (target.clone(), true)).collect(),
        _ => vec![],
    }
}

fn any_book() -> impl Strategy<Value = Book> {
    let address = || "[a-d](\\+x)?@[mn]";
    let accounts = prop::collection::btree_set("[a-d]@[mn]", 0..4);
    let aliases = prop::collection::btree_map(address(), prop::collection::vec(address(), 1..4), 0..5);
    // One domain at the most leads elsewhere or catches: two that catch for each other are told apart by their names alone.
    let of_domain = prop::option::of(prop_oneof![
        Just(vec!["@n".to_owned()]),
        prop::collection::vec(address().prop_map(|address| address), 1..3)
    ]);
    (accounts, aliases, of_domain).prop_map(|(accounts, mut aliases, of_domain)| {
        aliases.extend(of_domain.map(|targets| ("@m".to_owned(), targets)));
        Book { accounts, aliases }
    })
}

proptest! {
    #[test]
    fn it_leads_where_the_oracle_says(book in any_book(), address in "[a-d](\\+x)?@[mn]") {
        let found = look(&book, &rules("+", None), &address);
        let accounts: BTreeSet<_> = found.accounts.iter().map(|(name, _)| name.clone()).collect();
        prop_assert_eq!(accounts, reaches(&book, &address));
    }
}
