//! An hour's worth of abuse in less than a minute, and honest people beside it.
//!
//! ```text
//! cargo test --test abuse                              a short form
//! POSTBELL_ABUSE_S=60 cargo test --release --test abuse -- --nocapture
//! ```
//! Attackers come from many loopback addresses: 1,000 connections that send an octet at a time, 300 that drop in the middle
//! of something, dictionaries of recipients, guesses at passwords, and one that only connects. The server has room for fewer
//! than half of them. What is shown:
//!
//! - Honest senders go through, with the same speed as without the abuse (their 99th percentile, by a generous ratio: the
//!   machine is shared with the attackers), and each message that was answered with 250 is there.
//! - A reader who has logged in stays, and is told of each.
//! - Each kind of abuse meets its limit, and hears the reply that is stated for it.
//! - Afterwards the server has as few descriptors as before, and not much more memory.
//!
//! No time decides: only what was answered, and the ratio of two measurements of the same run.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

const DRIPPING: usize = 1_000;
const DROPPING: usize = 300;
const SENDERS: u8 = 4;
/// Messages of each sender without abuse; beside it there are as many at least.
const MESSAGES: usize = 50;
/// How much slower the slowest hundredth may be. Attackers and server share two cores in CI.
const RATIO: u32 = 50;
/// Nothing may hang.
const DEADLINE: Duration = Duration::from_secs(120);
/// What the server may keep of it all: its tables, and what the allocator does not give back at once.
const MEMORY_KIB: u64 = 64 * 1024;

/// What the configuration below says.
const UNKNOWN_RECIPIENTS: usize = 50;
const FAILED_LOGINS: usize = 10;
const CONNECTIONS: usize = 600;

const CONFIGURATION: &str = r#"
[server]
hostname = "mail.example.org"
domains = ["example.org"]
data_dir = "{folder}/data"
plaintext_login_networks = ["127.0.0.0/8"]

[listen]
smtp = ["127.0.0.1:0"]
imap = ["127.0.0.1:0"]
pop3 = ["127.0.0.1:0"]

[sessions]
max_connections = 400
exempt_networks = []

[abuse]
max_connections_per_minute = 600
max_unknown_recipients_per_hour = 50
max_login_failures_per_hour = 10
tarpit_step_ms = 20
tarpit_longest_ms = 100
"#;

type Io<T> = std::io::Result<T>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn honest_people_go_on_beside_abuse() {
    tokio::time::timeout(DEADLINE * 3, show()).await.expect("nothing hangs");
}

async fn show() {
    let seconds = std::env::var("POSTBELL_ABUSE_S").map_or(5, |text| text.parse().expect("a number of seconds"));
    raise_descriptors();
    let folder = tempfile::tempdir().unwrap();
    let server = Arc::new(Server::start(folder.path()).await);
    server.add_account("honest@example.org").await;
    let mut reader = Client::imap(&server, Ipv4Addr::new(127, 0, 1, 100)).await.unwrap();
    reader.command("SELECT INBOX").await.unwrap();

    let calm = Arc::new(AtomicBool::new(true));
    let quiet = send_all(&server, &calm).await;
    let before = server.resources();

    let stop = Arc::new(AtomicBool::new(false));
    let mut attackers = attackers(&server, &stop);
    // What has an end of its own comes to it; the rest goes on for as long as that, or as long as was asked for.
    let mut finite = finite_attackers(&server);
    let honest = {
        let (server, stop) = (Arc::clone(&server), Arc::clone(&stop));
        tokio::spawn(async move { send_all(&server, &stop).await })
    };
    let least = Instant::now() + Duration::from_secs(seconds);
    while let Some(ended) = finite.join_next().await {
        ended.unwrap();
    }
    tokio::time::sleep_until(least.into()).await;
    // The reader has been there all the time, and a new one comes in.
    reader.command("NOOP").await.expect("a reader stays");
    stop.store(true, Ordering::Relaxed);
    let beside = honest.await.unwrap();
    let mut limited = 0;
    while let Some(ended) = attackers.join_next().await {
        limited += ended.unwrap();
    }
    assert!(limited >= DRIPPING / 2, "there was no room for most of those who drip: {limited} were told so");

    let sent = quiet.len() + beside.len();
    assert_eq!(reader.exists().await.unwrap(), sent, "each answered message is there, once, and nothing else");
    let (calm, busy) = (percentile(&quiet, 99), percentile(&beside, 99));
    println!(
        "{} messages, 99% within {calm:?}; beside {limited} refused attackers {} messages, 99% within {busy:?}",
        quiet.len(),
        beside.len()
    );
    assert!(busy <= calm * RATIO, "99% of the messages took {busy:?} at the most, without abuse {calm:?}");
    settle(&server, before).await;
}

