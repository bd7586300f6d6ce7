//! The ready line: one JSON object on standard output when all sockets listen, for whatever started the server.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;

use crate::net::listener::Role;
use crate::server::Server;

/// A protocol that listens at several addresses shows its first; one that does not listen is left out.
#[derive(Debug, Serialize)]
struct Ready<'r> {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    smtp: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    submission: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    submissions: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lmtp: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lmtp_socket: Option<&'r Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    imap: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    imaps: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pop3: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pop3s: Option<SocketAddr>,
    /// Where proxies speak.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    proxied: BTreeMap<&'static str, SocketAddr>,
    data: &'r Path,
}

/// Says that `server` is ready, with its real addresses.
pub(super) fn announce(server: &Server, data: &Path) -> io::Result<()> {
    let proxied = Role::ALL.iter().filter_map(|role| Some((role.name(), server.proxied_address(*role)?)));
    let ready = Ready {
        ready: true,
        smtp: server.address(Role::Smtp),
        submission: server.address(Role::Submission),
        submissions: server.address(Role::Submissions),
        lmtp: server.address(Role::Lmtp),
        lmtp_socket: server.socket(Role::Lmtp),
        imap: server.address(Role::Imap),
        imaps: server.address(Role::Imaps),
        pop3: server.address(Role::Pop3),
        pop3s: server.address(Role::Pop3s),
        proxied: proxied.collect(),
        data,
    };
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", serde_json::to_string(&ready)?)?;
    stdout.flush()
}
