//! Searching: a key drawn by lot, and whether it finds what it must of the messages that are there.

use super::*;

/// Whether a message with this number matches; `None`: either will do.
type Matches = Box<dyn Fn(&Message, u32) -> Option<bool>>;

impl Play {
    pub(super) async fn search(&mut self, who: usize, dice: &mut Dice) -> Check {
        let Dialect { rev2, uid_only, .. } = self.seats[who].client.enabled;
        let by_uid = dice.once_in(2) || uid_only;
        // IMAP4rev2 answers in this form in any case (RFC 9051 §6.4.4).
        let returns = dice.once_in(3);
        let extended = returns || rev2;
        let mut numbers = false;
        let (key, matches) = self.key(who, dice, 2, &mut numbers);
        let uid = if by_uid { "UID " } else { "" };
        let asks = if returns { "RETURN (ALL COUNT) " } else { "" };
        let command = format!("{uid}SEARCH {asks}{key}");
        let asked = if by_uid && !numbers { Asked::Freely } else { Asked::ByNumber };
        let selected = self.seats[who].client.selected.clone().ok_or("nothing selected")?;
        let Some(mailbox) = self.truth.mailboxes.get(&selected.id).cloned() else { return Ok(()) };
        let answer = self.says(who, &command, asked, None, nothing).await?;
        if answer.condition == "BAD" && numbers {
            return Ok(());
        }
        expect(answer.ok(), &command)?;
        let found = answer.replies.iter().find_map(|reply| match reply {
            Reply::Search(numbers) if !extended => Some(numbers.clone()),
            Reply::ESearch(items) if extended => match items.get("ALL") {
                Some(all) => uids(all).filter(|all| !returns || items["COUNT"] == all.len().to_string()),
                None => (!returns || items.get("COUNT").map(String::as_str) == Some("0")).then(Vec::new),
            },
            _ => None,
        });
        let found = found.ok_or(format!("no result of {command}"))?;
        for (number, Entry { uid, .. }) in (1..).zip(&selected.entries) {
            let is_found = found.contains(if by_uid { uid } else { &number });
            // One that is gone may be in it or not: the client does not know yet.
            if let Some(message) = mailbox.get(*uid)
                && let Some(right) = matches(message, number)
                && right != is_found
            {
                return Err(format!("{command}: UID {uid} is {}in it", if is_found { "" } else { "not " }));
            }
        }
        let own = |number: &u32| match by_uid {
            true => selected.entries.iter().any(|entry| entry.uid == *number),
            false => *number as usize <= selected.entries.len() && *number > 0,
        };
        expect(found.iter().all(own), "SEARCH finds what the client counts")
    }

    /// A search key, and whether a message matches it; `None`: either will do.
    pub(super) fn key(&self, who: usize, dice: &mut Dice, depth: usize, numbers: &mut bool) -> (String, Matches) {
        let flagged = |flag: &'static str, is: bool| {
            Box::new(move |message: &Message, _: u32| Some(message.flags.contains(flag) == is)) as Matches
        };
        let roll = dice.roll(if depth == 0 { 10 } else { 13 });
        match roll {
            7 if self.seats[who].client.enabled.uid_only => ("ALL".to_owned(), Box::new(|_, _| Some(true))),
            0 => ("ALL".to_owned(), Box::new(|_, _| Some(true))),
            1 => ("SEEN".to_owned(), flagged("\\Seen", true)),
            2 => ("UNSEEN".to_owned(), flagged("\\Seen", false)),
            3 => ("DELETED".to_owned(), flagged("\\Deleted", true)),
            4 => ("UNFLAGGED".to_owned(), flagged("\\Flagged", false)),
            5 => ("KEYWORD one".to_owned(), flagged("one", true)),
            6 => {
                let named = self.set(who, true, dice);
                let uids = named.uids;
                (format!("UID {}", named.text), Box::new(move |message, _| Some(uids.contains(&message.uid))))
            }
            7 => {
                *numbers = true;
                let named = self.set(who, false, dice);
                let uids = named.uids;
                (named.text, Box::new(move |message, _| Some(uids.contains(&message.uid))))
            }
            8 => {
                let word = dice.roll(4) as u32;
                (format!("SUBJECT word{word}"), Box::new(move |message, _| Some(message.token % 4 == word)))
            }
            9 if self.seats[who].client.enabled.condstore => {
                let since = 1 + dice.roll(30) as u64;
                let matches = move |message: &Message, _: u32| message.settled.then_some(message.mod_seq >= since);
                (format!("MODSEQ {since}"), Box::new(matches))
            }
            9 => ("BODY \"no play\"".to_owned(), Box::new(|_, _| Some(true))),
            10 => {
                let (text, matches) = self.key(who, dice, depth - 1, numbers);
                (format!("NOT ({text})"), Box::new(move |message, at| Some(!matches(message, at)?)))
            }
            roll => {
                let (one, first) = self.key(who, dice, depth - 1, numbers);
                let (two, second) = self.key(who, dice, depth - 1, numbers);
                match roll {
                    11 => (
                        format!("OR ({one}) ({two})"),
                        Box::new(move |message, at| Some(first(message, at)? | second(message, at)?)),
                    ),
                    _ => (
                        format!("({one}) ({two})"),
                        Box::new(move |message, at| Some(first(message, at)? & second(message, at)?)),
                    ),
                }
            }
        }
    }
}
