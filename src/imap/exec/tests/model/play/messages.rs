//! Messages: they come by delivery and APPEND, are read, get flags, are copied, moved and expunged. What each command does
//! to the truth stands beside it, and what its answer must say.

use super::*;

/// A set of messages: as it is said, what it names of what the client counts, and whether all numbers exist.
pub(super) struct Named {
    pub(super) text: String,
    pub(super) uids: Vec<u32>,
    pub(super) good: bool,
}

impl Play {
    pub(super) fn message(&mut self) -> (u32, String) {
        self.delivered += 1;
        let token = self.delivered;
        let body = "All work and no play.\r\n".repeat(if token.is_multiple_of(5) { 60 } else { 1 });
        let header = format!(
            "From: Bob <bob@example.org>\r\nSubject: word{}\r\nMessage-ID: <m{token}@model>\r\n\r\n",
            token % 4
        );
        (token, header + &body)
    }

    pub(super) async fn deliver(&mut self, _: &mut Dice, names: &[&str]) -> Check {
        let names: BTreeSet<&str> = names.iter().copied().filter(|name| self.truth.named(name).is_some()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let (token, message) = self.message();
        let world = self.world();
        let mut body = world.store.incoming();
        body.push(message.as_bytes()).await.map_err(|error| error.to_string())?;
        let place = |name: &&str| Placement {
            mailbox: world.store.mailbox(self.account, name).expect("it is there"),
            flags: FlagNames::default(),
        };
        let placements = names.iter().map(place).collect();
        let delivered = world.store.deliver(NewMessage { body, internal_date: None }, placements).await;
        let delivered = delivered.map_err(|error| error.to_string())?;
        self.log.borrow_mut().push(format!("message {token} is delivered to {names:?}"));
        for (name, place) in names.iter().zip(delivered.places) {
            let id = self.truth.named(name).ok_or("it is there")?;
            self.truth.arrived(id, &[place.uid], place.uid_validity.into(), vec![(token, Flags::new())])?;
        }
        Ok(())
    }

    pub(super) async fn append(&mut self, who: usize, dice: &mut Dice) -> Check {
        let name = dice.pick(&["INBOX", "INBOX", "a", "c"]);
        let flags: Flags = (0..dice.roll(3)).map(|_| dice.pick(&FLAGS).to_owned()).collect();
        let (token, message) = self.message();
        let list = flags.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let command = format!("APPEND \"{name}\" ({list}) {{{}+}}\r\n{message}", message.len());
        let effect = |truth: &mut Truth, _: &mut Reader, answer: &Answer| {
            let Some(id) = truth.named(name) else { return refused(answer, "TRYCREATE") };
            expect(answer.ok(), "APPEND")?;
            let (uid_validity, uids) = place(answer.code("APPENDUID"))?;
            truth.arrived(id, &uids, uid_validity, vec![(token, flags)])
        };
        self.says(who, &command, Asked::Freely, None, effect).await.map(drop)
    }

    pub(super) async fn fetch(&mut self, who: usize, dice: &mut Dice, inner: Option<&Step>) -> Result<bool, String> {
        let by_uid = dice.once_in(2) || self.seats[who].client.enabled.uid_only;
        let named = self.set(who, by_uid, dice);
        let client = &self.seats[who].client;
        let mod_seq = if client.enabled.condstore { " MODSEQ" } else { "" };
        let items = match dice.roll(6) {
            0 => format!("(UID FLAGS{mod_seq})"),
            1 => format!("(FLAGS{mod_seq} {TOKEN})"),
            2 => TOKEN.to_owned(),
            3 => "(RFC822.SIZE INTERNALDATE ENVELOPE BODYSTRUCTURE)".to_owned(),
            4 => "BODY[TEXT]".to_owned(),
            _ => format!("(FLAGS{mod_seq})"),
        };
        let uid = if by_uid { "UID " } else { "" };
        let command = format!("{uid}FETCH {} {items}", named.text);
        let selected = client.selected.as_ref().ok_or("nothing selected")?;
        let (id, sees) = (selected.id, items == "BODY[TEXT]" && !selected.read_only);
        let asked = if by_uid { Asked::Freely } else { Asked::ByNumber };
        let there: Vec<u32> = self.alive(id, &named.uids);
        let seen = there.clone();
        let effect = move |truth: &mut Truth, _: &mut Reader, answer: &Answer| {
            for uid in seen.iter().filter(|_| sees && answer.condition != "BAD") {
                truth.mailbox(id)?.change(*uid, |flags| flags.extend(["\\Seen".to_owned()]));
            }
            Ok(())
        };
        let answer = self.says(who, &command, asked, inner.filter(|_| !sees), effect).await?;
        if answer.bye {
            return Ok(answer.interrupted);
        }
        if !named.good {
            expect(answer.condition == "BAD", "numbers that do not exist are refused (RFC 3501 §9)")?;
            return Ok(answer.interrupted);
        }
        // Each that is there is told; where one is not, the answer may be NO (RFC 2180 §4.1).
        if !answer.interrupted {
            expect(answer.ok() || (there.len() < named.uids.len() && !by_uid), &command)?;
            // One that was expunged by this very answer has no number any more: so count them.
            let told = answer.replies.iter().filter(|reply| matches!(reply, Reply::Fetch(_))).count();
            expect(told >= there.len(), &format!("{told} FETCH responses for {} messages", there.len()))?;
        }
        Ok(answer.interrupted)
    }

    /// A client that knows QRESYNC asks what it missed without selecting anew (RFC 7162 §3.2.6).
    pub(super) async fn missed(&mut self, who: usize, inner: Option<&Step>) -> Result<bool, String> {
        let client = &self.seats[who].client;
        if !client.enabled.qresync {
            return Ok(false);
        }
        let since = client.selected.as_ref().ok_or("nothing selected")?.resume_from;
        let command = match since {
            0 => "UID FETCH 1:* (FLAGS MODSEQ)".to_owned(),
            since => format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {since} VANISHED)"),
        };
        let answer = self.says(who, &command, Asked::Missed, inner, nothing).await?;
        expect(answer.ok() || answer.bye, &command)?;
        Ok(answer.interrupted)
    }

