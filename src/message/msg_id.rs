//! Message IDs (RFC 5322 §3.6.4): which stand in a field, in the form in which THREAD compares them.
//!
//! The same ID can be written in several ways; RFC 5256 §3 wants quotes taken off: `<"01KF8JCEOCBS0045PS"@xxx.yyy.com>` is
//! `<01KF8JCEOCBS0045PS@xxx.yyy.com>`. Comments and blanks, which old programs put inside, say nothing. Case does.

use super::header::{Words, fields};
use super::{HEADER_OCTETS_MAX, Summary};

/// Gives each Message ID of a field to `take`, in its order, until that says `false`. What is between them is passed over,
/// and so is what lacks one of the two sides of an `@`. One pass, whatever is in the field.
pub fn each_msg_id(value: &[u8], mut take: impl FnMut(&[u8]) -> bool) {
    let mut words = Words::new(value);
    let mut id = Vec::new();
    // Behind a `<` that is not closed yet.
    let mut inside = false;
    while let Some(octet) = words.peek() {
        match octet {
            b'<' => {
                id.clear();
                inside = true;
                words.next();
            }
            b'>' => {
                words.next();
                if std::mem::take(&mut inside) && has_both_sides(&id) && !take(&id) {
                    return;
                }
            }
            _ if !inside => drop(words.take_while(|octet| octet != b'<')),
            b'"' => id.extend(words.quoted_string()),
            b'(' | b' ' | b'\t' | b'\r' | b'\n' | 0 => words.skip_blanks_and_comments(),
            _ => {
                words.next();
                id.push(octet);
            }
        }
    }
}

fn has_both_sides(id: &[u8]) -> bool {
    let at = id.iter().rposition(|octet| *octet == b'@');
    at.is_some_and(|at| at > 0 && at + 1 < id.len())
}

impl Summary {
    /// How many octets of the header [`references`](Self::references) needs; 0 where the summary has the field.
    pub fn octets_for_references(&self) -> u32 {
        if self.common_header.is_some() { 0 } else { self.header_octets().min(HEADER_OCTETS_MAX) }
    }

    /// The first `References:` field, raw. `header`: see [`octets_for_references`](Self::octets_for_references).
    pub fn references<'h>(&'h self, header: &'h [u8]) -> Option<&'h [u8]> {
        let header = self.common_header.as_deref().unwrap_or(header);
        fields(header).find(|field| field.is(b"References")).map(|field| field.value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids(value: &str) -> Vec<String> {
        let mut ids = Vec::new();
        each_msg_id(value.as_bytes(), |id| {
            ids.push(String::from_utf8_lossy(id).into_owned());
            true
        });
        ids
    }

    #[test]
    fn one_id_however_it_is_written() {
        for written in
            ["<a.b@c>", "<\"a.b\"@c>", " < a.b (c) @ c > ", "<a.\"b\"@c>", "<\"a\\.b\"@c>", "x <a.b@c", "<a.b@c>>"]
        {
            let closed = if written.contains('>') { written.to_owned() } else { format!("{written}>") };
            assert_eq!(ids(&closed), ["a.b@c"], "{written}");
        }
        assert_ne!(ids("<A@b>"), ids("<a@b>"));
        assert_eq!(ids("<a@[127.0.0.1]>"), ["a@[127.0.0.1]"]);
    }

    #[test]
    fn several_and_what_is_none() {
        assert_eq!(ids("<a@b><c@d>\r\n\t<e@f>, <g@h>"), ["a@b", "c@d", "e@f", "g@h"]);
        assert_eq!(
            ids("Your message of Monday <a@b> from joe@example.org <joe@example.org>"),
            ["a@b", "joe@example.org"]
        );
        assert_eq!(ids("<a> <@b> <a@> <> a@b <a@b"), [""; 0]);
        assert_eq!(ids("<a <b@c> d>"), ["b@c"]);
        assert_eq!(ids("it's \"a <b@c>"), ["b@c"]);
        let mut first = 0;
        each_msg_id(b"<a@b> <c@d>", |_| {
            first += 1;
            false
        });
        assert_eq!(first, 1);
    }

    #[test]
    fn of_a_summary_or_of_the_header() {
        let long = format!("References: {}<z@z>\r\nReferences: <no@no>\r\n\r\nbody", "<abc@def>\r\n ".repeat(1_000));
        for (message, count) in
            [("Subject: a\r\nreferences: <a@b>\r\n\r\n", 1), (&*long, 1_001), ("Subject: a\r\n\r\n", 0)]
        {
            let summary = Summary::of(message.as_bytes());
            let header = &message.as_bytes()[..summary.octets_for_references() as usize];
            let field = summary.references(header).unwrap_or_default();
            assert_eq!(ids(std::str::from_utf8(field).unwrap()).len(), count);
        }
    }

    proptest! {
        #[test]
        fn any_octets_have_ids_or_none(value in "[<>@\"\\\\() ab\r\n]{0,40}") {
            for id in ids(&value) {
                prop_assert!(has_both_sides(id.as_bytes()));
            }
        }
    }
}
