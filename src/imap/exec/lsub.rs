//! LSUB (RFC 3501 §6.3.9): the subscribed names, whether they exist or not.
//!
//! Where a pattern with `%` stops at a superior of a subscribed name, the superior is shown with `\Noselect`, as a place to
//! go on from; where it has no `%`, only what is subscribed is shown.

use std::collections::BTreeMap;

use super::pattern::Pattern;
use super::tree::superiors;
use super::{Context, Done, Outcome, list};
use crate::imap::response::{Data, ListAttribute, ListEntry};
use crate::store::SEPARATOR;

pub(super) async fn run(cx: &mut Context<'_>, reference: &str, pattern: String) -> Outcome {
    let account = cx.account()?;
    let subscriptions = cx.store().subscriptions(account);
    let shows_levels = reference.contains('%') || pattern.contains('%');
    let patterns = list::patterns(reference, &[pattern]);
    for (name, subscribed) in list::off_runtime(move || find(&patterns, shows_levels, &subscriptions)).await? {
        let attributes = if subscribed { Vec::new() } else { vec![ListAttribute::NoSelect] };
        let separator = Some(SEPARATOR);
        cx.put(Data::Lsub(ListEntry { attributes, separator, mailbox: name, ..ListEntry::default() }));
        cx.step().await?;
    }
    Ok(Done::ok("LSUB done"))
}

/// The names that match, and whether each is subscribed itself.
fn find(patterns: &[Pattern], shows_levels: bool, subscriptions: &[String]) -> BTreeMap<String, bool> {
    let matches = |name: &str| patterns.iter().any(|pattern| pattern.matches(name));
    let mut found = BTreeMap::new();
    for name in subscriptions {
        if matches(name) {
            found.insert(name.clone(), true);
        } else if shows_levels {
            for superior in superiors(name).filter(|superior| matches(superior)) {
                found.entry(superior.to_owned()).or_insert(false);
            }
        }
    }
    found
}
