//! Takes fields out of a message that claim to be ours.
//!
//! Whoever reads `Authentication-Results` believes those that carry its own server's name. So those that come in with our
//! name from outside have to go (RFC 8601 §5); all others stay, octet for octet. Signatures are checked over the message
//! as it came: to one that covers such a field it makes no difference here, and later checks must not rely on us anyway.
//!
//! Works on a stream, the same for every split: of a field only what comes before the name is held back, and a field
//! that hides it behind more than [`HELD_OCTETS_MAX`] of comments has no honest reason to.

/// The field's name, in lower case.
const NAME: &[u8] = b"authentication-results";

/// What is held back of a field until it says whose it is.
const HELD_OCTETS_MAX: usize = 4096;

/// What a field's beginning says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// It is another field, or another server's.
    Other,
    /// It is said to be ours.
    Ours,
    /// More has to come.
    Open,
}

/// Where in the message the filter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In a field whose beginning is held back.
    Held,
    /// In a field that stays.
    Staying,
    /// In a field that goes.
    Going,
    /// Behind the header.
    Body,
}

/// Filters one message.
#[derive(Debug)]
pub struct Filter {
    own: String,
    at: At,
    held: Vec<u8>,
    /// The last octet ended a line: the next one says whether its field goes on.
    line_ended: bool,
    /// Fields that were taken out.
    taken: usize,
}

impl Filter {
    /// Takes out what claims to be of the server with this name.
    pub fn new(authserv_id: &str) -> Filter {
        let own = authserv_id.trim_end_matches('.').to_owned();
        Filter { own, at: At::Held, held: Vec::new(), line_ended: false, taken: 0 }
    }

    /// Appends to `out` what stays of the next octets, and says how many octets are out of the message now: some may have
    /// been held back before.
    pub fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) -> usize {
        let before = self.held.len() + out.len();
        self.sift(octets, out);
        (before + octets.len()).saturating_sub(self.held.len() + out.len())
    }

    fn sift(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        let mut rest = octets;
        while let Some((&octet, behind)) = rest.split_first() {
            if self.at == At::Body {
                out.extend_from_slice(rest);
                return;
            }
            let begins_field =
                std::mem::replace(&mut self.line_ended, octet == b'\n') && !matches!(octet, b' ' | b'\t');
            if begins_field {
                self.end_field(out);
            }
            match self.at {
                At::Held => self.hold(octet, out),
                At::Staying => out.push(octet),
                At::Going | At::Body => {}
            }
            rest = behind;
            // The rest of a line of a field that is decided matters no more.
            if matches!(self.at, At::Staying | At::Going) && !self.line_ended {
                let end = rest.iter().position(|octet| *octet == b'\n').unwrap_or(rest.len());
                if self.at == At::Staying {
                    out.extend_from_slice(&rest[..end]);
                }
                rest = &rest[end..];
            }
        }
    }

    /// The message has ended: appends what was still held back, and says how many fields were taken out.
    pub fn end(mut self, out: &mut Vec<u8>) -> usize {
        if self.at == At::Held {
            // What is open at the end is complete.
            self.held.push(b';');
            match claim(&self.held, &self.own) {
                Claim::Ours => self.taken += 1,
                _ => out.extend_from_slice(&self.held[..self.held.len() - 1]),
            }
        }
        self.taken
    }

    /// A field has ended, and a line begins that is not part of it.
    fn end_field(&mut self, out: &mut Vec<u8>) {
        if self.at == At::Held {
            // It ended without a name.
            out.append(&mut self.held);
        }
        self.at = At::Held;
    }

    fn hold(&mut self, octet: u8, out: &mut Vec<u8>) {
        self.held.push(octet);
        if self.held == b"\r\n" || self.held == b"\n" {
            out.append(&mut self.held);
            self.at = At::Body;
            return;
        }
        let claim = match self.held == b"\r" {
            true => Claim::Open,
            false => claim(&self.held, &self.own),
        };
        match claim {
            Claim::Open if self.held.len() < HELD_OCTETS_MAX => {}
            Claim::Open | Claim::Ours => {
                self.held = Vec::new();
                self.taken += 1;
                self.at = At::Going;
            }
            Claim::Other => {
                out.append(&mut self.held);
                self.at = At::Staying;
            }
        }
    }
}

/// Whose a field is, by how it begins: its name, a colon, and the authserv-id (RFC 8601 §2.2), a token or a quoted string.
fn claim(field: &[u8], own: &str) -> Claim {
    let name = &field[..field.len().min(NAME.len())];
    if !name.eq_ignore_ascii_case(&NAME[..name.len()]) {
        return Claim::Other;
    }
    let rest = field[name.len()..].trim_ascii_start();
    match rest.first() {
        None => return Claim::Open,
        Some(b':') => {}
        Some(_) => return Claim::Other,
    }
    let Some(rest) = skip_comments(&rest[1..]) else { return Claim::Open };
    let id = match rest.first() {
        None => return Claim::Open,
        Some(b'"') => quoted(&rest[1..]),
        Some(_) => {
            let is_token =
                |octet: &u8| octet.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(octet) || !octet.is_ascii();
            let end = rest.iter().position(|octet| !is_token(octet));
            end.map(|end| rest[..end].to_vec())
        }
    };
    let Some(id) = id else { return Claim::Open };
    let id = id.strip_suffix(b".").unwrap_or(&id);
    if id.eq_ignore_ascii_case(own.as_bytes()) { Claim::Ours } else { Claim::Other }
}

