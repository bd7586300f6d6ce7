//! Large mailboxes: SELECT, FETCH, SEARCH, SORT, THREAD, STORE, COPY and MOVE over 10,000 and over 100,000 messages.
//!
//! ```text
//! cargo bench --bench mailbox                        all of it, some minutes and a gigabyte of disk
//! cargo bench --bench mailbox -- search thread       some of it: select, fetch, search, sort, thread, store, copy
//! cargo bench --bench mailbox -- 10000               of mailboxes of this size alone
//! cargo bench --bench mailbox -- --quick             a small mailbox, to see that it works
//! ```
//! As in `last_hop`, a server of its own, in a process apart; one client, which takes the answers and throws them away.
//! The messages have 4 KiB, in conversations of some messages each. Baselines of the same run: for FETCH the same number of
//! octets through the same loopback, made by nobody; for SEARCH BODY and TEXT a scan of as many octets in this process'
//! memory; for changes of the mailbox one synced write. What a server does not offer is left out.

use std::time::{Duration, Instant};

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use self::shared::{Imap, Lmtp, Result, Server, folder};

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod shared;

const MESSAGE_OCTETS: usize = 4_096;
/// A message in so many has the word that is looked for.
const RARE: usize = 1_000;
/// A conversation has so many messages.
const CONVERSATION: usize = 8;
/// Within this time the server has written a checkpoint of all that came in.
const CHECKPOINT: Duration = Duration::from_secs(8);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let (sizes, parts): (Vec<&str>, Vec<&str>) = arguments
        .iter()
        .map(String::as_str)
        .filter(|argument| *argument != "--quick")
        .partition(|argument| argument.parse::<usize>().is_ok());
    let sizes: Vec<usize> = match sizes.iter().filter_map(|size| size.parse().ok()).collect::<Vec<_>>() {
        named if !named.is_empty() => named,
        _ if arguments.iter().any(|argument| argument == "--quick") => vec![500],
        _ => vec![10_000, 100_000],
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        for size in sizes {
            mailbox(size, &|part| parts.is_empty() || parts.contains(&part)).await?;
        }
        Ok(())
    })
}

/// What a figure is measured against.
#[derive(Clone, Copy)]
enum Beside {
    Nothing,
    /// The same octets through the same loopback.
    Loopback,
    /// As many octets as the messages have, looked through in memory.
    Scan,
    /// One write that is synced.
    Sync,
}

/// A command, how often it is run, and whether it is of all messages.
struct Measured<'a> {
    command: &'a str,
    rounds: usize,
    each: bool,
    beside: Beside,
}

const fn measured(command: &str, rounds: usize, each: bool, beside: Beside) -> Measured<'_> {
    Measured { command, rounds, each, beside }
}

