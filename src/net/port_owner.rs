//! Who listens at a port or a Unix socket that we can't have, as `/proc` tells it (proc(5)): for the message of exit
//! code 69.
//!
//! Best effort: on other systems, and for processes of other users, it finds nobody.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// The state of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// The process that listens at the port of `address`, such as `postfix (process 812)`. Blocks.
pub fn find(address: SocketAddr) -> Option<String> {
    let inodes = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let wanted: Vec<String> = inodes
        .iter()
        .flat_map(|table| listening(table, address.port()))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if wanted.is_empty() {
        return None;
    }
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if holds(&process.path(), &wanted) {
            return Some(shown(pid));
        }
    }
    None
}

/// The process that began to listen at the other end (SO_PEERCRED, unix(7)).
pub(super) fn of_socket(connected: &UnixStream) -> Option<String> {
    let listener = rustix::net::sockopt::socket_peercred(connected).ok()?;
    u32::try_from(listener.pid.as_raw_pid()).ok().map(shown)
}

fn shown(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    format!("{} (process {pid})", name.trim().escape_default())
}

/// The inodes of the sockets that listen at `port`. Columns: number, local address, remote address, state, queues,
/// timer, retransmits, user, timeout, inode.
fn listening(table: &str, port: u16) -> Vec<&str> {
    let port = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_ascii_whitespace().collect();
            let is_ours = columns.get(1)?.ends_with(&port) && *columns.get(3)? == LISTEN;
            is_ours.then_some(*columns.get(9)?)
        })
        .collect()
}

fn holds(process: &Path, sockets: &[String]) -> bool {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else { return false };
    descriptors
        .flatten()
        .filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
        .any(|target| target.to_str().is_some_and(|target| sockets.iter().any(|socket| socket == target)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_by_port_and_state() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:0401 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0\n   \
            1: 0100007F:0401 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0\n   \
            2: 0100007F:0402 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0\n";
        assert_eq!(listening(table, 1025), ["4711"]);
        assert_eq!(listening(table, 1), Vec::<&str>::new());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn we_find_ourselves() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let found = find(listener.local_addr().unwrap()).unwrap();
        assert!(found.ends_with(&format!("(process {})", std::process::id())), "{found}");
    }
}
