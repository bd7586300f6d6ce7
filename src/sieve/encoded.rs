//! `encoded-character` (RFC 5228 §2.4.2.4): `${hex:24 24}` and `${unicode:2028}` inside strings.

/// A well-formed sequence names what is no Unicode character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoCharacter;

/// What a string means where the extension is in effect. What is not quite such a sequence stays as it is.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, NoCharacter> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        octets.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at..];
        match sequence(rest)? {
            Some((meant, behind)) => {
                octets.extend(meant);
                rest = behind;
            }
            // What is inside may be one: `${hex:4${hex:30}}` has one that begins later.
            None => {
                octets.extend_from_slice(b"${");
                rest = &rest[2..];
            }
        }
    }
    octets.extend_from_slice(rest.as_bytes());
    Ok(octets)
}

/// `encoded-arb-octets / encoded-unicode-char` at the beginning of `text`: what it means, and what stands behind it.
fn sequence(text: &str) -> Result<Option<(Vec<u8>, &str)>, NoCharacter> {
    let behind = |word: &str| {
        let (head, behind) = text[2..].split_at_checked(word.len())?;
        head.eq_ignore_ascii_case(word).then_some(behind)
    };
    let (is_unicode, behind) = match (behind("hex:"), behind("unicode:")) {
        (Some(behind), _) => (false, behind),
        (None, Some(behind)) => (true, behind),
        (None, None) => return Ok(None),
    };
    // Only what may be in a sequence is looked at, so that a string of many beginnings takes linear time.
    let end = behind.find(|c: char| !c.is_ascii_hexdigit() && !matches!(c, ' ' | '\t' | '\r' | '\n'));
    let Some(end) = end.filter(|end| behind[*end..].starts_with('}')) else { return Ok(None) };
    let (mut meant, mut no_character) = (Vec::new(), false);
    for word in behind[..end].split_ascii_whitespace() {
        if is_unicode {
            match unicode(word) {
                Some(c) => meant.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                None => no_character = true,
            }
        } else {
            match u8::from_str_radix(word, 16) {
                Ok(octet) if word.len() <= 2 => meant.push(octet),
                _ => return Ok(None),
            }
        }
    }
    match (no_character, meant.is_empty()) {
        (true, _) => Err(NoCharacter),
        (false, true) => Ok(None),
        (false, false) => Ok(Some((meant, &behind[end + 1..]))),
    }
}

/// `unicode-hex = 1*HEXDIG`: of zeros in front there may be many.
fn unicode(word: &str) -> Option<char> {
    match word.trim_start_matches('0') {
        "" => Some('\0'),
        digits => u32::from_str_radix(digits, 16).ok().and_then(char::from_u32),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The table of §2.4.2.4, and what it leaves out.
    #[test]
    fn sequences_and_what_is_none() {
        for (text, meant) in [
            ("$${hex:40}", "$@"),
            ("${hex: 40 }", "@"),
            ("${HEX: 40}", "@"),
            ("${hex:40", "${hex:40"),
            ("${hex:400}", "${hex:400}"),
            ("${hex:4${hex:30}}", "${hex:40}"),
            ("${hex:24 24}$", "$$$"),
            ("${hex:4 1\r\n\t2}", "\u{4}\u{1}\u{2}"),
            ("${hex:}", "${hex:}"),
            ("${hex: }", "${hex: }"),
            ("${hex:+4}", "${hex:+4}"),
            ("${hex:0x4}", "${hex:0x4}"),
            ("${unicode:40}", "@"),
            ("${ unicode:40}", "${ unicode:40}"),
            ("${UNICODE:40}", "@"),
            ("${UnICoDE:0000040}", "@"),
            ("${unicode:0}", "\0"),
            ("${unicode:000000000000000000e4 2028}", "\u{e4}\u{2028}"),
            ("${Unicode:Cool}", "${Unicode:Cool}"),
            ("${}${:}${", "${}${:}${"),
        ] {
            assert_eq!(decode(text).as_deref(), Ok(meant.as_bytes()), "{text}");
        }
        for text in ["${unicode:200000}", "${Unicode:DF01}", "${unicode:40 d800}", "x${unicode:fffffffffffffffffffff}"]
        {
            assert_eq!(decode(text), Err(NoCharacter), "{text}");
        }
        assert_eq!(decode("${hex:c3}").unwrap(), [0xc3], "octets need not be UTF-8");
        assert_eq!(decode("${unicode:200000 x}").as_deref(), Ok(b"${unicode:200000 x}".as_slice()));
    }

    #[test]
    fn many_beginnings_take_linear_time() {
        for text in ["${hex:".repeat(100_000), "${hex:4 ".repeat(100_000), "${".repeat(100_000)] {
            assert_eq!(decode(&text).as_deref(), Ok(text.as_bytes()));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(\\$|\\{|hex|unicode|:|[0-9a-f ]|\\}|é){0,20}") {
            let _ = decode(&text);
        }
    }
}
