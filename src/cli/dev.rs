//! `postbell dev`: everything at once, on loopback, without a question asked.

use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::live::Live;
use super::serve::run_server;
use super::signal::Hangup;
use super::{Failure, demo, log, ready};
use crate::config::{Config, Endpoint};
use crate::net::limits::Network;
use crate::net::listener::{Address, Role};
use crate::server::Server;

#[derive(Debug, Args)]
pub(super) struct Dev {
    /// Keep the mail in this folder; without it, it is gone when this ends
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Send some messages in, with a client that watches, to see the push
    #[arg(long)]
    demo: bool,
    /// Print one line of JSON with the addresses when everything listens; all else goes to standard error
    #[arg(long)]
    ready_json: bool,
    /// Listen at this address instead of loopback: whoever reaches it reads, writes and deletes all mail
    #[arg(long, value_name = "ADDRESS")]
    expose_to_network_without_passwords: Option<IpAddr>,
    /// Take LMTP at this Unix socket too
    #[arg(long, value_name = "PATH")]
    lmtp_socket: Option<PathBuf>,
    #[command(flatten)]
    ports: Ports,
}

/// Whoever runs `dev` may deliver to it.
const LMTP_SOCKET_MODE: u32 = 0o600;

/// Port 0 takes a free one.
#[derive(Debug, Args)]
struct Ports {
    /// SMTP, with STARTTLS
    #[arg(long, value_name = "PORT", default_value_t = 1025)]
    smtp_port: u16,
    /// SMTP for senders who log in, with STARTTLS; not listened to by default
    #[arg(long, value_name = "PORT")]
    submission_port: Option<u16>,
    /// SMTP for senders who log in, over TLS; not listened to by default
    #[arg(long, value_name = "PORT")]
    submissions_port: Option<u16>,
    /// LMTP
    #[arg(long, value_name = "PORT", default_value_t = 1024)]
    lmtp_port: u16,
    /// IMAP, with STARTTLS
    #[arg(long, value_name = "PORT", default_value_t = 1143)]
    imap_port: u16,
    /// IMAP over TLS
    #[arg(long, value_name = "PORT", default_value_t = 1993)]
    imaps_port: u16,
    /// POP3, with STLS
    #[arg(long, value_name = "PORT", default_value_t = 1110)]
    pop3_port: u16,
    /// POP3 over TLS
    #[arg(long, value_name = "PORT", default_value_t = 1995)]
    pop3s_port: u16,
}

impl Ports {
    fn of(&self, role: Role) -> Option<u16> {
        Some(match role {
            Role::Submission => return self.submission_port,
            Role::Submissions => return self.submissions_port,
            Role::Smtp => self.smtp_port,
            Role::Lmtp => self.lmtp_port,
            Role::Imap => self.imap_port,
            Role::Imaps => self.imaps_port,
            Role::Pop3 => self.pop3_port,
            Role::Pop3s => self.pop3s_port,
        })
    }
}

impl Dev {
    pub(super) fn run(self) -> Result<(), Failure> {
        // Removed with everything in it when this function returns.
        let temporary = match self.data {
            Some(_) => None,
            None => Some(tempfile::Builder::new().prefix("postbell-").tempdir().map_err(Failure::new)?),
        };
        let data = match (&self.data, &temporary) {
            (Some(data), _) => data.clone(),
            (None, Some(temporary)) => temporary.path().to_owned(),
            (None, None) => return Err(Failure::new("there is no data folder")),
        };

        let mut config = Config::dev(data.clone());
        config.listeners = self.endpoints();
        // Any password is good here, so none can leak that opens anything.
        config.plaintext_login = Network::ALL.to_vec();
        log::begin(&config.log)?;

        let live = if self.ready_json { Live::begin(io::stderr()) } else { Live::begin(io::stdout()) };
        let live = Arc::new(live.map_err(Failure::new)?);
        let observer = Arc::clone(&live);
        let outcome = run_server(config, observer, async |server| {
            live.say(self.greeting(server, &data));
            if self.ready_json {
                ready::announce(server, &data).map_err(Failure::new)?;
            }
            if self.demo {
                demo::run(server, &live).await?;
            }
            // The terminal was closed: stop, and leave no folder behind.
            Hangup::listen().map_err(Failure::new)?.asked().await;
            Ok(())
        });
        live.finish();
        outcome.map_err(|mut failure| {
            if failure.code == Failure::PORT_TAKEN {
                failure.what.push_str("; --smtp-port and its like choose other ports, and 0 a free one");
            }
            failure
        })
    }

