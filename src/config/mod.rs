//! What a server is told before it starts: from a TOML file ([`Config::load`]) or, for `dev`, from the command line.
//!
//! `docs/postbell.toml` names every key with its default; a test keeps it so. An unknown key, a value of the wrong kind
//! or out of bounds, and what contradicts itself are refused with line and reason, all of them at once: a typing error
//! must not become a default in silence.

mod file;
mod policy;
mod read;

pub use read::Problem;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::auth::directory::Membership;
use crate::auth::resolution::Rules;
use crate::net::guard;
use crate::net::limits::{Network, SessionLimits};
use crate::net::listener::{Address, Role};
use crate::net::tls;
use crate::policy::checks::Settings;
use crate::policy::resolver::DnsSettings;
use crate::store;
use crate::wire::newline::BareNewlines;

/// Everything a server is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our name in greetings and trace headers.
    pub hostname: String,
    /// The data folder.
    pub data_dir: PathBuf,
    /// Which addresses are ours.
    pub membership: Membership,
    /// How addresses are read.
    pub addresses: Rules,
    /// From where passwords may be given without TLS.
    pub plaintext_login: Vec<Network>,
    /// Who is believed at a listener that is set up for the PROXY protocol.
    pub trusted_proxies: Vec<Network>,
    /// Where to listen, in this order.
    pub listeners: Vec<Endpoint>,
    /// Where the certificate comes from.
    pub tls: tls::Source,
    /// How many sessions there may be.
    pub sessions: SessionLimits,
    /// What is done against abuse.
    pub abuse: guard::Settings,
    /// Limits and sizes of the store.
    pub store: store::Options,
    /// What an SMTP or LMTP client may do.
    pub smtp: crate::smtp::Limits,
    /// What an IMAP client may do.
    pub imap: crate::imap::Limits,
    /// What a POP3 client may do.
    pub pop3: crate::pop3::Limits,
    /// Whom to ask for what stands in the DNS.
    pub dns: DnsSettings,
    /// What is asked about those who send mail from outside; `None`: nothing.
    pub strangers: Option<Strangers>,
    /// How to log.
    pub log: Log,
}

/// What is asked about those who send mail from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strangers {
    /// Who is none.
    pub trusted: Vec<Network>,
    /// What follows from the answers.
    pub policy: Settings,
}

/// An address to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// What is spoken there.
    pub role: Role,
    /// Port 0 takes a free one.
    pub address: Address,
    /// Whether each connection begins with a header of the PROXY protocol.
    pub proxied: bool,
    /// Whether the server starts without it when the address is not to be had: the second face of loopback in `dev`.
    pub optional: bool,
}

/// How to log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// For people or for machines.
    pub format: LogFormat,
    /// The filter where `RUST_LOG` says nothing: `info`, or `warn,postbell::net=debug`.
    pub filter: String,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object.
    Json,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read.
    #[error("{}: {error}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// There is something wrong in it.
    #[error("{}", Listed { file, problems })]
    Wrong {
        /// Which file.
        file: PathBuf,
        /// Each problem, by line.
        problems: Vec<Problem>,
    },
}

/// One problem a line, each beginning with `file:line:`, as editors understand it.
struct Listed<'e> {
    file: &'e Path,
    problems: &'e [Problem],
}

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:{problem}", self.file.display())?;
        }
        Ok(())
    }
}

impl Config {
    /// Reads `file`. Blocks.
    pub fn load(file: &Path) -> Result<Config, Error> {
        let text = std::fs::read_to_string(file).map_err(|error| Error::Unreadable { file: file.to_owned(), error })?;
        file::read(&text).map_err(|problems| Error::Wrong { file: file.to_owned(), problems })
    }

    /// `dev`: whatever is sent is taken, whatever is tried logs in, and nothing is listened to until it is added.
    pub fn dev(data_dir: PathBuf) -> Config {
        Config {
            hostname: "localhost".to_owned(),
            data_dir,
            membership: Membership::Open { max_accounts: crate::auth::directory::DEV_ACCOUNTS_MAX },
            addresses: Rules::default(),
            plaintext_login: Network::LOOPBACK.to_vec(),
            trusted_proxies: Vec::new(),
            listeners: Vec::new(),
            tls: tls::Source::SelfSigned,
            sessions: SessionLimits::default(),
            // Whoever develops a client errs often, and is not kept waiting.
            abuse: guard::Settings::OFF,
            store: store::Options::default(),
            // curl and scripts send files as they are on disk, with LF, and most applications log in to send.
            smtp: crate::smtp::Limits { bare_newlines: BareNewlines::Normalise, auth: true, ..Default::default() },
            imap: crate::imap::Limits::default(),
            pop3: crate::pop3::Limits::default(),
            dns: DnsSettings::default(),
            // What is tried out comes from nowhere.
            strangers: None,
            log: Log { format: LogFormat::Text, filter: "warn".to_owned() },
        }
    }
}
