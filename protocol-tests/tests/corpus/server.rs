//! A Postbell of its own, and plain clients of it that a message may do anything to: they count and compare octets, and wait
//! for nothing longer than [`DEADLINE`].

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use protocol_tests::imap::value::{Kind, Response, Value};

/// A client that hears nothing for so long fails: the server hangs.
const DEADLINE: Duration = Duration::from_secs(120);

pub(crate) const PASSWORD: &str = "correct-horse";

const CONFIGURATION: &str = r#"
[server]
hostname = "mail.example.org"
domains = ["example.org"]
data_dir = "{folder}/data"

[listen]
smtp = ["127.0.0.1:0"]
lmtp = ["127.0.0.1:0"]
imap = ["127.0.0.1:0"]
pop3 = ["127.0.0.1:0"]
"#;

/// Postbell as `serve` runs it, a process apart.
pub(crate) struct Server {
    child: Child,
    pub(crate) smtp: String,
    pub(crate) lmtp: String,
    pub(crate) imap: String,
    pub(crate) pop3: String,
    _folder: tempfile::TempDir,
}

impl Server {
    /// With these accounts of example.org.
    pub(crate) fn start(users: &[&str]) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let configuration = folder.path().join("postbell.toml");
        std::fs::write(&configuration, CONFIGURATION.replace("{folder}", folder.path().to_str().unwrap())).unwrap();
        for user in users {
            add_account(&configuration, user);
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_postbell"));
        command.args(["serve", "--ready-json", "--config"]).arg(&configuration);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        // What it says later must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not ready: {line:?}"));
        let address = |name: &str| ready[name].as_str().unwrap().to_owned();
        let [smtp, lmtp, imap, pop3] = ["smtp", "lmtp", "imap", "pop3"].map(address);
        Server { child, smtp, lmtp, imap, pop3, _folder: folder }
    }

    /// The most memory that it ever had, in octets, where the system tells.
    pub(crate) fn peak_memory_octets(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    }

    /// Whether it lives.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already: then the test has failed.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn add_account(configuration: &Path, user: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postbell"));
    command.args(["account", "add", &format!("{user}@example.org"), "--password-stdin", "--config"]).arg(configuration);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "account add {user}");
}

/// A client that sends and reads lines.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn connect(address: &str) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream: BufReader::with_capacity(64 * 1024, stream) }
    }

    pub(crate) fn write(&mut self, octets: &[u8]) {
        self.stream.get_mut().write_all(octets).unwrap();
    }

    /// The next line with its end.
    fn line(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).unwrap();
        assert!(line.ends_with(b"\r\n"), "the connection ended: {:?}", String::from_utf8_lossy(&line));
        line
    }

    fn text(&mut self) -> String {
        String::from_utf8(self.line()).unwrap().trim_end().to_owned()
    }
}

/// SMTP or LMTP.
pub(crate) struct Sender(Client);

impl Sender {
    pub(crate) fn connect(address: &str, hello: &str) -> Sender {
        let mut sender = Sender(Client::connect(address));
        sender.reply();
        assert!(sender.command(&format!("{hello} client.example.net")).starts_with("250"));
        sender
    }

    /// The last line of a reply.
    pub(crate) fn reply(&mut self) -> String {
        loop {
            let line = self.0.text();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line;
            }
        }
    }

    pub(crate) fn command(&mut self, command: &str) -> String {
        self.0.write(format!("{command}\r\n").as_bytes());
        self.reply()
    }

    pub(crate) fn write(&mut self, octets: &[u8]) {
        self.0.write(octets);
    }
}

/// IMAP.
pub(crate) struct Imap(Client);

impl Imap {
    pub(crate) fn log_in(server: &Server, user: &str) -> Imap {
        let mut client = Client::connect(&server.imap);
        client.line();
        let mut imap = Imap(client);
        imap.command(&format!("LOGIN {user}@example.org {PASSWORD}"));
        imap
    }

    /// All responses up to the tagged one, which is OK.
    pub(crate) fn command(&mut self, command: &str) -> Vec<Response> {
        let (responses, tagged) = self.attempt(command);
        let raw = String::from_utf8_lossy(&tagged.raw);
        assert_eq!(tagged.word(0).as_deref(), Some("OK"), "{command:.200}: {raw:.500}");
        responses
    }

    /// All responses up to the tagged one, and that.
    pub(crate) fn attempt(&mut self, command: &str) -> (Vec<Response>, Response) {
        self.0.write(format!("t {command}\r\n").as_bytes());
        let mut responses = Vec::new();
        loop {
            let response = self.response();
            if let Kind::Tagged(_) = response.kind {
                return (responses, response);
            }
            responses.push(response);
        }
    }

