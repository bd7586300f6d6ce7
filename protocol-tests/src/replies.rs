//! Rules that every reply of SMTP, LMTP and POP3 obeys, checked on each whatever the transcript asks for.
//!
//! - A reply code is three digits, of which the first is 2 to 5 and the second 0 to 5 (RFC 5321 §4.2); that all lines of a
//!   reply have the same one, the framer sees to.
//! - A line of an SMTP reply has at most 512 octets with its CRLF (RFC 5321 §4.5.3.1.5); a challenge of AUTH may have more
//!   (RFC 4954 §4).
//! - POP3 says `+OK` and `-ERR` in upper case (RFC 1939 §3), and `+` within AUTH (RFC 5034 §4). The line has at most 512
//!   octets with its CRLF (RFC 1939 §3, RFC 2449 §4).
//! - No line has control characters but tabs. SMTP is ASCII before the client has said SMTPUTF8 (RFC 5321 §4.2,
//!   RFC 6531 §3.7.4); what is beyond it is UTF-8, as in POP3 (RFC 2449 §3, RFC 6856 §3.2).

/// The longest line, CRLF counted.
const LINE_OCTETS_MAX: usize = 512;

/// What is wrong with a line of an SMTP or LMTP reply. Its first three octets are digits. A client that has said
/// SMTPUTF8 reads UTF-8.
pub fn smtp(line: &[u8], reads_utf8: bool) -> Result<(), String> {
    if !(matches!(line[0], b'2'..=b'5') && matches!(line[1], b'0'..=b'5')) {
        return Err("no reply has such a code".to_owned());
    }
    text(line)?;
    if !line.is_ascii() && !reads_utf8 {
        return Err("a reply that is not ASCII, to a client that has not said SMTPUTF8".to_owned());
    }
    let is_challenge = line.starts_with(b"334");
    length(line).or_else(|error| if is_challenge { Ok(()) } else { Err(error) })
}

/// What is wrong with the first line of an answer of POP3.
pub fn pop3(line: &[u8]) -> Result<(), String> {
    let is_status = |word: &[u8]| line.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest[0] == b' ');
    if is_status(b"+") {
        return text(line);
    }
    if !is_status(b"+OK") && !is_status(b"-ERR") {
        return Err("an answer begins with +OK or -ERR, in upper case".to_owned());
    }
    text(line)?;
    length(line)
}

fn length(line: &[u8]) -> Result<(), String> {
    let octets = line.len() + 2;
    if octets <= LINE_OCTETS_MAX {
        return Ok(());
    }
    Err(format!("a line of a reply has at most {LINE_OCTETS_MAX} octets, and this one {octets}"))
}

fn text(line: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(line).map_err(|_| "a reply that is no UTF-8".to_owned())?;
    if text.contains(|c: char| c.is_control() && c != '\t') {
        return Err("a reply with control characters".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_say_is_right() {
        for line in ["250", "250 2.1.0 fine", "354 Go ahead", "220-mail.example.org"] {
            assert_eq!(smtp(line.as_bytes(), false), Ok(()), "{line}");
        }
        assert_eq!(smtp("250 Jürgen <jürgen@example.com>".as_bytes(), true), Ok(()));
        for line in ["+OK", "+OK 2 320", "-ERR [AUTH] no", "+", "+ ", "+ AAAA"] {
            assert_eq!(pop3(line.as_bytes()), Ok(()), "{line}");
        }
        let challenge = format!("334 {}", "A".repeat(2000));
        assert_eq!(smtp(challenge.as_bytes(), false), Ok(()));
        assert_eq!(pop3(challenge.replace("334", "+").as_bytes()), Ok(()));
    }

    #[test]
    fn what_breaks_a_rule_is_seen() {
        for line in ["150 x", "650 x", "260 x", "299 x", "250 a\0b", "250 a\rb"] {
            assert!(smtp(line.as_bytes(), false).is_err(), "{line:?}");
        }
        assert!(smtp(b"250 \xff", true).is_err());
        assert!(smtp("550 jürgen is unknown".as_bytes(), false).is_err());
        for line in ["+ok", "-err no", "OK", "+OKAY", "-ERRx", "", "+OK \x07"] {
            assert!(pop3(line.as_bytes()).is_err(), "{line:?}");
        }
    }

    #[test]
    fn a_line_has_512_octets() {
        let of = |start: &str, octets: usize| format!("{start} {}", "x".repeat(octets - 2 - start.len() - 1));
        assert_eq!(smtp(of("250", 512).as_bytes(), false), Ok(()));
        assert!(smtp(of("250", 513).as_bytes(), false).is_err());
        assert_eq!(pop3(of("+OK", 512).as_bytes()), Ok(()));
        assert!(pop3(of("-ERR", 513).as_bytes()).is_err());
    }
}
