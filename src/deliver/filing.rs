//! Where a message goes for one recipient: into which mailboxes, with which flags. Decided when the message has come as a
//! whole and it is known what it is, not at RCPT.
//!
//! What the recipient's own script says goes before all of this ([`rules`](super::rules)). Without one, and for what it keeps,
//! the first that holds:
//! 1. What is junk goes to the mailbox for junk (RFC 6154 `\Junk`), and to INBOX where there is none.
//! 2. `alice+detail` goes to Alice's mailbox of that name (RFC 5233 leaves the meaning to the site): the very name, else one
//!    that differs in case alone, else the same with dots read as the `/` between superior and inferior, which many a web
//!    form refuses: `alice+lists.rust` is `lists/rust`. Of several that differ in case alone it is the first by its octets.
//! 3. Anything else goes to INBOX.
//!
//! A detail is a stranger's word. So it makes no mailbox, and it does not reach those that hold what their owner has written
//! or thrown away (`\Sent`, `\Drafts`, `\Trash`): mail there is not looked at, or is taken for the owner's own. It is looked
//! for by name in the recipient's account and nowhere else.
//!
//! A mailbox that is deleted after this was decided and before the commit is replaced by INBOX
//! ([`deliver_to_recipients`](crate::store::Store::deliver_to_recipients)). Where two recipients or two rules lead to one
//! mailbox it has the message once: mail to `alice` and `alice+lists` comes twice only if it stands in two mailboxes.

use std::collections::HashMap;
use std::sync::Arc;

use super::recipient::Recipient;
use super::rules::Place;
use crate::store::{AccountId, FlagNames, Mailbox, Placement, SpecialUse, Store, canonical_name};

/// Files one message for its recipients.
#[derive(Debug)]
pub(super) struct Filing<'a> {
    store: &'a Store,
    /// The verdict says that it is junk.
    is_junk: bool,
    /// Mailboxes by their names in lower case, of accounts where that was asked for: a thousand recipients that are one
    /// account look through its mailboxes once.
    in_lower_case: HashMap<AccountId, HashMap<String, Arc<Mailbox>>>,
}

impl<'a> Filing<'a> {
    /// For a message of that verdict.
    pub(super) fn new(store: &'a Store, is_junk: bool) -> Self {
        Self { store, is_junk, in_lower_case: HashMap::new() }
    }

    /// The places for one recipient; none: it is to be nowhere.
    pub(super) fn placements(&mut self, recipient: &Recipient) -> Vec<Placement> {
        let Recipient { account, inbox, detail } = recipient;
        let found = match detail {
            _ if self.is_junk => self.junk(account.id),
            Some(detail) => self.named_by(account.id, detail),
            None => None,
        };
        let mailbox = found.unwrap_or_else(|| Arc::clone(inbox));
        vec![Placement { mailbox, flags: FlagNames::default() }]
    }

    /// The places that rules want.
    pub(super) fn placements_of(&mut self, places: Vec<Place>) -> Vec<Placement> {
        let mut placements = Vec::with_capacity(places.len());
        for place in places {
            match place {
                Place::Mailbox(placement) => placements.push(placement),
                Place::Default(recipient, flags) => {
                    let default = self.placements(&recipient).into_iter();
                    placements.extend(default.map(|placement| Placement { flags: flags.clone(), ..placement }));
                }
            }
        }
        placements
    }

    /// The account's mailbox for junk.
    fn junk(&self, account: AccountId) -> Option<Arc<Mailbox>> {
        let is_junk = |mailbox: &Arc<Mailbox>| mailbox.head().special_use == Some(SpecialUse::Junk);
        self.store.mailboxes(account).into_iter().find(is_junk)
    }

    /// The account's mailbox that the detail means.
    fn named_by(&mut self, account: AccountId, detail: &str) -> Option<Arc<Mailbox>> {
        let as_given = canonical_name(detail).ok();
        let with_dots = canonical_name(&detail.replace('.', "/")).ok().filter(|name| Some(name) != as_given.as_ref());
        let found = as_given.into_iter().chain(with_dots).find_map(|name| self.in_any_case(account, &name))?;
        let use_of_its_own = found.head().special_use;
        let is_private = matches!(use_of_its_own, Some(SpecialUse::Sent | SpecialUse::Drafts | SpecialUse::Trash));
        (!is_private).then_some(found)
    }

    /// The mailbox of that canonical name, else the first that has it in another case.
    fn in_any_case(&mut self, account: AccountId, name: &str) -> Option<Arc<Mailbox>> {
        if let Some(mailbox) = self.store.mailbox(account, name) {
            return Some(mailbox);
        }
        let in_lower_case = self.in_lower_case.entry(account).or_insert_with(|| {
            // They come by name, and the first one stays.
            let mut names = HashMap::new();
            for mailbox in self.store.mailboxes(account) {
                names.entry(mailbox.head().name.to_lowercase()).or_insert(mailbox);
            }
            names
        });
        in_lower_case.get(&name.to_lowercase()).cloned()
    }
}
