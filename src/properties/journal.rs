//! Records of the journal, and finding them in a damaged segment.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::{Choice, seeds};
use crate::store::disk::DiskFile;
use crate::store::journal::record::{ALIGNMENT, Delivery, DeliveryPlace, Expunge, FlagsChange, Header, Record};
use crate::store::journal::segment::{HeaderError, Purpose, SEGMENT_HEADER_OCTETS, Scan, Scanned, Segment};
use crate::store::{AccountId, BodyId, CommitSeq, Date, Flags, MailboxId, UidSet};

const STORE: [u8; 16] = *b"a store's own id";
const SALT: u64 = 0x05ee_d0fa_5e67;

/// A file that only this process knows.
#[derive(Debug)]
struct Memory(Vec<u8>);

impl DiskFile for Memory {
    fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<()> {
        Err(io::Error::other("read only"))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = self.0.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
}

/// Octets that can be read as a record are written as one that is read as the same; and so is its header, at its place in its
/// segment and nowhere else.
pub(super) fn record_is_what_was_written(octets: &[u8]) {
    let Ok(record) = postcard::from_bytes::<Record>(octets) else { return };
    let meta = postcard::to_stdvec(&record).expect("a record can be written");
    assert_eq!(postcard::from_bytes::<Record>(&meta), Ok(record));
    let header = header(7, &meta, b"cache", b"body");
    let written = header.encode(SALT, 64, &meta);
    let (read, crc) = Header::decode(&written, SALT, 64).expect("a header is read where it was written");
    assert_eq!(read, header);
    assert!(Header::is_intact(&written, crc, SALT, 64, &meta));
    assert!(Header::decode(&written, SALT, 72).is_none() && Header::decode(&written, SALT + 1, 64).is_none());
}

fn header(commit_seq: CommitSeq, meta: &[u8], cache: &[u8], body: &[u8]) -> Header {
    let length = |octets: &[u8]| octets.len() as u32;
    Header {
        commit_seq,
        meta_len: length(meta),
        cache_len: length(cache),
        body_len: length(body),
        cache_crc: crc32c::crc32c(cache),
        body_crc: crc32c::crc32c(body),
    }
}

/// A record that was written, and the octets of its segment that it takes.
#[derive(Debug)]
struct Written {
    place: Range<usize>,
    commit_seq: CommitSeq,
    record: Record,
}

/// - A scan of any octets ends. It finds records that were written and no others, each where and what it was, in their order.
/// - It finds each whose octets are as they were written, whatever became of those between them, as long as one of the two
///   copies of the segment's header is whole.
/// - No body can pass for a record, whatever it holds: its writer does not know the salt.
pub(super) fn scan_invents_nothing(input: &[u8]) {
    let (choice, octets) = Choice::of(input);
    let salt = salt_for(octets);
    let mut file = Segment::encode_header(&STORE, 1, salt, Purpose::Commits).to_vec();
    let mut written = Vec::new();
    if choice.has(0) {
        file.extend_from_slice(octets);
    }
    // Half of the octets are what is stored, the other half what becomes of it.
    let (stored, changes) = octets.split_at(octets.len() / 2);
    for (commit_seq, piece) in (1..).zip(stored.chunks(48)) {
        written.push(append(&mut file, salt, commit_seq, piece));
    }
    let original = file.clone();
    changes.chunks_exact(4).for_each(|change| damage(&mut file, change));
    let segment = match Segment::read_header(Arc::new(Memory(file.clone())), Some(&STORE)) {
        Ok((segment, id)) => {
            assert_eq!((segment.number, segment.salt, id), (1, salt, STORE));
            segment
        }
        Err(HeaderError::NeverWhole | HeaderError::Damaged) => {
            let copies = [0..SEGMENT_HEADER_OCTETS / 2, SEGMENT_HEADER_OCTETS / 2..SEGMENT_HEADER_OCTETS];
            assert!(copies.into_iter().all(|copy| file.get(copy.clone()) != original.get(copy)), "a copy is whole");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let mut scan = Scan::new(Arc::new(segment), None);
    let mut found = Vec::new();
    while let Some(scanned) = scan.next().expect("what has its checksum was written") {
        match scanned {
            Scanned::Record(record) => found.push(record),
            Scanned::Damage { from, to } => assert!(from < to),
            Scanned::Tail => assert!(scan.offset() >= file.len() as u64, "something is behind the tail"),
        }
    }
    let mut found = found.into_iter().peekable();
    for Written { place, commit_seq, record } in written {
        match found.next_if(|found| found.place.offset as usize == place.start) {
            Some(found) => assert_eq!((found.commit_seq, &found.record), (commit_seq, &record)),
            None => assert!(file.get(place.clone()) != original.get(place.clone()), "{record:?} at {place:?} is lost"),
        }
    }
    assert!(found.peek().is_none(), "{:?} was never written there", found.next());
}

/// A salt that whoever wrote these octets can't have known.
fn salt_for(octets: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    octets.hash(&mut hasher);
    hasher.finish()
}

fn append(file: &mut Vec<u8>, salt: u64, commit_seq: CommitSeq, piece: &[u8]) -> Written {
    let record = postcard::from_bytes(piece).unwrap_or(Record::RemoveAccount(AccountId(7)));
    let meta = postcard::to_stdvec(&record).expect("a record can be written");
    // A body with a record in it, of which nothing is wrong but that it is not where it says.
    let body = [&header(99, &meta, b"", b"").encode(salt, 0, &meta)[..], &meta, piece].concat();
    let start = file.len().next_multiple_of(ALIGNMENT as usize);
    file.resize(start, 0);
    file.extend_from_slice(&header(commit_seq, &meta, b"cache", &body).encode(salt, start as u64, &meta));
    file.extend_from_slice(&meta);
    file.extend_from_slice(b"cache");
    file.extend_from_slice(&body);
    file.resize(file.len().next_multiple_of(ALIGNMENT as usize), 0);
    Written { place: start..file.len(), commit_seq, record }
}

/// What a disk may do: turn bits, lose a run of octets, lose the end.
fn damage(file: &mut Vec<u8>, change: &[u8]) {
    let [kind, high, low, how] = change else { return };
    let at = usize::from(u16::from_be_bytes([*high, *low])) % (file.len() + 1);
    match kind % 8 {
        0 => file.truncate(at.max(SEGMENT_HEADER_OCTETS)),
        1..4 => {
            let end = file.len().min(at + usize::from(*how));
            file[at..end].fill(0);
        }
        _ => file.iter_mut().skip(at).take(1).for_each(|octet| *octet ^= how),
    }
}

/// The form of some records, each of another kind.
pub(super) fn records() -> Vec<Vec<u8>> {
    let account = AccountId(3);
    let mailbox = MailboxId(5);
    let uids: UidSet = [1, 2, 3, 9].into_iter().collect();
    let place =
        DeliveryPlace { account, mailbox, uid: 4, mod_seq: 8, flags: Flags::NONE, new_keywords: vec!["$x".into()] };
    let records = [
        Record::RemoveAccount(account),
        Record::Delivery(Delivery {
            body: BodyId(6),
            internal_date: Date { unix_s: 1_700_000_000, offset_min: -90 },
            save_date_unix_s: 1_700_000_000,
            places: vec![place.clone(), place],
        }),
        Record::Flags(FlagsChange {
            account,
            mailbox,
            uids: uids.clone(),
            clear: Flags(1),
            set: Flags(6),
            new_keywords: Vec::new(),
            mod_seq: 300,
        }),
        Record::Expunge(Expunge { account, mailbox, uids, mod_seq: 9, unix_s: -1 }),
        Record::SetQuota(account, None),
        Record::SetScript(account, Some("keep;".into())),
        Record::SetAlias("a@example.com".into(), None),
    ];
    records.iter().map(|record| postcard::to_stdvec(record).expect("a record can be written")).collect()
}

pub(super) fn segments() -> Vec<Vec<u8>> {
    let pieces: Vec<Vec<u8>> =
        records().into_iter().map(|record| [record, vec![0; 48]].concat()[..48].to_vec()).collect();
    let stored = pieces.concat();
    let whole = vec![0xff; 0];
    let turned = [[4, 0, 200, 1], [5, 1, 100, 0x80]].concat();
    let lost = [[1, 0, 10, 30], [2, 1, 0, 90], [0, 2, 0, 0]].concat();
    let inputs: Vec<Vec<u8>> = [whole, turned, lost]
        .into_iter()
        .map(|mut changes| {
            // A change that changes nothing.
            while changes.len() < stored.len() {
                changes.extend([4, 0, 0, 0]);
            }
            [&stored[..], &changes[..stored.len()]].concat()
        })
        .collect();
    seeds::with_choices(&[0, 1], &inputs)
}
