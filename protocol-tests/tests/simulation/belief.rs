//! What an IMAP client believes of its mailbox, by what it was told alone, and whether that is so.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use postbell::store::{Flags, Head, OpenMailbox};
use protocol_tests::imap::value::{Kind, Response, Value};
use tokio::time::Instant;

use super::network::Health;
use super::truth::{Place, Truth, number};

/// What a client uses beyond RFC 3501.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// RFC 9051.
    pub(crate) rev2: bool,
    /// RFC 7162 §3.1.
    pub(crate) condstore: bool,
    /// RFC 7162 §3.2; it comes back with what it knows.
    pub(crate) qresync: bool,
    /// RFC 5465.
    pub(crate) notify: bool,
}

/// A message, as the client counts it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) uid: Option<u32>,
    pub(crate) flags: Option<BTreeSet<String>>,
    pub(crate) letter: Option<u32>,
}

/// What is kept of a mailbox from one connection to the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cache {
    pub(crate) uid_validity: u64,
    pub(crate) mod_seq: u64,
    pub(crate) messages: BTreeMap<u32, Entry>,
}

/// The mailbox that is selected.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selected {
    pub(crate) mailbox: String,
    pub(crate) entries: Vec<Entry>,
    uid_validity: u64,
    /// From where to ask next time (RFC 7162 §6): it moves with tagged answers.
    resume_from: u64,
    /// Told and read since the last tagged answer.
    told: Option<u64>,
    read: u64,
    /// While SELECT with QRESYNC is answered: what of the cache was not told to be gone.
    resyncs: Option<BTreeMap<u32, Entry>>,
}

/// A client's mind.
#[derive(Debug)]
pub(crate) struct Belief {
    pub(crate) who: String,
    pub(crate) seat: usize,
    pub(crate) user: String,
    pub(crate) dialect: Dialect,
    pub(crate) selected: Option<Selected>,
    pub(crate) caches: BTreeMap<String, Cache>,
    /// Since when it does nothing but listen.
    pub(crate) listens_since: Option<Instant>,
    /// Of its connection.
    pub(crate) health: Option<Rc<Health>>,
    /// MESSAGES and UIDNEXT of the mailboxes that it was told of by STATUS, where it used NOTIFY.
    pub(crate) statuses: BTreeMap<String, (u64, u64)>,
}

type Check = Result<(), String>;

impl Belief {
    pub(crate) fn new(who: String, seat: usize, user: String, dialect: Dialect) -> Self {
        Self {
            who,
            seat,
            user,
            dialect,
            selected: None,
            caches: BTreeMap::new(),
            listens_since: None,
            health: None,
            statuses: BTreeMap::new(),
        }
    }

    fn place(&self) -> Option<Place> {
        Some((self.user.clone(), self.selected.as_ref()?.mailbox.clone()))
    }

    /// The connection is over: what is worth keeping is kept.
    pub(crate) fn is_alone(&mut self) {
        self.leaves();
        (self.listens_since, self.health) = (None, None);
        self.statuses.clear();
    }

    /// The mailbox is left.
    pub(crate) fn leaves(&mut self) {
        let Some(selected) = self.selected.take().filter(|_| self.dialect.qresync) else { return };
        // Of a message that it has not been told all of it keeps nothing; and nothing at all before the mailbox was opened,
        // or while it would miss something.
        let is_whole = selected.entries.iter().all(|entry| entry.uid.is_some() && entry.flags.is_some());
        if selected.uid_validity == 0 || selected.resume_from == 0 || selected.resyncs.is_some() || !is_whole {
            return;
        }
        let Selected { mailbox, entries, uid_validity, resume_from: mod_seq, .. } = selected;
        let messages = entries.into_iter().filter_map(|entry| Some((entry.uid?, entry)));
        self.caches.insert(mailbox, Cache { uid_validity, mod_seq, messages: messages.collect() });
    }