    /// One response, read by protocol-tests' strict grammar.
    fn response(&mut self) -> Response {
        let mut raw = Vec::new();
        loop {
            let line = self.0.line();
            let literal = literal_octets(&line);
            raw.extend_from_slice(&line);
            let Some(octets) = literal else { break };
            let start = raw.len();
            raw.resize(start + octets, 0);
            self.0.stream.read_exact(&mut raw[start..]).unwrap();
        }
        raw.truncate(raw.len() - 2);
        Response::read(&raw).unwrap_or_else(|error| panic!("{error}: {:.2000}", String::from_utf8_lossy(&raw)))
    }

    pub(crate) fn append(&mut self, message: &[u8]) {
        // NUL goes through a literal8 alone (RFC 3516 §4.4).
        let tilde = if message.contains(&0) { "~" } else { "" };
        self.0.write(format!("t APPEND INBOX {tilde}{{{}}}\r\n", message.len()).as_bytes());
        assert_eq!(self.response().kind, Kind::Continuation);
        self.0.write(message);
        self.0.write(b"\r\n");
        loop {
            let response = self.response();
            if let Kind::Tagged(_) = response.kind {
                let raw = String::from_utf8_lossy(&response.raw);
                return assert_eq!(response.word(0).as_deref(), Some("OK"), "{raw:.500}");
            }
        }
    }

    /// The items of one message, by their names as the server writes them.
    pub(crate) fn fetch(&mut self, number: usize, items: &str) -> Vec<(String, Value)> {
        let mut found = Vec::new();
        for response in self.command(&format!("FETCH {number} ({items})")) {
            let [Value::Atom(at), _, Value::List(values)] = &response.values[..] else { continue };
            if *at == number.to_string().as_bytes() && response.word(1).as_deref() == Some("FETCH") {
                let pairs = values.chunks_exact(2).map(|pair| {
                    let [Value::Atom(name), value] = pair else { panic!("{pair:?} is no item") };
                    (String::from_utf8_lossy(name).to_ascii_uppercase(), value.clone())
                });
                found.extend(pairs);
            }
        }
        found
    }
}

fn literal_octets(line: &[u8]) -> Option<usize> {
    let line = line.strip_suffix(b"}\r\n")?;
    let open = line.iter().rposition(|octet| *octet == b'{')?;
    std::str::from_utf8(&line[open + 1..]).ok()?.parse().ok()
}

/// POP3.
pub(crate) struct Pop3(Client);

impl Pop3 {
    /// `utf8`: it says UTF8, and is shown messages as they are.
    pub(crate) fn log_in(server: &Server, user: &str, utf8: bool) -> Pop3 {
        let mut pop3 = Pop3(Client::connect(&server.pop3));
        pop3.0.line();
        if utf8 {
            pop3.command("UTF8");
        }
        pop3.command(&format!("USER {user}@example.org"));
        pop3.command(&format!("PASS {PASSWORD}"));
        pop3
    }

    /// An answer of one line, which is +OK.
    pub(crate) fn command(&mut self, command: &str) -> String {
        self.0.write(format!("{command}\r\n").as_bytes());
        let line = self.0.text();
        assert!(line.starts_with("+OK"), "{command}: {line}");
        line
    }

    /// A message, the stuffed dots taken out: behind LF too, as POP3 clients do.
    pub(crate) fn message(&mut self, command: &str) -> Vec<u8> {
        self.command(command);
        self.lines(command)
    }

    /// The same, unless the client would have to have said UTF8 (RFC 6856 §5).
    pub(crate) fn attempt_message(&mut self, command: &str) -> Option<Vec<u8>> {
        self.0.write(format!("{command}\r\n").as_bytes());
        let line = self.0.text();
        assert!(line.starts_with("+OK") || line.starts_with("-ERR [UTF8]"), "{command}: {line}");
        line.starts_with("+OK").then(|| self.lines(command))
    }

    fn lines(&mut self, command: &str) -> Vec<u8> {
        let mut message = Vec::new();
        loop {
            let start = message.len();
            let octets = self.0.stream.read_until(b'\n', &mut message).unwrap();
            assert_ne!(octets, 0, "the answer to {command} breaks off");
            match &message[start..] {
                b".\r\n" => {
                    message.truncate(start);
                    return message;
                }
                [b'.', ..] => drop(message.remove(start)),
                _ => {}
            }
        }
    }
}
