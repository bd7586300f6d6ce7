//! Mailboxes: they are selected, plainly and with what is remembered of them (QRESYNC), and left; asked about, listed, made,
//! renamed and deleted. What each command does to the truth stands beside it, and what its answer must say.

use super::super::client::Cache;
use super::*;

impl Play {
    pub(super) async fn select(
        &mut self,
        who: usize,
        name: &str,
        read_only: bool,
        dice: &mut Dice,
        inner: Option<&Step>,
    ) -> Result<bool, String> {
        let before = self.selected(who).and_then(|id| Some(self.truth.mailboxes.get(&id)?.name.clone()));
        let client = &mut self.seats[who].client;
        client.leaves(before.as_deref());
        let cache = client.caches.get(name).cloned().filter(|cache| client.enabled.qresync && cache.mod_seq > 0);
        let parameter = match &cache {
            Some(cache) => format!(
                " (QRESYNC ({} {}{}))",
                cache.uid_validity,
                cache.mod_seq,
                known(cache, client.enabled.uid_only, dice)
            ),
            None if client.enabled.condstore && dice.once_in(2) => " (CONDSTORE)".to_owned(),
            None => String::new(),
        };
        client.selects(cache);
        let verb = if read_only { "EXAMINE" } else { "SELECT" };
        let command = format!("{verb} \"{name}\"{parameter}");
        let Some(id) = self.truth.named(name) else {
            let answer = self.says(who, &command, Asked::Freely, None, nothing).await?;
            refused(&answer, "NONEXISTENT")?;
            self.seats[who].client.selects(None);
            return Ok(false);
        };
        let asked = Asked::Select { id, read_only };
        let answer = self.says(who, &command, asked, inner, nothing).await?;
        if answer.interrupted {
            self.seats[who].client.selects(None);
            return Ok(true);
        }
        expect(answer.ok(), &command)?;
        let code = if read_only { "READ-ONLY" } else { "READ-WRITE" };
        expect(answer.code.first().is_some_and(|word| word == code), code)?;
        for needed in ["UIDVALIDITY", "UIDNEXT", "HIGHESTMODSEQ"] {
            expect(answer.code(needed).is_some(), needed)?;
        }
        Ok(false)
    }

    pub(super) async fn leave(&mut self, who: usize, close: bool) -> Check {
        let Some(selected) = &self.seats[who].client.selected else { return Ok(()) };
        let (id, read_only) = (selected.id, selected.read_only);
        let counted: Vec<u32> = selected.entries.iter().map(|entry| entry.uid).collect();
        let command = if close { "CLOSE" } else { "UNSELECT" };
        let effect = |truth: &mut Truth, client: &mut Reader, answer: &Answer| {
            expect(answer.ok(), command)?;
            let mailbox = truth.mailbox(id)?;
            if close && !read_only {
                mailbox.expunge(|message| counted.contains(&message.uid) && is_deleted(message));
            }
            client.leaves(Some(&mailbox.name));
            Ok(())
        };
        self.says(who, command, Asked::ByNumber, None, effect).await.map(drop)
    }

    pub(super) async fn status(&mut self, who: usize, dice: &mut Dice) -> Check {
        let name = dice.pick(&NAMES);
        let more = if self.seats[who].client.enabled.condstore { " HIGHESTMODSEQ" } else { "" };
        let recent = if self.seats[who].client.enabled.rev2 { "" } else { " RECENT" };
        let command = format!("STATUS \"{name}\" (MESSAGES UNSEEN UIDNEXT UIDVALIDITY{recent}{more})");
        let effect = |truth: &mut Truth, _: &mut Reader, answer: &Answer| {
            let Some(id) = truth.named(name) else { return refused(answer, "NONEXISTENT") };
            expect(answer.ok(), "STATUS")?;
            let items = answer.replies.iter().find_map(|reply| match reply {
                Reply::Status { mailbox, items } if mailbox == name => Some(items),
                _ => None,
            });
            let items = items.ok_or("no STATUS")?;
            let messages = &truth.mailbox(id)?.messages;
            let unseen = messages.iter().filter(|message| !message.flags.contains("\\Seen")).count();
            expect(items["MESSAGES"] == messages.len() as u64, "MESSAGES")?;
            expect(items["UNSEEN"] == unseen as u64, "UNSEEN")?;
            truth.told_uid_next(id, items["UIDNEXT"])?;
            truth.told_uid_validity(id, items["UIDVALIDITY"])?;
            match items.get("HIGHESTMODSEQ") {
                Some(highest) => truth.told_highest(id, *highest),
                None => expect(more.is_empty(), "HIGHESTMODSEQ"),
            }
        };
        self.says(who, &command, Asked::Freely, None, effect).await.map(drop)
    }

