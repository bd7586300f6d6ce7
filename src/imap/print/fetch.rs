//! FETCH responses (RFC 3501 §7.4.2, RFC 3516 §4.2), written straight into the output, item by item; and the items
//! themselves, which responses and commands name alike.
//!
//! ```abnf
//! message-data = nz-number SP "FETCH" SP "(" (msg-att-dynamic / msg-att-static) *(SP ...) ")"
//! ```

use super::lexeme::{Literals, astring, list, literal_header, number, string};
use super::{date, envelope, flag, structure};
use crate::imap::command::{FetchItem, Partial};
use crate::imap::dialect::Dialect;
use crate::message::{Envelope, Part, Section, SectionText};
use crate::store::{Date, Flags, ModSeq, Uid};

/// Writes one `* n FETCH (…)` line, item by item, and at least one.
#[derive(Debug)]
pub struct FetchWriter<'o> {
    out: &'o mut Vec<u8>,
    dialect: Dialect,
    /// No item has been written.
    is_empty: bool,
}

impl<'o> FetchWriter<'o> {
    /// Begins the line of the message with that sequence number and that UID: the client goes by one of them.
    pub fn begin(out: &'o mut Vec<u8>, sequence_number: u32, uid: Uid, dialect: Dialect) -> FetchWriter<'o> {
        out.extend_from_slice(b"* ");
        if dialect.uid_only {
            // uidfetch-resp = uniqueid SP "UIDFETCH" SP msg-att (RFC 9586 §4)
            number(out, u64::from(uid));
            out.extend_from_slice(b" UIDFETCH (");
        } else {
            number(out, u64::from(sequence_number));
            out.extend_from_slice(b" FETCH (");
        }
        FetchWriter { out, dialect, is_empty: true }
    }

    /// `FLAGS`: keywords are named by the table of the mailbox's head.
    pub fn flags(&mut self, flags: Flags, keywords: &[String], recent: bool) {
        flag::fetched(self.item(b"FLAGS "), flags, keywords, recent);
    }

    /// `UID`
    pub fn uid(&mut self, uid: Uid) {
        number(self.item(b"UID "), u64::from(uid));
    }

    /// `UID` that nobody asked for, where the line does not begin with it (RFC 9586 §3).
    pub fn implied_uid(&mut self, uid: Uid) {
        if !self.dialect.uid_only {
            self.uid(uid);
        }
    }

    /// `MODSEQ` (RFC 7162 §3.1.4.2)
    pub fn mod_seq(&mut self, mod_seq: ModSeq) {
        let out = self.item(b"MODSEQ (");
        number(out, mod_seq);
        out.push(b')');
    }

    /// `INTERNALDATE`
    pub fn internal_date(&mut self, date: Date) {
        date::date_time(self.item(b"INTERNALDATE "), date);
    }

    /// `EMAILID` (RFC 8474 §5.1)
    pub fn email_id(&mut self, id: &str) {
        let out = self.item(b"EMAILID (");
        out.extend_from_slice(id.as_bytes());
        out.push(b')');
    }

    /// `THREADID NIL`: the server keeps no threads (RFC 8474 §5.2).
    pub fn thread_id_nil(&mut self) {
        self.item(b"THREADID NIL");
    }

    /// `SAVEDATE` in UTC (RFC 8514 §4.2)
    pub fn save_date(&mut self, unix_s: i64) {
        date::date_time(self.item(b"SAVEDATE "), Date { unix_s, offset_min: 0 });
    }

    /// `PREVIEW` (RFC 8970 §3.2)
    pub fn preview(&mut self, text: &str) {
        let literals = Literals::of(self.dialect);
        string(self.item(b"PREVIEW "), text.as_bytes(), literals);
    }

    /// `RFC822.SIZE`
    pub fn rfc822_size(&mut self, octets: u32) {
        number(self.item(b"RFC822.SIZE "), u64::from(octets));
    }

    /// `ENVELOPE`
    pub fn envelope(&mut self, envelope: &Envelope) {
        let literals = Literals::of(self.dialect);
        envelope::envelope(self.item(b"ENVELOPE "), envelope, literals);
    }

    /// `BODY`: the structure without extension data.
    pub fn body(&mut self, structure: &Part) {
        let form = structure::Form { extended: false, dialect: self.dialect };
        structure::body(self.item(b"BODY "), structure, form);
    }

    /// `BODYSTRUCTURE`
    pub fn body_structure(&mut self, structure: &Part) {
        let form = structure::Form { extended: true, dialect: self.dialect };
        structure::body(self.item(b"BODYSTRUCTURE "), structure, form);
    }

    /// `BODY[section]<origin>` with the head of a literal: exactly `octets` octets must follow, through
    /// [`octets`](Self::octets) or straight to the client behind what is in the output.
    pub fn body_section(&mut self, section: &Section, partial: Option<Partial>, octets: u64) {
        self.section_name(section, partial);
        literal_header(self.out, octets, Literals::Plain);
    }

    /// `BODY[section]<origin> NIL`: there is no such part.
    pub fn body_section_nil(&mut self, section: &Section, partial: Option<Partial>) {
        self.section_name(section, partial);
        self.out.extend_from_slice(b"NIL");
    }

    fn section_name(&mut self, section: &Section, partial: Option<Partial>) {
        body_section(self.item(b"BODY"), section, Literals::Plain);
        self.origin(partial);
        self.out.push(b' ');
    }

    /// `RFC822`, with the head of a literal.
    pub fn rfc822(&mut self, octets: u64) {
        literal_header(self.item(b"RFC822 "), octets, Literals::Plain);
    }

    /// `RFC822.HEADER`, with the head of a literal.
    pub fn rfc822_header(&mut self, octets: u64) {
        literal_header(self.item(b"RFC822.HEADER "), octets, Literals::Plain);
    }

    /// `RFC822.TEXT`, with the head of a literal.
    pub fn rfc822_text(&mut self, octets: u64) {
        literal_header(self.item(b"RFC822.TEXT "), octets, Literals::Plain);
    }

    /// `BINARY[part]<origin>` with its octets: a literal, or a literal8 where they have a NUL (RFC 3516 §4.2).
    pub fn binary(&mut self, part: &[u32], partial: Option<Partial>, octets: &[u8]) {
        section_part(self.item(b"BINARY"), part);
        self.origin(partial);
        self.out.push(b' ');
        if memchr::memchr(0, octets).is_some() {
            self.out.push(b'~');
        }
        literal_header(self.out, octets.len() as u64, Literals::Plain);
        self.out.extend_from_slice(octets);
    }

    /// `BINARY[part]<origin> NIL`: there is no such part.
    pub fn binary_nil(&mut self, part: &[u32], partial: Option<Partial>) {
        section_part(self.item(b"BINARY"), part);
        self.origin(partial);
        self.out.extend_from_slice(b" NIL");
    }

    /// `BINARY.SIZE[part]`
    pub fn binary_size(&mut self, part: &[u32], octets: u64) {
        section_part(self.item(b"BINARY.SIZE"), part);
        self.out.push(b' ');
        number(self.out, octets);
    }

    /// Octets of the literal that was begun last. A literal has no NUL (RFC 3501 §9, CHAR8): each is shown as 0x80, which
    /// no text holds alone, so that lengths and offsets stay; [`FetchWriter::binary`] gives them as they are.
    pub fn octets(&mut self, octets: &[u8]) {
        let from = self.out.len();
        self.out.extend_from_slice(octets);
        // Searched for in a pass of its own, which is as fast as the memory: hardly any message has one.
        for at in memchr::memchr_iter(0, octets) {
            self.out[from + at] = 0x80;
        }
    }

    /// What is written so far, to be sent before more is added: for literals that do not fit one step of output.
    pub fn out(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// Ends the line.
    pub fn end(self) {
        self.out.extend_from_slice(b")\r\n");
    }

    /// Begins an item.
    fn item(&mut self, name: &[u8]) -> &mut Vec<u8> {
        if !self.is_empty {
            self.out.push(b' ');
        }
        self.is_empty = false;
        self.out.extend_from_slice(name);
        self.out
    }

    /// `["<" number ">"]`: a response names where it begins, not how long it was to be.
    fn origin(&mut self, partial: Option<Partial>) {
        if let Some(partial) = partial {
            self.out.push(b'<');
            number(self.out, partial.offset);
            self.out.push(b'>');
        }
    }
}

/// `fetch-att`, as a command names it.
pub(super) fn item(out: &mut Vec<u8>, item: &FetchItem) {
    let (name, partial): (&[u8], _) = match item {
        FetchItem::Envelope => (b"ENVELOPE", &None),
        FetchItem::Flags => (b"FLAGS", &None),
        FetchItem::InternalDate => (b"INTERNALDATE", &None),
        FetchItem::Rfc822 => (b"RFC822", &None),
        FetchItem::Rfc822Header => (b"RFC822.HEADER", &None),
        FetchItem::Rfc822Size => (b"RFC822.SIZE", &None),
        FetchItem::Rfc822Text => (b"RFC822.TEXT", &None),
        FetchItem::Body => (b"BODY", &None),
        FetchItem::BodyStructure => (b"BODYSTRUCTURE", &None),
        FetchItem::EmailId => (b"EMAILID", &None),
        FetchItem::ThreadId => (b"THREADID", &None),
        FetchItem::SaveDate => (b"SAVEDATE", &None),
        FetchItem::Preview { lazy: false } => (b"PREVIEW", &None),
        FetchItem::Preview { lazy: true } => (b"PREVIEW (LAZY)", &None),
        FetchItem::Uid => (b"UID", &None),
        FetchItem::ModSeq => (b"MODSEQ", &None),
        FetchItem::BodySection { peek: false, partial, .. } => (b"BODY", partial),
        FetchItem::BodySection { peek: true, partial, .. } => (b"BODY.PEEK", partial),
        FetchItem::Binary { peek: false, partial, .. } => (b"BINARY", partial),
        FetchItem::Binary { peek: true, partial, .. } => (b"BINARY.PEEK", partial),
        FetchItem::BinarySize { .. } => (b"BINARY.SIZE", &None),
    };
    out.extend_from_slice(name);
    match item {
        FetchItem::BodySection { section, .. } => body_section(out, section, Literals::NonSynchronizing),
        FetchItem::Binary { part, .. } | FetchItem::BinarySize { part } => section_part(out, part),
        _ => {}
    }
    if let Some(Partial { offset, length }) = partial {
        out.push(b'<');
        number(out, *offset);
        out.push(b'.');
        number(out, *length);
        out.push(b'>');
    }
}

/// `section = "[" [section-spec] "]"`
fn body_section(out: &mut Vec<u8>, section: &Section, literals: Literals) {
    out.push(b'[');
    part_numbers(out, &section.path);
    if let Some(text) = &section.text {
        if !section.path.is_empty() {
            out.push(b'.');
        }
        let (name, fields): (&[u8], &[Vec<u8>]) = match text {
            SectionText::Header => (b"HEADER", &[]),
            SectionText::HeaderFields(fields) => (b"HEADER.FIELDS ", fields),
            SectionText::HeaderFieldsNot(fields) => (b"HEADER.FIELDS.NOT ", fields),
            SectionText::Text => (b"TEXT", &[]),
            SectionText::Mime => (b"MIME", &[]),
        };
        out.extend_from_slice(name);
        if !fields.is_empty() {
            list(out, fields, |out, field| astring(out, field, literals));
        }
    }
    out.push(b']');
}

/// `section-binary = "[" [section-part] "]"`
fn section_part(out: &mut Vec<u8>, part: &[u32]) {
    out.push(b'[');
    part_numbers(out, part);
    out.push(b']');
}

/// `section-part = nz-number *("." nz-number)`
fn part_numbers(out: &mut Vec<u8>, part: &[u32]) {
    for (index, part) in part.iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        number(out, u64::from(*part));
    }
}
