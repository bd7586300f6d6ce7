//! The first figures: durable deliveries, push latency, memory of an idle session, SELECT and FETCH of a large mailbox.
//!
//! ```text
//! cargo bench --bench last_hop                 all of it, some minutes
//! cargo bench --bench last_hop -- push idle    some of it: deliver, push, fan-out, idle, mailbox
//! cargo bench --bench last_hop -- --quick      fewer rounds, to see that it works
//! ```
//! It starts a server of its own (`postbell dev`, a process apart) with a store in the system's temporary folder, or in
//! the folder that `POSTBELL_BENCH_DIR` names, and talks to it over loopback. Absolute times do not travel between
//! machines, so each part also measures a baseline in the same run, and says how many times better or worse it did: for
//! deliveries a file that is written and synced once a message, for pushes a byte that goes to and fro over TCP.

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Nothing may take longer: a lost push must end the benchmark, not hang it.
const DEADLINE: Duration = Duration::from_secs(60);

/// How much is done.
#[derive(Clone, Copy)]
struct Scale {
    deliveries: usize,
    pushes: usize,
    idlers: &'static [usize],
    idle_sessions: usize,
    mailbox: usize,
}

const FULL: Scale =
    Scale { deliveries: 8_000, pushes: 2_000, idlers: &[1, 100, 1_000], idle_sessions: 2_000, mailbox: 100_000 };
const QUICK: Scale = Scale { deliveries: 400, pushes: 100, idlers: &[1, 50], idle_sessions: 100, mailbox: 2_000 };

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let scale = if arguments.iter().any(|argument| argument == "--quick") { QUICK } else { FULL };
    let parts: Vec<&str> = arguments.iter().map(String::as_str).filter(|argument| *argument != "--quick").collect();
    let wanted = |part: &str| parts.is_empty() || parts.contains(&part);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        if wanted("deliver") {
            deliver(scale).await?;
        }
        if wanted("push") {
            push(scale).await?;
        }
        if wanted("fan-out") {
            fan_out(scale).await?;
        }
        if wanted("idle") {
            idle(scale).await?;
        }
        if wanted("mailbox") {
            mailbox(scale).await?;
        }
        Ok(())
    })
}

/// Durable deliveries a second over LMTP, 4 KiB each.
async fn deliver(scale: Scale) -> Result<()> {
    let folder = folder()?;
    let baseline = synced_writes(&folder, scale.deliveries.min(1_000))?;
    println!("durable deliveries over LMTP, 4 KiB each; one file, written and synced each time: {baseline:.0}/s");
    let message = message(4_096);
    for connections in [1, 16, 64] {
        let server = Server::start(&folder).await?;
        let rounds = scale.deliveries / if connections == 1 { 4 } else { 1 } / connections;
        let before = cpu_s(server.pid())?;
        let started = Instant::now();
        let mut tasks = Vec::new();
        for number in 0..connections {
            let (address, message) = (server.lmtp.clone(), message.clone());
            tasks.push(tokio::spawn(async move {
                let mut lmtp = Lmtp::connect(&address).await?;
                for _ in 0..rounds {
                    lmtp.deliver(&format!("user{number}"), &message).await?;
                }
                Ok::<_, Box<dyn Error + Send + Sync>>(())
            }));
        }
        for task in tasks {
            task.await??;
        }
        let (took, count) = (started.elapsed().as_secs_f64(), (rounds * connections) as f64);
        println!(
            "  {connections:3} connections: {:7.0}/s, {:5.1} times the baseline, {:.2} ms of server CPU each",
            count / took,
            count / took / baseline,
            (cpu_s(server.pid())? - before) * 1e3 / count,
        );
        server.stop().await?;
    }
    Ok(())
}

/// How long until an IDLE session reads EXISTS, with many others idling: after the message's last octet was sent, beside
/// the 250; and after the 250 was read (0 where the push came first).
async fn push(scale: Scale) -> Result<()> {
    println!("until EXISTS is read; a byte to and fro over TCP: p50 {} µs", round_trip().await?);
    for &idlers in scale.idlers {
        let server = Server::start(&folder()?).await?;
        let (told, mut tellings) = mpsc::unbounded_channel();
        for number in 0..idlers {
            idler(&server.imap, &format!("user{number}"), number, told.clone()).await?;
        }
        let mut lmtp = Lmtp::connect(&server.lmtp).await?;
        let message = message(4_096);
        let mut answer = Histogram::<u64>::new(3)?;
        let mut push = Histogram::<u64>::new(3)?;
        let mut behind = Histogram::<u64>::new(3)?;
        for round in 0..scale.pushes {
            let number = round * 7 % idlers;
            lmtp.begin(&format!("user{number}")).await?;
            let sent = Instant::now();
            lmtp.finish(&message).await?;
            let answered = Instant::now();
            let (who, at) = tokio::time::timeout(DEADLINE, tellings.recv()).await?.ok_or("an idler has ended")?;
            assert_eq!(who, number, "somebody else was told");
            answer.record(answered.duration_since(sent).as_micros() as u64)?;
            push.record(at.duration_since(sent).as_micros() as u64)?;
            behind.record(at.saturating_duration_since(answered).as_micros() as u64)?;
        }
        println!("  {idlers:4} idlers, EXISTS after the last octet: {}", percentiles(&push));
        println!("                 250 after the last octet: {}", percentiles(&answer));
        println!("                     EXISTS after the 250: {}", percentiles(&behind));
        server.stop().await?;
    }
    Ok(())
}

