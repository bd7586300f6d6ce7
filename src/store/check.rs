//! `postbell check`: reads all of a store, and says what is wrong with it.
//!
//! It verifies every checksum of the journal, replays the journal from nothing, and compares what comes out with what the
//! index says. It changes nothing, unless it is asked to make the index anew.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::disk::RealDisk;
use super::index::Index;
use super::journal::Journal;
use super::journal::record::{HeadRecord, Record};
use super::journal::segment::{Scan, Scanned};
use super::open::{Layout, OpenError, Unusable, from_index, open_state, rebuilt, refused};
use super::state::State;
use super::{BodyId, MailboxId, Message, Options, Store};

/// What a check found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Journal segments.
    pub segments: u64,
    /// Records in them.
    pub records: u64,
    /// Octets of all bodies that were read and verified.
    pub body_octets: u64,
    /// Accounts.
    pub accounts: u64,
    /// Mailboxes.
    pub mailboxes: u64,
    /// Messages, each counted in each mailbox that it stands in.
    pub messages: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// The index was made anew.
    pub rebuilt: bool,
}

/// Something that is wrong with a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A segment has no whole header and nothing behind it: a crash ended it before it began, and nothing is lost.
    SegmentHeader(String),
    /// Octets that are no record, with records behind them: what stood there is lost.
    LostRecords {
        /// The segment.
        segment: u32,
        /// The first octet.
        from: u64,
        /// The octet behind the last.
        to: u64,
    },
    /// A body does not match its checksum: these messages can't be read.
    DamagedBody {
        /// Which body.
        body: BodyId,
        /// Where it is seen: account, mailbox, UID.
        seen: Vec<(String, String, u32)>,
    },
    /// The index can't be used; it is made anew when the store is opened.
    UnusableIndex(String),
    /// Index and journal differ; the journal is right, `--rebuild` makes the index follow.
    IndexDiffers(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::SegmentHeader(path) => write!(f, "{path}: the segment has no whole header and is passed over"),
            Finding::LostRecords { segment, from, to } => {
                write!(f, "segment {segment}: octets {from} to {to} hold no record; what stood there is lost")
            }
            Finding::DamagedBody { body, seen } => {
                write!(f, "body {body} does not match its checksum")?;
                for (account, mailbox, uid) in seen {
                    write!(f, "; seen as UID {uid} in {mailbox} of {account}")?;
                }
                Ok(())
            }
            Finding::UnusableIndex(reason) => write!(f, "the index can't be used ({reason}); opening makes it anew"),
            Finding::IndexDiffers(what) => write!(f, "the index differs from the journal: {what}"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "read {} records in {} segments, {} octets of mail: {} messages in {} mailboxes of {} accounts",
            self.records, self.segments, self.body_octets, self.messages, self.mailboxes, self.accounts
        )?;
        for finding in &self.findings {
            writeln!(f, "  {finding}")?;
        }
        if self.rebuilt {
            writeln!(f, "the index was made anew from the journal")?;
        }
        match self.findings.len() {
            0 => write!(f, "nothing is wrong"),
            1 => write!(f, "1 thing is wrong"),
            count => write!(f, "{count} things are wrong"),
        }
    }
}

impl Store {
    /// Whether `dir` holds a store, whole or not: its journal is there.
    pub fn is_in(dir: &Path) -> bool {
        Layout::new(dir).journal().is_dir()
    }

    /// Verifies the store in `dir`, which nobody has open; with `rebuild`, makes its index anew afterwards. Blocks, for as
    /// long as it takes to read all of it.
    ///
    /// Errors: the store is in use, can't be read, or is of another version. What is wrong inside is in the report.
    pub fn check(dir: &Path, rebuild: bool) -> Result<Report, OpenError> {
        // Nothing is made in a folder that was named by mistake.
        if !Store::is_in(dir) {
            return Err(OpenError::Refused(format!("there is no store in {}", dir.display())));
        }
        let layout = Layout::new(dir);
        let _lock = layout.lock()?;
        let segment_octets = Options::default().segment_octets;
        let (journal, never_whole) =
            Journal::open(Arc::new(RealDisk), &layout.journal(), segment_octets).map_err(refused)?;
        let mut report = Report::default();
        report
            .findings
            .extend(never_whole.iter().map(|error| Finding::SegmentHeader(error.path.display().to_string())));
        let damaged_bodies = verify_journal(&journal, &mut report)?;
        compare(&layout, &journal, &damaged_bodies, &mut report)?;
        if rebuild {
            open_state(Arc::new(RealDisk), &layout, segment_octets, true)?;
            report.rebuilt = true;
        }
        Ok(report)
    }
}

/// Reads every octet of the journal; returns the bodies that are damaged.
fn verify_journal(journal: &Journal, report: &mut Report) -> Result<HashSet<BodyId>, OpenError> {
    let mut damaged = HashSet::new();
    for segment in journal.segments() {
        report.segments += 1;
        let mut scan = Scan::new(Arc::clone(&segment), None);
        while let Some(scanned) = scan.next().map_err(refused)? {
            match scanned {
                Scanned::Record(found) => {
                    report.records += 1;
                    let Record::Delivery(delivery) = &found.record else { continue };
                    let body = journal.read(&segment, found.place.body_offset(), found.place.body_len as usize);
                    report.body_octets += u64::from(found.place.body_len);
                    if !body.is_ok_and(|octets| crc32c::crc32c(&octets) == found.body_crc) {
                        damaged.insert(delivery.body);
                    }
                }
                Scanned::Damage { from, to } => {
                    report.findings.push(Finding::LostRecords { segment: segment.number, from, to });
                }
                // A commit that a crash cut off: it was never answered.
                Scanned::Tail => {}
            }
        }
    }
    Ok(damaged)
}

