//! A message comes in, by DATA or in chunks, and is concluded.
//!
//! Octets pass through here and stay nowhere: each piece is unstuffed, looked at, and handed to the driver. Once it is
//! clear that a message will be refused, its octets are read and dropped up to its end, since only there can the
//! client be told.

use std::sync::Arc;
use std::time::Instant;

use super::{Ask, Envelope, Opening, Progress, Session, State};
use crate::smtp::body::{Pace, Reception, is_endless};
use crate::smtp::command::Chunk;
use crate::smtp::parameters::BodyType;
use crate::smtp::{Dialect, Reply, replies};
use crate::wire::dot;
use crate::wire::newline::{BareNewlines, Newlines};

impl Session {
    /// A pause between two chunks is not held against the pace of the octets.
    pub(super) fn resumed(&self, mut reception: Box<Reception>) -> Box<Reception> {
        reception.pace = Pace::new(self.now, &self.limits);
        reception
    }

    /// Reads a chunk that no transaction takes, then says so.
    pub(super) fn skip(&mut self, chunk: Chunk, reply: Reply, then: State) -> Progress {
        if is_endless(chunk.octets, &self.limits) {
            self.close_with(&replies::TOO_LARGE);
            return Progress::Made;
        }
        let (times, then) = match (self.dialect, then) {
            (Dialect::Lmtp, State::Failed(client, recipients)) if chunk.last => (recipients, State::Introduced(client)),
            (Dialect::Smtp, State::Failed(client, _)) if chunk.last => (1, State::Introduced(client)),
            (_, then) => (1, then),
        };
        let pace = Pace::new(self.now, &self.limits);
        self.state = State::Skipping { left: chunk.octets, pace, reply, times, then: Box::new(then) };
        Progress::Made
    }

    pub(super) fn advance_skipping(
        &mut self,
        left: u64,
        pace: Pace,
        reply: Reply,
        times: usize,
        then: Box<State>,
    ) -> Progress {
        let used = take(left, self.unread().len());
        self.consume(used);
        let left = left - used as u64;
        if left > 0 {
            self.state = State::Skipping { left, pace, reply, times, then };
            return Progress::Stalled;
        }
        self.idle_since = self.now;
        self.state = self.refuse_times(&reply, times, *then);
        Progress::Made
    }

    /// Asks whether a message can be taken.
    pub(super) fn open(&mut self, envelope: Envelope, opening: Opening) -> Progress {
        let envelope = Arc::new(envelope);
        self.state = State::Opening(Arc::clone(&envelope), opening);
        Progress::Asks(Ask::Open(envelope))
    }

    /// The driver can take the message, or can't.
    pub(super) fn opened(&mut self, envelope: Arc<Envelope>, opening: Opening, answer: Result<(), Reply>) -> State {
        match (opening, answer) {
            (Opening::Data, Ok(())) => {
                self.say(&replies::SEND_MESSAGE);
                let decoder = dot::Decoder::new(self.limits.bare_newlines);
                State::Data(Box::new(self.reception(envelope)), decoder)
            }
            (Opening::Data, Err(reply)) => {
                self.refuse(&reply, State::Transaction(Box::new(Arc::unwrap_or_clone(envelope))))
            }
            (Opening::Chunk(chunk), answer) => {
                let newlines = Newlines::new(match envelope.parameters.body {
                    BodyType::BinaryMime => BareNewlines::Keep,
                    BodyType::SevenBit | BodyType::EightBitMime => self.limits.bare_newlines,
                });
                let mut reception = self.reception(envelope);
                if let Err(reply) = answer {
                    self.refuse_message(&mut reception, reply);
                }
                State::Chunk(Box::new(reception), newlines, chunk)
            }
        }
    }

    fn reception(&self, envelope: Arc<Envelope>) -> Reception {
        Reception::new(envelope, Pace::new(self.now, &self.limits))
    }

    /// The driver has stored what came, or could not.
    pub(super) fn stored(&mut self, reception: &mut Reception, answer: Result<(), Reply>, asked_at: Instant) {
        reception.pace.waited(asked_at, self.now);
        if let Err(reply) = answer {
            reception.refuse(reply);
            self.abandons = true;
        }
    }

