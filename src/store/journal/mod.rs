//! The journal: the store's truth, as segment files of about 128 MiB.
//!
//! The committer appends records ([`record`]) to the newest segment and syncs it once for all that wait; compaction writes
//! segments of its own ([`segment::Purpose`]). Nothing is ever overwritten or truncated: after a crash, writing goes on in
//! a new segment, and a damaged record is passed over and reported. A segment is removed only when everything in it that is
//! still true stands elsewhere, synced, and the index points there.
//!
//! It knows records and places, not what they mean.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

pub(crate) mod record;
pub(crate) mod segment;

use self::record::{ALIGNMENT, Header, Record};
use self::segment::{Found, HeaderError, Place, Purpose, SEGMENT_HEADER_OCTETS, Segment, StoreId};
use super::disk::Disk;
use super::incoming::Stored;
use super::{CommitSeq, Error};

/// A segment that has reached this size is followed by a new one.
pub(crate) const SEGMENT_OCTETS: u64 = 128 * 1024 * 1024;
/// What is gathered in memory before it is handed to the file.
const BUFFER_OCTETS: usize = 1024 * 1024;

/// The segments of a store.
#[derive(Debug)]
pub(crate) struct Journal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    store_id: StoreId,
    segments: RwLock<BTreeMap<u32, Arc<Segment>>>,
    /// A segment is full at this size: [`SEGMENT_OCTETS`], less in tests.
    segment_octets: u64,
}

/// Why the journal's folder can't be opened.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}")]
pub(crate) struct OpenError {
    pub(crate) path: PathBuf,
    #[source]
    pub(crate) error: HeaderError,
}

impl Journal {
    /// Opens the segments in `dir`, which exists. A segment whose header was never written whole is left alone and reported:
    /// nothing in it was ever answered.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        segment_octets: u64,
    ) -> Result<(Arc<Journal>, Vec<OpenError>), OpenError> {
        let mut segments = BTreeMap::new();
        let mut store_id = None;
        let mut never_whole = Vec::new();
        let failed = |path: &Path, error| OpenError { path: path.to_owned(), error };
        for path in disk.list(dir).map_err(|error| failed(dir, error.into()))? {
            if path.extension().is_none_or(|extension| extension != "segment") {
                continue;
            }
            let opened = disk
                .open(&path)
                .map_err(HeaderError::from)
                .and_then(|file| Segment::read_header(file, store_id.as_ref()));
            match opened {
                // A copy that somebody made would stand for the segment itself.
                Ok((segment, _)) if path.file_name() != segment_path(dir, segment.number).file_name() => {
                    return Err(failed(&path, HeaderError::OtherNumber(segment.number)));
                }
                Ok((segment, id)) => {
                    store_id = Some(id);
                    segments.insert(segment.number, Arc::new(segment));
                }
                Err(HeaderError::NeverWhole) => never_whole.push(failed(&path, HeaderError::NeverWhole)),
                Err(error) => return Err(failed(&path, error)),
            }
        }
        let store_id = match store_id {
            Some(id) => id,
            None => random().map_err(|error| failed(dir, error.into()))?,
        };
        let segments = RwLock::new(segments);
        Ok((Arc::new(Journal { disk, dir: dir.to_owned(), store_id, segments, segment_octets }), never_whole))
    }

    pub(crate) fn store_id(&self) -> &StoreId {
        &self.store_id
    }

    /// All segments, by number.
    pub(crate) fn segments(&self) -> Vec<Arc<Segment>> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// One segment; `None` when it has been removed.
    pub(crate) fn segment(&self, number: u32) -> Option<Arc<Segment>> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }

    /// Makes a new segment, durable with its folder entry.
    fn create(&self, purpose: Purpose) -> io::Result<Arc<Segment>> {
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        // A file of that number may be there whose header was damaged: go past it.
        let mut number = segments.last_key_value().map_or(1, |(number, _)| number + 1);
        let file = loop {
            match self.disk.create(&self.path(number)) {
                Ok(file) => break file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        };
        let salt = u64::from_le_bytes(random()?);
        file.write_at(&Segment::encode_header(&self.store_id, number, salt, purpose), 0)?;
        file.sync_data()?;
        self.disk.sync_dir(&self.dir)?;
        let segment = Arc::new(Segment { number, salt, purpose, file });
        segments.insert(number, Arc::clone(&segment));
        Ok(segment)
    }

    /// Removes a segment. Whoever reads it at this moment reads on.
    pub(crate) fn remove(&self, number: u32) -> io::Result<()> {
        let removed = self.segments.write().unwrap_or_else(PoisonError::into_inner).remove(&number);
        if removed.is_some() {
            self.disk.remove(&self.path(number))?;
            self.disk.sync_dir(&self.dir)?;
        }
        Ok(())
    }

    /// Octets that may still be written.
    pub(crate) fn free_space(&self) -> io::Result<u64> {
        self.disk.free_space(&self.dir)
    }

    fn path(&self, number: u32) -> PathBuf {
        segment_path(&self.dir, number)
    }

    /// Reads all octets of `len` at `offset` in a segment.
    pub(crate) fn read(&self, segment: &Segment, offset: u64, len: usize) -> Result<Vec<u8>, Error> {
        let mut octets = Vec::new();
        self.read_into(&mut octets, segment, offset, len)?;
        Ok(octets)
    }

    /// The same into `octets`, whose room is used again; what it holds after an error means nothing.
    pub(crate) fn read_into(
        &self,
        octets: &mut Vec<u8>,
        segment: &Segment,
        offset: u64,
        len: usize,
    ) -> Result<(), Error> {
        let read_error = |error: io::Error| Error::Read(error.to_string());
        let ends_before =
            || Error::Damaged(format!("segment {} ends before {}", segment.number, offset.saturating_add(len as u64)));
        // No great room is made for what can't be there: a length may be damaged.
        if len > UNASKED_OCTETS && offset.saturating_add(len as u64) > segment.file.len().map_err(read_error)? {
            return Err(ends_before());
        }
        octets.resize(len, 0);
        let read = segment.file.read_at(octets, offset).map_err(read_error)?;
        if read < len { Err(ends_before()) } else { Ok(()) }
    }
}

