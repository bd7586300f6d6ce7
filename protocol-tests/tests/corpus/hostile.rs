//! Messages made to cost: large, deep, or full of small things. Each is brought in, looked at in every way a client has, and
//! taken out, while others use the server.
//!
//! How long that may take is decided by an ordinary message of [`OCTETS`] in the same run: so many times as long as it takes for
//! that one, on whatever machine; but five seconds at the least, which is what a person would call an answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::doors::{self, Door};
use crate::server::{Imap, Pop3, Sender, Server};

/// About as large as most of the messages are; what grows with more than the size of a message shows at it.
const OCTETS: usize = 2 * 1024 * 1024;

/// About as large as a message may be at all (`max_message_octets`, 50 MiB by default).
const LARGEST_OCTETS: usize = 48 * 1024 * 1024;

/// Nothing a message does may take longer, or, on a slow machine, than so many times what it takes for an ordinary one.
const LONGEST: Duration = Duration::from_secs(5);
const TIMES_AN_ORDINARY_ONE: u32 = 40;

/// A message is too slow if it is each time: the machine may have had something else to do.
const TRIES: usize = 3;

/// How much more memory the server may have had at its peak than with the ordinary message alone: whatever a message of some
/// megabytes holds; and where it is of the largest, ten times as much as that: what is read, decoded, brought to UTF-8 and
/// looked through lies beside one another.
const MEMORY_OCTETS: u64 = 128 * 1024 * 1024;
const LARGEST_MEMORY_OCTETS: u64 = 512 * 1024 * 1024;

/// `piece` again and again, so many octets in all.
fn filled(piece: &str, octets: usize) -> String {
    piece.repeat(octets / piece.len())
}

fn full_of(piece: &str) -> String {
    filled(piece, OCTETS)
}

fn nested(depth: usize, level: impl Fn(usize) -> String) -> String {
    (0..depth).map(level).collect()
}

fn ordinary(octets: usize) -> Vec<u8> {
    let line = "An ordinary line of an ordinary message, neither short nor long, and so on.\r\n";
    let body = filled(line, octets);
    format!("From: a@example.org\r\nTo: b@example.org\r\nSubject: ordinary\r\n\r\n{body}").into_bytes()
}

