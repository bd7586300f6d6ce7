//! The last hop: durable deliveries, push latency by IDLE and by NOTIFY, memory of a session that waits.
//!
//! ```text
//! cargo bench --bench last_hop                 all of it, some minutes
//! cargo bench --bench last_hop -- push idle    some of it: deliver, push, notify, fan-out, idle
//! cargo bench --bench last_hop -- --quick      fewer rounds, to see that it works
//! ```
//! It starts a server of its own (`postbell dev`, a process apart) with a store in the system's temporary folder, or in
//! the folder that `POSTBELL_BENCH_DIR` names, and talks to it over loopback. Absolute times do not travel between
//! machines, so each part also measures a baseline in the same run, and says how many times better or worse it did: for
//! deliveries a file that is written and synced once a message, for pushes a byte that goes to and fro over TCP.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use miniz_oxide::deflate::core::CompressorOxide;
use miniz_oxide::{DataFormat, MZFlush, StreamResult};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use self::shared::{
    DEADLINE, Imap, Lmtp, Result, Server, anonymous_octets, cpu_s, folder, message, percentiles, tls_connector,
};

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod shared;

/// How much is done.
#[derive(Clone, Copy)]
struct Scale {
    deliveries: usize,
    pushes: usize,
    idlers: &'static [usize],
    idle_sessions: usize,
}

