//! Reading bodies and what was found in them.
//!
//! All reads happen on the blocking pool, never on a runtime thread. A body may move (compaction) between the look at its
//! place and the read: then the look is repeated. What is read is checked against its checksum before any of it is given
//! out; damage is an error for that message and for no other.
//!
//! Many messages are read together ([`Batch`]): their places are looked up under one lock, and records that lie next to
//! one another, as those of one stream of deliveries do, are read in one go.

use std::borrow::Cow;
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

/// How much of neighbouring records is read in one go at the most, and how far apart what is wanted of them may lie: to
/// read as much for nothing costs no more than another read.
const STRETCH_OCTETS: u64 = FRONT_OCTETS;
const GAP_OCTETS: u64 = 1024;

/// How many bodies are looked up while others wait for the lock.
const LOCKED_BODIES: usize = 256;

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
            .blocking(move |inner| {
                let mut batch = Batch::new(inner, &bodies, Extent::Record);
                (0..count).map(|at| batch.body(at).map(into_bytes)).collect()
            })
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
            .blocking(move |inner| {
                let mut batch = Batch::new(inner, &bodies, Extent::Cache);
                (0..count).map(|at| batch.summary(at).map(Arc::new)).collect()
            })
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
            let mut batch = Batch::new(inner, &bodies, Extent::Record);
            let look = |at| match batch.message(at) {
                Ok((summary, body)) => look(at, Ok((&summary, &body))),
                Err(error) => look(at, Err(error)),
            };
            (0..bodies.len()).map(look).collect()
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
            let entry = self.state.bodies().get(body, &mut self.state.index.lookup())?.ok_or(Error::Gone)?;
            if let Some(segment) = self.journal.segment(entry.place.segment) {
                return Ok((entry, segment));
            }
        }
        Err(Error::Damaged(format!("the segment that holds body {body} is not there")))
    }

    /// Several at once: an error is of that body alone.
    fn locate_all(&self, bodies: &[BodyId]) -> Vec<Result<Located, Error>> {
        let mut located: Vec<Result<Located, Error>> = Vec::with_capacity(bodies.len());
        for some in bodies.chunks(LOCKED_BODIES) {
            let entries: Vec<_> = {
                let (bodies, mut index) = (self.state.bodies(), self.state.index.lookup());
                some.iter().map(|body| bodies.get(*body, &mut index)).collect()
            };
            for (body, entry) in some.iter().zip(entries) {
                let last = located.last().and_then(|last| last.as_ref().ok()).map(|last| &last.segment);
                located.push(entry.and_then(|entry| {
                    let entry = entry.ok_or(Error::Gone)?;
                    let segment = match last {
                        Some(last) if last.number == entry.place.segment => Some(Arc::clone(last)),
                        _ => self.journal.segment(entry.place.segment),
                    };
                    match segment {
                        Some(segment) => Ok(Located { entry, segment }),
                        // It moved after the look.
                        None => self.locate(*body).map(|(entry, segment)| Located { entry, segment }),
                    }
                }));
            }
        }
        located
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
        Batch::new(self, &[body], Extent::Cache).summary(0)
    }
}

/// Octets for others to keep; those of a batch make room for the next.
fn into_bytes(octets: Cow<'_, [u8]>) -> Bytes {
    match octets {
        Cow::Borrowed(octets) => Bytes::copy_from_slice(octets),
        Cow::Owned(octets) => Bytes::from(octets),
    }
}

/// Where a body is.
struct Located {
    entry: BodyEntry,
    segment: Arc<Segment>,
}

/// How much of each record a batch reads.
#[derive(Clone, Copy)]
enum Extent {
    /// All up to the body.
    Cache,
    /// The body too.
    Record,
}

/// Messages that are read one after the other.
struct Batch<'a> {
    inner: &'a Inner,
    bodies: &'a [BodyId],
    extent: Extent,
    located: Vec<Result<Located, Error>>,
    /// What was read last.
    stretch: Vec<u8>,
    /// Where that begins, by segment and offset.
    stretch_at: (u32, u64),
}