    pub(super) async fn store(&mut self, who: usize, dice: &mut Dice, reach: usize) -> Check {
        let by_uid = dice.once_in(2) || self.seats[who].client.enabled.uid_only;
        let named = self.set(who, by_uid, dice);
        let action = dice.pick(&["+FLAGS", "-FLAGS", "FLAGS", "+FLAGS.SILENT", "-FLAGS.SILENT", "FLAGS.SILENT"]);
        let change: Flags = (0..1 + dice.roll(2)).map(|_| dice.pick(&FLAGS).to_owned()).collect();
        let client = &self.seats[who].client;
        let selected = client.selected.as_ref().ok_or("nothing selected")?;
        let (id, read_only) = (selected.id, selected.read_only);
        let since = (client.enabled.condstore && dice.once_in(3)).then(|| {
            let highest = self.truth.mailboxes.get(&id).map_or(1, |mailbox| mailbox.highest);
            highest.saturating_sub(dice.roll(4) as u64).max(1)
        });
        let modifier = since.map(|since| format!(" (UNCHANGEDSINCE {since})")).unwrap_or_default();
        let list = change.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let uid = if by_uid { "UID " } else { "" };
        let command = format!("{uid}STORE {}{modifier} {action} ({list})", named.text);
        let numbered: Vec<u32> = selected.entries.iter().map(|entry| entry.uid).collect();
        let apply = move |flags: &mut Flags| match action.chars().next() {
            Some('+') => flags.extend(change.iter().cloned()),
            Some('-') => flags.retain(|flag| !change.contains(flag)),
            _ => {
                flags.retain(|flag| flag == "\\Recent");
                flags.extend(change.iter().cloned());
            }
        };
        let asked = if by_uid { Asked::Freely } else { Asked::ByNumber };
        let (there, all) = (self.alive(id, &named.uids), named.uids.len());
        let silent = action.ends_with("SILENT");
        let effect = |truth: &mut Truth, client: &mut Reader, answer: &Answer| {
            if !named.good || read_only {
                return expect(!answer.ok(), "STORE is refused");
            }
            let modified: Vec<u32> = match answer.code("MODIFIED") {
                Some(code) => uids(code.first().ok_or("MODIFIED without a set")?).ok_or("MODIFIED without a set")?,
                None => Vec::new(),
            };
            let modified: Vec<u32> = match by_uid {
                true => modified,
                false => modified.iter().filter_map(|number| numbered.get(*number as usize - 1).copied()).collect(),
            };
            expect(since.is_some() || modified.is_empty(), "MODIFIED without UNCHANGEDSINCE")?;
            expect(answer.ok() || (there.len() < all && !by_uid), "STORE")?;
            let mailbox = truth.mailbox(id)?;
            let mut changed = Vec::new();
            for uid in &there {
                let message = mailbox.get(*uid).ok_or("it was there")?;
                let refused = modified.contains(uid);
                if let (Some(since), true) = (since, message.settled) {
                    let right = message.mod_seq > since;
                    expect(right == refused, &format!("UID {uid} has MODSEQ {} (RFC 7162 §3.1.3)", message.mod_seq))?;
                }
                if !refused {
                    mailbox.change(*uid, &apply);
                    changed.push(*uid);
                }
            }
            // RFC 7162 §3.1.3: its new mod-sequence is told, with `.SILENT` too.
            let told = |uid: &u32| {
                let fetched = answer.replies.iter().any(
                    |reply| matches!(reply, Reply::Fetch(told) if told.uid == Some(*uid) && told.mod_seq.is_some()),
                );
                fetched || !client.enabled.condstore
            };
            expect(changed.iter().all(told), "the mod-sequence of what was changed")?;
            // Before the news that come with the answer; if it is heard to its end.
            if silent && answer.ok() && reach >= answer.replies.len() {
                client.reckons(&changed, &apply);
            }
            Ok(())
        };
        self.says_and_hears(who, &command, asked, None, reach, effect).await.map(drop)
    }

