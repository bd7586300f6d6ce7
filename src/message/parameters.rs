//! Parameters of MIME fields put together: RFC 2231 cuts long ones into pieces (§3) and names charsets of others (§4).
//!
//! What IMAP4rev2 shows of them (RFC 9051 §7.5.2): pieces joined under the name that they share, and where a charset was
//! named, UTF-8 under that name with a `*` behind it. What is not whole is shown as it stands.

use std::borrow::Cow;
use std::collections::HashMap;

use super::{Text, charset};

/// The parameters in their order, those of RFC 2231 put together in the place of their first piece.
pub fn put_together(params: &[(Text, Text)]) -> Cow<'_, [(Text, Text)]> {
    if !params.iter().any(|(name, _)| name.contains(&b'*')) {
        return Cow::Borrowed(params);
    }
    let mut families: HashMap<Vec<u8>, Vec<Piece<'_>>> = HashMap::new();
    for (name, value) in params {
        if let Some(piece) = Piece::of(name, value) {
            families.entry(piece.base.to_ascii_lowercase()).or_default().push(piece);
        }
    }
    let mut families: HashMap<_, _> = families.into_iter().map(|(name, pieces)| (name, Family::of(&pieces))).collect();
    let mut together = Vec::with_capacity(params.len());
    for (name, value) in params {
        let family = Piece::of(name, value).and_then(|piece| families.get_mut(&piece.base.to_ascii_lowercase()));
        match family {
            Some(family @ Family::Whole(_)) => {
                if let Family::Whole(whole) = std::mem::replace(family, Family::Placed) {
                    together.push(whole);
                }
            }
            Some(Family::Placed) => {}
            Some(Family::AsItStands) | None => together.push((name.clone(), value.clone())),
        }
    }
    Cow::Owned(together)
}

/// What the pieces of one name make.
enum Family {
    /// This parameter.
    Whole((Text, Text)),
    /// It was put in the place of the first.
    Placed,
    /// Nothing.
    AsItStands,
}

impl Family {
    fn of(pieces: &[Piece<'_>]) -> Self {
        joined(pieces).map_or(Family::AsItStands, Family::Whole)
    }
}

/// `name*`, `name*3`, `name*3*`
#[derive(Clone, Copy)]
struct Piece<'p> {
    base: &'p [u8],
    /// Its place, where there are several.
    section: Option<usize>,
    /// `*` at the end: percent signs mean octets.
    encoded: bool,
    value: &'p [u8],
}

impl<'p> Piece<'p> {
    fn of(name: &'p Text, value: &'p Text) -> Option<Self> {
        let star = memchr::memchr(b'*', name)?;
        let (base, rest) = (&name[..star], &name[star + 1..]);
        let (digits, encoded) = match rest.strip_suffix(b"*") {
            Some(digits) => (digits, true),
            None => (rest, rest.is_empty()),
        };
        let section = match (digits, rest) {
            (_, b"") => None,
            // No zero in front (RFC 2231 §7).
            (b"0", _) => Some(0),
            (b"" | [b'0', ..], _) => return None,
            _ => Some(std::str::from_utf8(digits).ok()?.parse().ok()?),
        };
        (!base.is_empty()).then_some(Self { base, section, encoded, value })
    }
}

/// The parameter that the pieces make; `None` where one is missing, or there is more than one of a kind.
fn joined(pieces: &[Piece<'_>]) -> Option<(Text, Text)> {
    let mut sorted = pieces.to_vec();
    sorted.sort_by_key(|piece| piece.section);
    let in_order = match &sorted[..] {
        [only] if only.section.is_none() => true,
        all => all.iter().enumerate().all(|(place, piece)| piece.section == Some(place)),
    };
    let first = sorted.first().filter(|_| in_order)?;
    if !sorted.iter().any(|piece| piece.encoded) {
        let value = sorted.iter().map(|piece| piece.value).collect::<Vec<_>>().concat();
        return Some((Text::new(first.base), Text::new(&value)));
    }
    // extended-initial-value = [charset] "'" [language] "'" extended-other-values
    let mut charset_name = None;
    let mut octets = Vec::new();
    for (place, piece) in sorted.iter().enumerate() {
        let mut value = piece.value;
        if place == 0 && piece.encoded {
            let mut parts = value.splitn(3, |octet| *octet == b'\'');
            let (Some(name), Some(_language), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
                return None;
            };
            charset_name = Some(name);
            value = rest;
        }
        match piece.encoded {
            true => percent_decode(value, &mut octets)?,
            false => octets.extend_from_slice(value),
        }
    }
    let text = charset::decode(&octets, charset_name);
    Some((Text::new(&[first.base, b"*"].concat()), Text::new(text.as_bytes())))
}

/// `ext-octet = "%" 2(DIGIT / "A" / "B" / "C" / "D" / "E" / "F")`; `None` where a percent sign stands for nothing.
fn percent_decode(value: &[u8], octets: &mut Vec<u8>) -> Option<()> {
    let mut rest = value;
    while let Some((first, behind)) = rest.split_first() {
        if *first != b'%' {
            octets.push(*first);
            rest = behind;
            continue;
        }
        let (digits, behind) = behind.split_at_checked(2)?;
        let digit = |octet: u8| char::from(octet).to_digit(16);
        octets.push((digit(digits[0])? << 4 | digit(digits[1])?) as u8);
        rest = behind;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn together(params: &[(&str, &str)]) -> Vec<(String, String)> {
        let params: Vec<(Text, Text)> = params.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let text = |text: &Text| String::from_utf8(text.to_vec()).unwrap();
        put_together(&params).iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    fn are(params: &[(&str, &str)], expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(together(params), expected);
    }

    /// The examples of RFC 2231 §3, §4 and §4.1.
    #[test]
    fn the_examples_of_the_rfc() {
        are(
            &[("access-type", "URL"), ("URL*0", "ftp://"), ("url*1", "cs.utk.edu/x.tar")],
            &[("access-type", "URL"), ("URL", "ftp://cs.utk.edu/x.tar")],
        );
        are(&[("title*", "us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A")], &[("title*", "This is ***fun***")]);
        are(
            &[
                ("title*0*", "us-ascii'en'This%20is%20even%20more%20"),
                ("title*1*", "%2A%2A%2Afun%2A%2A%2A%20"),
                ("title*2", "isn't it!"),
            ],
            &[("title*", "This is even more ***fun*** isn't it!")],
        );
    }

    #[test]
    fn charsets_become_utf8_across_pieces() {
        are(&[("name*", "iso-8859-1''Gr%fc%DFe")], &[("name*", "Grüße")]);
        are(&[("name*1*", "%9fe"), ("x", "y"), ("name*0*", "utf-8''Gr%C3%BC%C3")], &[("name*", "Grüße"), ("x", "y")]);
    }

    #[test]
    fn what_is_not_whole_stays_as_it_stands() {
        for params in [
            &[("a*0", "x"), ("a*2", "z")][..],
            &[("a*1", "x")],
            &[("a*0", "x"), ("a*0", "y")],
            &[("a*00", "x")],
            &[("a*0*x", "x")],
            &[("a**", "x")],
            &[("*", "x"), ("*0", "x")],
            &[("a*", "no quotes")],
            &[("a*", "utf-8''%4")],
            &[("a*", "utf-8''%zz")],
            &[("a*", "utf-8''x"), ("a*0", "y")],
            &[("a*99999999999999999999", "x")],
        ] {
            are(params, params);
        }
        are(&[("a", "plain"), ("a*", "utf-8''%C3%A4")], &[("a", "plain"), ("a*", "ä")]);
    }
}
