//! Modified UTF-7 (RFC 3501 §5.1.3): how mailbox names with more than printable ASCII travel in IMAP4rev1.
//!
//! Printable ASCII stands for itself, but `&`, which is `&-`. Everything else is UTF-16 in a base64 without padding,
//! with `,` for `/`, between `&` and `-`.
//!
//! Every name has exactly one form: [`decode`] refuses all others (superfluous shifts, encoded printable ASCII, bits left
//! over, lone surrogates), so that one mailbox can't have two names.

/// The digits of modified BASE64.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

fn stands_for_itself(c: char) -> bool {
    matches!(c, ' '..='~') && c != '&'
}

/// The name in modified UTF-7: printable ASCII.
pub(crate) fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        let shifted = rest.find(stands_for_itself_or_ampersand).unwrap_or(rest.len());
        if shifted > 0 {
            let (run, behind) = rest.split_at(shifted);
            encode_run(run, &mut out);
            rest = behind;
        } else {
            out.push(c);
            if c == '&' {
                out.push('-');
            }
            rest = &rest[1..];
        }
    }
    out
}

fn stands_for_itself_or_ampersand(c: char) -> bool {
    stands_for_itself(c) || c == '&'
}

/// `&`, the run as base64 of UTF-16, `-`.
fn encode_run(run: &str, out: &mut String) {
    out.push('&');
    let (mut bits, mut count) = (0u32, 0);
    for unit in run.encode_utf16() {
        bits = bits << 16 | u32::from(unit);
        count += 16;
        while count >= 6 {
            count -= 6;
            out.push(digit(bits >> count));
        }
        // At most 5 bits stay, so that 16 more fit.
        bits &= (1 << count) - 1;
    }
    if count > 0 {
        out.push(digit(bits << (6 - count)));
    }
    out.push('-');
}

fn digit(bits: u32) -> char {
    char::from(DIGITS[(bits & 0x3f) as usize])
}

/// The name that `encoded` stands for; `None` where it is not exactly what [`encode`] makes of a name.
pub(crate) fn decode(encoded: &[u8]) -> Option<String> {
    let mut name = String::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'&' {
            if !stands_for_itself(char::from(*first)) {
                return None;
            }
            name.push(char::from(*first));
            continue;
        }
        let end = memchr::memchr(b'-', rest)?;
        if end == 0 {
            name.push('&');
        } else {
            decode_run(&rest[..end], &mut name)?;
        }
        rest = &rest[end + 1..];
    }
    // Whatever the loop took too kindly comes out otherwise than it came in.
    (encode(&name).as_bytes() == encoded).then_some(name)
}

fn decode_run(run: &[u8], name: &mut String) -> Option<()> {
    let (mut bits, mut count) = (0u32, 0);
    let mut units = Vec::with_capacity(run.len() * 6 / 16);
    for octet in run {
        let value = DIGITS.iter().position(|digit| digit == octet)?;
        bits = bits << 6 | value as u32;
        count += 6;
        if count >= 16 {
            count -= 16;
            units.push((bits >> count) as u16);
            bits &= (1 << count) - 1;
        }
    }
    for c in char::decode_utf16(units) {
        name.push(c.ok()?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_their_forms() {
        let table = [
            ("", ""),
            ("INBOX", "INBOX"),
            ("R&D", "R&-D"),
            ("&&", "&-&-"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("台北日本語", "&U,BTF2XlZyyKng-"),
            ("☺!", "&Jjo-!"),
            ("ä&ö", "&AOQ-&-&APY-"),
            ("😀", "&2D3eAA-"),
            ("\u{7f}\0", "&AH8AAA-"),
        ];
        for (name, encoded) in table {
            assert_eq!(encode(name), encoded);
            assert_eq!(decode(encoded.as_bytes()).as_deref(), Some(name), "{encoded}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        let table: [(&[u8], &str); 14] = [
            (b"&Jjo!", "no shift back (RFC 3501 §5.1.3)"),
            (b"&U,BTFw-&ZeVnLIqe-", "superfluous shift (RFC 3501 §5.1.3)"),
            (b"R&D", "no shift back"),
            (b"&", "no shift back"),
            (b"&AGE-", "printable ASCII in base64"),
            (b"&ACY-", "& in base64"),
            (b"&AOR-", "bits left over that are not zero"),
            (b"&AOQA-", "a digit too many"),
            (b"&AO-", "no whole unit"),
            (b"&2D0-", "a lone surrogate"),
            (b"&AO/k-", "/ is no digit"),
            (b"&AOQ=-", "padding"),
            (b"Entw\xc3\xbcrfe", "8-bit octets"),
            (b"a\x01b", "a control character"),
        ];
        for (encoded, why) in table {
            assert_eq!(decode(encoded), None, "{why}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(name in any::<String>()) {
            let encoded = encode(&name);
            prop_assert!(encoded.bytes().all(|octet| matches!(octet, b' '..=b'~')));
            prop_assert_eq!(decode(encoded.as_bytes()), Some(name));
        }

        #[test]
        fn what_is_decoded_is_encoded_the_same(encoded in "[&A-E,+a-]{0,12}") {
            if let Some(name) = decode(encoded.as_bytes()) {
                prop_assert_eq!(encode(&name), encoded);
            }
        }

        #[test]
        fn any_octets_are_survived(octets in any::<Vec<u8>>()) {
            decode(&octets);
        }
    }
}
