//! Whole messages and what IMAP shows of them; and the texts of header fields.

use super::{reader, seeds};
use crate::imap::dialect::Dialect;
use crate::imap::print::fetch::FetchWriter;
use crate::message::address::parse_list;
use crate::message::collation::{SORT_OCTETS_MAX, sort_place};
use crate::message::date::Zoned;
use crate::message::msg_id::each_msg_id;
use crate::message::rules;
use crate::message::{BaseSubject, Content, Enclosed, Part, Summary, downgrade, header};
use reader::Value;

/// - The summary of any octets obeys the rules of `message`: parts lie in one another and in the message, sections are octets
///   of it, what is stored is read as it was, and is bounded.
/// - BODYSTRUCTURE and BODY are read by the grammar of RFC 3501 §9 as the parts that there are, ENVELOPE as its ten fields.
/// - Of a header that is shown to readers of ASCII nothing but ASCII is left, and its lines are lines.
pub(super) fn obeys_the_rules(message: &[u8]) {
    let summary = Summary::of(message);
    rules::obeys_the_rules(message, &summary);
    assert!(rules::is_bounded(message, &summary), "{} octets of {}", summary.encode().len(), message.len());
    for dialect in [Dialect::REV1, Dialect { rev2: true, ..Dialect::REV1 }] {
        let mut out = Vec::new();
        let mut writer = FetchWriter::begin(&mut out, 1, 1, dialect);
        writer.envelope(&summary.envelope);
        writer.body(&summary.structure);
        writer.body_structure(&summary.structure);
        writer.preview(&summary.preview);
        writer.end();
        let line = out.strip_prefix(b"* 1 FETCH ").and_then(|line| line.strip_suffix(b"\r\n"));
        let items =
            line.and_then(reader::value).unwrap_or_else(|| panic!("this can't be read: {}", out.escape_ascii()));
        let [_, envelope, _, body, _, structure, _, preview] = items.list() else { panic!("{items:?}") };
        is_envelope(envelope);
        is_body(body, &summary.structure, false, dialect);
        is_body(structure, &summary.structure, true, dialect);
        assert_eq!(preview.octets(), Some(summary.preview.as_bytes()));
    }
    for place in downgrade::headers(&summary) {
        let header = place.of(message);
        if let Some(shown) = downgrade::downgrade(header) {
            assert!(shown.len() <= 4 * header.len() + 1024, "{} octets of {}", shown.len(), header.len());
        }
    }
}

fn is_envelope(envelope: &Value) {
    let [_date, _subject, addresses @ .., _in_reply_to, _message_id] = envelope.list() else { panic!("{envelope:?}") };
    assert_eq!(addresses.len(), 6);
    for address in addresses.iter().flat_map(Value::list) {
        assert!(address.list().len() == 4 && address.list().iter().all(Value::is_nstring), "{address:?}");
    }
}

