//! Reading bodies and what was found in them.
//!
//! All reads happen on the blocking pool, never on a runtime thread. A body may move (compaction) between the look at its
//! place and the read: then the look is repeated. What is read is checked against its checksum before any of it is given
//! out; damage is an error for that message and for no other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};

use bytes::Bytes;

use super::index::BodyEntry;
use super::journal::record::{HEADER_OCTETS, Header};
use super::journal::segment::Segment;
use super::{BodyId, Error, Inner, Store};
use crate::message::Summary;

/// How often a body's place is looked up again before the read gives up. A body moves only when its segment is
/// compacted, which takes far longer than a read.
const LOOKS: usize = 3;

/// What is held of a body while it is checked.
const PIECE_OCTETS: u64 = 1024 * 1024;

/// A record, or its beginning, that is no longer than this is read in one go: what is read for nothing costs less than
/// another read. Only the metadata of deliveries to thousands make the beginning longer.
const FRONT_OCTETS: u64 = 64 * 1024;

/// How many bodies are remembered to be whole: some tens of KiB of memory, and more messages than are read in pieces at a
/// time.
const VERIFIED_BODIES: usize = 4_096;

/// # Bodies
impl Store {
    /// The whole body.
    ///
    /// Errors: [`Error::Gone`], [`Error::Damaged`], [`Error::Read`].
    pub async fn read_body(&self, body: BodyId) -> Result<Bytes, Error> {
        self.blocking(move |inner| inner.read_body(body)).await?.map(Bytes::from)
    }

    /// Several whole bodies in one go, in the same order: many small reads cost less together. What they hold together is
    /// for the caller to bound.
    pub async fn read_bodies(&self, bodies: Vec<BodyId>) -> Vec<Result<Bytes, Error>> {
        let count = bodies.len();
        if count == 0 {
            return Vec::new();
        }
        let read = self
            .blocking(move |inner| bodies.into_iter().map(|body| inner.read_body(body).map(Bytes::from)).collect())
            .await;
        read.unwrap_or_else(|error| vec![Err(error); count])
    }

    /// Some octets of a body: from `offset`, at most `len`, fewer at its end. The first such read of a body checks all of it
    /// against its checksum.
    ///
    /// Errors: [`Error::Gone`], [`Error::Damaged`], [`Error::Read`].
    pub async fn read_range(&self, body: BodyId, offset: u64, len: usize) -> Result<Bytes, Error> {
        self.blocking(move |inner| inner.read_range(body, offset, len)).await?.map(Bytes::from)
    }

    /// What was found in the message when it came in, without opening the body. A summary that is damaged or of another
    /// version is made anew from the body.
    ///
    /// Errors: [`Error::Gone`], [`Error::Damaged`], [`Error::Read`].
    pub async fn read_summary(&self, body: BodyId) -> Result<Arc<Summary>, Error> {
        self.blocking(move |inner| inner.read_summary(body)).await?.map(Arc::new)
    }

    /// Several summaries in one go, in the same order: the way for FETCH over many messages.
    pub async fn read_summaries(&self, bodies: Vec<BodyId>) -> Vec<Result<Arc<Summary>, Error>> {
        let count = bodies.len();
        let read = self
            .blocking(move |inner| bodies.into_iter().map(|body| inner.read_summary(body).map(Arc::new)).collect())
            .await;
        read.unwrap_or_else(|error| vec![Err(error); count])
    }

    /// Has messages looked at one after the other, each with what was found in it, off the runtime and with one of them in
    /// memory at a time: the way for SEARCH over many bodies. Returns what `look` made of each, in the same order.
    ///
    /// Errors where none could be looked at: [`Error::Read`].
    pub async fn look_at_messages<T: Send + 'static>(
        &self,
        bodies: Vec<BodyId>,
        mut look: impl FnMut(usize, Result<(&Summary, &[u8]), Error>) -> T + Send + 'static,
    ) -> Result<Vec<T>, Error> {
        self.blocking(move |inner| {
            let read = bodies.into_iter().map(|body| inner.read_message(body)).enumerate();
            read.map(|(at, read)| match read {
                Ok((summary, body)) => look(at, Ok((&summary, &body))),
                Err(error) => look(at, Err(error)),
            })
            .collect()
        })
        .await
    }

    async fn blocking<T: Send + 'static>(&self, read: impl FnOnce(&Inner) -> T + Send + 'static) -> Result<T, Error> {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || read(&inner)).await.map_err(|error| Error::Read(error.to_string()))
    }
}

impl Inner {
    fn locate(&self, body: BodyId) -> Result<(BodyEntry, Arc<Segment>), Error> {
        for _ in 0..LOOKS {
            let entry = self.state.bodies().get(body, &self.state.index)?.ok_or(Error::Gone)?;
            if let Some(segment) = self.journal.segment(entry.place.segment) {
                return Ok((entry, segment));
            }
        }
        Err(Error::Damaged(format!("the segment that holds body {body} is not there")))
    }

    /// The beginning of the record, up to before `end` in the segment, if it is worth reading in one go.
    fn front(&self, entry: &BodyEntry, segment: &Segment, end: u64) -> Result<Option<Front>, Error> {
        let offset = u64::from(entry.place.offset);
        let octets = end.saturating_sub(offset);
        if octets > FRONT_OCTETS {
            return Ok(None);
        }
        let octets = self.journal.read(segment, offset, octets as usize)?;
        let header = header_of(&octets, entry, segment)?;
        Ok(Some(Front { header, octets, offset }))
    }

    fn header(&self, entry: &BodyEntry, segment: &Segment) -> Result<Header, Error> {
        let octets = self.journal.read(segment, u64::from(entry.place.offset), HEADER_OCTETS)?;
        header_of(&octets, entry, segment)
    }

