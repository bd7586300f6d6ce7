//! Prints what was found out: `Authentication-Results` (RFC 8601) and `Received-SPF` (RFC 7208 §9.1).
//!
//! Names and domains in them come from strangers. A value is printed as a token where it is one, else as a quoted string
//! in printable ASCII: nothing can begin a line, end a comment, or look like another result.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::arc;
use super::blocklist::Hit;
use super::dkim;
use super::dmarc;
use super::reverse_dns;
use super::spf::{self, Identity};

/// Octets of the field from which on no further signature is told of: the room before a message is bounded, and signatures
/// are the only thing that a stranger can have many of.
const FIELD_OCTETS: usize = 3 * 1024;
/// Octets of a value that are printed: a domain has 255 at the most (RFC 5321 §4.5.3.1.2).
const VALUE_OCTETS: usize = 255;
/// Octets that a line should have at the most, without CRLF (RFC 5322 §2.1.1).
const LINE_OCTETS: usize = 78;

/// What a check can come to: RFC 8601 §2.7 has the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is nothing to check.
    None,
    /// It says neither yes nor no.
    Neutral,
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// It probably does not (SPF).
    SoftFail,
    /// It holds, but by means that are not accepted (DKIM).
    Policy,
    /// It can't be said now.
    TempError,
    /// It can't be said, now or later.
    PermError,
}

impl Outcome {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::None => "none",
            Outcome::Neutral => "neutral",
            Outcome::Pass => "pass",
            Outcome::Fail => "fail",
            Outcome::SoftFail => "softfail",
            Outcome::Policy => "policy",
            Outcome::TempError => "temperror",
            Outcome::PermError => "permerror",
        }
    }
}

/// Everything that was found out about a message.
#[derive(Clone, Debug, Default)]
pub struct Verdicts {
    /// Reverse DNS.
    pub reverse_dns: Option<reverse_dns::Verdict>,
    /// SPF of the name that the client gave.
    pub spf_helo: Option<spf::Verdict>,
    /// SPF of the reverse-path; `None` for the null path.
    pub spf_mail_from: Option<spf::Verdict>,
    /// DKIM, by signature.
    pub dkim: Vec<dkim::Verdict>,
    /// ARC.
    pub arc: Option<arc::Verdict>,
    /// DMARC.
    pub dmarc: Option<dmarc::Verdict>,
    /// The blocklists that have the client.
    pub blocked: Vec<Hit>,
    /// The allowlists that have it.
    pub allowed: Vec<Hit>,
}

impl Verdicts {
    /// The SPF verdict that counts: of the reverse-path, or of the name where that is null (RFC 7208 §2.4).
    pub fn spf(&self) -> Option<&spf::Verdict> {
        self.spf_mail_from.as_ref().or(self.spf_helo.as_ref())
    }
}

/// The fields to put before the message, CRLF at their ends. `authserv_id` is our host name.
pub fn print(verdicts: &Verdicts, authserv_id: &str, client: IpAddr, envelope_from: &str, helo: &str) -> String {
    let mut fields = authentication_results(verdicts, authserv_id);
    if let Some(spf) = verdicts.spf() {
        received_spf(&mut fields, spf, authserv_id, client, envelope_from, helo);
    }
    fields
}

