//! The items of one FETCH line; those with octets are read from where they lie in the store.
//!
//! A literal states its length before its octets. So what is short is read first, and an error costs the item; what is
//! long is passed on in pieces, and an error in the middle of it can only end the connection: no other answer would be
//! understood.
//!
//! Octets are what the message holds, NUL too, though RFC 3501 §9 has no NUL in a literal: we differ on purpose, since a
//! client must get what was stored, and counts octets anyway. BINARY is the way for clients that mind.

use std::io;

use super::plan::text_of;
use crate::imap::command::{FetchItem, Partial};
use crate::imap::exec::context::{Client, STEP_OCTETS};
use crate::imap::print::fetch::FetchWriter;
use crate::message::binary::{self, BinaryError, Encoding};
use crate::message::section::Place;
use crate::message::{Section, Span, Summary};
use crate::store::{Error, Message, Store};

/// What is read in one go, and decoded without leaving the thread.
const PIECE_OCTETS: u64 = 64 * 1024;

/// Why an item could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The message can't be read.
    #[error(transparent)]
    Store(#[from] Error),
    /// BINARY can't be shown.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// The client is gone, or must go.
    #[error(transparent)]
    Disconnected(#[from] io::Error),
}

/// Reads one message for one client.
pub(super) struct Reader<'a> {
    pub(super) store: &'a Store,
    pub(super) client: &'a mut dyn Client,
    pub(super) message: &'a Message,
    /// There, where the plan needs it.
    pub(super) summary: Option<&'a Summary>,
    /// Some of the line was sent.
    pub(super) flushed: bool,
}

/// Octets of an item.
enum Octets {
    /// There is no such part.
    Nil,
    /// Here they are.
    Read(Vec<u8>),
    /// So many, from there on in the message.
    From { offset: u64, octets: u64 },
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

impl Reader<'_> {
    /// Writes an item of the line.
    pub(super) async fn write(&mut self, item: &FetchItem, line: &mut FetchWriter<'_>) -> Result<(), Trouble> {
        match item {
            // FLAGS stand at the beginning of the line.
            FetchItem::Flags => {}
            FetchItem::Uid => line.uid(self.message.uid),
            FetchItem::InternalDate => line.internal_date(self.message.internal_date),
            FetchItem::Rfc822Size => line.rfc822_size(self.message.size),
            FetchItem::Envelope => line.envelope(&self.summary()?.envelope),
            FetchItem::Body => line.body(&self.summary()?.structure),
            FetchItem::BodyStructure => line.body_structure(&self.summary()?.structure),
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
                let octets = self.decoded(part, *partial).await?;
                line.binary(part, *partial, &octets);
                self.step(line).await?;
            }
            FetchItem::BinarySize { part } => line.binary_size(part, self.decoded_size(part).await?),
        }
        Ok(())
    }

    fn summary(&self) -> Result<&Summary, Trouble> {
        // The plan says what needs it; if it ever did not, the message is as good as damaged.
        self.summary.ok_or_else(|| Error::Damaged("its summary was not read".into()).into())
    }

    /// Finds the octets of a section, and reads them if they are few.
    async fn section(&self, section: &Section, partial: Option<Partial>) -> Result<Octets, Trouble> {
        let whole = Span { start: 0, end: self.message.size };
        if section.path.is_empty() && section.text.is_none() {
            return self.span(whole, partial).await;
        }
        match section.place(self.summary()?) {
            None => Ok(Octets::Nil),
            Some(Place::Octets(span)) => self.span(span, partial).await,
            Some(Place::Fields(fields)) => {
                let header = self.read(fields.header).await?;
                let selected = fields.select(&header);
                Ok(Octets::Read(cut(&selected, partial).to_vec()))
            }
        }
    }

    async fn span(&self, span: Span, partial: Option<Partial>) -> Result<Octets, Trouble> {
        let (start, end) = (u64::from(span.start), u64::from(span.end));
        let (offset, octets) = match partial {
            None => (start, end - start),
            // "If the starting octet is beyond the end of the text, an empty string is returned" (RFC 3501 §6.4.5).
            Some(Partial { offset, length }) => {
                let first = start.saturating_add(offset.into()).min(end);
                (first, (end - first).min(length.into()))
            }
        };
        if octets > PIECE_OCTETS {
            return Ok(Octets::From { offset, octets });
        }
        Ok(Octets::Read(self.read_exactly(offset, octets).await?))
    }

    async fn read(&self, span: Span) -> Result<Vec<u8>, Trouble> {
        self.read_exactly(span.start.into(), u64::from(span.end) - u64::from(span.start)).await
    }

    async fn read_exactly(&self, offset: u64, octets: u64) -> Result<Vec<u8>, Trouble> {
        let read = self.store.read_range(self.message.body, offset, octets as usize).await?;
        if read.len() as u64 == octets {
            Ok(read.into())
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
            self.flushed = true;
        }
        Ok(())
    }

    /// BINARY: the transfer encoding undone, "partial" counted in what comes out (RFC 3516 §4.2).
    async fn decoded(&self, part: &[u32], partial: Option<Partial>) -> Result<Vec<u8>, Trouble> {
        let (span, encoding) = binary::place(self.summary()?, part)?;
        if encoding == Encoding::Identity {
            // Nothing to undo: only what is asked for is read.
            return match self.span(span, partial).await? {
                Octets::Nil => Ok(Vec::new()),
                Octets::Read(octets) => Ok(octets),
                Octets::From { offset, octets } => self.read_exactly(offset, octets).await,
            };
        }
        let encoded = self.read(span).await?;
        decode(encoding, encoded, move |decoded| cut(decoded, partial).to_vec()).await
    }

    async fn decoded_size(&self, part: &[u32]) -> Result<u64, Trouble> {
        let (span, encoding) = binary::place(self.summary()?, part)?;
        if encoding == Encoding::Identity {
            return Ok(u64::from(span.end) - u64::from(span.start));
        }
        decode(encoding, self.read(span).await?, |decoded| decoded.len() as u64).await
    }
}

/// Decodes, and makes something of the result; off the runtime's threads if there is much of it.
async fn decode<T: Send + 'static>(
    encoding: Encoding,
    encoded: Vec<u8>,
    make: impl FnOnce(&[u8]) -> T + Send + 'static,
) -> Result<T, Trouble> {
    if encoded.len() as u64 <= PIECE_OCTETS {
        return Ok(make(&encoding.decode(&encoded)));
    }
    let decoding = tokio::task::spawn_blocking(move || make(&encoding.decode(&encoded)));
    decoding.await.map_err(|error| Error::Read(error.to_string()).into())
}

/// The octets that a partial FETCH asks for.
fn cut(octets: &[u8], partial: Option<Partial>) -> &[u8] {
    let Some(Partial { offset, length }) = partial else { return octets };
    let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(octets.len());
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    &octets[offset..offset.saturating_add(length).min(octets.len())]
}