    pub(super) async fn copy(&mut self, who: usize, dice: &mut Dice, moves: bool) -> Check {
        let by_uid = dice.once_in(2) || self.seats[who].client.enabled.uid_only;
        let named = self.set(who, by_uid, dice);
        let name = dice.pick(&["INBOX", "a", "a", "c", "d e"]);
        let selected = self.seats[who].client.selected.as_ref().ok_or("nothing selected")?;
        let (id, read_only) = (selected.id, selected.read_only);
        let (verb, uid) = (if moves { "MOVE" } else { "COPY" }, if by_uid { "UID " } else { "" });
        let command = format!("{uid}{verb} {} \"{name}\"", named.text);
        let there = self.alive(id, &named.uids);
        let effect = |truth: &mut Truth, _: &mut Reader, answer: &Answer| {
            let all_there = by_uid || there.len() == named.uids.len();
            let Some(target) = truth.named(name).filter(|_| named.good && all_there && !(moves && read_only)) else {
                return expect(!answer.ok(), &format!("{verb} is refused"));
            };
            expect(answer.ok(), verb)?;
            if there.is_empty() {
                return expect(answer.code("COPYUID").is_none(), "COPYUID of nothing");
            }
            let code = answer.code("COPYUID").ok_or("no COPYUID (RFC 4315 §3)")?;
            let [uid_validity, from, to] = code else { return Err("COPYUID of three parts".into()) };
            expect(uids(from).as_ref() == Some(&there), "COPYUID names what was copied")?;
            let to = uids(to).ok_or("COPYUID")?;
            let copy = |message: &Message| (message.token, message.flags.clone());
            let copies = there.iter().filter_map(|uid| truth.mailboxes[&id].get(*uid).map(copy)).collect();
            if moves {
                truth.mailbox(id)?.expunge(|message| there.contains(&message.uid));
            }
            truth.arrived(target, &to, uid_validity.parse().map_err(|_| "COPYUID")?, copies)
        };
        self.says(who, &command, Asked::Freely, None, effect).await.map(drop)
    }