/// Three that hold most: of boundaries, of characters that grow when they are decoded, and of those that shrink.
fn largest_messages() -> Vec<(&'static str, Vec<u8>)> {
    let boundaries = filled("\r\n--", LARGEST_OCTETS);
    let boundaries = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{boundaries}").into_bytes();
    let base64 = filled("QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB\r\n", LARGEST_OCTETS);
    let base64 = format!("Content-Transfer-Encoding: base64\r\n\r\n{base64}").into_bytes();
    let latin = [&b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\n"[..], &vec![0xff; LARGEST_OCTETS]].concat();
    vec![("the largest of boundaries", boundaries), ("the largest of base64", base64), ("the largest of 0xFF", latin)]
}

fn messages() -> Vec<(&'static str, Vec<u8>)> {
    let header = |fields: &str| format!("From: a@example.org\r\n{fields}\r\n\r\nbody\r\n");
    let field = |name: &str, piece: &str| header(&format!("{name}: {}", full_of(piece)));
    // What is above a megabyte of header is opaque: these stay below it.
    let small = |name: &str, piece: &str| header(&format!("{name}: {}", piece.repeat(1_000_000 / piece.len())));
    let body = |fields: &str, body: String| format!("From: a@example.org\r\nSubject: x\r\n{fields}\r\n\r\n{body}");
    let parts = |count: usize, part: &str| {
        body(
            "Content-Type: multipart/mixed; boundary=b",
            format!("{}--b--\r\n", format!("--b\r\n{part}\r\n").repeat(count)),
        )
    };
    let multiparts =
        |depth| nested(depth, |at| format!("Content-Type: multipart/mixed; boundary=b{at}\r\n\r\n--b{at}\r\n"));
    let texts: Vec<(&str, String)> = vec![
        ("a line of megabytes", body("", full_of("x"))),
        ("lines of nothing", body("", full_of("\r\n"))),
        ("lines of dots", body("", full_of(".\r\n"))),
        ("9,000 parts", parts(9_000, "Content-Type: text/html; charset=koi8-r\r\n\r\n<p>part")),
        ("9,000 empty parts", parts(9_000, "")),
        ("200,000 parts", parts(200_000, "\r\nx")),
        (
            "9,000 enclosed messages",
            parts(9_000, "Content-Type: message/rfc822\r\n\r\nSubject: y\r\nFrom: a@b\r\n\r\nx"),
        ),
        ("a thousand multiparts deep", multiparts(1_000)),
        ("a hundred multiparts deep, and boundaries", multiparts(100) + &full_of("--b\r\n")),
        (
            "the same boundary 50,000 deep",
            nested(50_000, |_| "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n".into()),
        ),
        ("a thousand messages deep", nested(1_000, |_| "Content-Type: message/rfc822\r\n\r\n".into())),
        ("40,000 messages deep", nested(40_000, |_| "Content-Type: message/rfc822\r\n\r\n".into())),
        (
            "messages and multiparts deep",
            nested(2_000, |at| {
                format!(
                    "Content-Type: message/rfc822\r\n\r\nContent-Type: multipart/digest; boundary=b{at}\r\n\r\n--b{at}\r\n"
                )
            }),
        ),
        ("what looks like boundaries", body("Content-Type: multipart/mixed; boundary=b", full_of("\r\n--"))),
        ("a boundary of half a megabyte", {
            let boundary = "y".repeat(500_000);
            body(
                &format!("Content-Type: multipart/mixed; boundary={boundary}"),
                format!("--{boundary}\r\n\r\nx\r\n").repeat(5),
            )
        }),
        ("an endless header", field("X-Endless", "endless ")),
        ("an endless header of fields", header(&full_of("X: y\r\n"))),
        ("a header of colons", header(&":\r\n".repeat(300_000))),
        ("a header of folded lines", small("Subject", "x\r\n ")),
        ("a subject of blanks", small("Subject", "\t ")),
        ("a subject of Re:", small("Subject", "Re: ")),
        ("a subject of nested Fwd:", small("Subject", "[fwd: ")),
        ("a subject of encoded words", small("Subject", "=?utf-8?q?=C3=A9?= ")),
        ("a subject of words that never end", small("Subject", "=?utf-8?q?")),
        ("a subject of questions", small("Subject", "=?")),
        ("addresses by the thousand", small("To", "a@b.example, ")),
        ("addresses of two octets", small("Cc", "a,")),
        ("groups in groups", small("To", "g:")),
        ("groups of nobody", small("To", "g:;")),
        ("brackets", small("From", "<")),
        ("at signs", small("To", "@")),
        ("dots and words", small("To", "a . ")),
        ("comments deep", small("To", "(")),
        ("comments wide", small("To", "()")),
        ("quotes", small("To", "\"")),
        ("backslashes", small("To", "\\")),
        ("a date of comments", small("Date", "(")),
        ("a date of digits", small("Date", "1")),
        ("references", small("References", "<a@b> ")),
        (
            "references that differ",
            header(&format!("References: {}", (0..60_000).map(|at| format!("<{at}@b> ")).collect::<String>())),
        ),
        ("references of brackets", small("References", "<")),
        ("parameters", small("Content-Type", "a/b;a=b;")),
        (
            "parameters in pieces",
            header(&format!(
                "Content-Type: text/plain{}",
                (0..50_000).map(|at| format!("; a*{at}=x")).collect::<String>()
            )),
        ),
        (
            "parameters in pieces, backwards",
            header(&format!(
                "Content-Type: text/plain{}",
                (0..50_000).rev().map(|at| format!("; a*{at}*=%41")).collect::<String>()
            )),
        ),
        ("a parameter of percent signs", small("Content-Disposition", "x; a*=''%")),
        ("languages", small("Content-Language", "en,")),
        ("types", header(&"Content-Type: text/plain\r\n".repeat(40_000))),
        ("senders", header(&"From: a@b\r\n".repeat(90_000))),
        (
            "base64",
            body("Content-Transfer-Encoding: base64", full_of("QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB\r\n")),
        ),
        ("base64 of padding", body("Content-Transfer-Encoding: base64", full_of("="))),
        ("quoted-printable", body("Content-Transfer-Encoding: quoted-printable", full_of("=C3=A9=\r\n"))),
        ("quoted-printable of blanks", body("Content-Transfer-Encoding: quoted-printable", full_of(" \t"))),
        ("html of brackets", body("Content-Type: text/html", full_of("<"))),
        ("html of comments", body("Content-Type: text/html", full_of("<!--"))),
        ("html of entities", body("Content-Type: text/html", full_of("&amp;"))),
        ("html of ampersands", body("Content-Type: text/html", full_of("&"))),
        ("html of styles", body("Content-Type: text/html", full_of("<style><script>"))),
        ("html deep", body("Content-Type: text/html", full_of("<div>"))),
        ("utf-7", body("Content-Type: text/plain; charset=utf-7", full_of("+AGE"))),
        ("iso-2022-jp of escapes", body("Content-Type: text/plain; charset=iso-2022-jp", full_of("\u{1b}$B\u{1b}(B"))),
        ("iso-2022-kr of shifts", body("Content-Type: text/plain; charset=iso-2022-kr", full_of("\u{e}\u{f}"))),
        ("quotations", body("Content-Type: text/plain; format=flowed", full_of("> > > "))),
        ("uuencode", body("", full_of("begin 644 x\r\n"))),
        ("UTF-8 in the header", small("Subject", "ü")),
        ("UTF-8 in addresses", small("To", "ü@ü.example, ")),
        ("UTF-8 in parameters", small("Content-Disposition", "x; ü=ü;")),
        ("UTF-8 in 9,000 headers", parts(9_000, "Content-Description: ü\r\n\r\nü")),
    ];
    let mut messages: Vec<(&str, Vec<u8>)> = texts.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    messages.push(("nothing but NUL", vec![0; OCTETS]));
    messages.push(("nothing but CR", vec![b'\r'; OCTETS]));
    messages.push(("nothing but LF", vec![b'\n'; OCTETS]));
    messages.push(("nothing but 0xFF", vec![0xff; OCTETS]));
    messages
}

/// What is done with a message, and how long each of it took.
fn times(imap: &mut Imap, server: &Server, number: usize, message: &[u8]) -> Vec<(String, Duration)> {
    let mut times = Vec::new();
    let mut time = |what: &str, act: &mut dyn FnMut()| {
        let started = Instant::now();
        act();
        times.push((what.to_owned(), started.elapsed()));
    };
    time("APPEND", &mut || imap.append(message));
    for command in [
        "FETCH # (ENVELOPE BODYSTRUCTURE)",
        "FETCH # (PREVIEW)",
        "FETCH # (BODY.PEEK[])",
        "FETCH # (BODY.PEEK[HEADER] BODY.PEEK[HEADER.FIELDS.NOT (X)] BODY.PEEK[TEXT] BODY.PEEK[1])",
        "SEARCH # TEXT zzqzzqzz",
        "SEARCH # OR SUBJECT zzqzzqzz OR TO zzqzzqzz HEADER References zzqzzqzz",
        "SORT (SUBJECT FROM TO DATE DISPLAYFROM) UTF-8 #",
        "THREAD REFERENCES UTF-8 #",
        "THREAD ORDEREDSUBJECT UTF-8 #",
    ] {
        time(command, &mut || drop(imap.command(&command.replace('#', &number.to_string()))));
    }
    // An encoding that nobody knows is refused: that is an answer too.
    time("FETCH # (BINARY.PEEK[1] BINARY.SIZE[1])", &mut || {
        imap.attempt(&format!("FETCH {number} (BINARY.PEEK[1] BINARY.SIZE[1])"));
    });
    time("POP3: RETR and TOP, headers in ASCII", &mut || {
        let mut pop3 = Pop3::log_in(server, "hostile", false);
        for command in [format!("RETR {number}"), format!("TOP {number} 10")] {
            pop3.attempt_message(&command);
        }
    });
    time("LMTP", &mut || {
        let mut sender = Sender::connect(&server.lmtp, "LHLO");
        // By DATA, where DATA takes it.
        let reply = match Door::LmtpData.stored(message) {
            Some(_) => doors::data(&mut sender, "delivered", message),
            None => doors::bdat(&mut sender, "delivered", message),
        };
        assert!(reply.starts_with("250"), "{reply}");
    });
    times
}

/// Uses the server as an ordinary user does, until told to stop; the longest round.
fn bystander(server: &Server, stop: &AtomicBool) -> Duration {
    let mut imap = Imap::log_in(server, "bystander");
    imap.command("SELECT INBOX");
    let mut longest = Duration::ZERO;
    while !stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        let mut sender = Sender::connect(&server.smtp, "EHLO");
        sender.command("MAIL FROM:<a@example.net>");
        sender.command("RCPT TO:<bystander@example.org>");
        sender.command("DATA");
        sender.write(b"Subject: hello\r\n\r\nhello\r\n.\r\n");
        assert!(sender.reply().starts_with("250"));
        imap.command("NOOP");
        imap.command("FETCH * (ENVELOPE BODY.PEEK[])");
        let mut pop3 = Pop3::log_in(server, "bystander", false);
        pop3.message("TOP 1 1");
        longest = longest.max(started.elapsed());
        std::thread::sleep(Duration::from_millis(20));
    }
    longest
}