    pub(super) async fn list(&mut self, who: usize) -> Check {
        let command = if self.seats[who].client.listens() { LIST_SUBSCRIBED } else { "LIST \"\" *" };
        let answer = self.says(who, command, Asked::Freely, None, nothing).await?;
        expect(answer.ok(), "LIST")?;
        expect(listed(&answer) == self.truth.names(), &format!("LIST, expected {:?}", self.truth.names()))
    }

    /// The mailboxes that an account has from the first login on.
    pub(super) async fn learns_mailboxes(&mut self) -> Check {
        let auditor = self.clients();
        self.connect(auditor).await?;
        let answer = self.says(auditor, "CAPABILITY", Asked::Freely, None, nothing).await?;
        for reply in answer.replies {
            if let Reply::Capability(offered) = reply {
                self.offered = offered;
            }
        }
        let answer = self.says(auditor, "LIST \"\" *", Asked::Freely, None, nothing).await?;
        for name in listed(&answer) {
            self.truth.add(&name);
            self.truth.subscribed.insert(name);
        }
        expect(self.truth.named("INBOX").is_some(), "INBOX")
    }

    /// A name may be subscribed whether there is such a mailbox or not (RFC 3501 §6.3.6).
    pub(super) async fn subscribe(&mut self, who: usize, dice: &mut Dice) -> Check {
        let (name, is) = (dice.pick(&NAMES), dice.once_in(2));
        let command = format!("{} \"{name}\"", if is { "SUBSCRIBE" } else { "UNSUBSCRIBE" });
        let effect = |truth: &mut Truth, _: &mut Reader, answer: &Answer| {
            match is {
                true => truth.subscribed.insert(name.to_owned()),
                false => truth.subscribed.remove(name),
            };
            expect(answer.ok(), "SUBSCRIBE, UNSUBSCRIBE")
        };
        self.says(who, &command, Asked::Freely, None, effect).await.map(drop)
    }

    /// CREATE, RENAME, DELETE.
    pub(super) async fn rebuilds(&mut self, who: usize, verb: Verb, dice: &mut Dice) -> Check {
        let (name, to) = (dice.pick(&NAMES), dice.pick(&NAMES));
        let doomed = self.truth.named(name);
        let command = match verb {
            Verb::Create => format!("CREATE \"{name}\""),
            Verb::Rename => format!("RENAME \"{name}\" \"{to}\""),
            _ => format!("DELETE \"{name}\""),
        };
        let effect = |truth: &mut Truth, client: &mut Reader, answer: &Answer| {
            let done = match verb {
                Verb::Create => truth.create(name),
                Verb::Rename => truth.rename(name, to),
                _ => truth.delete(name),
            };
            if verb == Verb::Delete && done && doomed == client.selected.as_ref().map(|selected| selected.id) {
                client.leaves(None);
            }
            expect(done == answer.ok(), if done { "it can be done" } else { "it can't be done" })
        };
        self.says(who, &command, Asked::Freely, None, effect).await?;
        // A mailbox that INBOX's messages went into has UIDs that nobody was told yet, and none that could be wrong.
        Ok(())
    }
}

/// What the QRESYNC parameter says beyond UIDVALIDITY and mod-sequence: nothing, the UIDs that are known, some numbers and
/// their UIDs, or both; numbers not after UIDONLY (RFC 9586 §3).
pub(super) fn known(cache: &Cache, uid_only: bool, dice: &mut Dice) -> String {
    let uids: Vec<u32> = cache.flags.keys().copied().collect();
    let list = |uids: &[u32]| uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    let pairs: Vec<(u32, u32)> = (1..).zip(uids.iter().copied()).take(cache.complete).step_by(2).collect();
    let (numbers, matching): (Vec<u32>, Vec<u32>) = pairs.into_iter().unzip();
    let mut text = String::new();
    let form = dice.roll(if uid_only { 2 } else { 4 });
    if form & 1 > 0 && !uids.is_empty() {
        text += &format!(" {}", list(&uids));
    }
    if form & 2 > 0 && !numbers.is_empty() {
        text += &format!(" ({} {})", list(&numbers), list(&matching));
    }
    text
}

pub(super) fn listed(answer: &Answer) -> BTreeSet<String> {
    let there = answer.replies.iter().filter_map(|reply| match reply {
        Reply::List { mailbox, attributes, .. } => {
            let absent = attributes.contains("\\noselect") || attributes.contains("\\nonexistent");
            (!absent).then(|| mailbox.clone())
        }
        _ => None,
    });
    there.collect()
}
