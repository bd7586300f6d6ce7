//! Addresses in header fields (RFC 5322 §3.4, §4.4), read with tolerance.
//!
//! Whatever stands in a field gives a list: a client is better served by half an address than by none. Comments are skipped
//! unless they are all that could be a name (`joe@example.org (Joe)`); a name in front of a bare address is kept; an address
//! without a domain gets an empty one, since an absent one would mean a group (RFC 3501 §7.4.2).

use super::header::Words;
use super::{Address, Text};

/// Reads an address list, groups as IMAP shows them (RFC 3501 §7.4.2): a mark with the group's name, its members, a mark with
/// nothing. At most `max` addresses and marks, and one mark more where a group has to be closed.
pub fn parse_list(value: &[u8], max: usize) -> Vec<Address> {
    let mut words = Words::new(value);
    let mut list = Vec::new();
    let mut in_group = false;
    while list.len() < max {
        let mut entry = Entry::default();
        match entry.read(&mut words) {
            Found::Address(address) => list.extend(address),
            Found::GroupStart(name) if !in_group => {
                list.push(Address { mailbox: Some(Text::new(&name)), ..Address::default() });
                in_group = true;
            }
            // Groups do not nest.
            Found::GroupStart(_) => {}
            Found::GroupEnd(address) => {
                list.extend(address);
                if std::mem::take(&mut in_group) {
                    list.push(Address::default());
                }
            }
            Found::End(address) => {
                list.extend(address);
                break;
            }
        }
    }
    if in_group {
        list.push(Address::default());
    }
    list
}

/// What an entry of the list turned out to be, by the character that ended it.
enum Found {
    /// `,`
    Address(Option<Address>),
    /// `:`
    GroupStart(Vec<u8>),
    /// `;`
    GroupEnd(Option<Address>),
    /// The end of the field.
    End(Option<Address>),
}

/// One entry while it is read.
#[derive(Default)]
struct Entry {
    /// Words that are not yet known to be a name or a local part.
    phrase: Vec<Vec<u8>>,
    /// The last comment: a name, where nothing else is.
    comment: Option<Vec<u8>>,
    adl: Option<Vec<u8>>,
    local_part: Option<Vec<u8>>,
    domain: Vec<u8>,
    in_angle: bool,
    /// The angle bracket was closed: what follows up to the comma says nothing.
    closed: bool,
}

/// Octets that end an atom; the dot does not, since all of RFC 5322's uses of atoms here take it (§4.1 obs-phrase). Octets
/// above 127 belong to atoms (RFC 6532).
fn ends_atom(octet: u8) -> bool {
    matches!(octet, 0..=b' ' | 127 | b'"' | b'(' | b')' | b'<' | b'>' | b'@' | b',' | b';' | b':' | b'[')
}

impl Entry {
    fn read(&mut self, words: &mut Words<'_>) -> Found {
        while let Some(octet) = words.peek() {
            match octet {
                b'(' => {
                    self.comment = Some(words.comment()).filter(|comment| !comment.is_empty()).or(self.comment.take())
                }
                b'"' => {
                    let word = words.quoted_string();
                    self.word(word);
                }
                b'[' => {
                    let mut literal = words.take_while(|octet| !matches!(octet, b']' | b',' | b'>')).to_vec();
                    if words.take(b']') {
                        literal.push(b']');
                    }
                    self.word(literal);
                }
                // A comma was forgotten: the next address begins.
                b'<' if self.closed => return Found::Address(self.finish()),
                b'<' => {
                    words.next();
                    self.open_angle(words);
                }
                b'@' => {
                    words.next();
                    self.at_sign();
                }
                b':' if !self.in_angle && self.local_part.is_none() => {
                    words.next();
                    return Found::GroupStart(self.phrase.join(&b' '));
                }
                b',' => {
                    words.next();
                    return Found::Address(self.finish());
                }
                b';' => {
                    words.next();
                    return Found::GroupEnd(self.finish());
                }
                b'>' => {
                    words.next();
                    self.close_angle();
                }
                _ if ends_atom(octet) => drop(words.next()),
                _ => {
                    let atom = words.take_while(|octet| !ends_atom(octet)).to_vec();
                    self.word(atom);
                }
            }
        }
        Found::End(self.finish())
    }

