//! Notices of delivery: what a sender gets who asked for it with `NOTIFY=SUCCESS` (RFC 3461 §5.2.3, RFC 3464).
//!
//! A notice is a message like others, from the null path, and is delivered like others; only senders that have their mail
//! here can ask for one ([decision 7](../../docs/decisions/0007-notices-of-delivery.md)). It is on disk before the sender is
//! told that its message is: who hears nothing and sends again gets a second notice, never none. One that can't be delivered
//! (its sender's mailbox is full) is logged and forgotten, as the null path asks.
//!
//! This file writes them; it knows neither directory nor store.

use std::fmt::Write as _;

use crate::smtp::{Envelope, OriginalRecipient, Path};

/// How much of the original's header is returned: enough for any that people see.
const HEADER_OCTETS: usize = 32 * 1024;

/// The header of a message that is coming in, copied for its notice.
#[derive(Debug, Default)]
pub(super) struct HeaderCopy {
    octets: Vec<u8>,
    ended: bool,
}

impl HeaderCopy {
    /// A copy, where `envelope` asks for a notice.
    pub(super) fn for_envelope(envelope: &Envelope) -> Option<Self> {
        let asked = envelope.recipient_parameters.iter().any(|parameters| parameters.notify.is_some_and(|n| n.success));
        // RFC 3461 §5.2: never to the null path.
        (asked && envelope.reverse_path.is_some()).then(HeaderCopy::default)
    }

    /// Takes the next octets of the message.
    pub(super) fn push(&mut self, octets: &[u8]) {
        if self.ended {
            return;
        }
        let before = self.octets.len();
        self.octets.extend_from_slice(&octets[..octets.len().min(HEADER_OCTETS - before)]);
        // The empty line may begin in what was there.
        let from = before.saturating_sub(3);
        if self.octets.starts_with(b"\r\n") {
            // There is no field at all.
            self.octets.clear();
            self.ended = true;
        } else if let Some(end) = self.octets[from..].windows(4).position(|four| four == b"\r\n\r\n") {
            self.octets.truncate(from + end + 2);
            self.ended = true;
        } else if self.octets.len() >= HEADER_OCTETS {
            let whole_lines = self.octets.iter().rposition(|octet| *octet == b'\n').map_or(0, |lf| lf + 1);
            self.octets.truncate(whole_lines);
            self.ended = true;
        }
    }
}

/// A message that tells a sender of deliveries.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// To whom it goes.
    pub(super) to: Path,
    /// The message.
    pub(super) octets: Vec<u8>,
}

/// What a notice says of a message and its way.
pub(super) struct Told<'a> {
    /// Our name.
    pub(super) hostname: &'a str,
    /// What our logs call the message.
    pub(super) id: &'a str,
    /// When it came, as RFC 5322 writes it.
    pub(super) date: &'a str,
}

/// The notice of a message that was delivered to those recipients of `envelope` for which `arrived` is true; `None` where
/// nobody asked about one of them.
pub(super) fn of_delivery(
    envelope: &Envelope,
    arrived: impl Fn(usize) -> bool,
    header: &HeaderCopy,
    told: &Told<'_>,
) -> Option<Notice> {
    let to = envelope.reverse_path.clone()?;
    let asked =
        envelope.recipients.iter().zip(&envelope.recipient_parameters).enumerate().filter(|(number, (_, p))| {
            // RFC 3461 §5.2.8: nothing is said of those about whom nobody asked.
            p.notify.is_some_and(|notify| notify.success) && arrived(*number)
        });
    let asked: Vec<(&Path, Option<&OriginalRecipient>)> =
        asked.map(|(_, (path, p))| (path, p.orcpt.as_ref())).collect();
    if asked.is_empty() {
        return None;
    }
    let mut octets = letter(&to, &asked, told).into_bytes();
    octets.extend(status(envelope, &asked, told).into_bytes());
    octets.extend(returned(header, told));
    let _infallible = write!(Text(&mut octets), "--{}--\r\n", boundary(told));
    Some(Notice { to, octets })
}

/// Strings as octets.
struct Text<'a>(&'a mut Vec<u8>);

impl std::fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

fn boundary(told: &Told<'_>) -> String {
    format!("=_notice_{}", told.id)
}

