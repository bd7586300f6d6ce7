//! A segment: one append-only file of the journal, and reading what stands in it.
//!
//! A segment begins with 64 octets, twice: format version, number, the store's id, a random salt, and what it is for.
//! Segments of commits are written in the order of `commit_seq`; segments that compaction wrote hold records moved there with the
//! `commit_seq` they always had, also in order.

use std::io;
use std::sync::Arc;

use super::record::{ALIGNMENT, HEADER_OCTETS, Header, MAX_META_OCTETS, Record};
use crate::store::CommitSeq;
use crate::store::disk::DiskFile;

/// Octets of a segment's own header, both copies: no record of the segment can be verified without it.
pub(crate) const SEGMENT_HEADER_OCTETS: usize = 2 * COPY_OCTETS;
/// Octets of one copy.
const COPY_OCTETS: usize = 64;
/// The form of everything in a segment. A store of another version is refused, never changed.
pub(crate) const FORMAT_VERSION: u32 = 2;

const MAGIC: [u8; 8] = *b"Postbell";

/// One store's id, random: segments of another store are never taken for ours.
pub(crate) type StoreId = [u8; 16];

/// What a segment is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Commits as they happened.
    Commits,
    /// Live records of older segments.
    Compacted,
}

/// An open segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) number: u32,
    pub(crate) salt: u64,
    pub(crate) purpose: Purpose,
    pub(crate) file: Arc<dyn DiskFile>,
}

/// Where a record stands, and how it is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Place {
    pub(crate) segment: u32,
    pub(crate) offset: u32,
    pub(crate) meta_len: u32,
    pub(crate) cache_len: u32,
    pub(crate) body_len: u32,
}

impl Place {
    /// Octets of the whole record.
    pub(crate) fn record_octets(&self) -> u64 {
        let lens = u64::from(self.meta_len) + u64::from(self.cache_len) + u64::from(self.body_len);
        (HEADER_OCTETS as u64 + lens).next_multiple_of(ALIGNMENT)
    }

    pub(crate) fn cache_offset(&self) -> u64 {
        u64::from(self.offset) + HEADER_OCTETS as u64 + u64::from(self.meta_len)
    }

    pub(crate) fn body_offset(&self) -> u64 {
        self.cache_offset() + u64::from(self.cache_len)
    }
}

/// Why a segment's header can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeaderError {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// No copy of it is whole, and nothing stands behind it: a crash while it was made.
    #[error("its header was never written whole")]
    NeverWhole,
    /// No copy of it is whole, and records stand behind it: since they are written only after the header's sync, this is
    /// damage. To pass over it would lose its mail, and give its UIDs again.
    #[error(
        "its header is damaged, and without it the mail in it can't be read: put the file back from a backup, or move it away to go on without that mail"
    )]
    Damaged,
    #[error("its header says that it is segment {0}")]
    OtherNumber(u32),
    #[error("it has format version {0}, and this Postbell reads version {FORMAT_VERSION}")]
    OtherVersion(u32),
    #[error("it belongs to another store")]
    OtherStore,
}