    /// SELECT goes out, with this in its QRESYNC parameter.
    pub(crate) fn selects(&mut self, mailbox: &str, resyncs: Option<Cache>) {
        let resume_from = resyncs.as_ref().map_or(0, |cache| cache.mod_seq);
        let resyncs = resyncs.map(|cache| cache.messages);
        self.selected = Some(Selected { mailbox: mailbox.to_owned(), resume_from, resyncs, ..Selected::default() });
    }

    /// SELECT was answered with OK: what it said and what was known before make the whole mailbox.
    pub(crate) fn has_selected(&mut self) -> Check {
        let Some(selected) = &mut self.selected else { return Ok(()) };
        let Some(mut known) = selected.resyncs.take() else { return Ok(()) };
        let told = selected.entries.iter().filter_map(|entry| Some((entry.uid?, entry.clone())));
        for (uid, entry) in told.collect::<Vec<_>>() {
            let letter = known.get(&uid).and_then(|known| known.letter);
            known.insert(uid, Entry { letter: entry.letter.or(letter), ..entry });
        }
        if known.len() != selected.entries.len() {
            let uids: Vec<u32> = known.keys().copied().collect();
            let counted = selected.entries.len();
            return Err(format!("after QRESYNC it knows of {uids:?}, and EXISTS said {counted} (RFC 7162 §3.2.5)"));
        }
        for (entry, (uid, known)) in selected.entries.iter_mut().zip(known) {
            if entry.uid.is_some_and(|told| told != uid) {
                return Err(format!("after QRESYNC UID {uid} stands where {:?} was told", entry.uid));
            }
            *entry = known;
        }
        Ok(())
    }

    /// Takes in a response; says whether something new is in the mailbox.
    pub(crate) fn hears(&mut self, response: &Response, truth: &mut Truth) -> Result<bool, String> {
        let code = response.values.get(1).and_then(|value| match value {
            Value::Code(values) => Some((text(values.first()?).to_ascii_uppercase(), values.get(1).map(text)?)),
            _ => None,
        });
        if let Some((name, value)) = code
            && let Ok(value) = value.parse::<u64>()
        {
            self.code(&name, value, truth)?;
        }
        match &response.kind {
            Kind::Tagged(_) => {
                if let Some(selected) = &mut self.selected {
                    let read = std::mem::take(&mut selected.read);
                    selected.resume_from = selected.told.take().unwrap_or(selected.resume_from.max(read));
                }
                return Ok(false);
            }
            Kind::Continuation => return Ok(false),
            Kind::Untagged => {}
        }
        let (first, second) = (response.word(0).unwrap_or_default(), response.word(1).unwrap_or_default());
        match (first.as_str(), second.as_str()) {
            ("VANISHED", _) => self.vanished(response),
            ("STATUS", _) => self.status(response),
            (number, what) => match (number.parse::<usize>(), what) {
                (Ok(number), "EXISTS") => self.exists(number),
                (Ok(number), "EXPUNGE") => self.expunge(number),
                (Ok(number), "FETCH") => self.fetch(number, response, truth),
                _ => Ok(false),
            },
        }
    }

    fn open(&mut self) -> Result<&mut Selected, String> {
        self.selected.as_mut().ok_or_else(|| "it has no mailbox".to_owned())
    }