/// What stands behind white space and comments; `None` when a comment is not closed yet.
fn skip_comments(text: &[u8]) -> Option<&[u8]> {
    let mut depth = 0usize;
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            b'\\' if depth > 0 => at += 1,
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ if depth > 0 => {}
            _ => return Some(&text[at..]),
        }
        at += 1;
    }
    (depth == 0).then_some(b"")
}

/// What a quoted string holds; `None` when it is not closed yet.
fn quoted(text: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let mut octets = text.iter();
    loop {
        match octets.next()? {
            b'"' => return Some(content),
            b'\\' => content.push(*octets.next()?),
            octet => content.push(*octet),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter(message: &[u8], pieces: usize) -> (Vec<u8>, usize) {
        let mut filter = Filter::new("mx.example.org");
        let mut out = Vec::new();
        let gone: usize = message.chunks(pieces).map(|piece| filter.push(piece, &mut out)).sum();
        let held = filter.held.len();
        assert_eq!(out.len() + held + gone, message.len());
        let taken = filter.end(&mut out);
        (out, taken)
    }

    const OURS: [&str; 9] = [
        "Authentication-Results: mx.example.org; spf=pass\r\n",
        "authentication-results:MX.Example.ORG.;\r\n\tdkim=pass\r\n dmarc=pass\r\n",
        "Authentication-Results : mx.example.org 1; none\r\n",
        "Authentication-Results:\r\n mx.example.org\r\n",
        "Authentication-Results: (a (nested \\) one)) \"mx.example\\.org\"; none\r\n",
        "Authentication-Results: mx.example.org(x); none\r\n",
        "Authentication-Results:\r\n\t(c)\r\n\tmx.example.org;\r\n\tarc=pass\r\n",
        "Authentication-Results: mx.example.org/1; none\r\n",
        "Authentication-Results: mx.example.org\r\n",
    ];

    const OTHERS: [&str; 9] = [
        "Authentication-Results: mx.example.net; spf=pass\r\n",
        "Authentication-Results: mx.example.org.evil.example; spf=pass\r\n",
        "Authentication-Results: a.mx.example.org; spf=pass\r\n",
        "X-Authentication-Results: mx.example.org; spf=pass\r\n",
        "ARC-Authentication-Results: i=1; mx.example.org; spf=pass\r\n",
        "Authentication-Results\r\n",
        "Authentication-Results:\r\n",
        "Subject: x\r\n Authentication-Results: mx.example.org; folded\r\n",
        "Authentication-Results-X: mx.example.org\r\n",
    ];

    #[test]
    fn ours_go_and_others_stay_at_every_split() {
        for ours in OURS {
            for around in OTHERS {
                let message = format!("{around}{ours}{around}\r\n{ours}");
                let expected = format!("{around}{around}\r\n{ours}");
                for pieces in [1, 2, 3, 5, 1000] {
                    let (out, taken) = filter(message.as_bytes(), pieces);
                    assert_eq!(String::from_utf8_lossy(&out), expected, "{ours:?} {around:?} {pieces}");
                    assert_eq!(taken, 1);
                }
            }
            assert_eq!(filter(ours.as_bytes(), 4), (Vec::new(), 1), "at the end: {ours:?}");
        }
        assert_eq!(filter(b"Authentication-Results: mx.example.org", 4), (Vec::new(), 1), "cut off");
    }

    #[test]
    fn who_hides_behind_comments_goes_too() {
        let hidden = format!("Authentication-Results: ({}) mx.example.org; spf=pass\r\n", "x".repeat(5_000));
        assert_eq!(filter(format!("{hidden}A: b\r\n\r\n").as_bytes(), 999), (b"A: b\r\n\r\n".to_vec(), 1));
    }

    proptest! {
        #[test]
        fn whatever_is_not_ours_comes_out_as_it_went_in(
            lines in prop::collection::vec(("[A-Za-z:; \t.-]{0,40}", 0usize..9), 0..12), body in prop::collection::vec(any::<u8>(), 0..99),
            pieces in 1usize..40,
        ) {
            let mut message = Vec::new();
            for (line, other) in lines {
                message.extend_from_slice(line.as_bytes());
                message.extend_from_slice(b"\r\n");
                message.extend_from_slice(OTHERS[other].as_bytes());
            }
            message.extend_from_slice(b"\r\n");
            message.extend_from_slice(&body);
            let (out, taken) = filter(&message, pieces);
            prop_assert_eq!(taken, 0);
            prop_assert_eq!(out, message);
        }
    }
}