    pub(crate) fn read_body(&self, body: BodyId) -> Result<Vec<u8>, Error> {
        let (entry, segment) = self.locate(body)?;
        let header = self.header(&entry, &segment)?;
        let octets = self.journal.read(&segment, entry.place.body_offset(), entry.place.body_len as usize)?;
        if crc32c::crc32c(&octets) != header.body_crc {
            return Err(does_not_match(&entry));
        }
        Ok(octets)
    }

    fn read_range(&self, body: BodyId, offset: u64, len: usize) -> Result<Vec<u8>, Error> {
        let (entry, segment) = self.locate(body)?;
        let size = u64::from(entry.place.body_len);
        if offset == 0 && len as u64 >= size {
            return self.read_body(body);
        }
        self.verify(body, &entry, &segment)?;
        let len = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX).min(len);
        self.journal.read(&segment, entry.place.body_offset() + offset.min(size), len)
    }

    /// Checks a body that is about to be read in pieces, unless that was done lately: a message is mostly read from its
    /// beginning to its end, and checking costs as much as reading.
    fn verify(&self, body: BodyId, entry: &BodyEntry, segment: &Segment) -> Result<(), Error> {
        if self.verified.lock().unwrap_or_else(PoisonError::into_inner).contains(&body) {
            return Ok(());
        }
        let header = self.header(entry, segment)?;
        let (mut offset, end) =
            (entry.place.body_offset(), entry.place.body_offset() + u64::from(entry.place.body_len));
        let mut crc = 0;
        while offset < end {
            let piece = PIECE_OCTETS.min(end - offset);
            crc = crc32c::crc32c_append(crc, &self.journal.read(segment, offset, piece as usize)?);
            offset += piece;
        }
        if crc != header.body_crc {
            return Err(does_not_match(entry));
        }
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= VERIFIED_BODIES {
            verified.clear();
        }
        verified.insert(body);
        Ok(())
    }

    fn read_summary(&self, body: BodyId) -> Result<Summary, Error> {
        let (entry, segment) = self.locate(body)?;
        let place = &entry.place;
        let stored = match self.front(&entry, &segment, place.body_offset())? {
            Some(front) => front.summary(&entry),
            None => {
                let header = self.header(&entry, &segment)?;
                let octets = self.journal.read(&segment, place.cache_offset(), place.cache_len as usize)?;
                stored_summary(&octets, &header)
            }
        };
        match stored {
            Some(summary) => Ok(summary),
            None => Ok(summarize(&self.read_body(body)?)),
        }
    }

    /// The summary and the whole body; of a small message in one read.
    fn read_message(&self, body: BodyId) -> Result<(Summary, Vec<u8>), Error> {
        let (entry, segment) = self.locate(body)?;
        let place = &entry.place;
        let end = place.body_offset() + u64::from(place.body_len);
        let Some(front) = self.front(&entry, &segment, end)? else {
            return Ok((self.read_summary(body)?, self.read_body(body)?));
        };
        let summary = front.summary(&entry);
        let (from, body_crc) = ((place.body_offset() - front.offset) as usize, front.header.body_crc);
        let mut octets = front.octets;
        octets.drain(..from);
        if crc32c::crc32c(&octets) != body_crc {
            return Err(does_not_match(&entry));
        }
        Ok((summary.unwrap_or_else(|| summarize(&octets)), octets))
    }
}

/// The header of a record that begins with these octets.
fn header_of(octets: &[u8], entry: &BodyEntry, segment: &Segment) -> Result<Header, Error> {
    let place = &entry.place;
    // Lengths that fit are enough to trust it: the checksums that it holds are about to be used, and a message is not
    // given up for another octet of its header.
    octets
        .first_chunk()
        .map(Header::decode_damaged)
        .filter(|header| {
            (header.meta_len, header.cache_len, header.body_len) == (place.meta_len, place.cache_len, place.body_len)
        })
        .ok_or_else(|| Error::Damaged(format!("no record at {} of segment {}", place.offset, segment.number)))
}

/// The beginning of a record: its header, and what of the rest was read with it.
struct Front {
    header: Header,
    octets: Vec<u8>,
    /// Where it begins in the segment.
    offset: u64,
}

impl Front {
    /// So many octets from that place in the segment.
    fn part(&self, offset: u64, len: u32) -> &[u8] {
        let from = offset.saturating_sub(self.offset) as usize;
        self.octets.get(from..from + len as usize).unwrap_or_default()
    }

    /// The summary, if it is good.
    fn summary(&self, entry: &BodyEntry) -> Option<Summary> {
        stored_summary(self.part(entry.place.cache_offset(), entry.place.cache_len), &self.header)
    }
}

/// The summary that is stored in these octets, if they match their checksum.
fn stored_summary(octets: &[u8], header: &Header) -> Option<Summary> {
    (crc32c::crc32c(octets) == header.cache_crc).then(|| Summary::decode(octets).ok()).flatten()
}

fn does_not_match(entry: &BodyEntry) -> Error {
    let (offset, segment) = (entry.place.offset, entry.place.segment);
    Error::Damaged(format!("the body at {offset} of segment {segment} does not match its checksum"))
}

/// Parses a message. One that makes the parser panic counts as opaque: it must not stop the server, and must not be lost.
pub(crate) fn summarize(message: &[u8]) -> Summary {
    catch_unwind(AssertUnwindSafe(|| Summary::of(message))).unwrap_or_else(|_| {
        tracing::warn!(octets = message.len(), "the parser panicked; the message counts as opaque");
        // The store's limit for messages is far below 4 GiB.
        Summary::opaque(u32::try_from(message.len()).unwrap_or(u32::MAX))
    })
}