/// Up to this length, room is made for what is read without asking for the segment's end before: the read itself finds it.
const UNASKED_OCTETS: usize = 64 * 1024;

fn segment_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:010}.segment"))
}

/// Random octets from the operating system.
pub(crate) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut octets = [0; N];
    getrandom::fill(&mut octets).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(octets)
}

/// Appends records. One writer exists for commits, and one for each run of compaction.
#[derive(Debug)]
pub(crate) struct Writer {
    journal: Arc<Journal>,
    purpose: Purpose,
    segment: Option<Arc<Segment>>,
    /// Where the buffer's first octet goes.
    written: u64,
    buffer: Vec<u8>,
    /// Segments that were written to since the last sync, but for the newest.
    unsynced: bool,
}

impl Writer {
    /// A writer that begins a new segment with its first record.
    pub(crate) fn new(journal: Arc<Journal>, purpose: Purpose) -> Writer {
        Writer { journal, purpose, segment: None, written: 0, buffer: Vec::new(), unsynced: false }
    }

    /// A writer that goes on behind the last record of a segment that is whole.
    pub(crate) fn resume(journal: Arc<Journal>, segment: Arc<Segment>, end: u64) -> Writer {
        Writer {
            journal,
            purpose: segment.purpose,
            segment: Some(segment),
            written: end,
            buffer: Vec::new(),
            unsynced: true,
        }
    }

    /// Where the next record goes, if it goes to the present segment.
    pub(crate) fn position(&self) -> Option<(u32, u64)> {
        let segment = self.segment.as_ref()?;
        Some((segment.number, self.written + self.buffer.len() as u64))
    }

