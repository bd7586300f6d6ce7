//! `kill -9` at random moments under load: each answered message is there and intact, no UID is used twice, flags that were
//! answered stay, and the server is up again.
//!
//! ```text
//! cargo test --test kill                                          a few rounds
//! POSTBELL_KILL_ROUNDS=100 cargo test --release --test kill -- --nocapture
//! ```
//! One store lives through all rounds. In each, writers send over LMTP and SMTP and append over IMAP, and note what was
//! answered; then the server is killed, started again, and asked for everything. The seed is printed;
//! `POSTBELL_KILL_SEED` repeats the moments (not the schedule of the threads).

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const USERS: usize = 3;
const WRITERS: usize = 6;
/// Nothing may hang: a client that hears nothing for so long fails.
const DEADLINE: Duration = Duration::from_secs(60);

type Io<T> = std::io::Result<T>;

/// What was answered, over all rounds.
#[derive(Default)]
struct Answered {
    /// User and text of each message that got its 250 or OK.
    messages: Vec<(usize, String)>,
    /// User and UID of each message whose `\Flagged` got its OK.
    flagged: Vec<(usize, u32)>,
}

/// What was seen: for each user, UIDVALIDITY and the text of each UID.
type Seen = Vec<(Option<String>, HashMap<u32, String>)>;

/// RFC 5321 §6.1: whoever said 250 may not lose the message.
#[test]
fn what_was_answered_outlives_kill_9() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |value| value.parse().unwrap());
    let rounds = number("POSTBELL_KILL_ROUNDS", 3);
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    let mut random = Random(number("POSTBELL_KILL_SEED", u64::from(clock)));
    println!("seed {}", random.0);
    let folder = tempfile::tempdir().unwrap();
    let answered = Arc::new(Mutex::new(Answered::default()));
    let mut seen: Seen = vec![Default::default(); USERS];
    let serial = Arc::new(AtomicUsize::new(0));
    let mut slowest_start = Duration::ZERO;
    for round in 0..=rounds {
        let started = Instant::now();
        let server = Server::start(folder.path());
        slowest_start = slowest_start.max(started.elapsed());
        verify(&server, &answered.lock().unwrap(), &mut seen);
        if round == rounds {
            break;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (answered, serial, stop) = (Arc::clone(&answered), Arc::clone(&serial), Arc::clone(&stop));
                let (lmtp, smtp, imap) = (server.lmtp.clone(), server.smtp.clone(), server.imap.clone());
                thread::spawn(move || {
                    // The kill ends the conversation wherever it is: the error it ends with says nothing.
                    let _killed = match writer % 3 {
                        0 => send(&lmtp, "LHLO", writer % USERS, &answered, &serial, &stop),
                        1 => send(&smtp, "EHLO", writer % USERS, &answered, &serial, &stop),
                        _ => append_and_flag(&imap, writer % USERS, &answered, &serial, &stop),
                    };
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(30 + random.below(400)));
        server.kill();
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.join().unwrap();
        }
    }
    let answered = answered.lock().unwrap();
    assert!(!answered.messages.is_empty(), "no writer came to anything");
    println!(
        "{rounds} rounds: {} messages and {} flags were answered, all are there; the slowest start took {} ms",
        answered.messages.len(),
        answered.flagged.len(),
        slowest_start.as_millis()
    );
}

/// Asks for all mail of all users, and compares it with what was answered and what was seen before.
fn verify(server: &Server, answered: &Answered, seen: &mut Seen) {
    for (user, (uid_validity, known)) in seen.iter_mut().enumerate() {
        let mut imap = Client::imap(&server.imap, user).unwrap();
        let selected = imap.command("SELECT INBOX").unwrap();
        let now = selected.iter().find(|line| line.contains("[UIDVALIDITY ")).cloned().unwrap();
        assert_eq!(*uid_validity.get_or_insert(now.clone()), now, "UIDVALIDITY stays");
        let (texts, flagged) = imap.fetch_all().unwrap();
        for (uid, text) in known.iter() {
            assert_eq!(texts.get(uid), Some(text), "UID {uid} of user {user} is what it was");
        }
        for (_, text) in answered.messages.iter().filter(|(of, _)| *of == user) {
            assert!(texts.values().any(|there| there == text), "user {user} lost an answered message: {text:.60}");
        }
        for (_, uid) in answered.flagged.iter().filter(|(of, _)| *of == user) {
            assert!(flagged.contains(uid), "user {user} lost the flag of UID {uid}");
        }
        *known = texts;
    }
}

fn message(serial: &AtomicUsize) -> String {
    let number = serial.fetch_add(1, Ordering::Relaxed);
    // From some octets to some hundred KiB, each different to its end.
    let lines = [3, 40, 400, 4_000][number % 4];
    let body: String = (0..lines).map(|line| format!("{number} {line} the quick brown fox\r\n")).collect();
    format!("Subject: {number}\r\n\r\n{body}")
}

