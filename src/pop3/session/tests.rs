//! Conversations with a session over a maildrop in memory.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::auth::{sasl, scram};
use crate::store::{Date, Flags, Message, ModSeq};

mod extensions;

/// A client, and the server behind the session: one account, `alice` with the password `secret`.
struct Talk {
    session: Session,
    now: Instant,
    mail: BTreeMap<u32, Vec<u8>>,
    /// Messages that can't be read, and why.
    broken: BTreeMap<u32, store::Error>,
    removing_fails: bool,
    /// Why nobody gets in.
    logins_fail: Option<LoginRefused>,
    /// Headers that are shown otherwise to who has not said UTF8; `None`: they can't be.
    patches: BTreeMap<u32, Option<Vec<Patch>>>,
    proofs_are_good: bool,
    /// Pieces are at most so long.
    piece: usize,
    tls_started: bool,
    closed: bool,
}

const OPEN: Security = Security::Clear { stls: true, plaintext_login: true };

impl Talk {
    /// Connects, and expects the greeting.
    fn with(security: Security, limits: Limits) -> Self {
        Self::on(Line { security, scram: false, channel: None }, limits)
    }

    fn on(line: Line, limits: Limits) -> Self {
        let now = Instant::now();
        let mut talk = Talk {
            session: Session::new("mail.example.org", line, limits, now),
            now,
            mail: BTreeMap::from([
                (3, b"Subject: one\r\n\r\nHello\r\n".to_vec()),
                (7, b"Subject: two\r\n\r\n.dot\r\n.\r\nend".to_vec()),
            ]),
            broken: BTreeMap::new(),
            removing_fails: false,
            logins_fail: None,
            patches: BTreeMap::new(),
            proofs_are_good: true,
            piece: usize::MAX,
            tls_started: false,
            closed: false,
        };
        assert_eq!(talk.run(), "+OK mail.example.org Postbell POP3 ready\r\n");
        talk
    }

    fn connect() -> Self {
        Self::with(OPEN, Limits::default())
    }

    /// Where passwords are checked, so that there is something to prove.
    fn with_scram() -> Self {
        Self::on(Line { security: OPEN, scram: true, channel: None }, Limits::default())
    }

    fn logged_in() -> Self {
        let mut talk = Self::connect();
        talk.says("USER alice\r\n", "+OK now the password\r\n");
        talk.says("PASS secret\r\n", "+OK maildrop has 2 messages (51 octets)\r\n");
        talk
    }

    /// The client sends this, and gets exactly that.
    #[track_caller]
    fn says(&mut self, client: &str, server: &str) -> &mut Self {
        assert_eq!(self.sends(client.as_bytes()), server, "after {client:?}");
        self
    }

    fn sends(&mut self, octets: &[u8]) -> String {
        self.session.receive(octets);
        self.run()
    }

    #[track_caller]
    fn is_closed(&self) {
        assert!(self.closed, "the connection is open");
    }

    /// Lets the session run until it waits for the client; returns what it wrote.
    fn run(&mut self) -> String {
        let mut written = Vec::new();
        loop {
            match self.session.poll(self.now) {
                Step::Write(octets) => {
                    assert!(!octets.is_empty());
                    written.extend(octets);
                }
                Step::Ask(request) => {
                    let answer = self.find_out(request);
                    self.session.answer(answer);
                }
                Step::StartTls => {
                    self.tls_started = true;
                    self.session.tls_started(Some([7; 32]));
                }
                Step::Close => {
                    self.closed = true;
                    break;
                }
                Step::NeedInput => break,
            }
        }
        String::from_utf8(written).unwrap()
    }

    fn find_out(&mut self, request: Request) -> Answer {
        match request {
            Request::Login(_) if let Some(refused) = self.logins_fail => Answer::Login(Err(refused)),
            Request::Login(login) if login.name == "alice" && login.password == "secret" => {
                let messages = self.mail.iter().map(|(uid, octets)| message(*uid, octets.len()));
                Answer::Login(Ok(Maildrop::new(1700000000, messages)))
            }
            Request::Login(_) => Answer::Login(Err(LoginRefused::Credentials)),
            Request::Challenge(first) => Answer::Challenge(Ok(scram::challenge_for_tests(first))),
            Request::Prove(_) if self.proofs_are_good => Answer::Proved(Ok("dj1zaWc=".into())),
            Request::Prove(_) => Answer::Proved(Err(LoginRefused::Credentials)),
            Request::Open => match self.logins_fail {
                Some(refused) => Answer::Login(Err(refused)),
                None => self.find_out(Request::Login(Login { name: "alice".into(), password: "secret".into() })),
            },
            Request::Downgrade(body) => {
                let uid = body.0 as u32;
                let readable = self.read(uid, 0, 0).map(|_| ());
                Answer::Downgraded(readable.map(|()| self.patches.get(&uid).cloned().unwrap_or(Some(Vec::new()))))
            }
            Request::Read { body, offset, len } => Answer::Read(self.read(body.0 as u32, offset as usize, len)),
            Request::Remove(_) if self.removing_fails => Answer::Removed(Err(store::Error::DiskFull)),
            Request::Remove(uids) => {
                self.mail.retain(|uid, _| !uids.contains(*uid));
                Answer::Removed(Ok(()))
            }
        }
    }