#[test]
fn no_message_stops_the_server_or_holds_it_up() {
    hold_up(&ordinary(OCTETS), messages(), MEMORY_OCTETS);
}

#[test]
fn nor_does_one_of_the_largest() {
    hold_up(&ordinary(LARGEST_OCTETS), largest_messages(), LARGEST_MEMORY_OCTETS);
}

/// Does everything with each of the messages, and compares that with the ordinary one.
fn hold_up(ordinary: &[u8], messages: Vec<(&str, Vec<u8>)>, memory_octets: u64) {
    let mut server = Server::start(&["hostile", "delivered", "bystander"]);
    let mut imap = Imap::log_in(&server, "hostile");
    imap.command("SELECT INBOX");
    let ordinary = times(&mut imap, &server, 1, ordinary);
    let limit = |what: &str| {
        let (_, took) = ordinary.iter().find(|(there, _)| there == what).expect("the same is done with each");
        LONGEST.max(*took * TIMES_AN_ORDINARY_ONE)
    };
    let memory_before = server.peak_memory_octets();
    let stop = AtomicBool::new(false);
    let (mut slowest, bystander) = std::thread::scope(|scope| {
        let bystander = scope.spawn(|| bystander(&server, &stop));
        let stop = Stop(&stop);
        let (mut slowest, mut numbers) = (Vec::new(), 2..);
        for (name, message) in messages {
            for tries_left in (0..TRIES).rev() {
                let times = times(&mut imap, &server, numbers.next().unwrap_or_default(), &message);
                match times.iter().find(|(what, took)| *took > limit(what)) {
                    Some((what, took)) if tries_left == 0 => {
                        panic!("{name}: {what} took {took:?}, and may take {:?}", limit(what))
                    }
                    Some(_) => {}
                    None => {
                        slowest.extend(times.into_iter().map(|(what, took)| (took, format!("{name}: {what}"))));
                        break;
                    }
                }
            }
        }
        // All of them together take as long as they take; but they take an end.
        for command in ["THREAD REFERENCES UTF-8 ALL", "SORT (SUBJECT TO) UTF-8 ALL", "SEARCH TEXT zzqzzqzz"] {
            imap.command(command);
        }
        drop(stop);
        (slowest, bystander.join().unwrap())
    });
    slowest.sort();
    for (took, what) in slowest.iter().rev().take(5) {
        println!("{took:?} {what}");
    }
    let all: Duration = ordinary.iter().map(|(_, took)| *took).sum();
    println!("an ordinary message took {all:?} in all; the longest round of a bystander {bystander:?}");
    assert!(bystander <= LONGEST.max(all * TIMES_AN_ORDINARY_ONE), "a bystander waited for {bystander:?}");
    assert!(server.is_alive());
    if let (Some(before), Some(after)) = (memory_before, server.peak_memory_octets()) {
        println!("{} MiB at the peak, {} MiB before", after >> 20, before >> 20);
        assert!(after <= before + memory_octets, "{after} octets at the peak, {before} before");
    }
}

/// Tells the bystander to stop, also where the test fails.
struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