fn is_body(body: &Value, part: &Part, extended: bool, dialect: Dialect) {
    let values = body.list();
    // A multipart has extension data but for MD5 and its place behind the parts, a part all four.
    let mut left = match &part.content {
        Content::Multipart(parts) => {
            assert!(values.len() > parts.len());
            values.iter().zip(parts).for_each(|(value, part)| is_body(value, part, extended, dialect));
            let left = &values[parts.len()..];
            assert_eq!(left[0].octets(), Some(part.media_subtype.as_bytes()));
            if !extended {
                assert_eq!(left.len(), 1);
                return;
            }
            is_parameters(&left[1]);
            &left[2..]
        }
        content => {
            assert!(values.len() >= 7 && values[..2].iter().all(Value::is_string), "{body:?}");
            is_parameters(&values[2]);
            assert!(values[3].is_nstring() && values[4].is_nstring() && values[5].is_string());
            assert_eq!(values[6], Value::atom(part.body.len()));
            let mut left = &values[7..];
            if let Content::Message(enclosed) = content
                && (dialect.rev2 || !part.is_global())
            {
                let Enclosed { structure, .. } = &**enclosed;
                is_envelope(&left[0]);
                is_body(&left[1], structure, extended, dialect);
                left = &left[2..];
            }
            left
        }
    };
    if matches!(part.content, Content::Multipart(_)) {
        assert_eq!(left.len(), 3);
    } else {
        if left.len() == if extended { 5 } else { 1 } {
            assert_eq!(left[0], Value::atom(part.lines));
            left = &left[1..];
        }
        assert_eq!(left.len(), if extended { 4 } else { 0 }, "{body:?}");
        left = left.get(1..).unwrap_or_default();
    }
    if let [disposition, language, location] = left {
        if let [kind, parameters] = disposition.list() {
            assert!(kind.is_string());
            is_parameters(parameters);
        } else {
            assert!(disposition.is_nil());
        }
        assert!(language.is_nstring() || language.list().iter().all(Value::is_string) && !language.list().is_empty());
        assert!(location.is_nstring());
    }
}

/// `body-fld-param = "(" string SP string *(SP string SP string) ")" / nil`
fn is_parameters(value: &Value) {
    let pairs = value.list();
    assert!(
        value.is_nil() || !pairs.is_empty() && pairs.len().is_multiple_of(2) && pairs.iter().all(Value::is_string),
        "{value:?}"
    );
}

/// What a field says is text of bounded length, whatever it says: its words decoded, its addresses, dates, IDs and base
/// subject.
pub(super) fn texts_are_bounded(value: &[u8]) {
    let text = header::decoded(value);
    assert!(text.len() <= 4 * value.len() + 16, "{} octets of {}", text.len(), value.len());
    let unfolded = header::unfold(value);
    assert!(!unfolded.contains(&b'\r') && !unfolded.contains(&b'\n'));
    let addresses = parse_list(value, 10);
    // And the end of a group.
    assert!(addresses.len() <= 11);
    if addresses.len() < 10 {
        let starts = addresses.iter().filter(|address| address.is_group_start()).count();
        assert_eq!(starts, addresses.iter().filter(|address| address.is_group_end()).count(), "a group has no end");
    }
    let subject = BaseSubject::of(Some(value));
    assert_eq!(BaseSubject::of(Some(&[b"Re: ", value].concat())).identity(), subject.identity());
    assert!(subject.into_sort_place().len() <= SORT_OCTETS_MAX && sort_place(value).len() <= SORT_OCTETS_MAX);
    each_msg_id(value, |id| {
        assert!(id.contains(&b'@') && id.len() <= value.len());
        true
    });
    for date in [Zoned::parse_rfc5322(value), Zoned::parse_rfc5322_day(value)].into_iter().flatten() {
        let (hour, minute, second) = date.time();
        assert!(hour < 24 && minute < 60 && second < 60 && date.offset_min.abs() < 1_440);
        let seconds = u32::from(hour) * 3_600 + u32::from(minute) * 60 + u32::from(second);
        assert_eq!(Zoned::new(date.civil(), seconds, date.offset_min), date);
    }
    let fields: Vec<_> = header::fields(value).collect();
    let octets: usize = fields.iter().map(|field| field.raw.len()).sum();
    assert_eq!(fields.iter().flat_map(|field| field.raw).copied().collect::<Vec<u8>>(), value[..octets]);
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    seeds::messages(16_000)
}

/// The fields of messages, and their values.
pub(super) fn texts() -> Vec<Vec<u8>> {
    let mut texts = Vec::new();
    for message in seeds::messages(16_000) {
        let header = &message[..header::header_octets(&message)];
        texts.extend(header::fields(header).map(|field| field.value.to_vec()));
        texts.push(header.to_vec());
    }
    texts.retain(|text| text.len() <= 2_000);
    texts.sort();
    texts.dedup();
    texts
}