/// From the 250 until the last of 50 sessions on one mailbox is told.
async fn fan_out(scale: Scale) -> Result<()> {
    const SESSIONS: usize = 50;
    let server = Server::start(&folder()?).await?;
    let (told, mut tellings) = mpsc::unbounded_channel();
    for number in 0..SESSIONS {
        idler(&server.imap, "shared", number, told.clone()).await?;
    }
    let mut lmtp = Lmtp::connect(&server.lmtp).await?;
    let message = message(4_096);
    let mut latency = Histogram::<u64>::new(3)?;
    for _ in 0..scale.pushes / 4 {
        lmtp.deliver("shared", &message).await?;
        let answered = Instant::now();
        let mut last = answered;
        for _ in 0..SESSIONS {
            let (_, at) = tokio::time::timeout(DEADLINE, tellings.recv()).await?.ok_or("an idler has ended")?;
            last = last.max(at);
        }
        latency.record(last.duration_since(answered).as_micros() as u64)?;
    }
    println!("until the last of {SESSIONS} sessions on one mailbox is told: {}", percentiles(&latency));
    server.stop().await
}

/// Memory of an idle session beyond the kernel's.
async fn idle(scale: Scale) -> Result<()> {
    println!("memory of an idle session, from the server's anonymous resident memory:");
    for tls in [false, true] {
        let server = Server::start(&folder()?).await?;
        // The first round makes the accounts, and pays for what all sessions share; the second is measured.
        let mut kept = Vec::new();
        let mut before = 0;
        for round in 0..2 {
            kept.clear();
            // The allocator gives back what it no longer needs after a second.
            tokio::time::sleep(Duration::from_secs(4)).await;
            before = anonymous_octets(server.pid())?;
            let sessions = if round == 0 { scale.idle_sessions / 2 } else { scale.idle_sessions };
            for number in 0..sessions {
                kept.push(idle_session(&server, tls, number % (scale.idle_sessions / 2)).await?);
            }
        }
        tokio::time::sleep(Duration::from_secs(4)).await;
        let after = anonymous_octets(server.pid())?;
        println!(
            "  {}: {:5.1} KiB, with {} sessions, two to an account",
            if tls { "TLS  " } else { "plain" },
            (after as f64 - before as f64) / 1024.0 / scale.idle_sessions as f64,
            scale.idle_sessions
        );
        drop(kept);
        server.stop().await?;
    }
    Ok(())
}