    pub(super) async fn expunge(&mut self, who: usize, dice: &mut Dice, reach: usize) -> Check {
        let by_uid = dice.once_in(3);
        let named = self.set(who, true, dice);
        let selected = self.seats[who].client.selected.as_ref().ok_or("nothing selected")?;
        let (id, read_only) = (selected.id, selected.read_only);
        // Nobody deletes what he does not know of.
        let counted: Vec<u32> = match by_uid {
            true => named.uids,
            false => selected.entries.iter().map(|entry| entry.uid).collect(),
        };
        let command = if by_uid { format!("UID EXPUNGE {}", named.text) } else { "EXPUNGE".to_owned() };
        let effect = |truth: &mut Truth, _: &mut Reader, answer: &Answer| {
            if read_only {
                return refused(answer, "READ-ONLY");
            }
            expect(answer.ok(), "EXPUNGE")?;
            truth.mailbox(id)?.expunge(|message| counted.contains(&message.uid) && is_deleted(message));
            Ok(())
        };
        self.says_and_hears(who, &command, Asked::Freely, None, reach, effect).await.map(drop)
    }

    /// Those of `uids` that are still there.
    pub(super) fn alive(&self, id: u32, uids: &[u32]) -> Vec<u32> {
        let there = self.truth.mailboxes.get(&id).map(|mailbox| mailbox.uids()).unwrap_or_default();
        uids.iter().copied().filter(|uid| there.contains(uid)).collect()
    }

    /// Some messages.
    pub(super) fn set(&self, who: usize, by_uid: bool, dice: &mut Dice) -> Named {
        let selected = self.seats[who].client.selected.as_ref();
        let known: Vec<u32> = selected.map(|s| s.entries.iter().map(|entry| entry.uid).collect()).unwrap_or_default();
        let next = selected.and_then(|selected| self.truth.mailboxes.get(&selected.id)).map_or(1, |m| m.uid_next);
        let (most, star) = match by_uid {
            true => (next.saturating_sub(1).max(1), known.last().copied().unwrap_or(0)),
            false => (known.len().max(1) as u32, known.len() as u32),
        };
        let mut number = || match dice.roll(25) {
            // Perhaps one that is not there.
            0 => most + 1,
            roll => 1 + dice.roll(most as usize).min(most as usize) as u32 * u32::from(roll > 0),
        };
        let (first, second) = (number(), number());
        let (text, ranges) = match dice.roll(6) {
            0 | 1 => (format!("{first}"), vec![(first, first)]),
            2 => (format!("{first}:{second}"), vec![(first, second)]),
            3 => (format!("{first},{second}"), vec![(first, first), (second, second)]),
            4 => (format!("{first}:*"), vec![(first, star)]),
            _ => ("1:*".to_owned(), vec![(1, star)]),
        };
        let named = |number: u32| ranges.iter().any(|(a, b)| (*a.min(b)..=*a.max(b)).contains(&number));
        let good =
            by_uid || ranges.iter().all(|(a, b)| (1..=known.len() as u32).contains(a.min(b)) && *a.max(b) <= star);
        let uids = (1..).zip(&known).filter(|(at, uid)| named(if by_uid { **uid } else { *at }));
        Named { text, uids: uids.map(|(_, uid)| *uid).collect(), good }
    }
}

/// UIDVALIDITY and UIDs of APPENDUID.
pub(super) fn place(code: Option<&[String]>) -> Result<(u64, Vec<u32>), String> {
    let Some([uid_validity, set]) = code else { return Err("APPENDUID (RFC 4315 §3)".into()) };
    Ok((uid_validity.parse().map_err(|_| "APPENDUID")?, uids(set).ok_or("APPENDUID")?))
}