    /// Appends a record; it is durable when [`Writer::sync`] has returned.
    pub(crate) fn append(
        &mut self,
        commit_seq: CommitSeq,
        record: &Record,
        cache: &[u8],
        body: &Stored,
    ) -> Result<Place, Error> {
        let meta = postcard::to_stdvec(record).map_err(|error| Error::WriteFailed(error.to_string()))?;
        let too_long = |_| Error::WriteFailed("a record is longer than 4 GiB".to_owned());
        let header = Header {
            commit_seq,
            meta_len: u32::try_from(meta.len()).map_err(too_long)?,
            cache_len: u32::try_from(cache.len()).map_err(too_long)?,
            body_len: u32::try_from(body.len()).map_err(too_long)?,
            cache_crc: crc32c::crc32c(cache),
            body_crc: body.crc(),
        };
        self.append_encoded(&header, &meta, cache, body).map_err(|error| Error::WriteFailed(error.to_string()))
    }

    /// Appends a copy of a record of another segment, with its `commit_seq`. Its checksums go with it: damage stays
    /// recognisable.
    pub(crate) fn copy(&mut self, segment: &Segment, found: &Found) -> Result<Place, Error> {
        let journal = Arc::clone(&self.journal);
        let read = |offset: u64, len: u32| journal.read(segment, offset, len as usize);
        let place = &found.place;
        let meta = read(u64::from(place.offset) + record::HEADER_OCTETS as u64, place.meta_len)?;
        let cache = read(place.cache_offset(), place.cache_len)?;
        let body = Stored::of(read(place.body_offset(), place.body_len)?);
        let header = Header {
            commit_seq: found.commit_seq,
            meta_len: place.meta_len,
            cache_len: place.cache_len,
            body_len: place.body_len,
            cache_crc: found.cache_crc,
            body_crc: found.body_crc,
        };
        self.append_encoded(&header, &meta, &cache, &body).map_err(|error| Error::WriteFailed(error.to_string()))
    }

    fn append_encoded(&mut self, header: &Header, meta: &[u8], cache: &[u8], body: &Stored) -> io::Result<Place> {
        if self.position().is_none_or(|(_, end)| end >= self.journal.segment_octets) {
            self.sync()?;
            self.segment = Some(self.journal.create(self.purpose)?);
            self.written = SEGMENT_HEADER_OCTETS as u64;
        }
        let (number, salt) = match &self.segment {
            Some(segment) => (segment.number, segment.salt),
            None => return Err(io::Error::other("there is no segment to write to")),
        };
        let offset = self.written + self.buffer.len() as u64;
        self.buffer.extend_from_slice(&header.encode(salt, offset, meta));
        self.buffer.extend_from_slice(meta);
        self.buffer.extend_from_slice(cache);
        body.for_each_piece(|piece| {
            self.buffer.extend_from_slice(piece);
            if self.buffer.len() >= BUFFER_OCTETS { self.write_out() } else { Ok(()) }
        })?;
        let end = self.written + self.buffer.len() as u64;
        let padding = end.next_multiple_of(ALIGNMENT) - end;
        self.buffer.extend(std::iter::repeat_n(0, padding as usize));
        let offset = u32::try_from(offset).map_err(|_| io::Error::other("a segment is larger than 4 GiB"))?;
        Ok(Place {
            segment: number,
            offset,
            meta_len: header.meta_len,
            cache_len: header.cache_len,
            body_len: header.body_len,
        })
    }

    fn write_out(&mut self) -> io::Result<()> {
        if let Some(segment) = &self.segment
            && !self.buffer.is_empty()
        {
            segment.file.write_at(&self.buffer, self.written)?;
            self.written += self.buffer.len() as u64;
            self.buffer.clear();
            self.buffer.shrink_to(BUFFER_OCTETS);
            self.unsynced = true;
        }
        Ok(())
    }

    /// Returns when all that was appended is on stable storage.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.write_out()?;
        if let Some(segment) = &self.segment
            && self.unsynced
        {
            segment.file.sync_data()?;
            self.unsynced = false;
        }
        Ok(())
    }
}