    fn read(&self, uid: u32, offset: usize, len: usize) -> Result<Bytes, store::Error> {
        if let Some(error) = self.broken.get(&uid) {
            return Err(error.clone());
        }
        let octets = self.mail.get(&uid).ok_or(store::Error::Gone)?;
        let end = octets.len().min(offset + len.min(self.piece));
        Ok(Bytes::copy_from_slice(&octets[offset.min(end)..end]))
    }
}

fn message(uid: u32, octets: usize) -> Message {
    Message {
        uid,
        flags: Flags::NONE,
        mod_seq: ModSeq::from(1u32),
        body: BodyId(uid.into()),
        size: octets as u32,
        internal_date: Date { unix_s: 0, offset_min: 0 },
        save_date_unix_s: 0,
    }
}

#[test]
fn a_session_from_greeting_to_quit() {
    let mut talk = Talk::logged_in();
    talk.says("STAT\r\n", "+OK 2 51\r\n")
        .says("LIST\r\n", "+OK 2 messages (51 octets)\r\n1 23\r\n2 28\r\n.\r\n")
        .says("UIDL\r\n", "+OK unique-id listing follows\r\n1 1700000000.3\r\n2 1700000000.7\r\n.\r\n")
        .says("LIST 2\r\n", "+OK 2 28\r\n")
        .says("UIDL 2\r\n", "+OK 2 1700000000.7\r\n")
        .says("RETR 1\r\n", "+OK 23 octets\r\nSubject: one\r\n\r\nHello\r\n.\r\n")
        .says("RETR 2\r\n", "+OK 28 octets\r\nSubject: two\r\n\r\n..dot\r\n..\r\nend\r\n.\r\n")
        .says("TOP 2 1\r\n", "+OK top of message 2\r\nSubject: two\r\n\r\n..dot\r\n.\r\n")
        .says("NOOP\r\n", "+OK still here\r\n")
        .says("QUIT\r\n", "+OK goodbye, 2 messages (51 octets) left\r\n")
        .is_closed();
}

#[test]
fn dele_takes_effect_at_quit() {
    let mut talk = Talk::logged_in();
    talk.says("DELE 1\r\n", "+OK message 1 deleted\r\n")
        .says("DELE 1\r\n", "-ERR this message is deleted\r\n")
        .says("RETR 1\r\n", "-ERR this message is deleted\r\n")
        .says("TOP 1 0\r\n", "-ERR this message is deleted\r\n")
        .says("LIST 1\r\n", "-ERR this message is deleted\r\n")
        .says("UIDL 1\r\n", "-ERR this message is deleted\r\n")
        .says("STAT\r\n", "+OK 1 28\r\n")
        .says("LIST\r\n", "+OK 1 message (28 octets)\r\n2 28\r\n.\r\n");
    assert_eq!(talk.mail.len(), 2, "nothing is removed yet");
    talk.says("QUIT\r\n", "+OK goodbye, 1 message (28 octets) left\r\n").is_closed();
    assert_eq!(talk.mail.keys().copied().collect::<Vec<_>>(), [7]);
}

#[test]
fn rset_takes_the_marks_away() {
    let mut talk = Talk::logged_in();
    talk.says("DELE 1\r\nDELE 2\r\nSTAT\r\n", "+OK message 1 deleted\r\n+OK message 2 deleted\r\n+OK 0 0\r\n")
        .says("RSET\r\n", "+OK maildrop has 2 messages (51 octets)\r\n")
        .says("QUIT\r\n", "+OK goodbye, 2 messages (51 octets) left\r\n");
    assert_eq!(talk.mail.len(), 2);
}