/// RFC 8601 §2.2.
fn authentication_results(verdicts: &Verdicts, authserv_id: &str) -> String {
    let mut field = Field::new("Authentication-Results:");
    field.word(&token(authserv_id));
    if let Some(verdict) = &verdicts.reverse_dns {
        let name = verdict.name.as_ref().map(|name| comment(name));
        field.result("iprev", verdict.outcome, name);
        field.property("policy.iprev", &verdict.address.to_string());
    }
    for verdict in [&verdicts.spf_helo, &verdicts.spf_mail_from].into_iter().flatten() {
        field.result("spf", verdict.outcome, verdict.problem.as_deref().map(comment));
        let property = if verdict.identity == Identity::Helo { "smtp.helo" } else { "smtp.mailfrom" };
        field.property(property, &verdict.domain);
    }
    // What holds comes first: the others may find no room.
    let mut signatures: Vec<&dkim::Verdict> = verdicts.dkim.iter().collect();
    signatures.sort_by_key(|verdict| verdict.outcome != Outcome::Pass);
    for verdict in signatures {
        if field.text.len() > FIELD_OCTETS {
            break;
        }
        field.result("dkim", verdict.outcome, verdict.problem.as_deref().map(comment));
        for (property, value) in [("header.d", &verdict.domain), ("header.s", &verdict.selector)] {
            if !value.is_empty() {
                field.property(property, value);
            }
        }
        // RFC 6008: with several signatures of one domain, the first octets of each tell them apart.
        if !verdict.signature_start.is_empty() {
            field.property("header.b", &verdict.signature_start);
        }
    }
    if let Some(verdict) = &verdicts.arc {
        field.result("arc", verdict.outcome, verdict.problem.as_deref().map(comment));
        if let Some(sealer) = &verdict.sealer {
            field.property("header.d", sealer);
        }
    }
    if let Some(verdict) = &verdicts.dmarc {
        let wish = comment(&format!("p={}", verdict.policy.as_str()));
        field.result("dmarc", verdict.outcome, Some(verdict.problem.as_deref().map_or(wish, comment)));
        field.property("header.from", &verdict.domain);
    }
    // RFC 8904 has the lists of friends; those of foes have no registered method.
    for (method, outcome, hits) in
        [("dnswl", Outcome::Pass, &verdicts.allowed), ("x-dnsbl", Outcome::Fail, &verdicts.blocked)]
    {
        for hit in hits {
            field.result(method, outcome, None);
            field.property("dns.zone", &hit.list.zone);
            field.property("policy.ip", &hit.code.to_string());
        }
    }
    if field.results == 0 {
        field.text.push_str("; none");
    }
    field.end()
}

/// RFC 7208 §9.1.
fn received_spf(
    out: &mut String,
    verdict: &spf::Verdict,
    receiver: &str,
    client: IpAddr,
    envelope_from: &str,
    helo: &str,
) {
    let mut field = Field::new("Received-SPF:");
    field.word(verdict.outcome.as_str());
    let says = match verdict.outcome {
        Outcome::Pass => "says yes to",
        Outcome::Fail => "says no to",
        Outcome::SoftFail => "says probably not to",
        Outcome::None => "says nothing of",
        Outcome::TempError | Outcome::PermError => "can't be asked about",
        _ => "leaves open",
    };
    field.word(&comment(&format!("{receiver}: {} {says} {client}", verdict.domain)));
    let identity = if verdict.identity == Identity::Helo { "helo" } else { "mailfrom" };
    let pairs = [
        ("receiver", token(receiver)),
        ("client-ip", token(&client.to_string())),
        ("identity", identity.to_owned()),
        ("envelope-from", quoted(envelope_from)),
        ("helo", token(helo)),
    ];
    for (index, (name, value)) in pairs.iter().enumerate() {
        field.word(&format!("{name}={value}{}", if index + 1 < pairs.len() { ";" } else { "" }));
    }
    out.push_str(&field.end());
}

/// A field that is folded while it grows.
struct Field {
    text: String,
    /// Octets of the last line.
    line: usize,
    results: usize,
}

impl Field {
    fn new(name: &str) -> Field {
        Field { text: name.to_owned(), line: name.len(), results: 0 }
    }

    /// Adds a word behind a space, or on a line of its own where it would make this one too long.
    fn word(&mut self, word: &str) {
        if self.line + 1 + word.len() > LINE_OCTETS {
            self.fold(word);
        } else {
            self.text.push(' ');
            self.text.push_str(word);
            self.line += 1 + word.len();
        }
    }

    fn fold(&mut self, word: &str) {
        self.text.push_str("\r\n\t");
        self.text.push_str(word);
        self.line = 1 + word.len();
    }

    /// Each result begins a line.
    fn result(&mut self, method: &str, outcome: Outcome, comment: Option<String>) {
        self.results += 1;
        self.text.push(';');
        self.fold(&format!("{method}={}", outcome.as_str()));
        if let Some(comment) = comment {
            self.word(&comment);
        }
    }

    fn property(&mut self, name: &str, value: &str) {
        self.word(&format!("{name}={}", token(value)));
    }

    fn end(mut self) -> String {
        self.text.push_str("\r\n");
        self.text
    }
}

/// The value as a token (RFC 2045 §5.1), else as a quoted string. `/`, `=` and `@` may stand in a `pvalue` of addresses
/// and base64 alone (RFC 8601 §2.2); a colon, of IPv6, has to be quoted.
fn token(value: &str) -> String {
    let is_token = |octet: u8| octet.is_ascii_alphanumeric() || b"-._+".contains(&octet);
    match !value.is_empty() && value.len() <= VALUE_OCTETS && value.bytes().all(is_token) {
        true => value.to_owned(),
        false => quoted(value),
    }
}

