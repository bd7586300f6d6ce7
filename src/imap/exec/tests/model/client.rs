//! One client: it believes what it is told and nothing else, and says so when what it is told breaks a rule.

use std::collections::BTreeMap;

use super::account::Account;
use super::reply::{Fetched, Reply};
use super::truth::{Flags, Truth};

/// What a client enables beyond RFC 3501, after login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dialect {
    /// RFC 7162 §3.1.
    pub(super) condstore: bool,
    /// RFC 7162 §3.2; it keeps what it knows, and comes back with it.
    pub(super) qresync: bool,
    /// RFC 9051: no `\Recent`, and ESEARCH.
    pub(super) rev2: bool,
    /// RFC 9586: no sequence numbers.
    pub(super) uid_only: bool,
    /// RFC 5465: it is told of its whole account, at any time.
    pub(super) notify: bool,
}

impl Dialect {
    pub(super) const PLAIN: Self =
        Self { condstore: false, qresync: false, rev2: false, uid_only: false, notify: false };
    pub(super) const CONDSTORE: Self = Self { condstore: true, ..Self::PLAIN };
    pub(super) const QRESYNC: Self = Self { condstore: true, qresync: true, ..Self::PLAIN };
    pub(super) const REV2: Self = Self { rev2: true, ..Self::PLAIN };
    pub(super) const REV2_QRESYNC: Self = Self { rev2: true, ..Self::QRESYNC };
    pub(super) const UID_ONLY: Self = Self { uid_only: true, ..Self::PLAIN };
    pub(super) const UID_ONLY_QRESYNC: Self = Self { uid_only: true, ..Self::QRESYNC };

    /// The same, with NOTIFY.
    pub(super) const fn listening(self) -> Self {
        Self { notify: true, ..self }
    }

    /// As much of it as a server offers.
    pub(super) fn offered(self, capabilities: &Flags) -> Self {
        let offers = |name: &str| capabilities.iter().any(|offered| offered.eq_ignore_ascii_case(name));
        let (rev2, uid_only) = (self.rev2 && offers("IMAP4rev2"), self.uid_only && offers("UIDONLY"));
        Self { rev2, uid_only, ..self }
    }

    /// The commands that enable it.
    pub(super) fn commands(self) -> Vec<&'static str> {
        let all = [
            (self.condstore && !self.qresync, "ENABLE CONDSTORE"),
            (self.qresync, "ENABLE QRESYNC"),
            (self.rev2, "ENABLE IMAP4rev2"),
            (self.uid_only, "ENABLE UIDONLY"),
        ];
        all.into_iter().filter(|(is, _)| *is).map(|(_, command)| command).collect()
    }
}

/// What is being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Numbers are in use: no EXPUNGE, no VANISHED (RFC 3501 §7.4.1, RFC 7162 §3.2.10.2).
    ByNumber,
    /// Anything else, IDLE too.
    Freely,
    /// SELECT or EXAMINE of this mailbox.
    Select { id: u32, read_only: bool },
    /// UID FETCH with VANISHED, and SELECT with QRESYNC: VANISHED (EARLIER) may come.
    Missed,
}

/// A message, as the client counts it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) uid: u32,
    /// `\Recent` among them; `None`: it was not told yet.
    pub(super) flags: Option<Flags>,
}

/// The mailbox that the client has selected.
#[derive(Clone, Debug, Default)]
pub(super) struct Selected {
    pub(super) id: u32,
    pub(super) read_only: bool,
    pub(super) entries: Vec<Entry>,
    uid_validity: u64,
    recent: Option<u32>,
    keywords: Flags,
    /// The last `[HIGHESTMODSEQ]`.
    told_highest: u64,
    /// From where to ask next time (RFC 7162 §6): it moves with tagged answers.
    pub(super) resume_from: u64,
    /// Told and read since the last tagged answer.
    told: Option<u64>,
    read: u64,
}

/// What a client keeps of a mailbox that it has not selected.
#[derive(Clone, Debug, Default)]
pub(super) struct Cache {
    pub(super) uid_validity: u64,
    pub(super) mod_seq: u64,
    pub(super) flags: BTreeMap<u32, Flags>,
    /// Messages from the first on that have no gap in `flags`.
    pub(super) complete: usize,
}

