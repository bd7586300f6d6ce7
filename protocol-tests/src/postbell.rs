//! Starts a fresh Postbell, given the path of its binary: `dev`, or `serve` with one of the configurations.
//!
//! The contract: with `--ready-json` the server prints one line of JSON with its addresses when all of them listen.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use crate::dns;
use crate::subject::{DEADLINE, Subject};
use crate::transcript::Service;

/// A server that ends with this value.
pub struct Running {
    /// Where it is, and which accounts it takes.
    pub subject: Subject,
    errors: Arc<Mutex<Vec<u8>>>,
    _dns: Option<dns::Server>,
    // Killed when dropped, if it was not stopped before.
    child: Child,
    _folder: tempfile::TempDir,
}

impl Running {
    /// Asks the server to end (SIGTERM), and says what was wrong with its life: a panic, or an end that is none.
    pub async fn stop(mut self) -> Result<(), String> {
        if let Some(pid) = self.child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).map_err(|e| format!("SIGTERM: {e}"))?;
        }
        let ended = tokio::time::timeout(LONGEST_END.mul_f64(self.subject.patience), self.child.wait()).await;
        let said = || {
            let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
            String::from_utf8_lossy(&errors).into_owned()
        };
        match ended {
            Err(_) => Err(format!("it did not end within {LONGEST_END:?} of SIGTERM\n{}", said())),
            Ok(Err(error)) => Err(format!("waiting for its end: {error}")),
            Ok(Ok(status)) if !status.success() => Err(format!("it ended with {status}\n{}", said())),
            // The panic of a parser ends one session and is survived, but it is a bug.
            Ok(Ok(_)) if said().contains("panicked at") => Err(format!("it panicked\n{}", said())),
            Ok(Ok(_)) => Ok(()),
        }
    }
}

/// How long a server may take to finish what it has begun and to say goodbye.
const LONGEST_END: Duration = Duration::from_secs(10);

/// The password of every account.
const PASSWORD: &str = "correct-horse";

/// Starts `binary` under the configuration of that name: `dev`, or a file of `configurations`.
pub async fn start(binary: &Path, configuration: &str, configurations: &Path) -> Result<Running, String> {
    let folder = tempfile::tempdir().map_err(|e| format!("a temporary folder: {e}"))?;
    let mut command = Command::new(binary);
    let mut user = "t{n}@localhost";
    let mut file = None;
    let mut dns = None;
    if configuration == "dev" {
        command.args(["dev", "--ready-json"]);
        for (service, _) in Service::ALL {
            command.args([format!("--{service}-port"), "0".to_owned()]);
        }
    } else {
        let path;
        (path, dns) = written(configuration, configurations, folder.path()).await?;
        command.arg("serve").arg("--config").arg(&path).arg("--ready-json");
        user = "t{n}@example.org";
        file = Some(path);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| format!("starting {}: {e}", binary.display()))?;
    let errors = Arc::new(Mutex::new(Vec::new()));
    if let Some(mut stderr) = child.stderr.take() {
        let errors = errors.clone();
        tokio::spawn(async move {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = stderr.read(&mut chunk).await {
                errors.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&chunk[..length]);
            }
        });
    }
    let stdout = child.stdout.take().ok_or("no standard output")?;
    let addresses = match tokio::time::timeout(DEADLINE * 6, ready(stdout)).await {
        Ok(Ok(addresses)) => addresses,
        other => {
            // What it says last says most; it comes a moment behind the end of its output.
            tokio::time::sleep(Duration::from_millis(200)).await;
            let errors = errors.lock().unwrap_or_else(PoisonError::into_inner);
            let why = other.map_or_else(|_| "no ready line in time".to_owned(), |r| r.err().unwrap_or_default());
            return Err(format!("{} {configuration}: {why}\n{}", binary.display(), String::from_utf8_lossy(&errors)));
        }
    };
    let mut subject = Subject::new(addresses, user, PASSWORD);
    if let Some(file) = file {
        let ask = Ask { binary: binary.to_owned(), file };
        let (to_provision, to_give_rules) = (ask.clone(), ask);
        subject.provision = Some(Box::new(move |user, password| {
            let arguments = ["account", "add", &user, "--password-stdin"].map(str::to_owned);
            Box::pin(to_provision.clone().ask(arguments.into(), format!("{password}\n").into_bytes()))
        }));
        subject.give_rules = Some(Box::new(move |user, script| {
            let arguments = ["sieve", "put", &user].map(str::to_owned);
            Box::pin(to_give_rules.clone().ask(arguments.into(), script))
        }));
    }
    Ok(Running { subject, errors, _dns: dns, child, _folder: folder })
}