#[test]
fn without_quit_nothing_is_removed() {
    let mut talk = Talk::logged_in();
    talk.says("DELE 1\r\n", "+OK message 1 deleted\r\n");
    talk.session.timed_out();
    assert_eq!(talk.run(), "", "the autologout says nothing");
    talk.is_closed();
    assert_eq!(talk.mail.len(), 2);

    let mut talk = Talk::logged_in();
    talk.says("DELE 1\r\n", "+OK message 1 deleted\r\n");
    talk.session.shut_down();
    assert_eq!(talk.run(), "-ERR [SYS/TEMP] shutting down\r\n");
    talk.is_closed();
    assert_eq!(talk.mail.len(), 2);
}

#[test]
fn a_failed_update_is_told() {
    let mut talk = Talk::logged_in();
    talk.removing_fails = true;
    talk.says("DELE 1\r\n", "+OK message 1 deleted\r\n")
        .says("QUIT\r\n", "-ERR [SYS/TEMP] the deleted messages were not removed\r\n")
        .is_closed();
}

#[test]
fn numbers_do_not_shift_when_others_expunge_or_deliver() {
    let mut talk = Talk::logged_in();
    talk.mail.remove(&3);
    talk.mail.insert(9, b"new\r\n".to_vec());
    talk.says("STAT\r\n", "+OK 2 51\r\n")
        .says("RETR 1\r\n", "-ERR [SYS/TEMP] message 1 was removed by another client\r\n")
        .says("TOP 1 0\r\n", "-ERR [SYS/TEMP] message 1 was removed by another client\r\n")
        .says("UIDL 2\r\n", "+OK 2 1700000000.7\r\n")
        .says("RETR 3\r\n", "-ERR no such message, the maildrop has 2\r\n")
        .says("DELE 1\r\n", "+OK message 1 deleted\r\n")
        .says("QUIT\r\n", "+OK goodbye, 1 message (28 octets) left\r\n");
    assert_eq!(talk.mail.keys().copied().collect::<Vec<_>>(), [7, 9]);
}

#[test]
fn a_message_that_cannot_be_read_is_told() {
    let mut talk = Talk::logged_in();
    talk.broken.insert(3, store::Error::Damaged("checksum".into()));
    talk.says("RETR 1\r\n", "-ERR [SYS/PERM] message 1 is damaged\r\n");
    talk.broken.insert(3, store::Error::Read("input/output error".into()));
    talk.says("RETR 1\r\n", "-ERR [SYS/TEMP] message 1 can't be read now\r\n");
    // The index says more octets than there are.
    talk.broken.clear();
    talk.mail.insert(3, Vec::new());
    talk.says("RETR 1\r\n", "-ERR [SYS/PERM] message 1 is damaged\r\n").says("NOOP\r\n", "+OK still here\r\n");
}

#[test]
fn a_message_that_breaks_off_has_no_end() {
    let mut talk = Talk::logged_in();
    talk.piece = 10;
    talk.session.receive(b"RETR 1\r\n");
    for _ in 0..2 {
        let Step::Ask(request) = talk.session.poll(talk.now) else { panic!("a request") };
        let answer = talk.find_out(request);
        talk.session.answer(answer);
    }
    talk.broken.insert(3, store::Error::Read("input/output error".into()));
    assert_eq!(talk.run(), "+OK 23 octets\r\nSubject: o");
    talk.is_closed();
}

#[test]
fn no_such_message() {
    let mut talk = Talk::logged_in();
    for line in ["RETR 0\r\n", "RETR 3\r\n", "LIST 3\r\n", "UIDL 3\r\n", "TOP 3 1\r\n", "DELE 4294967295\r\n"] {
        talk.says(line, "-ERR no such message, the maildrop has 2\r\n");
    }
}

#[test]
fn an_empty_maildrop() {
    let mut talk = Talk::connect();
    talk.mail.clear();
    talk.says("USER alice\r\nPASS secret\r\n", "+OK now the password\r\n+OK maildrop has 0 messages (0 octets)\r\n")
        .says("LIST\r\nUIDL\r\n", "+OK 0 messages (0 octets)\r\n.\r\n+OK unique-id listing follows\r\n.\r\n")
        .says("QUIT\r\n", "+OK goodbye, 0 messages (0 octets) left\r\n");
}

#[test]
fn a_message_of_no_octets() {
    let mut talk = Talk::connect();
    talk.mail = BTreeMap::from([(1, Vec::new())]);
    talk.says("USER alice\r\nPASS secret\r\n", "+OK now the password\r\n+OK maildrop has 1 message (0 octets)\r\n")
        .says("RETR 1\r\n", "+OK 0 octets\r\n.\r\n");
}