    fn code(&mut self, name: &str, value: u64, truth: &mut Truth) -> Check {
        match name {
            "UIDVALIDITY" if self.selected.is_some() => {
                self.open()?.uid_validity = value;
                self.place().map_or(Ok(()), |place| truth.has_uid_validity(&place, value))
            }
            "HIGHESTMODSEQ" if self.selected.is_some() => {
                self.open()?.told = Some(value);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn exists(&mut self, count: usize) -> Result<bool, String> {
        let entries = &mut self.open()?.entries;
        if count < entries.len() {
            return Err(format!("EXISTS fell from {} to {count}", entries.len()));
        }
        let is_new = count > entries.len();
        entries.resize_with(count, Entry::default);
        Ok(is_new)
    }

    fn expunge(&mut self, number: usize) -> Result<bool, String> {
        let entries = &mut self.open()?.entries;
        if number == 0 || number > entries.len() {
            return Err(format!("EXPUNGE {number} of {}", entries.len()));
        }
        entries.remove(number - 1);
        Ok(false)
    }

    fn vanished(&mut self, response: &Response) -> Result<bool, String> {
        let is_earlier = matches!(response.values.get(1), Some(Value::List(_)));
        let uids = uids(&response.values.last().map(text).unwrap_or_default()).ok_or("VANISHED without UIDs")?;
        let selected = self.open()?;
        for uid in uids {
            if let Some(known) = &mut selected.resyncs {
                known.remove(&uid);
            }
            if is_earlier {
                continue;
            }
            let known = selected.entries.iter().position(|entry| entry.uid == Some(uid));
            // One that it has counted, and not looked at: it stands before those with higher UIDs.
            let above = selected.entries.iter().position(|entry| entry.uid.is_some_and(|known| known > uid));
            let below = &selected.entries[..above.unwrap_or(selected.entries.len())];
            let unknown = below.iter().rposition(|entry| entry.uid.is_none());
            let at = known.or_else(|| unknown.filter(|at| below[*at..].iter().all(|entry| entry.uid.is_none())));
            selected.entries.remove(at.ok_or(format!("VANISHED {uid}, which it does not know"))?);
        }
        Ok(false)
    }

    fn status(&mut self, response: &Response) -> Result<bool, String> {
        let (Some(name), Some(Value::List(items))) = (response.values.get(1), response.values.get(2)) else {
            return Err("a STATUS without items".into());
        };
        let known = self.statuses.entry(text(name)).or_insert((u64::MAX, u64::MAX));
        for pair in items.chunks_exact(2) {
            let value = text(&pair[1]).parse::<u64>();
            match (text(&pair[0]).to_ascii_uppercase().as_str(), value) {
                ("MESSAGES", Ok(value)) => known.0 = value,
                ("UIDNEXT", Ok(value)) => known.1 = value,
                _ => {}
            }
        }
        Ok(false)
    }

    fn fetch(&mut self, at: usize, response: &Response, truth: &mut Truth) -> Result<bool, String> {
        let Some(Value::List(items)) = response.values.get(2) else { return Err("a FETCH without items".into()) };
        let (place, reader) = (self.place(), self.user.clone());
        let selected = self.open()?;
        let count = selected.entries.len();
        let entry = at.checked_sub(1).and_then(|at| selected.entries.get_mut(at));
        let entry = entry.ok_or(format!("FETCH {at} of {count}"))?;
        let mut body = None;
        for pair in items.chunks_exact(2) {
            match text(&pair[0]).to_ascii_uppercase().as_str() {
                "UID" => {
                    let uid = text(&pair[1]).parse().map_err(|_| "a UID that is none")?;
                    if entry.uid.is_some_and(|known| known != uid) {
                        return Err(format!("number {at} is UID {:?}, and UID {uid} was told", entry.uid));
                    }
                    entry.uid = Some(uid);
                }
                "FLAGS" => {
                    let Value::List(flags) = &pair[1] else { return Err("FLAGS without a list".into()) };
                    entry.flags = Some(flags.iter().map(text).filter(|flag| flag != "\\Recent").collect());
                }
                "MODSEQ" => {
                    let mod_seq = text(&pair[1]).parse().map_err(|_| "a MODSEQ that is none")?;
                    selected.read = selected.read.max(mod_seq);
                }
                "BODY[]" => body = Some(octets(&pair[1])),
                name if name.starts_with("BODY[HEADER") => {
                    entry.letter = Some(number(octets(&pair[1])).ok_or("a header without a number")?);
                }
                _ => {}
            }
        }
        if let Some(body) = body {
            let letter = number(body).ok_or("a message without a number")?;
            truth.reads(letter, &reader, body)?;
            entry.letter = Some(letter);
        }
        if let (Some(place), Some(uid), Some(letter)) = (place, entry.uid, entry.letter) {
            truth.is(&place, uid, letter)?;
        }
        let uids: Vec<u32> = selected.entries.iter().filter_map(|entry| entry.uid).collect();
        match uids.is_sorted_by(|one, next| one < next) {
            true => Ok(false),
            false => Err(format!("UIDs do not ascend: {uids:?} (RFC 3501 §2.3.1.1)")),
        }
    }

    /// Whether it has done nothing but listen for as long as this, and nothing has kept anything back.
    pub(crate) fn is_attentive(&self, lately: Duration) -> bool {
        self.listens_since.is_some_and(|since| since.elapsed() >= lately)
            && self.health.as_ref().is_some_and(|health| health.is_good_for(lately))
    }

    /// Whether it believes of this mailbox what is so; `None`: it believes nothing of it.
    pub(crate) fn is_right_of(&self, place: &Place, mailbox: &OpenMailbox) -> Option<Check> {
        if self.user != place.0 {
            return None;
        }
        if let Some(selected) = self.selected.as_ref().filter(|selected| selected.mailbox == place.1) {
            return Some(selected.is_right(mailbox));
        }
        let (messages, uid_next) = *self.statuses.get(&place.1)?;
        let head = mailbox.head();
        Some(match (messages, uid_next) == (u64::from(head.exists), u64::from(head.uid_next)) {
            true => Ok(()),
            false => Err(format!(
                "{} has {} messages and UIDNEXT {}; its last STATUS said {messages} and {uid_next}",
                place.1, head.exists, head.uid_next
            )),
        })
    }
}

impl Selected {
    fn is_right(&self, mailbox: &OpenMailbox) -> Check {
        let snapshot = mailbox.snapshot();
        let messages = mailbox.messages(&snapshot.uids);
        let there: Vec<u32> = messages.iter().map(|message| message.uid).collect();
        let believed: Vec<Option<u32>> = self.entries.iter().map(|entry| entry.uid).collect();
        let wrong = || format!("in {} are {there:?}; it believes in {believed:?}", self.mailbox);
        if self.entries.len() != messages.len() {
            return Err(wrong());
        }
        for (entry, message) in self.entries.iter().zip(&messages) {
            if entry.uid.is_some_and(|uid| uid != message.uid) {
                return Err(wrong());
            }
            let flags = names(message.flags, &snapshot.head);
            if entry.flags.as_ref().is_some_and(|believed| *believed != flags) {
                let (uid, believed) = (message.uid, &entry.flags);
                return Err(format!("UID {uid} of {} is {flags:?}; it believes {believed:?}", self.mailbox));
            }
        }
        Ok(())
    }
}

/// Flags as clients name them.
fn names(flags: Flags, head: &Head) -> BTreeSet<String> {
    let system = [
        (Flags::SEEN, "\\Seen"),
        (Flags::ANSWERED, "\\Answered"),
        (Flags::FLAGGED, "\\Flagged"),
        (Flags::DELETED, "\\Deleted"),
        (Flags::DRAFT, "\\Draft"),
    ];
    let system = system.into_iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| name.to_owned());
    system.chain(flags.keywords().map(|index| head.keywords[index].clone())).collect()
}

/// The UIDs of a set without `*`.
fn uids(set: &str) -> Option<Vec<u32>> {
    let mut uids = Vec::new();
    for range in set.split(',') {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        uids.extend(first.min(last)..=first.max(last));
    }
    Some(uids)
}

fn octets(value: &Value) -> &[u8] {
    match value {
        Value::Atom(octets) | Value::Text(octets) => octets,
        Value::List(_) | Value::Code(_) => &[],
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Atom(octets) | Value::Text(octets) => String::from_utf8_lossy(octets).into_owned(),
        Value::List(values) | Value::Code(values) => values.iter().map(text).collect::<Vec<_>>().join(" "),
    }
}