impl Segment {
    /// The header as it stands in the file.
    pub(crate) fn encode_header(
        store: &StoreId,
        number: u32,
        salt: u64,
        purpose: Purpose,
    ) -> [u8; SEGMENT_HEADER_OCTETS] {
        let mut octets = [0; SEGMENT_HEADER_OCTETS];
        octets[0..8].copy_from_slice(&MAGIC);
        octets[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        octets[12..16].copy_from_slice(&number.to_le_bytes());
        octets[16..32].copy_from_slice(store);
        octets[32..40].copy_from_slice(&salt.to_le_bytes());
        octets[40] = match purpose {
            Purpose::Commits => 0,
            Purpose::Compacted => 1,
        };
        let crc = crc32c::crc32c(&octets[..60]);
        octets[60..64].copy_from_slice(&crc.to_le_bytes());
        octets.copy_within(..COPY_OCTETS, COPY_OCTETS);
        octets
    }

    /// Reads a segment's header. With `store`, a segment of another store is refused.
    pub(crate) fn read_header(
        file: Arc<dyn DiskFile>,
        store: Option<&StoreId>,
    ) -> Result<(Segment, StoreId), HeaderError> {
        let mut both = [0; SEGMENT_HEADER_OCTETS];
        let read = file.read_at(&mut both, 0)?;
        let is_whole = |octets: &&[u8]| {
            octets.len() == COPY_OCTETS
                && octets[0..8] == MAGIC
                && octets[60..64] == crc32c::crc32c(&octets[..60]).to_le_bytes()
        };
        let Some(octets) = both[..read].chunks(COPY_OCTETS).find(is_whole) else {
            let holds_records = file.len()? > SEGMENT_HEADER_OCTETS as u64;
            return Err(if holds_records { HeaderError::Damaged } else { HeaderError::NeverWhole });
        };
        let u32_at = |at: usize| u32::from_le_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
        if u32_at(8) != FORMAT_VERSION {
            return Err(HeaderError::OtherVersion(u32_at(8)));
        }
        let mut id = [0; 16];
        id.copy_from_slice(&octets[16..32]);
        if store.is_some_and(|store| *store != id) {
            return Err(HeaderError::OtherStore);
        }
        let salt = u64::from(u32_at(32)) | u64::from(u32_at(36)) << 32;
        let purpose = if octets[40] == 0 { Purpose::Commits } else { Purpose::Compacted };
        Ok((Segment { number: u32_at(12), salt, purpose, file }, id))
    }

    /// Reads the record at `offset`; `None` where no intact one begins.
    pub(crate) fn read_record(&self, offset: u64) -> Result<Option<Found>, ScanError> {
        // One read serves most records: their metadata is short.
        let mut start = [0; 512];
        let read = self.file.read_at(&mut start, offset)?;
        let Some(octets) = start[..read].first_chunk::<HEADER_OCTETS>() else { return Ok(None) };
        let Some((header, crc)) = Header::decode(octets, self.salt, offset) else { return Ok(None) };
        if header.meta_len > MAX_META_OCTETS {
            return Ok(None);
        }
        let meta_len = header.meta_len as usize;
        let meta = match start[..read].get(HEADER_OCTETS..HEADER_OCTETS + meta_len) {
            Some(meta) => meta.to_vec(),
            None => {
                if offset + HEADER_OCTETS as u64 + meta_len as u64 > self.file.len()? {
                    return Ok(None);
                }
                let mut meta = vec![0; meta_len];
                if self.file.read_at(&mut meta, offset + HEADER_OCTETS as u64)? < meta_len {
                    return Ok(None);
                }
                meta
            }
        };
        if !Header::is_intact(octets, crc, self.salt, offset, &meta) {
            return Ok(None);
        }
        let record = postcard::from_bytes(&meta).map_err(|error| ScanError::Unknown {
            segment: self.number,
            offset,
            reason: error.to_string(),
        })?;
        let offset = u32::try_from(offset).map_err(|_| io::Error::other("a segment is larger than 4 GiB"))?;
        let Header { commit_seq, meta_len, cache_len, body_len, .. } = header;
        let place = Place { segment: self.number, offset, meta_len, cache_len, body_len };
        Ok(Some(Found { commit_seq, place, record, cache_crc: header.cache_crc, body_crc: header.body_crc }))
    }

    /// The first multiple of 8 from `offset` on at which an intact record begins.
    fn find_record(&self, mut offset: u64) -> Result<Option<Found>, ScanError> {
        let mut block = vec![0; 1024 * 1024];
        loop {
            let read = self.file.read_at(&mut block, offset)?;
            for at in (0..read.saturating_sub(3)).step_by(ALIGNMENT as usize) {
                let place = offset + at as u64;
                // Most of what looks like a header can be told from the octets at hand, without another read.
                let may_begin = match block[at..read].first_chunk::<HEADER_OCTETS>() {
                    Some(octets) => Header::decode(octets, self.salt, place).is_some(),
                    None => block[at..at + 4] == Header::MAGIC,
                };
                if may_begin && let Some(found) = self.read_record(place)? {
                    return Ok(Some(found));
                }
            }
            if read < block.len() {
                return Ok(None);
            }
            offset += block.len() as u64;
        }
    }
}

/// An intact record. Its cache and body are not read yet.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) commit_seq: CommitSeq,
    pub(crate) place: Place,
    pub(crate) record: Record,
    pub(crate) cache_crc: u32,
    pub(crate) body_crc: u32,
}

/// Why scanning can't go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanError {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The checksum is right and the content unknown: written by a newer Postbell. To pass over it would lose mail.
    #[error(
        "segment {segment} holds a record at {offset} that this Postbell does not know ({reason}); was it written by a newer one?"
    )]
    Unknown { segment: u32, offset: u64, reason: String },
}

/// What a scan comes upon.
#[derive(Debug)]
pub(crate) enum Scanned {
    Record(Box<Found>),
    /// Octets that are no record, with a record behind them: damage.
    Damage {
        from: u64,
        to: u64,
    },
    /// Octets that are no record, up to the end of the file: a commit that a crash cut off, never answered.
    Tail,
}

/// Walks through a segment's records.
#[derive(Debug)]
pub(crate) struct Scan {
    segment: Arc<Segment>,
    offset: u64,
    // Found behind damage, to be handed out next.
    next: Option<Found>,
}