#[test]
fn no_password_is_taken_where_others_can_listen() {
    let mut talk = Talk::with(Security::Clear { stls: true, plaintext_login: false }, Limits::default());
    for line in ["USER alice\r\n", "PASS secret\r\n", "AUTH PLAIN\r\n", "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"] {
        talk.says(line, "-ERR passwords are not taken without TLS, use STLS first\r\n");
    }
    talk.says("STLS\r\n", "+OK begin TLS\r\n")
        .says("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", "+OK maildrop has 2 messages (51 octets)\r\n");
    let mut talk = Talk::with(Security::Clear { stls: false, plaintext_login: false }, Limits::default());
    talk.says("USER alice\r\n", "-ERR passwords are not taken without TLS, use the TLS port\r\n")
        .says("STLS\r\n", "-ERR TLS is not available here\r\n");
}

#[test]
fn nothing_sent_before_tls_survives_it() {
    let mut talk = Talk::connect();
    talk.says("USER alice\r\n", "+OK now the password\r\n");
    // RFC 2595 §4 forbids the client to send on; an attacker who injects it gets nothing for it.
    talk.says("STLS\r\nPASS secret\r\nQU", "+OK begin TLS\r\n");
    assert!(talk.tls_started);
    talk.says("IT\r\n", "-ERR unknown command\r\n")
        .says("PASS secret\r\n", "-ERR USER comes first\r\n")
        .says("STLS\r\n", "-ERR TLS is on already\r\n");
}

#[test]
fn auth_plain_in_one_line_and_in_two() {
    let mut talk = Talk::connect();
    talk.says("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", "+OK maildrop has 2 messages (51 octets)\r\n");
    let mut talk = Talk::connect();
    talk.says("auth plain\r\n", "+ \r\n")
        .says("AGFsaWNlAHNlY3JldA==\r\n", "+OK maildrop has 2 messages (51 octets)\r\n");
}

#[test]
fn auth_that_fails_leaves_the_session_before_login() {
    let mut talk = Talk::connect();
    talk.says("AUTH PLAIN\r\n*\r\n", "+ \r\n-ERR cancelled\r\n")
        .says(
            "AUTH PLAIN\r\nQUIT\r\n",
            "+ \r\n-ERR PLAIN takes an identity, a name and a password with NULs between\r\n",
        )
        .says("AUTH PLAIN !\r\n", "-ERR the response is not base64\r\n")
        .says("AUTH PLAIN\r\nAGFsaWNlAHNlY3JldA==\n\r\n", "+ \r\n-ERR a line ends with CRLF\r\n")
        .says("AUTH CRAM-MD5\r\n", "-ERR unknown mechanism, CAPA lists ours\r\n")
        .says("AUTH LOGIN\r\n", "-ERR unknown mechanism, CAPA lists ours\r\n")
        .says("AUTH\r\n", "-ERR usage: AUTH mechanism [initial-response]\r\n")
        .says("AUTH PLAIN Ym9zcwBhbGljZQBzZWNyZXQ=\r\n", "-ERR [AUTH] wrong name or password\r\n")
        .says("STAT\r\n", "-ERR log in first\r\n")
        .says("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", "+OK maildrop has 2 messages (51 octets)\r\n");
}

#[test]
fn a_response_may_be_longer_than_a_command() {
    let mut talk = Talk::connect();
    let response = "A".repeat(sasl::RESPONSE_OCTETS_MAX);
    let answer = talk.sends(format!("AUTH PLAIN\r\n{response}\r\n").as_bytes());
    assert!(answer.starts_with("+ \r\n-ERR PLAIN takes"), "{answer}");
    talk.says(
        &format!("AUTH PLAIN\r\n{response}A\r\nNOOP\r\n"),
        "+ \r\n-ERR the response is too long\r\n-ERR log in first\r\n",
    );
    talk.says(&format!("AUTH PLAIN {}\r\n", "A".repeat(500)), "-ERR a line has at most 512 octets\r\n");
}

#[test]
fn wrong_passwords_end_the_connection_at_the_third() {
    let mut talk = Talk::connect();
    let refused = "+OK now the password\r\n-ERR [AUTH] wrong name or password\r\n";
    talk.says("USER alice\r\nPASS wrong\r\n", refused)
        .says("PASS secret\r\n", "-ERR USER comes first\r\n")
        .says("USER nobody\r\nPASS secret\r\n", refused)
        .says("AUTH PLAIN AGFsaWNlAHdyb25n\r\nQUIT\r\n", "-ERR [AUTH] wrong name or password\r\n")
        .is_closed();
}