/// Waits until the server holds as few descriptors as before; then looks at its memory.
async fn settle(server: &Server, before: Resources) {
    let started = Instant::now();
    loop {
        let now = server.resources();
        if now.descriptors <= before.descriptors {
            println!("memory: {} KiB before, {} KiB after", before.memory_kib, now.memory_kib);
            assert!(now.memory_kib <= before.memory_kib + MEMORY_KIB, "{now:?} after {before:?}");
            return;
        }
        assert!(started.elapsed() < DEADLINE, "descriptors are not given back: {now:?} after {before:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

/// Honest senders, each with a connection for each message, until they have sent enough and are told to stop. Gives how long
/// each message took, from the connection to its 250. One that is put off comes again, as honest senders do, and that counts.
async fn send_all(server: &Arc<Server>, stop: &Arc<AtomicBool>) -> Vec<Duration> {
    let mut senders = JoinSet::new();
    for sender in 1..=SENDERS {
        let (server, stop) = (Arc::clone(server), Arc::clone(stop));
        senders.spawn(async move {
            let mut times = Vec::new();
            while times.len() < MESSAGES || !stop.load(Ordering::Relaxed) {
                let started = Instant::now();
                while send(&server, Ipv4Addr::new(127, 0, 1, sender)).await.is_err() {
                    assert!(started.elapsed() < DEADLINE, "an honest sender does not get through");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                times.push(started.elapsed());
                // 5 a second, half of what connections are limited to.
                tokio::time::sleep(Duration::from_millis(200).saturating_sub(started.elapsed())).await;
            }
            times
        });
    }
    senders.join_all().await.concat()
}

async fn send(server: &Server, from: Ipv4Addr) -> Io<()> {
    let mut client = Client::connect(from, server.smtp).await?;
    client.expect("220").await?;
    client.ask("EHLO client.example", "250").await?;
    client.ask("MAIL FROM:<a@example.com>", "250").await?;
    client.ask("RCPT TO:<honest@example.org>", "250").await?;
    client.ask("DATA", "354").await?;
    client.ask("Subject: honest\r\n\r\ntext\r\n.", "250").await?;
    // It is stored; whatever comes now changes nothing.
    let _said = client.ask("QUIT", "221").await;
    Ok(())
}

/// Those who go on until they are stopped; each tells how often it was refused, which has to be with 421.
fn attackers(server: &Arc<Server>, stop: &Arc<AtomicBool>) -> JoinSet<usize> {
    let mut attackers = JoinSet::new();
    for number in 0..DRIPPING {
        // 100 addresses in 10 networks.
        let from = Ipv4Addr::new(127, 0, 2 + (number % 10) as u8, 1 + (number / 10 % 10) as u8);
        let (server, stop) = (Arc::clone(server), Arc::clone(stop));
        attackers.spawn(async move {
            let mut refused = 0;
            tokio::time::sleep(Duration::from_millis(3 * number as u64)).await;
            while !stop.load(Ordering::Relaxed) {
                if let Ok(last) = drip(&server, from, &stop).await
                    && !last.is_empty()
                {
                    assert!(last.starts_with("421"), "{last:?}");
                    refused += 1;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            refused
        });
    }
    attackers
}

/// An octet at a time. Gives the line with which the server ended it, or nothing where it did not.
async fn drip(server: &Server, from: Ipv4Addr, stop: &AtomicBool) -> Io<String> {
    let mut client = Client::connect(from, server.smtp).await?;
    let mut last = client.line().await?;
    if last.starts_with("421") {
        return Ok(last);
    }
    for octet in b"EHLO attacker.example\r\n".iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            return Ok(String::new());
        }
        // A write fails behind the end; what was said before can be read all the same.
        let _written = client.stream.get_mut().write_all(&[*octet]).await;
        let pause = Duration::from_millis(200);
        let mut line = String::new();
        match tokio::time::timeout(pause, client.stream.read_line(&mut line)).await {
            Ok(Ok(0) | Err(_)) => return Ok(last),
            Ok(Ok(_)) => last = line,
            Err(_) => {}
        }
    }
    Ok(last)
}

/// Those who have an end of their own.
fn finite_attackers(server: &Arc<Server>) -> JoinSet<()> {
    let mut attackers = JoinSet::new();
    for number in 0..DROPPING {
        let from = Ipv4Addr::new(127, 0, 20 + (number % 6) as u8, 1 + (number / 6 % 10) as u8);
        let server = Arc::clone(server);
        attackers.spawn(async move {
            tokio::time::sleep(Duration::from_millis(5 * number as u64)).await;
            // Wherever it ends, it leaves nothing.
            let _dropped = drop_in_the_middle(&server, from, number).await;
        });
    }
    let told = Arc::new(AtomicUsize::new(0));
    for address in 2..=5 {
        let (server, told) = (Arc::clone(server), Arc::clone(&told));
        attackers.spawn(async move { guess_recipients(&server, Ipv4Addr::new(127, 0, 0, address), &told).await });
    }
    for connection in 0..FAILED_LOGINS + 2 {
        let server = Arc::clone(server);
        attackers.spawn(async move { guess_passwords(&server, Ipv4Addr::new(127, 0, 30, 1), connection).await });
    }
    let server = Arc::clone(server);
    attackers.spawn(async move { connect_too_often(&server, Ipv4Addr::new(127, 0, 31, 1)).await });
    attackers
}

async fn drop_in_the_middle(server: &Server, from: Ipv4Addr, number: usize) -> Io<()> {
    let mut client = Client::connect(from, server.smtp).await?;
    client.expect("220").await?;
    client.ask("EHLO attacker.example", "250").await?;
    client.ask("MAIL FROM:<a@example.com>", "250").await?;
    if !number.is_multiple_of(3) {
        client.ask("RCPT TO:<honest@example.org>", "250").await?;
    }
    if number % 3 > 1 {
        client.ask("DATA", "354").await?;
        client.say("Subject: half a message\r\n\r\nand no").await?;
    }
    Ok(())
}

/// Names recipients until it is told nothing more. `told` counts, for all of its network, how often it was.
async fn guess_recipients(server: &Server, from: Ipv4Addr, told: &AtomicUsize) {
    let mut number = 0;
    loop {
        if let Ok(true) = guess_in_one_session(server, from, told, &mut number).await {
            return;
        }
        assert!(number < 100 * UNKNOWN_RECIPIENTS, "who guesses is stopped");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether the limit was reached: then even who is there is not told apart.
async fn guess_in_one_session(server: &Server, from: Ipv4Addr, told: &AtomicUsize, number: &mut usize) -> Io<bool> {
    let mut client = Client::connect(from, server.smtp).await?;
    client.expect("220").await?;
    client.ask("EHLO attacker.example", "250").await?;
    client.ask("MAIL FROM:<a@example.com>", "250").await?;
    loop {
        *number += 1;
        client.say(&format!("RCPT TO:<guess{number}@example.org>\r\n")).await?;
        let reply = client.reply().await?;
        match reply.get(..9) {
            Some("550 5.1.1") => {
                let told = told.fetch_add(1, Ordering::Relaxed) + 1;
                // A network may do three times as much as an address, and what is on its way when that is reached.
                assert!(told <= 3 * UNKNOWN_RECIPIENTS + 4, "a network is stopped too");
            }
            Some("450 4.7.1") => {
                client.say("RCPT TO:<honest@example.org>\r\n").await?;
                assert!(client.reply().await?.starts_with("450 4.7.1"));
                return Ok(true);
            }
            Some("421 4.7.0" | "421 4.3.2") => return Ok(false),
            _ => panic!("to a guess: {reply:?}"),
        }
    }
}

/// Guesses passwords by IMAP and POP3 until it is not listened to any more.
async fn guess_passwords(server: &Server, from: Ipv4Addr, connection: usize) {
    let started = Instant::now();
    while started.elapsed() < DEADLINE {
        let guessed = match connection % 2 {
            0 => guess_by_imap(server, from).await,
            _ => guess_by_pop3(server, from).await,
        };
        if let Ok(true) = guessed {
            return;
        }
    }
    panic!("who guesses passwords is stopped");
}

async fn guess_by_imap(server: &Server, from: Ipv4Addr) -> Io<bool> {
    let mut client = Client::connect(from, server.imap).await?;
    client.line().await?;
    loop {
        client.say("t LOGIN honest@example.org guess\r\n").await?;
        match client.line().await? {
            line if line.starts_with("t NO [UNAVAILABLE]") => return Ok(true),
            line if line.starts_with("t NO [AUTHENTICATIONFAILED]") => {}
            line if line.starts_with("* BYE") => return Ok(false),
            line => panic!("to a guess: {line:?}"),
        }
    }
}

async fn guess_by_pop3(server: &Server, from: Ipv4Addr) -> Io<bool> {
    let mut client = Client::connect(from, server.pop3).await?;
    client.line().await?;
    loop {
        client.say("USER honest@example.org\r\nPASS guess\r\n").await?;
        client.line().await?;
        match client.line().await? {
            line if line.starts_with("-ERR [SYS/TEMP]") => return Ok(true),
            line if line.starts_with("-ERR [AUTH]") => {}
            line => panic!("to a guess: {line:?}"),
        }
    }
}

async fn connect_too_often(server: &Server, from: Ipv4Addr) {
    for number in 0..=2 * CONNECTIONS {
        // A place may be missing too, which is said with the same code.
        let Ok(mut client) = Client::connect(from, server.smtp).await else { continue };
        if let Ok(line) = client.line().await
            && line.contains("too many connections from your")
        {
            assert!(line.starts_with("421 4.7.0"), "{line:?}");
            assert!(number > 0);
            return;
        }
    }
    panic!("who connects too often is stopped");
}

/// As many descriptors as the system allows: attackers need more than the usual 1,024.
fn raise_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    assert!(maximum.is_none_or(|most| most >= 4_096), "too few descriptors for this test: {maximum:?}");
}

/// A client of any of the protocols.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    async fn connect(from: Ipv4Addr, to: SocketAddr) -> Io<Client> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from.into(), 0))?;
        Ok(Client { stream: BufReader::new(socket.connect(to).await?) })
    }

    async fn imap(server: &Server, from: Ipv4Addr) -> Io<Client> {
        let mut client = Client::connect(from, server.imap).await?;
        client.line().await?;
        client.command("LOGIN honest@example.org correct-horse").await?;
        Ok(client)
    }

    async fn say(&mut self, text: &str) -> Io<()> {
        self.stream.get_mut().write_all(text.as_bytes()).await
    }

    async fn line(&mut self) -> Io<String> {
        let mut line = String::new();
        match tokio::time::timeout(DEADLINE, self.stream.read_line(&mut line)).await? {
            Ok(0) => Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(line),
            Err(error) => Err(error),
        }
    }

    /// The last line of an SMTP reply.
    async fn reply(&mut self) -> Io<String> {
        loop {
            let line = self.line().await?;
            if line.as_bytes().get(3) == Some(&b' ') {
                return Ok(line);
            }
        }
    }

    async fn expect(&mut self, code: &str) -> Io<()> {
        match self.reply().await? {
            reply if reply.starts_with(code) => Ok(()),
            reply => Err(std::io::Error::other(reply)),
        }
    }

    async fn ask(&mut self, line: &str, code: &str) -> Io<()> {
        self.say(&format!("{line}\r\n")).await?;
        self.expect(code).await
    }

    /// All lines up to the tagged one, which is OK.
    async fn command(&mut self, command: &str) -> Io<Vec<String>> {
        self.say(&format!("t {command}\r\n")).await?;
        let mut lines = Vec::new();
        loop {
            let line = self.line().await?;
            if line.starts_with("t OK") {
                return Ok(lines);
            }
            if line.starts_with("t ") || line.starts_with("* BYE") {
                return Err(std::io::Error::other(line));
            }
            lines.push(line);
        }
    }

    /// How many messages there are.
    async fn exists(&mut self) -> Io<usize> {
        let lines = self.command("SELECT INBOX").await?;
        let exists = lines.iter().find_map(|line| line.strip_prefix("* ")?.strip_suffix(" EXISTS\r\n")?.parse().ok());
        exists.ok_or_else(|| std::io::Error::other("no EXISTS"))
    }
}

/// What a process holds.
#[derive(Clone, Copy, Debug)]
struct Resources {
    descriptors: usize,
    memory_kib: u64,
}

/// Postbell, a process apart.
struct Server {
    child: Child,
    configuration: std::path::PathBuf,
    smtp: SocketAddr,
    imap: SocketAddr,
    pop3: SocketAddr,
}

impl Server {
    async fn start(folder: &Path) -> Server {
        let configuration = folder.join("postbell.toml");
        std::fs::write(&configuration, CONFIGURATION.replace("{folder}", folder.to_str().unwrap())).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_postbell"));
        command.args(["serve", "--ready-json", "--config"]).arg(&configuration);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).await.unwrap();
        // What it says later must not fill the pipe.
        tokio::spawn(async move { while let Ok(1..) = output.read(&mut [0; 4096]).await {} });
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not ready: {line:?}"));
        let address = |name: &str| ready[name].as_str().unwrap().parse().unwrap();
        Server { smtp: address("smtp"), imap: address("imap"), pop3: address("pop3"), configuration, child }
    }

    async fn add_account(&self, name: &str) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postbell"));
        command.args(["account", "add", name, "--password-stdin", "--config"]).arg(&self.configuration);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"correct-horse\n").await.unwrap();
        assert!(child.wait().await.unwrap().success());
    }

    fn resources(&self) -> Resources {
        let process = Path::new("/proc").join(self.child.id().expect("it runs").to_string());
        let status = std::fs::read_to_string(process.join("status")).unwrap();
        let memory =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix(" kB")?.trim().parse().ok());
        let descriptors = std::fs::read_dir(process.join("fd")).unwrap().count();
        Resources { descriptors, memory_kib: memory.expect("a process has memory") }
    }
}
