//! What the benchmarks share: a server of their own, clients of LMTP and IMAP, messages, and what the system knows of a
//! process.

use std::error::Error;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Nothing may take longer: a lost push must end the benchmark, not hang it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A server of our own, a process apart.
pub(crate) struct Server {
    child: Child,
    pub(crate) ready: serde_json::Value,
    pub(crate) lmtp: String,
    pub(crate) imap: String,
    _folder: tempfile::TempDir,
}

impl Server {
    pub(crate) async fn start(folder: &tempfile::TempDir) -> Result<Server> {
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

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Whether a capability is offered to who has logged in.
    pub(crate) async fn offers(&self, name: &str) -> Result<bool> {
        let mut imap = Imap::login(TcpStream::connect(&self.imap).await?, "asks").await?;
        imap.stream.get_mut().write_all(b"a CAPABILITY\r\n").await?;
        let line = String::from_utf8_lossy(imap.line().await?).into_owned();
        Ok(line.split_ascii_whitespace().any(|offered| offered == name))
    }

    pub(crate) async fn stop(mut self) -> Result<()> {
        self.child.kill().await?;
        Ok(())
    }
}

pub(crate) fn folder() -> Result<tempfile::TempDir> {
    Ok(match std::env::var_os("POSTBELL_BENCH_DIR") {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    })
}

/// A client of LMTP.
pub(crate) struct Lmtp {
    stream: BufReader<TcpStream>,
}

impl Lmtp {
    pub(crate) async fn connect(address: &str) -> Result<Lmtp> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut lmtp = Lmtp { stream: BufReader::new(stream) };
        lmtp.expect("220").await?;
        lmtp.send("LHLO bench.example.org\r\n").await?;
        lmtp.expect("250").await?;
        Ok(lmtp)
    }

    pub(crate) async fn deliver(&mut self, user: &str, message: &str) -> Result<()> {
        self.begin(user).await?;
        self.finish(message).await
    }

    pub(crate) async fn begin(&mut self, user: &str) -> Result<()> {
        self.send(&format!("MAIL FROM:<bench@example.org>\r\nRCPT TO:<{user}@localhost>\r\nDATA\r\n")).await?;
        for code in ["250", "250", "354"] {
            self.expect(code).await?;
        }
        Ok(())
    }

    pub(crate) async fn finish(&mut self, message: &str) -> Result<()> {
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
pub(crate) struct Imap<S> {
    pub(crate) stream: BufReader<S>,
    pub(crate) buffer: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Imap<S> {
    pub(crate) async fn login(stream: S, user: &str) -> Result<Imap<S>> {
        let mut imap = Imap { stream: BufReader::with_capacity(64 * 1024, stream), buffer: Vec::new() };
        imap.line().await?;
        imap.run(&format!("LOGIN {user} secret")).await?;
        Ok(imap)
    }

    pub(crate) async fn line(&mut self) -> Result<&[u8]> {
        self.buffer.clear();
        let read = tokio::time::timeout(DEADLINE, self.stream.read_until(b'\n', &mut self.buffer)).await??;
        if read == 0 { Err("the server has closed the connection".into()) } else { Ok(&self.buffer) }
    }

    pub(crate) async fn run(&mut self, command: &str) -> Result<()> {
        self.measured(command).await.map(drop)
    }

    /// Runs a command, and counts the octets of its answer.
    pub(crate) async fn measured(&mut self, command: &str) -> Result<usize> {
        self.stream.get_mut().write_all(format!("a {command}\r\n").as_bytes()).await?;
        let mut octets = 0;
        loop {
            let line = self.line().await?;
            octets += line.len();
            if line.starts_with(b"a OK") {
                return Ok(octets);
            }
            if line.starts_with(b"a ") {
                return Err(format!("{command}: {}", String::from_utf8_lossy(line)).into());
            }
        }
    }

    pub(crate) async fn idle(&mut self) -> Result<()> {
        self.run("SELECT INBOX").await?;
        self.begins_to_idle().await
    }

    pub(crate) async fn begins_to_idle(&mut self) -> Result<()> {
        self.stream.get_mut().write_all(b"a IDLE\r\n").await?;
        while !self.line().await?.starts_with(b"+") {}
        Ok(())
    }
}

/// TLS to a server whose certificate it made itself a moment ago.
pub(crate) fn tls_connector() -> tokio_rustls::TlsConnector {
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
pub(crate) struct AnyCertificate(rustls::crypto::WebPkiSupportedAlgorithms);

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
pub(crate) fn message(octets: usize) -> String {
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

pub(crate) fn percentiles(histogram: &Histogram<u64>) -> String {
    let at = |quantile: f64| histogram.value_at_quantile(quantile);
    format!("p50 {} µs, p90 {} µs, p99 {} µs, max {} µs", at(0.5), at(0.9), at(0.99), histogram.max())
}

/// CPU seconds that a process has used (`/proc/PID/stat`, user and system, in clock ticks of 10 ms).
pub(crate) fn cpu_s(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let behind_name = stat.rsplit_once(')').ok_or("no such process")?.1;
    let fields: Vec<&str> = behind_name.split_whitespace().collect();
    let ticks: f64 = fields.get(11).ok_or("short")?.parse::<f64>()? + fields.get(12).ok_or("short")?.parse::<f64>()?;
    Ok(ticks / 100.0)
}

/// Anonymous resident memory of a process (`RssAnon` of `/proc/PID/status`).
pub(crate) fn anonymous_octets(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).ok_or("no RssAnon")?;
    Ok(line.split_whitespace().nth(1).ok_or("short")?.parse::<u64>()? * 1024)
}
