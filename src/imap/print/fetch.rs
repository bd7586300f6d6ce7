//! FETCH responses (RFC 3501 §7.4.2), written straight into the output.

use crate::imap::command::Partial;
use crate::message::{Envelope, Part, Section};
use crate::store::{Date, Flags};

/// Writes one `* n FETCH (…)` line, item by item.
#[derive(Debug)]
pub struct FetchWriter<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> FetchWriter<'o> {
    /// Begins the line of the message with that sequence number.
    pub fn begin(out: &'o mut Vec<u8>, number: u32) -> FetchWriter<'o> {
        let _ = number;
        FetchWriter { out }
    }

    /// `FLAGS`: keywords are named by the table of the mailbox's head.
    pub fn flags(&mut self, flags: Flags, keywords: &[String], recent: bool) {
        let _ = (&self.out, flags, keywords, recent);
        unimplemented!()
    }

    /// `UID`
    pub fn uid(&mut self, uid: u32) {
        let _ = uid;
        unimplemented!()
    }

    /// `INTERNALDATE`
    pub fn internal_date(&mut self, date: Date) {
        let _ = date;
        unimplemented!()
    }

    /// `RFC822.SIZE`
    pub fn rfc822_size(&mut self, octets: u32) {
        let _ = octets;
        unimplemented!()
    }

    /// `ENVELOPE`
    pub fn envelope(&mut self, envelope: &Envelope) {
        let _ = envelope;
        unimplemented!()
    }

    /// `BODY`: the structure without extension data.
    pub fn body(&mut self, structure: &Part) {
        let _ = structure;
        unimplemented!()
    }

    /// `BODYSTRUCTURE`
    pub fn body_structure(&mut self, structure: &Part) {
        let _ = structure;
        unimplemented!()
    }

    /// `BODY[section]<origin>` with the head of a literal: exactly `octets` octets must follow, through
    /// [`octets`](Self::octets) or straight to the client behind what is in the output.
    pub fn body_section(&mut self, section: &Section, partial: Option<Partial>, octets: u64) {
        let _ = (section, partial, octets);
        unimplemented!()
    }

    /// `BODY[section]<origin> NIL`: there is no such part.
    pub fn body_section_nil(&mut self, section: &Section, partial: Option<Partial>) {
        let _ = (section, partial);
        unimplemented!()
    }

    /// `RFC822`, with the head of a literal.
    pub fn rfc822(&mut self, octets: u64) {
        let _ = octets;
        unimplemented!()
    }

    /// `RFC822.HEADER`, with the head of a literal.
    pub fn rfc822_header(&mut self, octets: u64) {
        let _ = octets;
        unimplemented!()
    }

    /// `RFC822.TEXT`, with the head of a literal.
    pub fn rfc822_text(&mut self, octets: u64) {
        let _ = octets;
        unimplemented!()
    }

    /// `BINARY[part]<origin>` with the octets: as a literal, or a literal8 where they have a NUL.
    pub fn binary(&mut self, part: &[u32], partial: Option<Partial>, octets: &[u8]) {
        let _ = (part, partial, octets);
        unimplemented!()
    }

    /// `BINARY.SIZE[part]`
    pub fn binary_size(&mut self, part: &[u32], octets: u64) {
        let _ = (part, octets);
        unimplemented!()
    }

    /// Octets of the literal that was begun last.
    pub fn octets(&mut self, octets: &[u8]) {
        self.out.extend_from_slice(octets);
    }

    /// What is written so far, to be sent before more is added: for literals that do not fit one step of output.
    pub fn out(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// Ends the line.
    pub fn end(self) {
        unimplemented!()
    }
}