#[test]
fn a_login_that_cannot_be_checked_is_nobodys_fault() {
    let mut talk = Talk::connect();
    let pass = |talk: &mut Talk, answer: &str| {
        for _ in 0..5 {
            talk.says("USER alice\r\nPASS secret\r\n", &format!("+OK now the password\r\n-ERR {answer}\r\n"));
        }
    };
    talk.logins_fail = Some(LoginRefused::Unavailable);
    pass(&mut talk, "[SYS/TEMP] no login is possible now");
    talk.logins_fail = Some(LoginRefused::Broken);
    pass(&mut talk, "[SYS/PERM] the maildrop can't be opened, tell the postmaster");
    talk.logins_fail = Some(LoginRefused::TooSoon);
    pass(&mut talk, "[LOGIN-DELAY] the last login was less than 0 s ago");
    talk.logins_fail = Some(LoginRefused::TooManySessions);
    pass(&mut talk, "[IN-USE] you have too many sessions");
    assert!(!talk.closed, "it is not counted");
}

#[test]
fn states_are_kept_apart() {
    let mut talk = Talk::connect();
    for line in ["STAT", "LIST", "UIDL", "RETR 1", "TOP 1 1", "DELE 1", "NOOP", "RSET"] {
        talk.says(&format!("{line}\r\n"), "-ERR log in first\r\n");
    }
    talk.says("QUIT\r\n", "+OK goodbye\r\n").is_closed();
    let mut talk = Talk::logged_in();
    for line in ["USER bob", "PASS x", "AUTH PLAIN", "STLS"] {
        talk.says(&format!("{line}\r\n"), "-ERR you are logged in already\r\n");
    }
}

#[test]
fn what_is_no_command_is_refused_and_at_last_not_answered() {
    let mut talk = Talk::connect();
    talk.says("\r\n", "-ERR unknown command\r\n")
        .says("APOP alice 00000000000000000000000000000000\r\n", "-ERR unknown command\r\n")
        .says("LIST x\r\n", "-ERR usage: LIST [message]\r\n")
        .says("NOOP\nQUIT\r\n", "-ERR a line ends with CRLF\r\n")
        .says("NO\rOP\r\n", "-ERR a command holds no control characters, and only UTF-8\r\n")
        .says(&format!("NOOP{}\r\n", " ".repeat(507)), "-ERR a line has at most 512 octets\r\n")
        .says(&format!("PASS {}\r\n", "x".repeat(505)), "-ERR USER comes first\r\n");
    for _ in 7..19 {
        talk.says("XYZZY\r\n", "-ERR unknown command\r\n");
    }
    talk.says("XYZZY\r\nQUIT\r\n", "-ERR too many bad commands\r\n").is_closed();
}

#[test]
fn an_endless_line_holds_no_memory() {
    let mut talk = Talk::connect();
    for _ in 0..1000 {
        talk.says(&"x".repeat(1000), "");
        assert_eq!(talk.session.input.capacity(), 0);
    }
    talk.says("\r\n", "-ERR a line has at most 512 octets\r\n");
}

#[test]
fn the_autologout_counts_from_the_last_answer() {
    let mut talk = Talk::connect();
    let start = talk.now;
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    assert_eq!(talk.session.next_timeout(), start + minutes(10));
    talk.now = start + minutes(9);
    talk.says("US", "");
    assert_eq!(talk.session.next_timeout(), start + minutes(10), "half a command does not count");
    talk.says("ER alice\r\n", "+OK now the password\r\n");
    assert_eq!(talk.session.next_timeout(), start + minutes(19));
}

#[test]
fn a_stop_says_so_unless_an_answer_is_under_way() {
    let mut talk = Talk::connect();
    talk.session.shut_down();
    assert_eq!(talk.run(), "-ERR [SYS/TEMP] shutting down\r\n");
    talk.is_closed();

    let mut talk = Talk::logged_in();
    talk.session.receive(b"RETR 1\r\n");
    assert!(matches!(talk.session.poll(talk.now), Step::Ask(Request::Downgrade(_))));
    talk.session.shut_down();
    assert_eq!(talk.run(), "");
    talk.is_closed();

    let mut talk = Talk::logged_in();
    talk.session.receive(b"DELE 1\r\nQUIT\r\n");
    assert!(matches!(talk.session.poll(talk.now), Step::Write(_)));
    assert!(matches!(talk.session.poll(talk.now), Step::Ask(Request::Remove(_))));
    talk.session.shut_down();
    assert_eq!(talk.run(), "+OK goodbye, 1 message (28 octets) left\r\n", "an UPDATE that has begun is finished");
}