    /// A word: of the domain once there was an at sign, else of what comes before.
    fn word(&mut self, word: Vec<u8>) {
        match self.local_part {
            _ if self.closed => {}
            Some(_) => self.domain.extend(word),
            None => self.phrase.push(word),
        }
    }

    fn open_angle(&mut self, words: &mut Words<'_>) {
        if std::mem::replace(&mut self.in_angle, true) {
            return;
        }
        // What was read so far is the name, even if it looks like an address.
        if let Some(mut word) = self.local_part.take() {
            word.push(b'@');
            word.append(&mut self.domain);
            self.phrase.push(word);
        }
        self.phrase = vec![self.phrase.join(&b' ')];
        words.skip_blanks_and_comments();
        if words.peek() != Some(b'@') {
            return;
        }
        // The at-domain-list of obsolete routes, `<@a,@b:joe@c>` (RFC 5322 §4.4), if a colon closes it.
        let mut ahead = *words;
        let list = ahead.take_while(|octet| !matches!(octet, b':' | b'>' | b'<' | b'"'));
        if ahead.take(b':') {
            self.adl = Some(list.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect());
            *words = ahead;
        }
    }

    fn at_sign(&mut self) {
        if let Some(local_part) = &mut self.local_part {
            // A second one: all before it was local part, as in `"joe@home"@example.org` without the quotes.
            if !self.closed {
                local_part.push(b'@');
                local_part.append(&mut self.domain);
            }
            return;
        }
        // The last word is the local part, with those that a dot ties to it (`joe . doe`, RFC 5322 §4.4); those before are a
        // name whose angle brackets were forgotten. In angle brackets the first word is the name.
        let name_words = usize::from(self.in_angle);
        let mut first = self.phrase.len().saturating_sub(1).max(name_words);
        while first > name_words && (self.phrase[first].starts_with(b".") || self.phrase[first - 1].ends_with(b".")) {
            first -= 1;
        }
        self.local_part = Some(self.phrase.split_off(first.min(self.phrase.len())).concat());
    }

    fn close_angle(&mut self) {
        if !self.in_angle || self.closed {
            return;
        }
        self.closed = true;
        if self.local_part.is_none() {
            // `<joe>`, `<>`: a local part and no domain.
            self.local_part = Some(self.phrase.split_off(self.phrase.len().min(1)).concat());
        }
    }