impl<'a> Batch<'a> {
    fn new(inner: &'a Inner, bodies: &'a [BodyId], extent: Extent) -> Batch<'a> {
        let located = inner.locate_all(bodies);
        Batch { inner, bodies, extent, located, stretch: Vec::new(), stretch_at: (0, 0) }
    }

    fn located(&self, at: usize) -> Result<&Located, Error> {
        self.located[at].as_ref().map_err(Clone::clone)
    }

    /// From where to before where the record is wanted, if that is worth reading in one go.
    fn wanted(&self, located: &Located) -> Option<(u64, u64)> {
        let place = &located.entry.place;
        let body_len = match self.extent {
            Extent::Cache => 0,
            Extent::Record => u64::from(place.body_len),
        };
        let (from, end) = (u64::from(place.offset), place.body_offset() + body_len);
        (end - from <= FRONT_OCTETS).then_some((from, end))
    }

    /// The beginning of a record, as far as this batch wants it; `None` where that is too long for one read.
    fn front(&mut self, at: usize) -> Result<Option<Front<'_>>, Error> {
        let located = self.located[at].as_ref().map_err(Clone::clone)?;
        let Some((from, end)) = self.wanted(located) else { return Ok(None) };
        let number = located.segment.number;
        let is_there = |stretch: &[u8], (segment, start): (u32, u64)| {
            segment == number && start <= from && end <= start + stretch.len() as u64
        };
        if !is_there(&self.stretch, self.stretch_at) {
            let together = self.end_of_neighbours(at, number, (from, end));
            let (journal, segment) = (&self.inner.journal, &located.segment);
            let mut stretch = std::mem::take(&mut self.stretch);
            let mut read = |to: u64| journal.read_into(&mut stretch, segment, from, (to - from) as usize);
            // What keeps the neighbours from being read must not keep this one.
            match read(together) {
                Err(_) if together > end => read(end)?,
                read => read?,
            }
            (self.stretch, self.stretch_at) = (stretch, (number, from));
        }
        let located = self.located(at)?;
        let start = (from - self.stretch_at.1) as usize;
        let octets = &self.stretch[start..start + (end - from) as usize];
        let header = header_of(octets, &located.entry, &located.segment)?;
        Ok(Some(Front { header, octets, entry: located.entry }))
    }

    /// Where the last of the records ends that are read together with this one, of which that much is wanted.
    fn end_of_neighbours(&self, at: usize, segment: u32, (first, mut end): (u64, u64)) -> u64 {
        for next in self.located[at + 1..].iter().map_while(|next| next.as_ref().ok()) {
            let Some((from, to)) = self.wanted(next).filter(|_| next.segment.number == segment) else { break };
            if from < end || from - end > GAP_OCTETS || to - first > STRETCH_OCTETS {
                break;
            }
            end = to;
        }
        end
    }

    fn summary(&mut self, at: usize) -> Result<Summary, Error> {
        let stored = match self.front(at)? {
            Some(front) => front.summary(),
            None => {
                let (inner, Located { entry, segment }) = (self.inner, self.located(at)?);
                let header = inner.header(entry, segment)?;
                let place = &entry.place;
                let octets = inner.journal.read(segment, place.cache_offset(), place.cache_len as usize)?;
                stored_summary(&octets, &header)
            }
        };
        match stored {
            Some(summary) => Ok(summary),
            None => Ok(summarize(&self.inner.read_body(self.bodies[at])?)),
        }
    }

    /// The whole body.
    fn body(&mut self, at: usize) -> Result<Cow<'_, [u8]>, Error> {
        let (inner, body) = (self.inner, self.bodies[at]);
        match self.front(at)? {
            Some(front) => Ok(Cow::Borrowed(front.body()?)),
            None => Ok(Cow::Owned(inner.read_body(body)?)),
        }
    }

    /// The summary and the whole body.
    fn message(&mut self, at: usize) -> Result<(Summary, Cow<'_, [u8]>), Error> {
        let (inner, body) = (self.inner, self.bodies[at]);
        let Some(front) = self.front(at)? else {
            return Ok((inner.read_summary(body)?, Cow::Owned(inner.read_body(body)?)));
        };
        let octets = front.body()?;
        Ok((front.summary().unwrap_or_else(|| summarize(octets)), Cow::Borrowed(octets)))
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
struct Front<'a> {
    header: Header,
    octets: &'a [u8],
    entry: BodyEntry,
}

impl<'a> Front<'a> {
    /// So many octets from that place in the segment.
    fn part(&self, offset: u64, len: u32) -> &'a [u8] {
        let from = offset.saturating_sub(u64::from(self.entry.place.offset)) as usize;
        self.octets.get(from..from + len as usize).unwrap_or_default()
    }

    /// The summary, if it is good.
    fn summary(&self) -> Option<Summary> {
        stored_summary(self.part(self.entry.place.cache_offset(), self.entry.place.cache_len), &self.header)
    }

    /// The whole body, if it was read.
    fn body(&self) -> Result<&'a [u8], Error> {
        let body = self.part(self.entry.place.body_offset(), self.entry.place.body_len);
        if crc32c::crc32c(body) != self.header.body_crc {
            return Err(does_not_match(&self.entry));
        }
        Ok(body)
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
