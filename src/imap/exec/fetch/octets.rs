//! The items of one FETCH line; those with octets are read from where they lie in the store.
//!
//! A literal states its length before its octets. So what is short is read first, and an error costs the item; what is
//! long is passed on in pieces, and an error in the middle of it can only end the connection: no other answer would be
//! understood.
//!
//! Octets are what the message holds, but for NUL, which only BINARY can carry ([`FetchWriter::octets`]).

use std::borrow::Cow;
use std::io;

use bytes::Bytes;

use super::plan::text_of;
use crate::imap::command::{FetchItem, Partial};
use crate::imap::exec::context::{Client, Environment, STEP_OCTETS};
use crate::imap::exec::messages::SMALL_OCTETS;
use crate::imap::exec::workspace::{self, Workspace};
use crate::imap::print::fetch::FetchWriter;
use crate::message::binary::{self, BinaryError, Encoding};
use crate::message::section::Place;
use crate::message::{Section, Span, Summary};
use crate::store::{Error, Message, Store};

/// What is read in one go of a message that is passed on in pieces, and decoded without leaving the thread.
const PIECE_OCTETS: u64 = 64 * 1024;

/// How many small messages are read together: 1 MiB at the most.
pub(super) const SMALL_MESSAGES: usize = 64;

/// A message up to this size is read whole if the whole is asked for, and so is checked against its checksum. A larger one
/// goes out in pieces: what a connection holds of a message at a time is at most this.
const CHECKED_OCTETS: u32 = 1024 * 1024;

/// Why an item could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The message can't be read.
    #[error(transparent)]
    Store(#[from] Error),
    /// BINARY can't undo the part's encoding.
    #[error("the content transfer encoding is unknown")]
    UnknownEncoding,
    /// The client is gone, or must go.
    #[error(transparent)]
    Disconnected(#[from] io::Error),
}

/// Reads one message for one client.
pub(super) struct Reader<'a> {
    store: &'a Store,
    client: &'a mut dyn Client,
    message: &'a Message,
    /// There, where the plan needs it.
    summary: Option<&'a Summary>,
    /// The whole message, if it was read.
    whole: Option<Bytes>,
    workspace: &'a Workspace,
    /// For the item that is being written, if it is large.
    place: workspace::Place<'a>,
    /// Some of the line was sent.
    flushed: bool,
}

/// Octets of an item.
enum Octets {
    /// There is no such part.
    Nil,
    /// Here they are.
    Read(Bytes),
    /// So many, from there on in the message.
    From { offset: u64, octets: u64 },
}

/// Reads the small ones of up to [`SMALL_MESSAGES`] messages in one go; `None` for the others.
pub(super) async fn read_small(store: &Store, messages: &[Message]) -> Vec<Option<Result<Bytes, Error>>> {
    let small = |message: &&Message| message.size <= SMALL_OCTETS;
    let bodies = messages.iter().filter(small).map(|message| message.body).collect();
    let mut read = store.read_bodies(bodies).await.into_iter();
    messages.iter().map(|message| if small(&message) { read.next() } else { None }).collect()
}

impl Octets {
    fn len(&self) -> u64 {
        match self {
            Octets::Nil => 0,
            Octets::Read(octets) => octets.len() as u64,
            Octets::From { octets, .. } => *octets,
        }
    }
}

impl<'a> Reader<'a> {
    /// `whole`: the message, where it was read with its neighbours ([`read_small`]).
    pub(super) fn new(
        environment: Environment<'a>,
        client: &'a mut dyn Client,
        message: &'a Message,
        summary: Option<&'a Summary>,
        whole: Option<Bytes>,
    ) -> Self {
        let Environment { store, workspace, .. } = environment;
        Self { store, client, message, summary, whole, workspace, place: None, flushed: false }
    }

    /// Whether some of the line was sent.
    pub(super) fn flushed(&self) -> bool {
        self.flushed
    }