#[test]
fn a_long_listing_leaves_in_steps() {
    let mut talk = Talk::connect();
    talk.mail = (1..=20_000).map(|uid| (uid, Vec::new())).collect();
    talk.says(
        "USER alice\r\nPASS secret\r\n",
        "+OK now the password\r\n+OK maildrop has 20000 messages (0 octets)\r\n",
    );
    talk.session.receive(b"DELE 10000\r\nUIDL\r\n");
    let mut answer = Vec::new();
    while let Step::Write(octets) = talk.session.poll(talk.now) {
        assert!(octets.len() < OUTPUT_OCTETS + 100);
        answer.extend(octets);
    }
    let answer = String::from_utf8(answer).unwrap();
    let expected =
        (1..=20_000).filter(|number| *number != 10_000).map(|number| format!("{number} 1700000000.{number}\r\n"));
    let expected: String = expected.collect();
    assert_eq!(answer, format!("+OK message 10000 deleted\r\n+OK unique-id listing follows\r\n{expected}.\r\n"));
}

#[test]
fn an_answer_that_was_not_asked_for_ends_the_session() {
    let mut talk = Talk::logged_in();
    talk.session.answer(Answer::Removed(Ok(())));
    assert_eq!(talk.run(), "");
    talk.is_closed();
}

/// A conversation with everything in it; SCRAM is given up at its last line.
const ALL: &[u8] = b"CAPA\r\nUTF8\r\nLANG en\r\nUSER alice\r\nPASS wrong\r\nAUTH PLAIN\r\n*\r\nAUTH SCRAM-SHA-256\r\n\
    biwsbj1hbGljZSxyPWFiYw==\r\n\
    Yz1iaXdzLHI9YWJjc2VydmVyLHA9QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQT0=\r\n*\r\n\
    AUTH PLAIN\r\nAGFsaWNlAHNlY3JldA==\r\nSTAT\r\nLANG\r\nLIST\r\nUIDL 1\r\nRETR 2\r\nTOP 1 0\r\nXYZZY\r\nNOOP\n\
    DELE 1\r\nRSET\r\nDELE 2\r\nQUIT\r\n";

fn all_split_at(cuts: &[usize]) -> (String, BTreeMap<u32, Vec<u8>>) {
    let mut talk = Talk::with_scram();
    let mut answer = String::new();
    let mut from = 0;
    for cut in cuts.iter().copied().chain([ALL.len()]) {
        answer += &talk.sends(&ALL[from..cut]);
        from = cut;
    }
    talk.is_closed();
    (answer, talk.mail)
}

#[test]
fn a_split_at_any_octet_makes_no_difference() {
    let whole = all_split_at(&[]);
    assert!(whole.0.contains("+ dj1zaWc=\r\n-ERR cancelled\r\n"), "{}", whole.0);
    assert!(whole.0.ends_with("+OK message 2 deleted\r\n+OK goodbye, 1 message (23 octets) left\r\n"), "{}", whole.0);
    assert_eq!(whole.1.keys().copied().collect::<Vec<_>>(), [3]);
    for cut in 0..ALL.len() {
        assert_eq!(all_split_at(&[cut]), whole, "split at {cut}");
    }
    assert_eq!(all_split_at(&(1..ALL.len()).collect::<Vec<_>>()), whole, "octet by octet");
}

proptest! {
    #[test]
    fn no_input_panics_and_each_line_gets_an_answer(lines in proptest::collection::vec(prop_oneof![
        "(STAT|LIST|UIDL|RETR|DELE|TOP|RSET|NOOP|CAPA) ?[0-3]? ?[0-3]?",
        "[ -~]{0,40}",
    ], 0..15)) {
        let mut talk = Talk::logged_in();
        for line in lines {
            let answer = talk.sends(format!("{line}\r\n").as_bytes());
            prop_assert!(answer.starts_with("+OK") || answer.starts_with("-ERR"), "{line:?}: {answer:?}");
            prop_assert!(answer.ends_with("\r\n"));
            if talk.closed {
                break;
            }
        }
    }
}