fn send(
    address: &str,
    hello: &str,
    user: usize,
    answered: &Mutex<Answered>,
    serial: &AtomicUsize,
    stop: &AtomicBool,
) -> Io<()> {
    let mut client = Client::connect(address)?;
    client.reply()?;
    client.write(&format!("{hello} client.example.org\r\n"))?;
    client.reply()?;
    while !stop.load(Ordering::Relaxed) {
        let text = message(serial);
        client.write(&format!("MAIL FROM:<a@example.org>\r\nRCPT TO:<user{user}@localhost>\r\nDATA\r\n"))?;
        for _ in 0..3 {
            client.reply()?;
        }
        client.write(&text)?;
        client.write(".\r\n")?;
        if client.reply()?.starts_with("250") {
            answered.lock().unwrap().messages.push((user, text));
        }
    }
    Ok(())
}

fn append_and_flag(
    address: &str,
    user: usize,
    answered: &Mutex<Answered>,
    serial: &AtomicUsize,
    stop: &AtomicBool,
) -> Io<()> {
    let mut client = Client::imap(address, user)?;
    client.command("SELECT INBOX")?;
    while !stop.load(Ordering::Relaxed) {
        let text = message(serial);
        let lines = client.command(&format!("APPEND INBOX {{{}+}}\r\n{text}", text.len()))?;
        answered.lock().unwrap().messages.push((user, text));
        let uid = lines.last().and_then(|line| line.split(']').next()?.rsplit(' ').next()?.parse::<u32>().ok());
        let uid = uid.ok_or_else(|| std::io::Error::other("no APPENDUID"))?;
        client.command(&format!("UID STORE {uid} +FLAGS.SILENT (\\Flagged)"))?;
        answered.lock().unwrap().flagged.push((user, uid));
    }
    Ok(())
}

/// A client of any of the protocols.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn connect(address: &str) -> Io<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        Ok(Client { stream: BufReader::new(stream) })
    }

    fn imap(address: &str, user: usize) -> Io<Client> {
        let mut client = Client::connect(address)?;
        client.line()?;
        client.command(&format!("LOGIN user{user}@localhost secret"))?;
        Ok(client)
    }

    fn write(&mut self, text: &str) -> Io<()> {
        self.stream.get_mut().write_all(text.as_bytes())
    }

    fn line(&mut self) -> Io<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line)? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line),
        }
    }

    /// The last line of an SMTP reply.
    fn reply(&mut self) -> Io<String> {
        loop {
            let line = self.line()?;
            if line.as_bytes().get(3) == Some(&b' ') {
                return Ok(line);
            }
        }
    }

    /// All lines up to the tagged one, which is OK.
    fn command(&mut self, command: &str) -> Io<Vec<String>> {
        self.write(&format!("t {command}\r\n"))?;
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            let tagged = line.starts_with("t ");
            if tagged && !line.starts_with("t OK") {
                return Err(std::io::Error::other(line));
            }
            lines.push(line);
            if tagged {
                return Ok(lines);
            }
        }
    }

    /// The text of each UID without what delivery put before it, and the UIDs that have `\Flagged`.
    fn fetch_all(&mut self) -> Io<(HashMap<u32, String>, Vec<u32>)> {
        let (mut texts, mut flagged) = (HashMap::new(), Vec::new());
        self.write("f UID FETCH 1:* (FLAGS BODY.PEEK[])\r\n")?;
        loop {
            let line = self.line()?;
            if line.starts_with("f OK") {
                return Ok((texts, flagged));
            }
            let Some((_, length)) = line.trim_end().rsplit_once('{') else { continue };
            let length: usize = length.trim_end_matches('}').parse().map_err(std::io::Error::other)?;
            let mut octets = vec![0; length];
            self.stream.read_exact(&mut octets)?;
            let rest = self.line()?;
            let all = format!("{line} {rest}");
            let uid = all.split("UID ").nth(1).and_then(|rest| rest.split([' ', ')']).next()?.parse().ok());
            let uid = uid.ok_or_else(|| std::io::Error::other(format!("no UID: {all}")))?;
            if all.contains("\\Flagged") {
                flagged.push(uid);
            }
            let text = String::from_utf8(octets).map_err(std::io::Error::other)?;
            let begins = text.find("Subject: ").ok_or_else(|| std::io::Error::other("no subject"))?;
            texts.insert(uid, text[begins..].to_owned());
        }
    }
}

/// Postbell, a process apart.
struct Server {
    child: Child,
    smtp: String,
    lmtp: String,
    imap: String,
}

impl Server {
    fn start(data: &std::path::Path) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postbell"));
        command.args(["dev", "--ready-json", "--data"]).arg(data);
        for port in ["smtp", "lmtp", "imap", "imaps", "pop3", "pop3s"] {
            command.arg(format!("--{port}-port=0"));
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        // What it says later must not fill the pipe.
        thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not ready: {line:?}"));
        let address = |name: &str| ready[name].as_str().unwrap().to_owned();
        Server { smtp: address("smtp"), lmtp: address("lmtp"), imap: address("imap"), child }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already where it was killed.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Numbers that a seed decides (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 |= 1;
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit
    }
}