/// SELECT and FETCH of a large mailbox.
async fn mailbox(scale: Scale) -> Result<()> {
    let server = Server::start(&folder()?).await?;
    let message = message(1_024);
    let mut tasks = Vec::new();
    for _ in 0..64 {
        let (address, message, count) = (server.lmtp.clone(), message.clone(), scale.mailbox / 64 + 1);
        tasks.push(tokio::spawn(async move {
            let mut lmtp = Lmtp::connect(&address).await?;
            for _ in 0..count {
                lmtp.deliver("large", &message).await?;
            }
            Ok::<_, Box<dyn Error + Send + Sync>>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let count = (scale.mailbox / 64 + 1) * 64;
    println!("a mailbox of {count} messages:");
    let mut imap = Imap::login(TcpStream::connect(&server.imap).await?, "large").await?;
    let commands = [
        ("SELECT INBOX", 5, 1),
        ("FETCH 1:* (FLAGS)", 5, count),
        ("FETCH 1:* (UID FLAGS RFC822.SIZE INTERNALDATE)", 3, count),
        ("FETCH 1:* (ENVELOPE)", 2, count),
        ("FETCH 1:* (BODYSTRUCTURE)", 2, count),
        ("UID SEARCH UNSEEN", 3, 1),
        ("STORE 1:* +FLAGS.SILENT (\\Flagged)", 1, count),
        ("STORE 1:* -FLAGS.SILENT (\\Flagged)", 1, count),
    ];
    for (command, rounds, messages) in commands {
        let mut best = Duration::MAX;
        for _ in 0..rounds {
            let started = Instant::now();
            imap.run(command).await?;
            best = best.min(started.elapsed());
        }
        let rate = messages as f64 / best.as_secs_f64();
        let rate = if messages > 1 { format!(", {rate:.0} messages/s") } else { String::new() };
        println!("  {command}: {:.2} ms{rate}", best.as_secs_f64() * 1e3);
    }
    server.stop().await
}

/// A server of our own, a process apart.
struct Server {
    child: Child,
    ready: serde_json::Value,
    lmtp: String,
    imap: String,
    _folder: tempfile::TempDir,
}

impl Server {
    async fn start(folder: &tempfile::TempDir) -> Result<Server> {
        let data = tempfile::tempdir_in(folder.path().parent().ok_or("the folder has no parent")?)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_postbell"));
        command.arg("dev").arg("--ready-json").arg("--data").arg(data.path());
        for port in ["smtp", "lmtp", "imap", "imaps", "pop3", "pop3s"] {
            command.arg(format!("--{port}-port")).arg("0");
        }
        command.env("RUST_LOG", "warn").stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no standard output")?).lines();
        let line = tokio::time::timeout(DEADLINE, lines.next_line()).await??.ok_or("the server did not start")?;
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let ready: serde_json::Value = serde_json::from_str(&line)?;
        let address = |name: &str| ready[name].as_str().map(str::to_owned).ok_or("an address is missing");
        let (lmtp, imap) = (address("lmtp")?, address("imap")?);
        Ok(Server { child, ready, lmtp, imap, _folder: data })
    }

    fn pid(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    async fn stop(mut self) -> Result<()> {
        self.child.kill().await?;
        Ok(())
    }
}

fn folder() -> Result<tempfile::TempDir> {
    Ok(match std::env::var_os("POSTBELL_BENCH_DIR") {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    })
}

/// A client of LMTP.
struct Lmtp {
    stream: BufReader<TcpStream>,
}

impl Lmtp {
    async fn connect(address: &str) -> Result<Lmtp> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut lmtp = Lmtp { stream: BufReader::new(stream) };
        lmtp.expect("220").await?;
        lmtp.send("LHLO bench.example.org\r\n").await?;
        lmtp.expect("250").await?;
        Ok(lmtp)
    }

    async fn deliver(&mut self, user: &str, message: &str) -> Result<()> {
        self.begin(user).await?;
        self.finish(message).await
    }

    async fn begin(&mut self, user: &str) -> Result<()> {
        self.send(&format!("MAIL FROM:<bench@example.org>\r\nRCPT TO:<{user}@localhost>\r\nDATA\r\n")).await?;
        for code in ["250", "250", "354"] {
            self.expect(code).await?;
        }
        Ok(())
    }

    async fn finish(&mut self, message: &str) -> Result<()> {
        self.send(message).await?;
        self.expect("250").await
    }

    async fn send(&mut self, octets: &str) -> Result<()> {
        self.stream.get_mut().write_all(octets.as_bytes()).await?;
        Ok(())
    }

    async fn expect(&mut self, code: &str) -> Result<()> {
        loop {
            let mut line = String::new();
            tokio::time::timeout(DEADLINE, self.stream.read_line(&mut line)).await??;
            if !line.starts_with(code) {
                return Err(format!("expected {code}, got {line:?}").into());
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }
}

/// A client of IMAP.
struct Imap<S> {
    stream: BufReader<S>,
    buffer: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Imap<S> {
    async fn login(stream: S, user: &str) -> Result<Imap<S>> {
        let mut imap = Imap { stream: BufReader::with_capacity(64 * 1024, stream), buffer: Vec::new() };
        imap.line().await?;
        imap.run(&format!("LOGIN {user} secret")).await?;
        Ok(imap)
    }

    async fn line(&mut self) -> Result<&[u8]> {
        self.buffer.clear();
        let read = tokio::time::timeout(DEADLINE, self.stream.read_until(b'\n', &mut self.buffer)).await??;
        if read == 0 { Err("the server has closed the connection".into()) } else { Ok(&self.buffer) }
    }

    async fn run(&mut self, command: &str) -> Result<()> {
        self.stream.get_mut().write_all(format!("a {command}\r\n").as_bytes()).await?;
        loop {
            let line = self.line().await?;
            if line.starts_with(b"a OK") {
                return Ok(());
            }
            if line.starts_with(b"a ") {
                return Err(format!("{command}: {}", String::from_utf8_lossy(line)).into());
            }
        }
    }

    async fn idle(&mut self) -> Result<()> {
        self.run("SELECT INBOX").await?;
        self.stream.get_mut().write_all(b"a IDLE\r\n").await?;
        while !self.line().await?.starts_with(b"+") {}
        Ok(())
    }
}

/// A session that idles and says when it was told of a message.
async fn idler(address: &str, user: &str, number: usize, told: mpsc::UnboundedSender<(usize, Instant)>) -> Result<()> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut imap = Imap::login(stream, user).await?;
    imap.idle().await?;
    tokio::spawn(async move {
        loop {
            imap.buffer.clear();
            match imap.stream.read_until(b'\n', &mut imap.buffer).await {
                Ok(read) if read > 0 => {
                    if imap.buffer.ends_with(b"EXISTS\r\n") && told.send((number, Instant::now())).is_err() {
                        return;
                    }
                }
                // The server has been stopped, or the benchmark ends at its deadline.
                _ => return,
            }
        }
    });
    Ok(())
}

async fn idle_session(server: &Server, tls: bool, number: usize) -> Result<Box<dyn Send>> {
    let user = format!("idle{number}");
    if !tls {
        let mut imap = Imap::login(TcpStream::connect(&server.imap).await?, &user).await?;
        imap.idle().await?;
        return Ok(Box::new(imap));
    }
    let address = server.ready["imaps"].as_str().ok_or("no address for IMAP over TLS")?;
    let name = rustls::pki_types::ServerName::try_from("localhost")?;
    let stream = tls_connector().connect(name, TcpStream::connect(address).await?).await?;
    let mut imap = Imap::login(stream, &user).await?;
    imap.idle().await?;
    Ok(Box::new(imap))
}

/// TLS to a server whose certificate it made itself a moment ago.
fn tls_connector() -> tokio_rustls::TlsConnector {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(AnyCertificate(provider.signature_verification_algorithms));
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has ciphers for TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    tokio_rustls::TlsConnector::from(Arc::new(config))
}

#[derive(Debug)]
struct AnyCertificate(rustls::crypto::WebPkiSupportedAlgorithms);

impl rustls::client::danger::ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> std::result::Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> std::result::Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> std::result::Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// A message of about so many octets, with the final dot.
fn message(octets: usize) -> String {
    let mut message = String::from(
        "From: Bench <bench@example.org>\r\nTo: User <user@localhost>\r\nSubject: A message to be measured\r\n\
         Message-ID: <bench@example.org>\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n\r\n",
    );
    while message.len() < octets {
        message.push_str("The quick brown fox jumps over the lazy dog, again and again and again.\r\n");
    }
    message.push_str(".\r\n");
    message
}

/// The baseline for deliveries: 4 KiB appended to one file and synced, a second.
fn synced_writes(folder: &tempfile::TempDir, count: usize) -> Result<f64> {
    let mut file = File::create(folder.path().join("baseline"))?;
    let started = Instant::now();
    for _ in 0..count {
        file.write_all(&[0x61; 4_096])?;
        file.sync_data()?;
    }
    Ok(count as f64 / started.elapsed().as_secs_f64())
}

/// The baseline for pushes: a byte to another task and back over loopback, p50 in microseconds.
async fn round_trip() -> Result<u64> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut near = TcpStream::connect(listener.local_addr()?).await?;
    let (mut far, _) = listener.accept().await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    tokio::spawn(async move {
        while let Ok(octet) = far.read_u8().await {
            if far.write_u8(octet).await.is_err() {
                return;
            }
        }
    });
    let mut histogram = Histogram::<u64>::new(3)?;
    for _ in 0..2_000 {
        let started = Instant::now();
        near.write_u8(7).await?;
        near.read_u8().await?;
        histogram.record(started.elapsed().as_micros() as u64)?;
    }
    Ok(histogram.value_at_quantile(0.5))
}

fn percentiles(histogram: &Histogram<u64>) -> String {
    let at = |quantile: f64| histogram.value_at_quantile(quantile);
    format!("p50 {} µs, p90 {} µs, p99 {} µs, max {} µs", at(0.5), at(0.9), at(0.99), histogram.max())
}

/// CPU seconds that a process has used (`/proc/PID/stat`, user and system, in clock ticks of 10 ms).
fn cpu_s(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let behind_name = stat.rsplit_once(')').ok_or("no such process")?.1;
    let fields: Vec<&str> = behind_name.split_whitespace().collect();
    let ticks: f64 = fields.get(11).ok_or("short")?.parse::<f64>()? + fields.get(12).ok_or("short")?.parse::<f64>()?;
    Ok(ticks / 100.0)
}

/// Anonymous resident memory of a process (`RssAnon` of `/proc/PID/status`).
fn anonymous_octets(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).ok_or("no RssAnon")?;
    Ok(line.split_whitespace().nth(1).ok_or("short")?.parse::<u64>()? * 1024)
}