    /// One address for each protocol, and loopback's IPv6 face beside it where there is one.
    fn endpoints(&self) -> Vec<Endpoint> {
        let mut endpoints = Vec::new();
        for role in Role::ALL {
            let Some(port) = self.ports.of(role) else { continue };
            let address = self.expose_to_network_without_passwords.unwrap_or(Ipv4Addr::LOCALHOST.into());
            let address = Address::Port(SocketAddr::new(address, port));
            endpoints.push(Endpoint { role, address, optional: false });
            if port != 0 && self.expose_to_network_without_passwords.is_none() {
                let address = Address::Port(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port));
                endpoints.push(Endpoint { role, address, optional: true });
            }
        }
        if let Some(path) = self.lmtp_socket.clone() {
            let address = Address::Socket { path, mode: LMTP_SOCKET_MODE };
            endpoints.push(Endpoint { role: Role::Lmtp, address, optional: false });
        }
        endpoints
    }

    /// What a newcomer needs, ready to copy.
    fn greeting(&self, server: &Server, data: &Path) -> String {
        let mut text = String::from("Postbell listens. Any recipient makes its mailbox, any password logs in.\n\n");
        let row = |text: &mut String, what: &str, roles: &[(Role, &str)]| {
            let _infallible = write!(text, "  {what:<9}");
            for (role, note) in roles {
                if let Some(address) = server.address(*role) {
                    // The names of submission are longer than the column.
                    let width = (role.name().len() + 1).max(6);
                    let _infallible = write!(text, "{:<width$}{:<20}{note:<12}", role.name(), address.to_string());
                }
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        };
        row(&mut text, "deliver", &[(Role::Smtp, "(STARTTLS)"), (Role::Lmtp, "")]);
        if let Some(path) = server.socket(Role::Lmtp) {
            let _infallible = writeln!(text, "           lmtp  unix:{}", path.display());
        }
        if server.address(Role::Submission).or(server.address(Role::Submissions)).is_some() {
            row(&mut text, "", &[(Role::Submission, "(STARTTLS)"), (Role::Submissions, "(TLS)")]);
        }
        row(&mut text, "read", &[(Role::Imap, "(STARTTLS)"), (Role::Imaps, "(TLS)")]);
        row(&mut text, "", &[(Role::Pop3, "(STLS)"), (Role::Pop3s, "(TLS)")]);
        let fate = if self.data.is_some() { "" } else { "  (gone when this ends; keep it with --data DIR)" };
        let _infallible = write!(text, "  {:<9}{}{fate}\n\n", "mail", data.display());

        if let (Some(smtp), Some(imap)) = (server.address(Role::Smtp), server.address(Role::Imap)) {
            let _infallible = write!(
                text,
                "  Send:   curl smtp://{smtp} --mail-from me@example.org --mail-rcpt alice@localhost -T README.md\n  \
                   Read:   curl 'imap://alice:any@{imap}/INBOX;MAILINDEX=1'\n\n"
            );
        }
        if let Some(address) = self.expose_to_network_without_passwords {
            let _infallible =
                write!(text, "  BEWARE: whoever reaches {address} reads, writes and deletes all this mail.\n\n");
        }
        text.push_str("Each delivery is a line from here on; Ctrl-C ends.\n");
        text
    }
}
