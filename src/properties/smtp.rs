//! SMTP and LMTP: the grammar of command lines, and whole sessions.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use super::{Choice, seeds};
use crate::auth::sasl::Offer;
use crate::auth::{Origin, scram};
use crate::smtp::{
    Ask, Auth, BodyType, Claim, Dialect, Judged, Limits, Path, Peer, Reply, Session, Step, Terms, Tls, parse_command,
    replies,
};
use crate::wire::newline::BareNewlines;

/// - A command that can be read is printed as one line, which is read as the same.
/// - A path that can be read is printed and read as the same, and no line is broken by it.
pub(super) fn command_reads_as_printed(line: &[u8]) {
    if let Ok(command) = parse_command(line) {
        let printed = command.to_string();
        assert!(!printed.contains(['\r', '\n', '\0']), "{}", printed.escape_default());
        assert_eq!(parse_command(printed.as_bytes()), Ok(command), "{printed}");
    }
    if let Ok(text) = std::str::from_utf8(line)
        && let Ok(path) = text.parse::<Path>()
    {
        let printed = path.to_string();
        assert!(!printed.contains(['\r', '\n', '\0']), "{}", printed.escape_default());
        assert_eq!(printed.parse(), Ok(path), "{printed}");
    }
}

/// What the driver was told to do, as far as it may not depend on how the octets came.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Deed {
    Stored { octets: Vec<u8>, recipients: usize },
    Failed,
    Abandoned,
    Tls,
}

struct Driver {
    session: Session,
    now: Instant,
    dialect: Dialect,
    policy: BareNewlines,
    /// The message that is open, how many it is for, and whether it may hold bare newlines.
    open: Option<(Vec<u8>, usize, bool)>,
    said: Vec<u8>,
    deeds: Vec<Deed>,
    /// How many replies may say that a message is stored.
    earned: usize,
    is_over: bool,
}

impl Driver {
    fn new(choice: Choice) -> Driver {
        let now = Instant::now();
        let dialect = if choice.has(0) { Dialect::Lmtp } else { Dialect::Smtp };
        let policy = if choice.has(1) { BareNewlines::Normalise } else { BareNewlines::Refuse };
        let offer = Offer { scram: true, channel: true };
        let auth = if choice.has(2) { Auth::Offered { offer, channel: Some([7; 32]) } } else { Auth::Off };
        let terms = Terms { auth, needs_login: choice.has(3), notifies: true, ..Terms::default() };
        let tls = if choice.has(4) { Tls::Offered } else { Tls::Unavailable };
        let peer = Peer { origin: Origin::Socket, tls, terms };
        let limits = Limits { bare_newlines: policy, message_size: 2_000, recipients: 5, hops: 3, ..Limits::default() };
        let session = Session::new(dialect, "mx.example".into(), peer, Arc::new(limits), now);
        Driver {
            session,
            now,
            dialect,
            policy,
            open: None,
            said: Vec::new(),
            deeds: Vec::new(),
            earned: 0,
            is_over: false,
        }
    }

    fn run(&mut self) {
        loop {
            match self.session.poll() {
                Step::NeedInput => break,
                Step::Write(octets) => self.said.extend(octets),
                Step::Ask(Ask::Authenticate(claim)) => self.judge(claim),
                Step::Ask(ask) => {
                    let answer = self.find_out(ask);
                    self.session.answer(answer, self.now);
                }
                Step::Abandon => {
                    self.open = None;
                    self.deeds.push(Deed::Abandoned);
                }
                Step::Pause(until) => self.session.resume(until),
                // What was sent ahead is dropped, so what follows depends on how it came (RFC 3207 §4.2).
                Step::StartTls => {
                    self.deeds.push(Deed::Tls);
                    self.is_over = true;
                    break;
                }
                Step::Close => {
                    self.is_over = true;
                    break;
                }
            }
        }
    }