/// A client.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// What it means to enable.
    pub(super) dialect: Dialect,
    /// A number for each connection.
    pub(super) session: u32,
    /// What it has enabled.
    pub(super) enabled: Dialect,
    pub(super) selected: Option<Selected>,
    pub(super) caches: BTreeMap<String, Cache>,
    /// The cache that SELECT's QRESYNC parameter spoke of; what remains of it is what was not told to be gone.
    resyncs: Option<Cache>,
    pub(super) idling: bool,
    /// With NOTIFY.
    pub(super) account: Option<Account>,
}

pub(super) type Check = Result<(), String>;

impl Client {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            session: 0,
            enabled: Dialect::PLAIN,
            selected: None,
            caches: BTreeMap::new(),
            resyncs: None,
            idling: false,
            account: None,
        }
    }

    /// A new connection; what it keeps it keeps.
    pub(super) fn reconnects(&mut self, session: u32) {
        *self = Self { session, caches: std::mem::take(&mut self.caches), ..Self::new(self.dialect) };
    }

    /// It used NOTIFY SET, and is told between commands, and of expunges whenever they happen (RFC 5465 §6.1).
    pub(super) fn listens(&self) -> bool {
        self.account.as_ref().is_some_and(|account| account.listens)
    }

    /// It comes to know less: the mailbox is left, and what is worth keeping is kept under `name`.
    pub(super) fn leaves(&mut self, name: Option<&str>) {
        let Some(selected) = self.selected.take() else { return };
        if let Some(account) = &mut self.account {
            account.leaves(&selected.entries);
        }
        if let (true, Some(name)) = (self.enabled.qresync, name) {
            let complete = selected.entries.iter().take_while(|entry| entry.flags.is_some()).count();
            let flags =
                selected.entries.into_iter().filter_map(|entry| Some((entry.uid, without_recent(&entry.flags?))));
            let Selected { uid_validity, resume_from: mod_seq, .. } = selected;
            self.caches.insert(name.to_owned(), Cache { uid_validity, mod_seq, flags: flags.collect(), complete });
        }
    }

    /// SELECT goes out, with this in its QRESYNC parameter.
    pub(super) fn selects(&mut self, resyncs: Option<Cache>) {
        self.resyncs = resyncs;
    }

    /// Takes in a reply. `now`: nothing has happened to the mailbox since the command began.
    pub(super) fn reads(&mut self, reply: &Reply, asked: Option<Asked>, now: bool, truth: &mut Truth) -> Check {
        match reply {
            Reply::Exists(count) => self.exists(*count, asked, truth),
            Reply::Expunge(number) => {
                self.renumbers("EXPUNGE", asked)?;
                if self.enabled.qresync || self.enabled.uid_only {
                    return Err("EXPUNGE after ENABLE QRESYNC or UIDONLY (RFC 7162 §3.2.10, RFC 9586 §3)".into());
                }
                let selected = self.selected.as_mut().ok_or("EXPUNGE without a mailbox")?;
                let at = *number as usize - 1;
                if at >= selected.entries.len() {
                    return Err(format!("EXPUNGE {number} of {}", selected.entries.len()));
                }
                let entry = selected.entries.remove(at);
                is_gone(truth, selected.id, entry.uid)
            }
            Reply::Vanished { earlier: false, uids } => {
                self.renumbers("VANISHED", asked)?;
                if !self.enabled.qresync && !self.enabled.uid_only {
                    return Err("VANISHED without ENABLE QRESYNC or UIDONLY".into());
                }
                let selected = self.selected.as_mut().ok_or("VANISHED without a mailbox")?;
                for uid in uids {
                    let at = selected.entries.iter().position(|entry| entry.uid == *uid);
                    selected.entries.remove(at.ok_or(format!("VANISHED {uid}, which is not counted"))?);
                    is_gone(truth, selected.id, *uid)?;
                    // It may come with the answer to SELECT, if it is not to be delayed.
                    if let Some(cache) = &mut self.resyncs {
                        cache.flags.remove(uid);
                    }
                }
                Ok(())
            }
            Reply::Vanished { earlier: true, uids } => {
                if !matches!(asked, Some(Asked::Missed | Asked::Select { .. })) || !self.enabled.qresync {
                    return Err("VANISHED (EARLIER), for which nobody asked".into());
                }
                let selected = self.selected.as_ref().ok_or("VANISHED without a mailbox")?;
                for uid in uids {
                    if selected.entries.iter().any(|entry| entry.uid == *uid) {
                        return Err(format!("VANISHED (EARLIER) {uid}, which is counted (RFC 7162 §3.2.10.1)"));
                    }
                    is_gone(truth, selected.id, *uid)?;
                    if let Some(cache) = &mut self.resyncs {
                        cache.flags.remove(uid);
                    }
                }
                Ok(())
            }
            Reply::Recent(_) if self.enabled.rev2 => Err("RECENT after ENABLE IMAP4rev2 (RFC 9051 appendix E)".into()),
            Reply::Search(_) if self.enabled.rev2 => Err("SEARCH after ENABLE IMAP4rev2 (RFC 9051 §6.4.4)".into()),
            Reply::Recent(count) => {
                let selected = self.selected.as_mut().ok_or("RECENT without a mailbox")?;
                selected.recent = Some(*count);
                (*count as usize <= selected.entries.len())
                    .then_some(())
                    .ok_or(format!("RECENT {count} of {}", selected.entries.len()))
            }
            Reply::Keywords(keywords) => {
                // SELECT tells them before EXISTS (RFC 3501 §6.3.1 leaves the order open).
                if matches!(asked, Some(Asked::Select { .. })) {
                    self.begin(asked, truth);
                }
                self.selected.as_mut().ok_or("FLAGS without a mailbox")?.keywords = keywords.clone();
                Ok(())
            }
            Reply::Fetch(fetched) => self.fetch(fetched, asked, now, truth),
            Reply::Condition { condition, code } if condition == "OK" => self.code(code, asked, truth),
            Reply::Tagged { condition, code } => {
                self.tagged(condition, code, asked)?;
                self.resyncs = None;
                Ok(())
            }
            Reply::Status { mailbox, items } => match &mut self.account {
                Some(account) => account.status(mailbox, items, asked.is_some()),
                None => asked.is_some().then_some(()).ok_or("a STATUS to nothing".into()),
            },
            Reply::List { mailbox, attributes, old_name } => match &mut self.account {
                Some(account) => account.list(mailbox, attributes, old_name.as_deref()),
                None => asked.is_some().then_some(()).ok_or("a LIST to nothing".into()),
            },
            Reply::Search(_) | Reply::ESearch(_) => asked.is_some().then_some(()).ok_or("an answer to nothing".into()),
            Reply::Condition { .. } | Reply::Bye | Reply::Continue | Reply::Capability(_) | Reply::Other(_) => Ok(()),
        }
    }

    /// The mailbox that SELECT is about, from its first reply on.
    fn begin(&mut self, asked: Option<Asked>, truth: &Truth) {
        let Some(Asked::Select { id, read_only }) = asked else { return };
        if self.selected.is_none() {
            let uids = truth.mailboxes.get(&id).map(|mailbox| mailbox.uids()).unwrap_or_default();
            let known = self.resyncs.as_ref().map(|cache| cache.flags.clone()).unwrap_or_default();
            let entry = |uid| Entry { uid, flags: known.get(&uid).cloned() };
            let resume_from = self.resyncs.as_ref().map_or(0, |cache| cache.mod_seq);
            let entries = uids.into_iter().map(entry).collect();
            self.selected = Some(Selected { id, read_only, entries, resume_from, ..Selected::default() });
            if let (Some(account), Some(mailbox)) = (&mut self.account, truth.mailboxes.get(&id)) {
                account.selects(&mailbox.name);
            }
        }
    }

    fn exists(&mut self, count: u32, asked: Option<Asked>, truth: &Truth) -> Check {
        if matches!(asked, Some(Asked::Select { .. })) {
            self.begin(asked, truth);
        }
        let selected = self.selected.as_mut().ok_or("EXISTS without a mailbox")?;
        let before = selected.entries.len();
        if (count as usize) < before {
            return Err(format!("EXISTS fell from {before} to {count}"));
        }
        // What is new, in the order of arrival; what came and went untold was never there.
        let last = selected.entries.last().map_or(0, |entry| entry.uid);
        let there = truth.mailboxes.get(&selected.id).map(|mailbox| mailbox.uids()).unwrap_or_default();
        let new = there.into_iter().filter(|uid| *uid > last).map(|uid| Entry { uid, flags: None });
        selected.entries.extend(new);
        if selected.entries.len() != count as usize {
            return Err(format!("EXISTS {count}, expected {}", selected.entries.len()));
        }
        Ok(())
    }

    /// EXPUNGE or VANISHED came: may it?
    fn renumbers(&self, what: &str, asked: Option<Asked>) -> Check {
        match asked {
            _ if self.listens() => Ok(()),
            None => Err(format!("{what} while no command is in progress (RFC 3501 §7.4.1)")),
            Some(Asked::ByNumber) => Err(format!("{what} while numbers are in use (RFC 3501 §7.4.1)")),
            Some(_) => Ok(()),
        }
    }

    fn fetch(&mut self, fetched: &Fetched, asked: Option<Asked>, now: bool, truth: &mut Truth) -> Check {
        let (Dialect { condstore, qresync, rev2, uid_only, .. }, session) = (self.enabled, self.session);
        let unasked = asked.is_none() && !self.listens();
        let selected = self.selected.as_mut().ok_or("FETCH without a mailbox")?;
        let count = selected.entries.len();
        if fetched.by_uid != uid_only {
            return Err("FETCH, or UIDFETCH, where the other belongs (RFC 9586 §3)".into());
        }
        let entry = match uid_only {
            true => selected.entries.iter_mut().find(|entry| Some(entry.uid) == fetched.uid),
            false => selected.entries.get_mut(fetched.number as usize - 1),
        };
        let entry = entry.ok_or(format!("FETCH {} of {count}", fetched.number))?;
        let uid = entry.uid;
        if fetched.uid.is_some_and(|told| told != uid) {
            return Err(format!("number {} is UID {uid}, not {:?}", fetched.number, fetched.uid));
        }
        if unasked {
            return Err("FETCH while no command is in progress".into());
        }
        if let Some(token) = fetched.token {
            truth.told_identity(selected.id, uid, token)?;
        }
        if let Some(flags) = &fetched.flags {
            let keyword = |flag: &&String| !flag.starts_with('\\') && !selected.keywords.contains(*flag);
            if let Some(flag) = flags.iter().find(keyword) {
                return Err(format!("the keyword {flag} was not announced by FLAGS (RFC 3501 §7.2.6)"));
            }
            let recent = flags.contains("\\Recent");
            if recent && rev2 {
                return Err("\\Recent after ENABLE IMAP4rev2 (RFC 9051 appendix E)".into());
            }
            if let Some(before) = &entry.flags
                && self.resyncs.is_none()
                && before.contains("\\Recent") != recent
                && !matches!(asked, Some(Asked::Select { .. }))
                && !qresync
            {
                return Err(format!("\\Recent of UID {uid} has changed within a session (RFC 3501 §2.3.2)"));
            }
            if recent && !selected.read_only {
                truth.told_recent(selected.id, uid, session)?;
            }
            entry.flags = Some(flags.clone());
            if condstore && fetched.mod_seq.is_none() && qresync {
                return Err("FLAGS without MODSEQ after ENABLE QRESYNC (RFC 7162 §3.1.4.3)".into());
            }
        }
        if let Some(mod_seq) = fetched.mod_seq {
            selected.read = selected.read.max(mod_seq);
            let flags = fetched.flags.as_ref().map(without_recent);
            truth.told_state(selected.id, uid, mod_seq, flags.as_ref(), now)?;
        }
        Ok(())
    }

    /// A code of an untagged OK.
    fn code(&mut self, code: &[String], asked: Option<Asked>, truth: &mut Truth) -> Check {
        let [name, value, ..] = code else { return Ok(()) };
        let selecting = match asked {
            Some(Asked::Select { id, .. }) => Some(id),
            _ => None,
        };
        let number = value.parse::<u64>();
        match (name.to_ascii_uppercase().as_str(), selecting, number) {
            ("UIDVALIDITY", Some(id), Ok(number)) => {
                self.begin(asked, truth);
                self.selected.as_mut().expect("begun").uid_validity = number;
                // Another mailbox of that name: nothing is known of it.
                if self.resyncs.as_ref().is_some_and(|cache| cache.uid_validity != number) {
                    self.resyncs = None;
                    let selected = self.selected.as_mut().expect("begun");
                    selected.entries.iter_mut().for_each(|entry| entry.flags = None);
                    selected.resume_from = 0;
                }
                truth.told_uid_validity(id, number)
            }
            ("UIDNEXT", Some(id), Ok(number)) => truth.told_uid_next(id, number),
            ("UNSEEN", Some(id), Ok(number)) => {
                let mailbox = truth.mailbox(id)?;
                let first = mailbox.messages.iter().position(|message| !message.flags.contains("\\Seen"));
                match first {
                    Some(at) if at as u64 + 1 == number => Ok(()),
                    _ => Err(format!("UNSEEN {number}, expected {:?}", first.map(|at| at + 1))),
                }
            }
            ("HIGHESTMODSEQ", selecting, Ok(number)) => {
                self.begin(asked, truth);
                let selected = self.selected.as_mut().ok_or("HIGHESTMODSEQ without a mailbox")?;
                // The first of SELECT is of the mailbox as it is.
                if let (Some(id), 0) = (selecting, selected.told_highest) {
                    truth.told_highest(id, number)?;
                }
                self.highest(number)
            }
            _ => Ok(()),
        }
    }

    fn highest(&mut self, number: u64) -> Check {
        let selected = self.selected.as_mut().ok_or("HIGHESTMODSEQ without a mailbox")?;
        if number < selected.told_highest {
            return Err(format!("HIGHESTMODSEQ fell from {} to {number}", selected.told_highest));
        }
        selected.told_highest = number;
        selected.told = Some(number);
        Ok(())
    }

    fn tagged(&mut self, condition: &str, code: &[String], asked: Option<Asked>) -> Check {
        if let (Some("HIGHESTMODSEQ"), Some(number)) = (code.first().map(String::as_str), code.get(1)) {
            self.highest(number.parse().map_err(|_| "HIGHESTMODSEQ without a number")?)?;
        }
        let Some(selected) = &mut self.selected else { return Ok(()) };
        let read = std::mem::take(&mut selected.read);
        selected.resume_from = selected.told.take().unwrap_or(selected.resume_from.max(read));
        if let (Some(cache), Some(Asked::Select { .. }), "OK") = (&self.resyncs, asked, condition) {
            // What went while SELECT was answered is counted still.
            let counted = |uid: &u32| selected.entries.iter().any(|entry| entry.uid == *uid);
            if let Some(uid) = cache.flags.keys().find(|uid| !counted(uid)) {
                return Err(format!("nobody told that UID {uid} is gone (RFC 7162 §3.2.5.1)"));
            }
        }
        Ok(())
    }

    /// A STORE with `.SILENT` was done: the client reckons what becomes of the flags that it knew (RFC 3501 §6.4.6).
    pub(super) fn reckons(&mut self, uids: &[u32], change: impl Fn(&mut Flags)) {
        for entry in self.selected.iter_mut().flat_map(|selected| &mut selected.entries) {
            if let (Some(flags), true) = (&mut entry.flags, uids.contains(&entry.uid)) {
                change(flags);
            }
        }
    }

    /// Everything was told: what it believes is true. With `owed`, expunges may have been held back.
    pub(super) fn is_right(&self, truth: &Truth, owed: bool) -> Check {
        if let Some(account) = self.account.as_ref().filter(|account| account.listens) {
            account.is_right(truth, false)?;
        }
        let owed = owed && !self.listens();
        let Some(selected) = &self.selected else { return Ok(()) };
        let Some(mailbox) = truth.mailboxes.get(&selected.id) else { return Ok(()) };
        let mut believed = selected.entries.iter();
        for message in &mailbox.messages {
            let entry = loop {
                match believed.next() {
                    Some(entry) if entry.uid == message.uid => break entry,
                    Some(entry) if owed && mailbox.get(entry.uid).is_none() => {}
                    Some(entry) => return Err(format!("UID {} is counted, and gone", entry.uid)),
                    None => return Err(format!("UID {} was not told", message.uid)),
                }
            };
            if let Some(flags) = &entry.flags
                && without_recent(flags) != message.flags
            {
                let uid = message.uid;
                return Err(format!("UID {uid} is believed to be {flags:?}, and is {:?}", message.flags));
            }
        }
        if let Some(entry) = believed.next().filter(|_| !owed) {
            return Err(format!("UID {} is counted, and gone", entry.uid));
        }
        if let (Some(told), true) = (selected.recent, selected.entries.iter().all(|entry| entry.flags.is_some())) {
            let recent = |entry: &&Entry| entry.flags.as_ref().is_some_and(|flags| flags.contains("\\Recent"));
            let counted = selected.entries.iter().filter(recent).count();
            // What was kept from another connection knows nothing of this one's.
            if self.caches.is_empty() && counted != told as usize {
                return Err(format!("RECENT {told}, but {counted} messages are"));
            }
        }
        Ok(())
    }
}

/// What is the same in every session.
pub(super) fn without_recent(flags: &Flags) -> Flags {
    flags.iter().filter(|flag| *flag != "\\Recent").cloned().collect()
}

fn is_gone(truth: &Truth, id: u32, uid: u32) -> Check {
    match truth.mailboxes.get(&id).and_then(|mailbox| mailbox.get(uid)) {
        Some(_) => Err(format!("UID {uid} was told to be gone, and is there")),
        None => Ok(()),
    }
}