    fn finish(&mut self) -> Option<Address> {
        self.close_angle();
        if self.local_part.is_none() {
            if self.phrase.is_empty() {
                return None;
            }
            // Words alone: an address without a domain.
            self.local_part = Some(std::mem::take(&mut self.phrase).join(&b' '));
        }
        let name = Some(self.phrase.join(&b' ')).filter(|name| !name.is_empty()).or(self.comment.take());
        Some(Address {
            name: name.map(|name| Text::new(name.trim_ascii())),
            adl: self.adl.take().map(|adl| Text::new(&adl)),
            mailbox: self.local_part.take().map(|local_part| Text::new(&local_part)),
            host: Some(Text::new(&self.domain)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name|adl|mailbox|host`, `-` for NIL.
    fn read(value: &str) -> Vec<String> {
        let show = |text: &Option<Text>| text.as_ref().map_or("-".into(), |text| text.escape_ascii().to_string());
        parse_list(value.as_bytes(), 100)
            .iter()
            .map(|a| format!("{}|{}|{}|{}", show(&a.name), show(&a.adl), show(&a.mailbox), show(&a.host)))
            .collect()
    }

    #[test]
    fn plain_forms() {
        assert_eq!(read("joe@example.org"), ["-|-|joe|example.org"]);
        assert_eq!(read("Joe Q. Public <joe@example.org>"), ["Joe Q. Public|-|joe|example.org"]);
        assert_eq!(read("\"Joe \\\"X\\\" Public\" <joe@example.org>"), ["Joe \\\"X\\\" Public|-|joe|example.org"]);
        assert_eq!(read("a@example.org, B <b@example.com>"), ["-|-|a|example.org", "B|-|b|example.com"]);
        assert_eq!(read("<joe@[127.0.0.1]>"), ["-|-|joe|[127.0.0.1]"]);
        assert_eq!(read("=?utf-8?q?Zo=C3=AB?= <zoe@example.org>"), ["=?utf-8?q?Zo=C3=AB?=|-|zoe|example.org"]);
        assert_eq!(read("\"joe.public \"@example.org"), ["-|-|joe.public |example.org"]);
        assert_eq!(read("Zoë <zoë@example.org>"), ["Zo\\xc3\\xab|-|zo\\xc3\\xab|example.org"]);
    }

    /// RFC 3501 §7.4.2: a NIL host marks a group; a NIL mailbox its end.
    #[test]
    fn groups_have_marks() {
        assert_eq!(read("undisclosed-recipients:;"), ["-|-|undisclosed-recipients|-", "-|-|-|-"]);
        assert_eq!(
            read("A Group: a@example.org, B <b@example.org>; c@example.org"),
            ["-|-|A Group|-", "-|-|a|example.org", "B|-|b|example.org", "-|-|-|-", "-|-|c|example.org"]
        );
        assert_eq!(read("never closed: a@example.org"), ["-|-|never closed|-", "-|-|a|example.org", "-|-|-|-"]);
        assert_eq!(read("a: b: c@example.org;"), ["-|-|a|-", "-|-|c|example.org", "-|-|-|-"]);
    }

    /// RFC 5322 §4.4 and appendix A.5, A.6.
    #[test]
    fn obsolete_forms() {
        assert_eq!(read("<@a.example,@b.example:joe@c.example>"), ["-|@a.example,@b.example|joe|c.example"]);
        assert_eq!(read("joe . doe @ example . org"), ["-|-|joe.doe|example.org"]);
        assert_eq!(read("joe@example.org (Joe (the) Public)"), ["Joe (the) Public|-|joe|example.org"]);
        assert_eq!(read("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>"), ["Pete|-|pete|silly.test"]);
        assert_eq!(read(",, a@example.org,, ,b@example.org,"), ["-|-|a|example.org", "-|-|b|example.org"]);
    }

    #[test]
    fn broken_forms() {
        assert_eq!(read(""), [""; 0]);
        assert_eq!(read("joe"), ["-|-|joe|"]);
        assert_eq!(read("MAILER-DAEMON <>"), ["MAILER-DAEMON|-||"]);
        assert_eq!(read("Joe Public joe@example.org"), ["Joe Public|-|joe|example.org"]);
        assert_eq!(read("Joe <joe@example.org, b@example.org"), ["Joe|-|joe|example.org", "-|-|b|example.org"]);
        assert_eq!(read("joe@home@example.org"), ["-|-|joe@home|example.org"]);
        assert_eq!(read("\"never closed, joe@example.org"), ["-|-|never closed, joe@example.org|"]);
        assert_eq!(read("joe@example.org <joe@example.org>"), ["joe@example.org|-|joe|example.org"]);
        assert_eq!(read("@"), ["-|-||"]);
    }

    #[test]
    fn stops_at_the_limit() {
        let many = "a,".repeat(1000);
        assert_eq!(parse_list(many.as_bytes(), 10).len(), 10);
        assert_eq!(parse_list(format!("g:{many}").as_bytes(), 10).len(), 11);
    }
}