impl Scan {
    /// From the first record, or from `offset`, where one begins.
    pub(crate) fn new(segment: Arc<Segment>, offset: Option<u64>) -> Scan {
        Scan { segment, offset: offset.unwrap_or(SEGMENT_HEADER_OCTETS as u64), next: None }
    }

    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// Where the next record begins or would begin.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next thing; `None` at the end of the file.
    pub(crate) fn next(&mut self) -> Result<Option<Scanned>, ScanError> {
        if let Some(found) = self.next.take() {
            return Ok(Some(self.hand_out(found)));
        }
        let len = self.segment.file.len()?;
        if self.offset >= len {
            return Ok(None);
        }
        match self.segment.read_record(self.offset)? {
            // A record whose body reaches beyond the end was cut off.
            Some(found) if self.offset + found.place.record_octets() <= len.next_multiple_of(ALIGNMENT) => {
                Ok(Some(self.hand_out(found)))
            }
            _ => {
                let from = self.offset;
                match self.segment.find_record(from + ALIGNMENT)? {
                    Some(found) => {
                        let to = u64::from(found.place.offset);
                        self.offset = to;
                        self.next = Some(found);
                        Ok(Some(Scanned::Damage { from, to }))
                    }
                    None => {
                        self.offset = len;
                        Ok(Some(Scanned::Tail))
                    }
                }
            }
        }
    }

    fn hand_out(&mut self, found: Found) -> Scanned {
        self.offset = u64::from(found.place.offset) + found.place.record_octets();
        Scanned::Record(Box::new(found))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::store::AccountId;

    /// A file in memory that counts what is read.
    #[derive(Debug)]
    struct Memory {
        octets: Vec<u8>,
        read: AtomicU64,
    }

    impl DiskFile for Memory {
        fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<()> {
            Err(io::Error::other("read only"))
        }
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            let from = self.octets.len().min(offset as usize);
            let len = buffer.len().min(self.octets.len() - from);
            buffer[..len].copy_from_slice(&self.octets[from..from + len]);
            self.read.fetch_add(len as u64, Ordering::Relaxed);
            Ok(len)
        }
        fn sync_data(&self) -> io::Result<()> {
            Ok(())
        }
        fn len(&self) -> io::Result<u64> {
            Ok(self.octets.len() as u64)
        }
    }

    const SALT: u64 = 0x5eed;

    fn header(meta: &[u8]) -> Header {
        let meta_len = meta.len() as u32;
        Header { commit_seq: 1, meta_len, cache_len: 0, body_len: 0, cache_crc: 0, body_crc: 0 }
    }

    fn scan(octets: Vec<u8>) -> (Vec<Scanned>, u64) {
        let file = Arc::new(Memory { octets, read: AtomicU64::new(0) });
        let segment = Segment { number: 1, salt: SALT, purpose: Purpose::Commits, file: Arc::clone(&file) as _ };
        let mut scan = Scan::new(Arc::new(segment), Some(0));
        let mut scanned = Vec::new();
        while let Some(next) = scan.next().unwrap() {
            scanned.push(next);
        }
        (scanned, file.read.load(Ordering::Relaxed))
    }

    #[test]
    fn headers_that_a_sender_made_up_cost_one_read_of_the_file() {
        // Each promises metadata up to the end of the file, and knows all but the salt.
        let mut octets = Vec::new();
        let len = 1024 * 1024;
        while octets.len() < len {
            let promised =
                Header { meta_len: (len - octets.len() - HEADER_OCTETS.min(len - octets.len())) as u32, ..header(&[]) };
            octets.extend_from_slice(&promised.encode(0, octets.len() as u64, &[]));
        }
        let size = octets.len() as u64;
        let (scanned, read) = scan(octets);
        assert!(matches!(scanned[..], [Scanned::Tail]));
        assert!(read < 2 * size, "{read} octets were read of {size}");
    }

    #[test]
    fn a_record_behind_damage_is_found_at_the_edge_of_a_block() {
        let meta = postcard::to_stdvec(&Record::RemoveAccount(AccountId(7))).unwrap();
        // The header begins in one block of the search and ends in the next.
        for at in [1024 * 1024 - 8, 1024 * 1024, 1024 * 1024 + 8, 2 * 1024 * 1024] {
            let mut octets = vec![0xa5; at];
            octets.extend_from_slice(&header(&meta).encode(SALT, at as u64, &meta));
            octets.extend_from_slice(&meta);
            octets.resize(octets.len().next_multiple_of(8), 0);
            let (scanned, _) = scan(octets);
            let [Scanned::Damage { from: 0, to }, Scanned::Record(found)] = &scanned[..] else {
                panic!("{scanned:?}");
            };
            assert_eq!((*to, &found.record), (at as u64, &Record::RemoveAccount(AccountId(7))));
        }
    }
}
