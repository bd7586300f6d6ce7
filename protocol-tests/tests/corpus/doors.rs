//! The ways in and the ways out: what each of them may do to a message (DESIGN: bytes come out as they went in).

use std::borrow::Cow;

use protocol_tests::imap::value::Value;

use crate::server::{Imap, Pop3, Sender, Server};

/// How a message comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    SmtpData,
    SmtpBdat,
    LmtpData,
    LmtpBdat,
    Append,
}

impl Door {
    pub(crate) const ALL: [Door; 5] = [Door::SmtpData, Door::SmtpBdat, Door::LmtpData, Door::LmtpBdat, Door::Append];

    /// The account whose messages come this way.
    pub(crate) fn user(self) -> &'static str {
        match self {
            Door::SmtpData => "smtp-data",
            Door::SmtpBdat => "smtp-bdat",
            Door::LmtpData => "lmtp-data",
            Door::LmtpBdat => "lmtp-bdat",
            Door::Append => "append",
        }
    }

    /// What is stored of a message that came in here, behind what the door puts before it; `None`: it is refused.
    ///
    /// DATA has lines, so a bare CR or LF is refused (RFC 5321 §2.3.8), and a last line gets its end. BDAT with
    /// BINARYMIME and APPEND take any octets; an APPEND of none is none (RFC 3502 §6.3.11).
    pub(crate) fn stored(self, message: &[u8]) -> Option<Cow<'_, [u8]>> {
        match self {
            Door::SmtpData | Door::LmtpData if has_bare_line_ends(message) => None,
            Door::SmtpData | Door::LmtpData => Some(with_line_end(message)),
            Door::SmtpBdat | Door::LmtpBdat => Some(Cow::Borrowed(message)),
            Door::Append if message.is_empty() => None,
            Door::Append => Some(Cow::Borrowed(message)),
        }
    }

    /// Brings all messages in, in their order; each is taken or refused as [`stored`](Self::stored) says.
    pub(crate) fn bring_in(self, server: &Server, messages: &[(String, Vec<u8>)]) {
        let taken = |message: &[u8]| self.stored(message).is_some();
        match self {
            Door::Append => {
                let mut imap = Imap::log_in(server, self.user());
                messages.iter().filter(|(_, message)| taken(message)).for_each(|(_, message)| imap.append(message));
            }
            _ => {
                let is_smtp = matches!(self, Door::SmtpData | Door::SmtpBdat);
                let (address, hello) = if is_smtp { (&server.smtp, "EHLO") } else { (&server.lmtp, "LHLO") };
                let mut sender = Sender::connect(address, hello);
                for (name, message) in messages {
                    let reply = match self {
                        Door::SmtpData | Door::LmtpData => data(&mut sender, self.user(), message),
                        _ => bdat(&mut sender, self.user(), message),
                    };
                    let expected = if taken(message) { "250" } else { "550" };
                    assert!(reply.starts_with(expected), "{name} by {self:?}: {reply}");
                }
            }
        }
    }
}

fn begin(sender: &mut Sender, user: &str, body: &str) {
    let mail = sender.command(&format!("MAIL FROM:<a@example.net> BODY={body} SMTPUTF8"));
    assert!(mail.starts_with("250"), "{mail}");
    let rcpt = sender.command(&format!("RCPT TO:<{user}@example.org>"));
    assert!(rcpt.starts_with("250"), "{rcpt}");
}

pub(crate) fn data(sender: &mut Sender, user: &str, message: &[u8]) -> String {
    begin(sender, user, "8BITMIME");
    let go_on = sender.command("DATA");
    assert!(go_on.starts_with("354"), "{go_on}");
    let mut stuffed = Vec::with_capacity(message.len() + 100);
    let mut behind = *b"\r\n";
    for octet in with_line_end(message).iter() {
        if *octet == b'.' && behind == *b"\r\n" {
            stuffed.push(b'.');
        }
        stuffed.push(*octet);
        behind = [behind[1], *octet];
    }
    stuffed.extend_from_slice(b".\r\n");
    sender.write(&stuffed);
    sender.reply()
}

/// In pieces: an octet, seven, nothing, the rest (RFC 3030 §2).
pub(crate) fn bdat(sender: &mut Sender, user: &str, message: &[u8]) -> String {
    begin(sender, user, "BINARYMIME");
    let (one, rest) = message.split_at(message.len().min(1));
    let (seven, rest) = rest.split_at(rest.len().min(7));
    for piece in [one, seven, b""] {
        sender.write(&[format!("BDAT {}\r\n", piece.len()).as_bytes(), piece].concat());
        let reply = sender.reply();
        assert!(reply.starts_with("250"), "{reply}");
    }
    sender.write(&[format!("BDAT {} LAST\r\n", rest.len()).as_bytes(), rest].concat());
    sender.reply()
}

fn has_bare_line_ends(message: &[u8]) -> bool {
    let without = message.windows(2).filter(|pair| pair == b"\r\n").count();
    let count = |wanted: u8| message.iter().filter(|octet| **octet == wanted).count();
    count(b'\r') != without || count(b'\n') != without
}

/// With CRLF at the end of the last line, where there is one.
pub(crate) fn with_line_end(message: &[u8]) -> Cow<'_, [u8]> {
    match message {
        [] | [.., b'\r', b'\n'] => Cow::Borrowed(message),
        _ => Cow::Owned([message, b"\r\n"].concat()),
    }
}

/// What lies in an INBOX, by each way out: they agree, and each octet is there. Gives the messages as they are stored.
pub(crate) fn take_out(server: &Server, user: &str) -> Vec<Vec<u8>> {
    let mut imap = Imap::log_in(server, user);
    imap.command("EXAMINE INBOX");
    let mut pop3 = Pop3::log_in(server, user, true);
    let stat = pop3.command("STAT");
    let count = stat.split(' ').nth(1).and_then(|count| count.parse().ok()).unwrap();
    let mut messages = Vec::new();
    for number in 1..=count {
        let items = imap.fetch(number, "RFC822.SIZE BODY.PEEK[] BINARY.PEEK[]");
        let octets = |name: &str| match items.iter().find(|(there, _)| there == name) {
            Some((_, Value::Text(octets))) => octets.clone(),
            other => panic!("message {number} of {user} has no {name}: {other:?}"),
        };
        let (body, binary) = (octets("BODY[]"), octets("BINARY[]"));
        let size = Value::Atom(binary.len().to_string().into_bytes());
        assert!(items.contains(&("RFC822.SIZE".into(), size)), "the size of message {number} of {user}");
        // A literal has no NUL (RFC 3501 §9); BINARY has the octet itself.
        let without_nul: Vec<u8> = binary.iter().map(|octet| if *octet == 0 { 0x80 } else { *octet }).collect();
        assert!(body == without_nul, "BODY[] of message {number} of {user}");
        assert_eq!(pop3.command(&format!("LIST {number}")), format!("+OK {number} {}", binary.len()));
        let retrieved = pop3.message(&format!("RETR {number}"));
        assert!(retrieved == *with_line_end(&binary), "RETR of message {number} of {user}");
        messages.push(binary);
    }
    messages
}