const FULL: Scale = Scale { deliveries: 8_000, pushes: 2_000, idlers: &[1, 100, 1_000], idle_sessions: 2_000 };
const QUICK: Scale = Scale { deliveries: 400, pushes: 100, idlers: &[1, 50], idle_sessions: 100 };

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
        if wanted("notify") {
            notify(scale).await?;
        }
        if wanted("fan-out") {
            fan_out(scale).await?;
        }
        if wanted("idle") {
            idle(scale).await?;
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
                Result::Ok(())
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

/// How long until a session with NOTIFY (RFC 5465) is told, beside one that idles, of the same deliveries: of a message in
/// its selected mailbox (EXISTS, though it does not idle), and in another (STATUS).
async fn notify(scale: Scale) -> Result<()> {
    let server = Server::start(&folder()?).await?;
    if !server.offers("NOTIFY").await? {
        println!("NOTIFY is not offered");
        return server.stop().await;
    }
    println!("one mailbox, watched by IDLE, by NOTIFY in it, and by NOTIFY from without:");
    let (told, mut tellings) = mpsc::unbounded_channel();
    watcher(&server.imap, 0, &["SELECT INBOX", "IDLE"], "EXISTS", told.clone()).await?;
    let selected = "NOTIFY SET (selected (MessageNew MessageExpunge))";
    watcher(&server.imap, 1, &["SELECT INBOX", selected], "EXISTS", told.clone()).await?;
    let personal = "NOTIFY SET (personal (MessageNew MessageExpunge))";
    watcher(&server.imap, 2, &[personal], "STATUS", told).await?;
    let mut lmtp = Lmtp::connect(&server.lmtp).await?;
    let message = message(4_096);
    let mut latencies = [Histogram::<u64>::new(3)?, Histogram::new(3)?, Histogram::new(3)?];
    for _ in 0..scale.pushes {
        lmtp.begin("watched").await?;
        let sent = Instant::now();
        lmtp.finish(&message).await?;
        for _ in 0..latencies.len() {
            let (who, at) = tokio::time::timeout(DEADLINE, tellings.recv()).await?.ok_or("a watcher has ended")?;
            latencies[who].record(at.saturating_duration_since(sent).as_micros() as u64)?;
        }
    }
    for (name, latency) in ["IDLE, EXISTS", "NOTIFY, EXISTS", "NOTIFY, STATUS"].into_iter().zip(&latencies) {
        println!("  {name} after the last octet: {}", percentiles(latency));
    }
    server.stop().await
}

/// A session that waits for what these commands ask for, and says when a line with `word` came.
async fn watcher(
    address: &str,
    number: usize,
    commands: &[&str],
    word: &'static str,
    told: mpsc::UnboundedSender<(usize, Instant)>,
) -> Result<()> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut imap = Imap::login(stream, "watched").await?;
    for command in commands {
        match *command {
            "IDLE" => imap.begins_to_idle().await?,
            command => imap.run(command).await?,
        }
    }
    tokio::spawn(async move {
        let word = word.as_bytes();
        while let Ok(line) = imap.line().await {
            if line.windows(word.len()).any(|window| window == word) && told.send((number, Instant::now())).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// How a session waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    Idle,
    IdleTls,
    Notify,
    NotifyTls,
    Compressed,
}

/// Memory of a session that waits, beyond the kernel's.
async fn idle(scale: Scale) -> Result<()> {
    println!("memory of a session that waits, from the server's anonymous resident memory:");
    let kinds = [
        ("IDLE, plain", Waits::Idle, "IDLE"),
        ("IDLE, TLS", Waits::IdleTls, "IDLE"),
        ("NOTIFY of all mailboxes, plain", Waits::Notify, "NOTIFY"),
        ("NOTIFY of all mailboxes, TLS", Waits::NotifyTls, "NOTIFY"),
        ("IDLE, plain, compressed", Waits::Compressed, "COMPRESS=DEFLATE"),
    ];
    for (name, waits, capability) in kinds {
        let server = Server::start(&folder()?).await?;
        if !server.offers(capability).await? {
            println!("  {name}: {capability} is not offered");
            server.stop().await?;
            continue;
        }
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
                kept.push(waiting(&server, waits, number % (scale.idle_sessions / 2)).await?);
            }
        }
        tokio::time::sleep(Duration::from_secs(4)).await;
        let after = anonymous_octets(server.pid())?;
        println!(
            "  {name}: {:.1} KiB, with {} sessions, two to an account",
            (after as f64 - before as f64) / 1024.0 / scale.idle_sessions as f64,
            scale.idle_sessions
        );
        drop(kept);
        server.stop().await?;
    }
    Ok(())
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

async fn waiting(server: &Server, waits: Waits, number: usize) -> Result<Box<dyn Send>> {
    let user = format!("idle{number}");
    if let Waits::IdleTls | Waits::NotifyTls = waits {
        let address = server.ready["imaps"].as_str().ok_or("no address for IMAP over TLS")?;
        let name = rustls::pki_types::ServerName::try_from("localhost")?;
        let stream = tls_connector().connect(name, TcpStream::connect(address).await?).await?;
        let mut imap = Imap::login(stream, &user).await?;
        wait(&mut imap, waits).await?;
        return Ok(Box::new(imap));
    }
    let mut imap = Imap::login(TcpStream::connect(&server.imap).await?, &user).await?;
    wait(&mut imap, waits).await?;
    Ok(Box::new(imap))
}

async fn wait<S: tokio::io::AsyncRead + AsyncWrite + Unpin>(imap: &mut Imap<S>, waits: Waits) -> Result<()> {
    const EVERYTHING: &str = "NOTIFY SET (selected (MessageNew (UID FLAGS) MessageExpunge FlagChange)) \
                              (personal (MessageNew MessageExpunge MailboxName))";
    match waits {
        Waits::Idle | Waits::IdleTls => imap.idle().await,
        Waits::Notify | Waits::NotifyTls => {
            imap.run("SELECT INBOX").await?;
            imap.run(EVERYTHING).await
        }
        Waits::Compressed => {
            imap.run("COMPRESS DEFLATE").await?;
            let mut deflate = Deflate::new();
            imap.stream.get_mut().write_all(&deflate.flushed(b"b SELECT INBOX\r\nc IDLE\r\n")?).await?;
            let mut inflate = miniz_oxide::inflate::stream::InflateState::new_boxed(DataFormat::Raw);
            let mut heard = Vec::new();
            while !heard.windows(3).any(|window| window == b"\n+ ") {
                let octets = tokio::time::timeout(DEADLINE, imap.stream.fill_buf()).await??;
                let mut plain = [0; 16 * 1024];
                let StreamResult { bytes_consumed, bytes_written, status } =
                    miniz_oxide::inflate::stream::inflate(&mut inflate, octets, &mut plain, MZFlush::None);
                status.map_err(|error| format!("{error:?}"))?;
                if bytes_consumed == 0 {
                    return Err("the server has closed the connection".into());
                }
                heard.extend_from_slice(&plain[..bytes_written]);
                imap.stream.consume(bytes_consumed);
            }
            Ok(())
        }
    }
}

/// What a client that compresses sends (RFC 4978).
struct Deflate(Box<CompressorOxide>);

impl Deflate {
    fn new() -> Self {
        let flags = miniz_oxide::deflate::core::create_comp_flags_from_zip_params(6, -15, 0);
        Deflate(Box::new(CompressorOxide::new(flags)))
    }

    /// `octets`, and all that was kept back.
    fn flushed(&mut self, octets: &[u8]) -> Result<Vec<u8>> {
        let mut out = vec![0; octets.len() + 1_024];
        let result = miniz_oxide::deflate::stream::deflate(&mut self.0, octets, &mut out, MZFlush::Sync);
        result.status.map_err(|error| format!("{error:?}"))?;
        out.truncate(result.bytes_written);
        Ok(out)
    }
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