/// The header, and the part for people.
fn letter(to: &Path, asked: &[(&Path, Option<&OriginalRecipient>)], told: &Told<'_>) -> String {
    let Told { hostname, id, date } = told;
    let boundary = boundary(told);
    let names: String = asked.iter().map(|(path, _)| format!("    <{path}>\r\n")).collect();
    // RFC 3834 §5.1: nobody answers a notice.
    format!(
        "From: Mail delivery <MAILER-DAEMON@{hostname}>\r\n\
         To: <{to}>\r\n\
         Subject: Your message was delivered\r\n\
         Date: {date}\r\n\
         Message-ID: <{id}.notice@{hostname}>\r\n\
         Auto-Submitted: auto-replied\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{boundary}\"\r\n\
         \r\n\
         --{boundary}\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\
         \r\n\
         You asked to be told: your message is in the mailbox of\r\n\
         \r\n\
         {names}\
         \r\n\
         Whether somebody has read it is not known.\r\n\
         \r\n"
    )
}

/// The part for machines (RFC 3464 §2, RFC 3461 §6.3).
fn status(envelope: &Envelope, asked: &[(&Path, Option<&OriginalRecipient>)], told: &Told<'_>) -> String {
    let Told { hostname, date, .. } = told;
    let is_ascii =
        asked.iter().all(|(path, orcpt)| path.is_ascii() && orcpt.is_none_or(|orcpt| orcpt.address.is_ascii()));
    // RFC 6533 §4.
    let media_type = if is_ascii { "message/delivery-status" } else { "message/global-delivery-status" };
    let mut text = format!("--{}\r\nContent-Type: {media_type}\r\n", boundary(told));
    if !is_ascii {
        text.push_str("Content-Transfer-Encoding: 8bit\r\n");
    }
    text.push_str("\r\n");
    if let Some(envid) = &envelope.parameters.envid {
        text.push_str(&format!("Original-Envelope-Id: {envid}\r\n"));
    }
    // A name without a dot is known on this machine alone.
    let name_type = if hostname.contains('.') { "dns" } else { "x-local-hostname" };
    text.push_str(&format!("Reporting-MTA: {name_type}; {hostname}\r\nArrival-Date: {date}\r\n"));
    for (path, orcpt) in asked {
        text.push_str("\r\n");
        if let Some(OriginalRecipient { addr_type, address }) = orcpt {
            text.push_str(&format!("Original-Recipient: {addr_type};{address}\r\n"));
        }
        let addr_type = if path.is_ascii() { "rfc822" } else { "utf-8" };
        text.push_str(&format!("Final-Recipient: {addr_type}; {path}\r\nAction: delivered\r\nStatus: 2.0.0\r\n"));
    }
    text.push_str("\r\n");
    text
}