    /// Who that is decides: whose name has three letters is not here.
    fn find_out(&mut self, ask: Ask) -> Result<(), Reply> {
        let refused = |path: &Path| path.local_part().len() == 3;
        match ask {
            Ask::Sender(envelope) => match envelope.reverse_path.as_ref() {
                Some(path) if refused(path) => Err(replies::NOT_OUR_DOMAIN),
                _ => Ok(()),
            },
            Ask::Recipient { path, .. } => {
                if refused(&path) {
                    Err(replies::NO_SUCH_USER)
                } else {
                    Ok(())
                }
            }
            Ask::Open(envelope) => {
                assert!(!envelope.recipients.is_empty(), "a message for nobody");
                assert!(self.open.is_none(), "a message in a message");
                if envelope.recipients.len() == 4 {
                    return Err(replies::STORE_FULL);
                }
                let is_binary = envelope.parameters.body == BodyType::BinaryMime;
                self.open = Some((Vec::new(), envelope.recipients.len(), is_binary));
                Ok(())
            }
            Ask::Store(octets) => {
                let (message, ..) = self.open.as_mut().expect("nothing is stored before it was opened");
                message.extend(octets);
                // Never a failure: of that and of what is wrong with the message, which is first depends on how it came.
                Ok(())
            }
            Ask::Deliver => {
                let (octets, recipients, is_binary) = self.open.take().expect("nothing is delivered that is not open");
                if !is_binary {
                    let rest = String::from_utf8_lossy(&octets).replace("\r\n", "");
                    assert!(!rest.contains(['\r', '\n']), "{:?} let a bare newline through", self.policy);
                }
                if octets.ends_with(b"!\r\n") {
                    self.deeds.push(Deed::Failed);
                    return Err(replies::STORE_FAILED);
                }
                self.earned += if self.dialect == Dialect::Lmtp { recipients } else { 1 };
                self.deeds.push(Deed::Stored { octets, recipients });
                Ok(())
            }
            Ask::Authenticate(_) => unreachable!("the authenticator is asked"),
        }
    }

    fn judge(&mut self, claim: Claim) {
        let account = |last_challenge| Judged::Account { name: "alice".into(), last_challenge };
        let judged = match claim {
            Claim::Password(login) if login.password == "secret" => Ok(account(None)),
            Claim::Password(_) => Err(replies::LOGIN_REFUSED),
            Claim::Name(first) => Ok(Judged::Next(scram::challenge_for_tests(first))),
            Claim::Proof(_) => Ok(account(Some("dj1zaWc=".into()))),
        };
        self.session.authenticated(judged, self.now);
    }
}

/// - A conversation is the same however its octets come.
/// - A reply is a line of RFC 5321 §4.2, and as many say that a message is stored as it was stored for: in LMTP one for each
///   recipient (RFC 2033 §4.2).
/// - Nothing is stored for nobody, and without BINARYMIME nothing with a bare CR or LF: what comes in holds no end of data
///   that another server could see (RFC 5321 §4.1.1.4).
pub(super) fn session_accepts_what_is_stored(input: &[u8]) {
    let (choice, octets) = Choice::of(input);
    choice.same_for_splits(octets, |pieces| {
        let mut driver = Driver::new(choice);
        driver.run();
        for piece in pieces {
            if driver.is_over {
                break;
            }
            driver.session.receive(piece, driver.now);
            driver.run();
        }
        let said = String::from_utf8(mem::take(&mut driver.said)).expect("replies are ASCII");
        let lines: Vec<&str> = said.split_inclusive("\r\n").collect();
        lines.iter().for_each(|line| assert!(is_reply_line(line), "{line:?}"));
        let mut stored = Vec::new();
        replies::STORED.print(&mut stored);
        assert_eq!(lines.iter().filter(|line| line.as_bytes() == stored).count(), driver.earned, "{said}");
        (said, driver.deeds)
    });
}

/// `Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF`, 512 octets at the most, and of
/// a challenge as many as RFC 4954 §4 has it.
fn is_reply_line(line: &str) -> bool {
    let Some(text) = line.strip_suffix("\r\n") else { return false };
    let (code, text) = text.split_at_checked(3).unwrap_or_default();
    let octets_max = if code == "334" { 12_288 } else { 512 };
    let is_code = matches!(code.as_bytes(), [b'2'..=b'5', b'0'..=b'5', b'0'..=b'9']);
    let is_text = text.bytes().all(|octet| octet == b'\t' || (32..=126).contains(&octet));
    line.len() <= octets_max && is_code && is_text && text.starts_with([' ', '-'])
}

pub(super) fn commands() -> Vec<Vec<u8>> {
    ["smtp", "lmtp"].into_iter().flat_map(seeds::lines).filter(|line| line.len() < 2_000).collect()
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut inputs = seeds::with_choices(&[0x00, 0x02, 0x14], &seeds::conversations("smtp"));
    inputs.extend(seeds::with_choices(&[0x01, 0x03], &seeds::conversations("lmtp")));
    inputs.retain(|input| input.len() < 8_000);
    inputs
}