/// Reads the ready line, and goes on to read what follows so that the server never waits for us.
async fn ready(stdout: tokio::process::ChildStdout) -> Result<BTreeMap<Service, SocketAddr>, String> {
    let mut lines = BufReader::new(stdout).lines();
    loop {
        let line = lines.next_line().await.map_err(|e| e.to_string())?.ok_or("it ended before it was ready")?;
        let Ok(value) = serde_json::from_str::<serde_json::Value>(&line) else { continue };
        if value["ready"] != true {
            continue;
        }
        // What only proxies speak is there all the same: those transcripts begin with what a proxy says.
        let listens = |name: &str| value[name].as_str().or(value["proxied"][name].as_str());
        let address = |name: &str| listens(name).and_then(|a| a.parse().ok());
        let addresses = Service::ALL.iter().filter_map(|(name, service)| Some((*service, address(name)?))).collect();
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        return Ok(addresses);
    }
}

/// Puts the configuration into the server's folder: `{folder}` becomes its path, and a certificate lies in it. `{dns a b}`
/// becomes the address of a DNS server that knows the zones `a` and `b`.
pub async fn written(
    configuration: &str,
    configurations: &Path,
    folder: &Path,
) -> Result<(PathBuf, Option<dns::Server>), String> {
    let source = configurations.join(format!("{configuration}.toml"));
    let mut text = std::fs::read_to_string(&source).map_err(|e| format!("{}: {e}", source.display()))?;
    let mut server = None;
    if let Some((before, (zones, behind))) =
        text.split_once("{dns ").and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    {
        let dns = dns::Server::start(&read_zones(zones, configurations)?).await?;
        text = format!("{before}{}{behind}", dns.address());
        server = Some(dns);
    }
    let path = folder.join("postbell.toml");
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).map_err(|e| e.to_string())?;
    let files = [
        (path.clone(), text.replace("{folder}", &folder.to_string_lossy())),
        (folder.join("certificate.pem"), certificate.cert.pem()),
        (folder.join("key.pem"), certificate.signing_key.serialize_pem()),
    ];
    for (path, text) in files {
        std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok((path, server))
}

/// The zones of these names, which lie beside the configurations.
fn read_zones(names: &str, configurations: &Path) -> Result<String, String> {
    let mut zones = String::new();
    for name in names.split_ascii_whitespace() {
        let path = configurations.with_file_name("zones").join(format!("{name}.zone"));
        zones += &std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        zones.push('\n');
    }
    Ok(zones)
}

/// How the running server is asked for something: by a command beside it.
#[derive(Clone)]
struct Ask {
    binary: PathBuf,
    file: PathBuf,
}

impl Ask {
    /// Runs the command, with that on its standard input.
    async fn ask(self, arguments: Vec<String>, input: Vec<u8>) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("{}: {error}", arguments.join(" "));
        let mut child = Command::new(&self.binary)
            .args(&arguments)
            .arg("--config")
            .arg(&self.file)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut written = Ok(());
        if let Some(mut stdin) = child.stdin.take() {
            written = stdin.write_all(&input).await;
        }
        let output = child.wait_with_output().await.map_err(failed)?;
        if output.status.success() {
            return written.map_err(failed);
        }
        // Whoever did not read to the end says why.
        Err(format!("{}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr)))
    }
}