/// The header of the original, as it came (RFC 3461 §6.2: nothing else of what was delivered comes back).
fn returned(header: &HeaderCopy, told: &Told<'_>) -> Vec<u8> {
    let header = if header.ended { &header.octets[..] } else { &[] };
    let boundary = boundary(told);
    // Whoever knows our ids could end the part early; then it is left out.
    if header.is_empty() || header.windows(boundary.len()).any(|octets| octets == boundary.as_bytes()) {
        return Vec::new();
    }
    let kind = match header.is_ascii() {
        true => "Content-Type: text/rfc822-headers\r\n",
        false => "Content-Type: message/global-headers\r\nContent-Transfer-Encoding: 8bit\r\n",
    };
    let mut part = format!("--{boundary}\r\n{kind}\r\n").into_bytes();
    part.extend_from_slice(header);
    part.extend_from_slice(b"\r\n");
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::{Client, Command, Dialect, MailParameters, Notify, RcptParameters, parse_command};

    fn envelope() -> Envelope {
        let commands = [
            "RCPT TO:<bob@example.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob+2BX@example.org",
            "RCPT TO:<carol@example.org>",
            "RCPT TO:<dave@example.org> NOTIFY=NEVER",
            "RCPT TO:<erin@example.org> NOTIFY=SUCCESS",
        ];
        let commands = commands.map(|line| match parse_command(line.as_bytes()) {
            Ok(Command::Rcpt(path, parameters)) => (path, parameters),
            other => panic!("{other:?}"),
        });
        let (recipients, recipient_parameters): (Vec<Path>, Vec<RcptParameters>) = commands.into_iter().unzip();
        Envelope {
            dialect: Dialect::Smtp,
            client: Client { name: "client.example".into(), extended: true },
            peer: crate::auth::Origin::Address("192.0.2.1:4711".parse().unwrap()),
            tls: None,
            account: None,
            is_submission: false,
            reverse_path: Some(recipients[1].clone()),
            parameters: MailParameters { envid: Some("QQ 3".into()), ..MailParameters::default() },
            recipients,
            recipient_parameters,
        }
    }

    fn notice(header: &[&[u8]], arrived: impl Fn(usize) -> bool) -> Option<String> {
        let envelope = envelope();
        let mut copy = HeaderCopy::for_envelope(&envelope)?;
        header.iter().for_each(|octets| copy.push(octets));
        let told = Told { hostname: "mail.example.org", id: "1f", date: "Mon, 23 Nov 2026 15:00:00 +0000" };
        let notice = of_delivery(&envelope, arrived, &copy, &told)?;
        assert_eq!(notice.to.to_string(), "carol@example.org");
        Some(String::from_utf8(notice.octets).unwrap())
    }

    /// RFC 3461 §6, RFC 6533 §3
    #[test]
    fn those_who_were_asked_about_are_named() {
        let notice = notice(&[b"Subject: x\r\n", b"\r", b"\n\r\nbody\r\n"], |_| true).unwrap();
        let (_, status) = notice.split_once("Content-Type: message/delivery-status\r\n\r\n").unwrap();
        assert_eq!(
            status,
            "Original-Envelope-Id: QQ 3\r\n\
             Reporting-MTA: dns; mail.example.org\r\n\
             Arrival-Date: Mon, 23 Nov 2026 15:00:00 +0000\r\n\
             \r\n\
             Original-Recipient: rfc822;Bob+X@example.org\r\n\
             Final-Recipient: rfc822; bob@example.org\r\n\
             Action: delivered\r\n\
             Status: 2.0.0\r\n\
             \r\n\
             Final-Recipient: rfc822; erin@example.org\r\n\
             Action: delivered\r\n\
             Status: 2.0.0\r\n\
             \r\n\
             --=_notice_1f\r\n\
             Content-Type: text/rfc822-headers\r\n\
             \r\n\
             Subject: x\r\n\
             \r\n\
             --=_notice_1f--\r\n"
        );
        assert!(!notice.contains("dave"), "{notice}");
    }

    #[test]
    fn who_got_nothing_is_not_named_and_where_nobody_did_there_is_none() {
        let notice_of_erin = notice(&[b"Subject: x\r\n\r\n"], |number| number != 0).unwrap();
        assert!(!notice_of_erin.contains("bob@") && notice_of_erin.contains("erin@"), "{notice_of_erin}");
        assert_eq!(notice(&[b"Subject: x\r\n\r\n"], |number| number == 1), None);
        let mut silent = envelope();
        silent.reverse_path = None;
        assert!(HeaderCopy::for_envelope(&silent).is_none());
        let mut unasked = envelope();
        unasked.recipient_parameters.iter_mut().for_each(|p| p.notify = Some(Notify::NEVER));
        assert!(HeaderCopy::for_envelope(&unasked).is_none());
    }

    #[test]
    fn a_long_header_is_cut_at_a_line_and_a_message_without_one_has_none() {
        let line = [b"X: ".as_slice(), &[b'a'; 1_000], b"\r\n"].concat();
        let mut copy = HeaderCopy::default();
        (0..100).for_each(|_| copy.push(&line));
        assert!(copy.octets.len() <= HEADER_OCTETS && copy.octets.ends_with(b"a\r\n"));
        assert!(!notice(&[b"no header"], |_| true).unwrap().contains("rfc822-headers"));
        assert!(!notice(&[b"\r", b"\nbody\r\n\r\n"], |_| true).unwrap().contains("rfc822-headers"));
        assert!(!notice(&[b"X: --=_notice_1f--\r\n\r\n"], |_| true).unwrap().contains("rfc822-headers"));
    }
}