/// Replays the journal from nothing, and compares the index with it.
fn compare(
    layout: &Layout,
    journal: &Arc<Journal>,
    damaged_bodies: &HashSet<BodyId>,
    report: &mut Report,
) -> Result<(), OpenError> {
    let scratch = tempfile::tempdir().map_err(refused)?;
    let index = Index::open(scratch.path()).map_err(refused)?;
    let (truth, _) = rebuilt(index, journal)?;
    let truth_mailboxes = contents(&truth).map_err(refused)?;
    report.accounts = truth.directory().accounts().count() as u64;
    report.mailboxes = truth_mailboxes.len() as u64;
    let mut seen: BTreeMap<BodyId, Vec<(String, String, u32)>> = BTreeMap::new();
    for (head, messages) in truth_mailboxes.values() {
        report.messages += messages.len() as u64;
        for message in messages.iter().filter(|message| damaged_bodies.contains(&message.body)) {
            let account = truth.directory().account(head.account).map(|entry| entry.account.name.clone());
            let at = (account.unwrap_or_default(), head.name.clone(), message.uid);
            seen.entry(message.body).or_default().push(at);
        }
    }
    report.findings.extend(seen.into_iter().map(|(body, seen)| Finding::DamagedBody { body, seen }));

    if !layout.index().exists() {
        report.findings.push(Finding::UnusableIndex("it is not there".to_owned()));
        return Ok(());
    }
    let served = match from_index(layout, journal) {
        Ok((served, _)) => served,
        Err(Unusable::Index(_)) if report.records == 0 => return Ok(()),
        Err(Unusable::Index(reason)) => {
            report.findings.push(Finding::UnusableIndex(reason));
            return Ok(());
        }
        Err(Unusable::Journal(reason)) => return Err(OpenError::Refused(reason)),
    };
    match contents(&served) {
        Ok(mailboxes) => differences(&truth, &truth_mailboxes, &served, &mailboxes, report),
        Err(error) => report.findings.push(Finding::UnusableIndex(error.to_string())),
    }
    Ok(())
}

type Contents = BTreeMap<MailboxId, (HeadRecord, Vec<Message>)>;

fn contents(state: &State) -> Result<Contents, super::Error> {
    let mailboxes: Vec<_> = state.directory().mailboxes().cloned().collect();
    let mut contents = BTreeMap::new();
    for mailbox in mailboxes {
        state.load_messages(&mailbox)?;
        let data = mailbox.read();
        let mut head = data.head.clone();
        // The journal does not say which messages were told as recent, nor when the history was trimmed; and where the last
        // state stands is not the mailbox's content.
        (head.first_recent_uid, head.history_from, head.stated) = (0, 0, None);
        let chunks = data.messages.iter().flat_map(|messages| messages.chunks.iter());
        let messages = chunks.flat_map(|chunk| chunk.messages.iter().copied()).collect();
        contents.insert(mailbox.id(), (head, messages));
    }
    Ok(contents)
}

fn differences(truth: &State, right: &Contents, served: &State, shown: &Contents, report: &mut Report) {
    let mut differs = |what: String| report.findings.push(Finding::IndexDiffers(what));
    for (id, (head, messages)) in right {
        let name = format!("mailbox {} ({id})", head.name);
        match shown.get(id) {
            None => differs(format!("{name} is missing")),
            Some((shown_head, _)) if shown_head != head => differs(format!("{name} has another head")),
            Some((_, shown_messages)) if shown_messages != messages => differs(format!("{name} has other messages")),
            Some(_) => {}
        }
        for message in messages {
            let place = |state: &State| state.bodies().get(message.body, &mut state.index.lookup()).ok().flatten();
            let (right, shown) = (place(truth), place(served));
            let same = match (right, shown) {
                // Where a body stands twice, after an interrupted compaction, both places are right.
                (Some(right), Some(shown)) => right.references == shown.references,
                (right, shown) => right == shown,
            };
            if !same {
                differs(format!("the body of UID {} in {name} is counted or placed otherwise", message.uid));
            }
        }
    }
    for (id, (head, _)) in shown.iter().filter(|(id, _)| !right.contains_key(id)) {
        differs(format!("mailbox {} ({id}) was deleted", head.name));
    }
    let accounts = |state: &State| {
        let mut accounts: Vec<_> = state.directory().accounts().map(|entry| entry.record()).collect();
        accounts.sort_by_key(|account| account.account);
        accounts
    };
    if accounts(truth) != accounts(served) {
        differs("the accounts are others".to_owned());
    }
    let quotas = |state: &State| {
        let mut quotas: Vec<_> = state.directory().quotas().collect();
        quotas.sort_by_key(|(account, _)| *account);
        quotas
    };
    if quotas(truth) != quotas(served) {
        differs("the quotas are others".to_owned());
    }
    let scripts = |state: &State| {
        let directory = state.directory();
        let mut scripts: Vec<_> = directory.scripts().map(|(account, script)| (account, Arc::clone(script))).collect();
        scripts.sort();
        scripts
    };
    if scripts(truth) != scripts(served) {
        differs("the scripts are others".to_owned());
    }
    if truth.directory().aliases() != served.directory().aliases() {
        differs("the aliases are others".to_owned());
    }
    let metadata = |state: &State| {
        let directory = state.directory();
        let of_accounts =
            directory.all_metadata().map(|(account, metadata)| (account, metadata.record(account).entries));
        // One that never had any is like one that has none left.
        let mut of_accounts: Vec<_> = of_accounts.filter(|(_, entries)| !entries.is_empty()).collect();
        of_accounts.sort_by_key(|(account, _)| *account);
        of_accounts
    };
    if metadata(truth) != metadata(served) {
        differs("the metadata is another".to_owned());
    }
}
