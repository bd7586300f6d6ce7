//! Takes fields out of a message that claim to be ours.
//!
//! Whoever reads `Authentication-Results` believes those that carry its own server's name. So those that come in with our
//! name from outside have to go (RFC 8601 §5); all others stay, octet for octet. Signatures are checked over the message
//! as it came: to one that covers such a field it makes no difference here, and later checks must not rely on us anyway.
//!
//! Works on a stream, the same for every split: of a field only what comes before the name is held back, and a field
//! that hides it behind more than [`HELD_OCTETS_MAX`] of comments has no honest reason to.

use crate::auth::address::canonical_domain;

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
    /// What the held octets say.
    beginning: Beginning,
    /// The last octet ended a line: the next one says whether its field goes on.
    line_ended: bool,
    /// Fields that were taken out.
    taken: usize,
}

impl Filter {
    /// Takes out what claims to be of the server with this name.
    pub fn new(authserv_id: &str) -> Filter {
        let own = authserv_id.trim_end_matches('.');
        let own = canonical_domain(own).unwrap_or_else(|_| own.to_owned());
        Filter { own, at: At::Held, held: Vec::new(), beginning: Beginning::default(), line_ended: false, taken: 0 }
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
            match self.beginning.read(b';', &self.own) {
                Claim::Ours => self.taken += 1,
                _ => out.append(&mut self.held),
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
        self.beginning = Beginning::default();
        self.at = At::Held;
    }

    fn hold(&mut self, octet: u8, out: &mut Vec<u8>) {
        self.held.push(octet);
        if self.held == b"\r\n" || self.held == b"\n" {
            out.append(&mut self.held);
            self.at = At::Body;
            return;
        }
        let claim = match self.held.first() {
            // The empty line, or no field.
            Some(b'\r') if self.held.len() == 1 => Claim::Open,
            Some(b'\r') => Claim::Other,
            _ => self.beginning.read(octet, &self.own),
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

/// How far the beginning of a field was read: its name, a colon, and the authserv-id (RFC 8601 §2.2), a token or a quoted
/// string. Each octet is looked at once: fields that say nothing for long must cost no more than others.
#[derive(Debug, Default)]
struct Beginning {
    stage: Stage,
    /// Of the authserv-id.
    id: Vec<u8>,
}

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The name, of which so many octets were there.
    Name(usize),
    /// What may stand between name and colon.
    Colon,
    /// White space and comments before the authserv-id, so deep in comments.
    Before { depth: usize, is_escaped: bool },
    /// The authserv-id.
    Token,
    /// The authserv-id within quotes.
    Quoted { is_escaped: bool },
}

impl Default for Stage {
    fn default() -> Self {
        Stage::Name(0)
    }
}

impl Beginning {
    /// Whose the field is, with this octet.
    fn read(&mut self, octet: u8, own: &str) -> Claim {
        self.stage = match self.stage {
            Stage::Name(at) if !octet.eq_ignore_ascii_case(&NAME[at]) => return Claim::Other,
            Stage::Name(at) if at + 1 == NAME.len() => Stage::Colon,
            Stage::Name(at) => Stage::Name(at + 1),
            Stage::Colon if octet.is_ascii_whitespace() => Stage::Colon,
            Stage::Colon if octet == b':' => Stage::Before { depth: 0, is_escaped: false },
            Stage::Colon => return Claim::Other,
            Stage::Before { depth, is_escaped: true } => Stage::Before { depth, is_escaped: false },
            Stage::Before { depth, .. } => match octet {
                b'(' => Stage::Before { depth: depth + 1, is_escaped: false },
                b')' if depth > 0 => Stage::Before { depth: depth - 1, is_escaped: false },
                _ if depth > 0 => Stage::Before { depth, is_escaped: octet == b'\\' },
                b' ' | b'\t' | b'\r' | b'\n' => self.stage,
                b'"' => Stage::Quoted { is_escaped: false },
                _ => return self.token(octet, own),
            },
            Stage::Token => return self.token(octet, own),
            Stage::Quoted { is_escaped: false } if octet == b'\\' => Stage::Quoted { is_escaped: true },
            Stage::Quoted { is_escaped: false } if octet == b'"' => return self.whose(own),
            Stage::Quoted { .. } => {
                self.id.push(octet);
                Stage::Quoted { is_escaped: false }
            }
        };
        Claim::Open
    }

    fn token(&mut self, octet: u8, own: &str) -> Claim {
        let is_token = octet.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&octet) || !octet.is_ascii();
        if !is_token {
            return self.whose(own);
        }
        self.id.push(octet);
        self.stage = Stage::Token;
        Claim::Open
    }

    /// Whose the authserv-id is that was read. A name has two forms, and who reads the field may take them for one (RFC 8601
    /// §2.5 lets it stand as U-labels in internationalized mail).
    fn whose(&self, own: &str) -> Claim {
        let id = self.id.strip_suffix(b".").unwrap_or(&self.id);
        let is_own = id.eq_ignore_ascii_case(own.as_bytes())
            || std::str::from_utf8(id).ok().and_then(|id| canonical_domain(id).ok()).is_some_and(|id| id == own);
        if is_own { Claim::Ours } else { Claim::Other }
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

    #[test]
    fn both_forms_of_our_name_are_ours() {
        for own in ["mx.xn--bcher-kva.example", "mx.Bücher.example."] {
            for claimed in
                ["mx.xn--BCHER-kva.example", "mx.bücher.example", "\"MX.BÜCHER.example\"", "mx.bu\u{308}cher.example"]
            {
                let mut filter = Filter::new(own);
                let mut out = Vec::new();
                filter.push(
                    format!("Authentication-Results: {claimed}; dmarc=pass\r\nA: b\r\n\r\n").as_bytes(),
                    &mut out,
                );
                assert_eq!(String::from_utf8_lossy(&out), "A: b\r\n\r\n", "{own} {claimed}");
            }
        }
    }

    /// An octet costs the same however long its field is open: all of these together may take a while, not hours.
    #[test]
    fn fields_that_stay_open_are_read_once() {
        let mut filter = Filter::new("mx.example.org");
        let mut looked_at = 0;
        for _ in 0..HELD_OCTETS_MAX {
            looked_at += 1;
            assert_eq!(
                filter.beginning.read(NAME.get(looked_at - 1).copied().unwrap_or(b':'), "mx.example.org"),
                Claim::Open
            );
            if looked_at == NAME.len() + 1 {
                break;
            }
        }
        for octet in b"((((\\(  ".repeat(1_000) {
            assert_eq!(filter.beginning.read(octet, "mx.example.org"), Claim::Open);
        }
        assert_eq!(filter.beginning.stage, Stage::Before { depth: 4_000, is_escaped: false });
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