fn quoted(value: &str) -> String {
    let mut out = String::from("\"");
    for octet in printable(value) {
        if matches!(octet, '"' | '\\') {
            out.push('\\');
        }
        out.push(octet);
    }
    out.push('"');
    out
}

fn comment(text: &str) -> String {
    let mut out = String::from("(");
    for octet in printable(text) {
        if matches!(octet, '(' | ')' | '\\') {
            out.push('\\');
        }
        out.push(octet);
    }
    let _ = write!(out, ")");
    out
}

/// Printable ASCII; whatever else there is shows as `?`.
fn printable(text: &str) -> impl Iterator<Item = char> {
    text.chars().take(VALUE_OCTETS).map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spf(identity: Identity, domain: &str, outcome: Outcome) -> spf::Verdict {
        spf::Verdict { identity, domain: domain.into(), outcome, mechanism: None, problem: None, explanation: None }
    }

    fn verdicts(text: &str) -> Verdicts {
        Verdicts {
            reverse_dns: Some(reverse_dns::Verdict {
                outcome: Outcome::Pass,
                address: "2001:db8::1".parse().unwrap(),
                name: Some(text.into()),
            }),
            spf_helo: Some(spf(Identity::Helo, text, Outcome::None)),
            spf_mail_from: Some(spf(Identity::MailFrom, text, Outcome::SoftFail)),
            dkim: vec![dkim::Verdict {
                outcome: Outcome::Fail,
                domain: text.into(),
                selector: text.into(),
                signature_start: text.into(),
                problem: Some(text.into()),
            }],
            arc: Some(arc::Verdict { outcome: Outcome::Pass, sealer: Some(text.into()), problem: None }),
            dmarc: Some(dmarc::Verdict {
                domain: text.into(),
                outcome: Outcome::Fail,
                policy: dmarc::Policy::Reject,
                problem: None,
            }),
            blocked: vec![Hit { list: "one.example tag".parse().unwrap(), code: [127, 0, 0, 2].into(), reason: None }],
            allowed: Vec::new(),
        }
    }

    /// RFC 8601 §2.2, RFC 7208 §9.1, RFC 8904
    #[test]
    fn everything_has_its_line() {
        let printed = print(&verdicts("example.org"), "mx.example", "192.0.2.1".parse().unwrap(), "a\"@b.example", "c");
        assert_eq!(
            printed,
            "Authentication-Results: mx.example;\r\n\
             \tiprev=pass (example.org) policy.iprev=\"2001:db8::1\";\r\n\
             \tspf=none smtp.helo=example.org;\r\n\
             \tspf=softfail smtp.mailfrom=example.org;\r\n\
             \tdkim=fail (example.org) header.d=example.org header.s=example.org\r\n\
             \theader.b=example.org;\r\n\
             \tarc=pass header.d=example.org;\r\n\
             \tdmarc=fail (p=reject) header.from=example.org;\r\n\
             \tx-dnsbl=fail dns.zone=one.example policy.ip=127.0.0.2\r\n\
             Received-SPF: softfail\r\n\
             \t(mx.example: example.org says probably not to 192.0.2.1) receiver=mx.example;\r\n\
             \tclient-ip=192.0.2.1; identity=mailfrom; envelope-from=\"a\\\"@b.example\"; helo=c\r\n"
        );
        let nothing = print(&Verdicts::default(), "mx.example", "192.0.2.1".parse().unwrap(), "", "c");
        assert_eq!(nothing, "Authentication-Results: mx.example; none\r\n");
    }

    proptest! {
        #[test]
        fn no_text_of_a_stranger_begins_a_line_or_grows_one(text in any::<String>(), long in 0usize..600) {
            let text = text + &"x\"\\()\r\n;".repeat(long);
            let mut verdicts = verdicts(&text);
            verdicts.dkim = vec![verdicts.dkim[0].clone(); 10];
            let printed = print(&verdicts, "mx.example", "192.0.2.1".parse().unwrap(), &text, &text);
            prop_assert!(printed.is_ascii());
            prop_assert!(printed.len() < 7 * 1024, "{}", printed.len());
            for line in printed.strip_suffix("\r\n").unwrap().split("\r\n") {
                prop_assert!(line.len() <= 998, "{line}");
                let is_field = line.starts_with("Authentication-Results: mx.example") || line.starts_with("Received-SPF: softfail");
                prop_assert!(is_field || line.starts_with('\t'), "{line:?}");
                prop_assert!(!line.contains(['\r', '\n', '\0']));
            }
        }
    }
}