    /// Writes an item of the line.
    pub(super) async fn write(&mut self, item: &FetchItem, line: &mut FetchWriter<'_>) -> Result<(), Trouble> {
        match item {
            // FLAGS stand at the beginning of the line.
            FetchItem::Flags | FetchItem::ModSeq => {}
            FetchItem::Uid => line.uid(self.message.uid),
            FetchItem::InternalDate => line.internal_date(self.message.internal_date),
            FetchItem::EmailId => line.email_id(&self.store.object_ids().body(self.message.body)),
            FetchItem::ThreadId => line.thread_id_nil(),
            FetchItem::SaveDate => line.save_date(self.message.save_date_unix_s),
            FetchItem::Rfc822Size => line.rfc822_size(self.message.size),
            FetchItem::Envelope => line.envelope(&self.summary()?.envelope),
            FetchItem::Body => line.body(&self.summary()?.structure),
            FetchItem::BodyStructure => line.body_structure(&self.summary()?.structure),
            // It is made when the message comes in, so the lazy form waits no longer than the other (RFC 8970 §4.1).
            FetchItem::Preview { .. } => line.preview(&self.summary()?.preview),
            FetchItem::Rfc822 => {
                let octets = self.section(&Section::default(), None).await?;
                line.rfc822(octets.len());
                self.pass(octets, line).await?;
            }
            FetchItem::Rfc822Header | FetchItem::Rfc822Text => {
                let section = Section { path: Vec::new(), text: text_of(item) };
                let octets = self.section(&section, None).await?;
                match item {
                    FetchItem::Rfc822Header => line.rfc822_header(octets.len()),
                    _ => line.rfc822_text(octets.len()),
                }
                self.pass(octets, line).await?;
            }
            FetchItem::BodySection { section, partial, .. } => match self.section(section, *partial).await? {
                Octets::Nil => line.body_section_nil(section, *partial),
                octets => {
                    line.body_section(section, *partial, octets.len());
                    self.pass(octets, line).await?;
                }
            },
            FetchItem::Binary { part, partial, .. } => {
                match self.decoded(part, *partial).await? {
                    Some(octets) => line.binary(part, *partial, &octets),
                    None => line.binary_nil(part, *partial),
                }
                self.step(line).await?;
            }
            FetchItem::BinarySize { part } => line.binary_size(part, self.decoded_size(part).await?),
        }
        self.place = None;
        Ok(())
    }