    pub(super) fn advance_data(&mut self, mut reception: Box<Reception>, mut decoder: dot::Decoder) -> Progress {
        if decoder.is_done() {
            return self.finish(&reception);
        }
        let mut text = Vec::with_capacity(self.unread().len());
        let used = decoder.decode(self.unread(), &mut text);
        self.consume(used);
        if decoder.bare_newline().is_some() {
            self.refuse_message(&mut reception, replies::BARE_NEWLINE);
        }
        let is_done = decoder.is_done();
        let progress = self.keep(&mut reception, text);
        if matches!(progress, Progress::Stalled) && reception.is_endless(0, &self.limits) {
            self.close_with(&replies::TOO_LARGE);
            return Progress::Made;
        }
        self.state = State::Data(reception, decoder);
        match progress {
            Progress::Stalled if is_done => Progress::Made,
            progress => progress,
        }
    }

    pub(super) fn advance_chunk(
        &mut self,
        mut reception: Box<Reception>,
        mut newlines: Newlines,
        chunk: Chunk,
    ) -> Progress {
        if reception.is_endless(chunk.octets, &self.limits) {
            self.close_with(&replies::TOO_LARGE);
            return Progress::Made;
        }
        let used = take(chunk.octets, self.unread().len());
        let mut text = Vec::with_capacity(used);
        newlines.push(&self.unread()[..used], &mut text);
        self.consume(used);
        let chunk = Chunk { octets: chunk.octets - used as u64, ..chunk };
        let is_complete = chunk.octets == 0;
        if is_complete && chunk.last {
            newlines.finish(&mut text);
        }
        if newlines.found().is_some() {
            self.refuse_message(&mut reception, replies::BARE_NEWLINE);
        }
        match self.keep(&mut reception, text) {
            Progress::Stalled if is_complete && chunk.last => self.finish(&reception),
            Progress::Stalled if is_complete => {
                self.chunk_ended(reception, newlines);
                Progress::Made
            }
            progress => {
                self.state = State::Chunk(reception, newlines, chunk);
                progress
            }
        }
    }

    /// Counts octets of a message, and has them stored unless it is refused. Stalled: there is nothing to store.
    fn keep(&mut self, reception: &mut Reception, text: Vec<u8>) -> Progress {
        let was_refused = reception.refusal().is_some();
        reception.count(text.len() as u64, &self.limits);
        match reception.refusal() {
            None if text.is_empty() => Progress::Stalled,
            None => Progress::Asks(Ask::Store(text)),
            Some(_) => {
                self.abandons |= !was_refused;
                Progress::Stalled
            }
        }
    }

    fn refuse_message(&mut self, reception: &mut Reception, reply: Reply) {
        self.abandons |= reception.refusal().is_none();
        reception.refuse(reply);
    }

    /// A chunk that was not the last has come.
    fn chunk_ended(&mut self, reception: Box<Reception>, newlines: Newlines) {
        self.idle_since = self.now;
        self.state = match reception.refusal() {
            None => {
                self.say(&replies::CHUNK_OK);
                State::Chunks(reception, newlines)
            }
            Some(reply) => {
                let envelope = &reception.envelope;
                self.refuse(reply, State::Failed(envelope.client.clone(), envelope.recipients.len()))
            }
        };
    }

    /// The whole message has come.
    fn finish(&mut self, reception: &Reception) -> Progress {
        self.idle_since = self.now;
        let envelope = Arc::clone(&reception.envelope);
        match reception.refusal() {
            None => {
                self.state = State::Delivering(envelope);
                Progress::Asks(Ask::Deliver)
            }
            Some(reply) => {
                self.state = self.conclude(&envelope, reply);
                Progress::Made
            }
        }
    }

    /// The reply to a message: one, and in LMTP one for each recipient (RFC 2033 §4.2), which are alike, since one
    /// commit serves them all.
    pub(super) fn conclude(&mut self, envelope: &Envelope, reply: &Reply) -> State {
        let times = match self.dialect {
            Dialect::Smtp => 1,
            Dialect::Lmtp => envelope.recipients.len(),
        };
        self.flushes = true;
        self.refuse_times(reply, times, State::Introduced(envelope.client.clone()))
    }
}

/// How many of `left` octets are there.
fn take(left: u64, available: usize) -> usize {
    usize::try_from(left).map_or(available, |left| left.min(available))
}