async fn mailbox(size: usize, wanted: &dyn Fn(&str) -> bool) -> Result<()> {
    let server = Server::start(&folder()?).await?;
    let filled = Instant::now();
    fill(&server, size).await?;
    println!(
        "\na mailbox of {size} messages of {MESSAGE_OCTETS} octets, delivered in {:.1} s",
        filled.elapsed().as_secs_f64()
    );
    // A mailbox of this size is mostly older than the last checkpoint, and its bodies are looked up in the index.
    tokio::time::sleep(CHECKPOINT).await;
    println!("| command | first | best | messages a second | beside |\n|---|---:|---:|---:|---|");
    let mut imap = Imap::login(TcpStream::connect(&server.imap).await?, "large").await?;
    imap.run("CREATE Copies").await?;
    imap.run("CREATE Away").await?;
    let mut bench = Bench { imap, size, sync: synced_write()?, scan: scan(size) };
    let offers = async |name: &str| server.offers(name).await;

    bench.run(&measured("SELECT INBOX", 5, false, Beside::Nothing), wanted("select")).await?;
    if !wanted("select") {
        bench.imap.run("SELECT INBOX").await?;
    }
    let preview = offers("PREVIEW").await?;
    let fetches = [
        measured("FETCH 1:* (FLAGS)", 5, true, Beside::Loopback),
        measured("FETCH 1:* (UID FLAGS RFC822.SIZE INTERNALDATE)", 3, true, Beside::Loopback),
        measured("FETCH 1:* (ENVELOPE)", 3, true, Beside::Loopback),
        measured("FETCH 1:* (BODYSTRUCTURE)", 3, true, Beside::Loopback),
        measured("FETCH 1:* (PREVIEW)", 3, true, Beside::Loopback),
        measured("FETCH 1:* (BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)])", 3, true, Beside::Loopback),
        measured("FETCH 1:* (BODY.PEEK[HEADER.FIELDS (X-UNUSUAL)])", 2, true, Beside::Loopback),
        measured("FETCH 1:* (BODY.PEEK[])", 2, true, Beside::Loopback),
    ];
    for fetch in fetches.iter().filter(|fetch| preview || !fetch.command.contains("PREVIEW")) {
        bench.run(fetch, wanted("fetch")).await?;
    }
    for search in [
        measured("UID SEARCH UNSEEN", 5, false, Beside::Nothing),
        measured("UID SEARCH KEYWORD absent", 5, false, Beside::Nothing),
        measured("UID SEARCH SINCE 1-Jan-2020 LARGER 100", 5, false, Beside::Nothing),
        measured("UID SEARCH RETURN (COUNT) FROM person7", 3, false, Beside::Nothing),
        measured("UID SEARCH RETURN (COUNT) SUBJECT needle", 3, false, Beside::Nothing),
        measured("UID SEARCH RETURN (COUNT) HEADER X-Unusual absent", 3, false, Beside::Scan),
        measured("UID SEARCH RETURN (COUNT) BODY needle", 3, false, Beside::Scan),
        measured("UID SEARCH RETURN (COUNT) TEXT needle", 3, false, Beside::Scan),
    ] {
        bench.run(&search, wanted("search")).await?;
    }
    for (capability, command) in [
        ("SORT", "UID SORT (ARRIVAL) UTF-8 ALL"),
        ("SORT", "UID SORT (SUBJECT) UTF-8 ALL"),
        ("SORT", "UID SORT (REVERSE DATE) UTF-8 ALL"),
        ("SORT", "UID SORT (FROM SUBJECT) UTF-8 ALL"),
        ("SORT=DISPLAY", "UID SORT (DISPLAYFROM) UTF-8 ALL"),
        ("PARTIAL", "UID SORT RETURN (PARTIAL 1:50) (REVERSE DATE) UTF-8 ALL"),
    ] {
        let offered = offers("SORT").await? && offers(capability).await?;
        bench.run(&measured(command, 3, true, Beside::Nothing), wanted("sort") && offered).await?;
    }
    for algorithm in ["ORDEREDSUBJECT", "REFERENCES"] {
        let offered = offers(&format!("THREAD={algorithm}")).await?;
        let command = format!("UID THREAD {algorithm} UTF-8 ALL");
        bench.run(&measured(&command, 3, true, Beside::Nothing), wanted("thread") && offered).await?;
    }
    for store in [
        measured(r"STORE 1:* +FLAGS.SILENT (\Flagged)", 1, true, Beside::Sync),
        measured(r"STORE 1:* -FLAGS.SILENT (\Flagged)", 1, true, Beside::Sync),
        measured(r"STORE 1 +FLAGS (\Flagged)", 5, false, Beside::Sync),
    ] {
        bench.run(&store, wanted("store")).await?;
    }
    if wanted("copy") {
        bench.run(&measured("COPY 1:* Copies", 1, true, Beside::Sync), true).await?;
        bench.run(&measured("MOVE 1:* Away", 1, true, Beside::Sync), true).await?;
        bench.imap.run("SELECT Away").await?;
        bench.run(&measured("UID MOVE 1 INBOX", 1, false, Beside::Sync), true).await?;
        bench.imap.run(r"STORE 1:* +FLAGS.SILENT (\Deleted)").await?;
        bench.run(&measured("EXPUNGE", 1, true, Beside::Sync), true).await?;
    }
    server.stop().await
}

struct Bench {
    imap: Imap<TcpStream>,
    size: usize,
    sync: Duration,
    scan: Duration,
}

impl Bench {
    /// Runs a command some times, and prints a row: the first time, the best, and the best beside the baseline.
    async fn run(&mut self, measured: &Measured<'_>, wanted: bool) -> Result<()> {
        if !wanted {
            return Ok(());
        }
        let (mut first, mut best, mut octets) = (None, Duration::MAX, 0);
        for _ in 0..measured.rounds {
            let started = Instant::now();
            octets = self.imap.measured(measured.command).await?;
            let took = started.elapsed();
            first.get_or_insert(took);
            best = best.min(took);
        }
        let rate = match measured.each {
            true => format!("{:.0}", self.size as f64 / best.as_secs_f64()),
            false => String::new(),
        };
        let times = |baseline: Duration| best.as_secs_f64() / baseline.as_secs_f64();
        let beside = match measured.beside {
            Beside::Nothing => String::new(),
            Beside::Loopback => format!("{:.1} × its octets over loopback", times(loopback(octets).await?)),
            Beside::Scan => format!("{:.1} × a scan in memory", times(self.scan)),
            Beside::Sync => format!("{:.1} × a synced write", times(self.sync)),
        };
        println!(
            "| `{}` | {:.2} ms | {:.2} ms | {rate} | {beside} |",
            measured.command,
            first.unwrap_or_default().as_secs_f64() * 1e3,
            best.as_secs_f64() * 1e3,
        );
        Ok(())
    }
}