    fn summary(&self) -> Result<&'a Summary, Trouble> {
        // The plan says what needs it; if it ever did not, the message is as good as damaged.
        self.summary.ok_or_else(|| Error::Damaged("its summary was not read".into()).into())
    }

    /// Finds the octets of a section, and reads them if they are few.
    async fn section(&mut self, section: &Section, partial: Option<Partial>) -> Result<Octets, Trouble> {
        let whole = Span { start: 0, end: self.message.size };
        if section.path.is_empty() && section.text.is_none() {
            return self.span(whole, partial).await;
        }
        let summary = self.summary()?;
        match section.place(summary) {
            None => Ok(Octets::Nil),
            Some(Place::Octets(span)) => self.span(span, partial).await,
            Some(Place::Fields(fields)) => {
                if let Some(selected) = fields.select_common(summary) {
                    return Ok(Octets::Read(cut(selected.into(), partial)));
                }
                let header = self.read_into_workspace(fields.header).await?;
                Ok(Octets::Read(cut(fields.select(&header).into(), partial)))
            }
        }
    }

    async fn span(&mut self, span: Span, partial: Option<Partial>) -> Result<Octets, Trouble> {
        let (start, end) = (u64::from(span.start), u64::from(span.end));
        let (offset, octets) = match partial {
            None => (start, end - start),
            // Beyond the end there is the empty string (RFC 3501 §6.4.5).
            Some(Partial { offset, length }) => {
                let first = start.saturating_add(offset).min(end);
                (first, (end - first).min(length))
            }
        };
        let whole = octets == u64::from(self.message.size) && self.message.size <= CHECKED_OCTETS;
        if octets > PIECE_OCTETS && !whole && self.whole.is_none() {
            return Ok(Octets::From { offset, octets });
        }
        Ok(Octets::Read(self.read_exactly(offset, octets).await?))
    }

    /// Reads all of what can't pass in pieces, as soon as there is memory for it and for what is made of it.
    async fn read_into_workspace(&mut self, span: Span) -> Result<Bytes, Trouble> {
        self.place = self.workspace.for_item(u64::from(span.end) - u64::from(span.start)).await;
        self.read_exactly(span.start.into(), u64::from(span.end) - u64::from(span.start)).await
    }

    async fn read_exactly(&mut self, offset: u64, octets: u64) -> Result<Bytes, Trouble> {
        let size = self.message.size;
        // A large one is not kept: its place in the workspace is for one item.
        if self.whole.is_none() && octets == u64::from(size) && size <= CHECKED_OCTETS {
            self.whole = Some(self.store.read_body(self.message.body).await?);
        }
        let read = match &self.whole {
            Some(whole) => cut(whole.clone(), Some(Partial { offset, length: octets })),
            None => self.store.read_range(self.message.body, offset, octets as usize).await?,
        };
        if read.len() as u64 == octets {
            Ok(read)
        } else {
            Err(Error::Damaged(format!("{octets} octets from {offset} on were expected, {} are there", read.len()))
                .into())
        }
    }

    /// Sends the octets that a literal's head has announced.
    async fn pass(&mut self, octets: Octets, line: &mut FetchWriter<'_>) -> Result<(), Trouble> {
        match octets {
            Octets::Nil => {}
            Octets::Read(octets) => {
                line.octets(&octets);
                self.step(line).await?;
            }
            Octets::From { mut offset, mut octets } => {
                while octets > 0 {
                    let piece = octets.min(PIECE_OCTETS);
                    let read = self.read_exactly(offset, piece).await.map_err(|trouble| match trouble {
                        // The literal can't be taken back.
                        Trouble::Store(error) => Trouble::Disconnected(io::Error::other(error)),
                        other => other,
                    })?;
                    line.octets(&read);
                    self.step(line).await?;
                    (offset, octets) = (offset + piece, octets - piece);
                }
            }
        }
        Ok(())
    }

    /// Sends what is written, if it is a step of output.
    async fn step(&mut self, line: &mut FetchWriter<'_>) -> Result<(), Trouble> {
        let output = line.out();
        if output.len() >= STEP_OCTETS {
            self.client.write(output).await?;
            output.clear();
            // What a large item took is not kept for the smaller ones behind it.
            output.shrink_to(2 * STEP_OCTETS);
            self.flushed = true;
        }
        Ok(())
    }

    /// BINARY: the transfer encoding undone, and the range counted in what comes out (RFC 3516 §4.2); `None`: there is no such
    /// part.
    async fn decoded(&mut self, part: &[u32], partial: Option<Partial>) -> Result<Option<Bytes>, Trouble> {
        let Some((span, encoding)) = self.encoded(part)? else { return Ok(None) };
        if encoding == Encoding::Identity {
            // Nothing to undo: only what is asked for is read.
            return match self.span(span, partial).await? {
                Octets::Nil => Ok(None),
                Octets::Read(octets) => Ok(Some(octets)),
                Octets::From { offset, octets } => {
                    self.place = self.workspace.for_item(octets).await;
                    self.read_exactly(offset, octets).await.map(Some)
                }
            };
        }
        let encoded = self.read_into_workspace(span).await?;
        decode(encoding, encoded, move |decoded| Some(cut(decoded.into_owned().into(), partial))).await
    }

    async fn decoded_size(&mut self, part: &[u32]) -> Result<u64, Trouble> {
        match self.encoded(part)? {
            None => Ok(0),
            Some((span, Encoding::Identity)) => Ok(u64::from(span.end) - u64::from(span.start)),
            Some((span, encoding)) => {
                let encoded = self.read_into_workspace(span).await?;
                decode(encoding, encoded, |decoded| decoded.len() as u64).await
            }
        }
    }

    fn encoded(&self, part: &[u32]) -> Result<Option<(Span, Encoding)>, Trouble> {
        match binary::place(self.summary()?, part) {
            Ok(place) => Ok(Some(place)),
            Err(BinaryError::NoSuchPart) => Ok(None),
            Err(BinaryError::UnknownEncoding) => Err(Trouble::UnknownEncoding),
        }
    }
}

/// Decodes, and makes something of the result; off the runtime's threads if there is much of it.
async fn decode<T: Send + 'static>(
    encoding: Encoding,
    encoded: Bytes,
    make: impl FnOnce(Cow<'_, [u8]>) -> T + Send + 'static,
) -> Result<T, Trouble> {
    if encoded.len() as u64 <= PIECE_OCTETS {
        return Ok(make(encoding.decode(&encoded)));
    }
    let decoding = tokio::task::spawn_blocking(move || make(encoding.decode(&encoded)));
    decoding.await.map_err(|error| Error::Read(error.to_string()).into())
}

/// The octets that a partial FETCH asks for.
fn cut(octets: Bytes, partial: Option<Partial>) -> Bytes {
    let Some(Partial { offset, length }) = partial else { return octets };
    let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(octets.len());
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    octets.slice(offset..offset.saturating_add(length).min(octets.len()))
}
