//! LSUB (RFC 3501 §6.3.9): the subscribed names, whether they exist or not.
//!
//! "A special situation occurs when using LSUB with the % wildcard": where the pattern stops at a superior of a subscribed
//! name, the superior is shown with `\Noselect`, as a place to go on from.

use std::collections::BTreeMap;

use super::tree::superiors;
use super::{Context, Done, Outcome, list};
use crate::imap::response::{Data, ListAttribute, ListEntry};
use crate::store::SEPARATOR;

pub(super) async fn run(cx: &mut Context<'_>, reference: &str, pattern: &str) -> Outcome {
    let account = cx.account()?;
    let subscriptions = cx.store().subscriptions(account);
    let patterns = list::patterns(reference, &[pattern.to_owned()]);
    let matches = |name: &str| patterns.iter().any(|pattern| pattern.matches(name));
    // Each name, and whether it is subscribed itself.
    let mut found = BTreeMap::new();
    for name in &subscriptions {
        if matches(name) {
            found.insert(name.as_str(), true);
        } else {
            for superior in superiors(name).filter(|superior| matches(superior)) {
                found.entry(superior).or_insert(false);
            }
        }
    }
    for (name, subscribed) in found {
        let attributes = if subscribed { Vec::new() } else { vec![ListAttribute::NoSelect] };
        let mailbox = name.to_owned();
        cx.put(Data::Lsub(ListEntry { attributes, separator: Some(SEPARATOR), mailbox, subscribed_child: false }));
        cx.step().await?;
    }
    Ok(Done::ok("LSUB done"))
}