/// Delivers so many messages, over 64 connections.
async fn fill(server: &Server, size: usize) -> Result<()> {
    const CONNECTIONS: usize = 64;
    let mut tasks = Vec::new();
    for first in 0..CONNECTIONS.min(size) {
        let address = server.lmtp.clone();
        tasks.push(tokio::spawn(async move {
            let mut lmtp = Lmtp::connect(&address).await?;
            for number in (first..size).step_by(CONNECTIONS) {
                lmtp.deliver("large", &(message(number) + ".\r\n")).await?;
            }
            Result::Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// One of many that differ: two alternatives of a text, a subject that its conversation has in common, and the messages that
/// it answers.
fn message(number: usize) -> String {
    let (conversation, within) = (number / CONVERSATION, number % CONVERSATION);
    let needle = if number.is_multiple_of(RARE) { " needle" } else { "" };
    let prefix = if within > 0 { "Re: " } else { "" };
    let id = |within: usize| format!("<{conversation}.{within}@bench.example.org>");
    let references = (0..within).map(id).collect::<Vec<_>>().join(" ");
    let references = if within > 0 { format!("References: {references}\r\n") } else { String::new() };
    let mut message = format!(
        "From: Person {person} <person{person}@example.org>\r\nTo: User <large@localhost>\r\n\
         Subject: {prefix}Conversation {shuffled}{needle}\r\nMessage-ID: {}\r\n{references}\
         Date: Mon, {:02} Nov 2026 {:02}:{:02}:{:02} +0000\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/alternative; boundary=between\r\n\r\n--between\r\nContent-Type: text/plain\r\n\r\n\
         Good morning,\r\nthis is{needle} what message {number} has to say.\r\n",
        id(within),
        1 + number / 86_400 % 28,
        number / 3_600 % 24,
        number / 60 % 60,
        number % 60,
        person = number % 97,
        shuffled = conversation.wrapping_mul(7_919) % 1_000_003,
    );
    let html =
        "\r\n--between\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>And so it goes on.</p>\r\n--between--\r\n";
    while message.len() + html.len() + 74 <= MESSAGE_OCTETS {
        message.push_str("The quick brown fox jumps over the lazy dog, again and again and again.\r\n");
    }
    message + html
}

/// The baseline for SEARCH: as many octets as the messages have, looked through in memory.
fn scan(size: usize) -> Duration {
    let text: Vec<u8> = (0..size.min(10_000)).flat_map(|number| message(number).into_bytes()).collect();
    let finder = memmem::Finder::new("needle");
    let started = Instant::now();
    let found = finder.find_iter(&text).count();
    let took = started.elapsed();
    assert!(found > 0, "the needle is there");
    took.mul_f64(size as f64 / size.min(10_000) as f64)
}

/// The baseline for FETCH: so many octets from another task, read as they come.
async fn loopback(octets: usize) -> Result<Duration> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut near = TcpStream::connect(listener.local_addr()?).await?;
    let (mut far, _) = listener.accept().await?;
    let step = vec![b'x'; 256 * 1024];
    tokio::spawn(async move {
        let mut left = octets;
        while left > 0 {
            let now = left.min(step.len());
            if far.write_all(&step[..now]).await.is_err() {
                return;
            }
            left -= now;
        }
    });
    let mut buffer = vec![0; 64 * 1024];
    let started = Instant::now();
    while near.read(&mut buffer).await? > 0 {}
    Ok(started.elapsed())
}

/// The baseline for changes: 4 KiB appended to a file and synced, the middle of some.
fn synced_write() -> Result<Duration> {
    use std::io::Write;
    let folder = folder()?;
    let mut file = std::fs::File::create(folder.path().join("baseline"))?;
    let mut times = Vec::new();
    for _ in 0..51 {
        let started = Instant::now();
        file.write_all(&[0x61; 4_096])?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    times.sort();
    Ok(times[times.len() / 2])
}
