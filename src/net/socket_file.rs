//! Unix sockets that have a name in the file system: put there, taken over from the dead, and removed.
//!
//! - A name is taken over only from a socket at which nobody listens any more. Somebody who listens keeps it, and what
//!   is no socket is left alone: it is not ours to remove.
//! - The socket has its mode before it has its name, so nobody comes in early. Who may connect is who may write to the
//!   file and search its folder (unix(7)).
//! - At the end the name goes away, unless somebody else has put a socket of his own there meanwhile.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use super::port_owner;

/// The longest path: the kernel takes 107 octets (unix(7)), and four are for the name before the name.
pub const PATH_OCTETS_MAX: usize = 103;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody listens there.
    #[error("somebody listens there")]
    Taken {
        /// The process, where it can be found out.
        owner: Option<String>,
    },
    /// Anything else.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The name of a socket of ours; removed when this is dropped.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode: what is ours.
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.identity);
        if is_ours && let Err(error) = fs::remove_file(&self.path) {
            // It is in nobody's way: the next server replaces it.
            tracing::debug!(path = %self.path.display(), %error, "a socket stays behind");
        }
    }
}

fn identity(file: &fs::Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Listens at `path`, with permissions `mode`. To be called inside a runtime, before it serves: it may wait for the disk.
pub(super) fn bind(path: &Path, mode: u32) -> Result<(UnixListener, SocketFile), Error> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(ErrorKind::AlreadyExists, "there is a file that is no socket").into());
        }
        Ok(_) => match UnixStream::connect(path) {
            Ok(living) => return Err(Error::Taken { owner: port_owner::of_socket(&living) }),
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => {}
            Err(error) => return Err(error.into()),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    let mut unnamed = path.as_os_str().to_owned();
    unnamed.push(".new");
    let unnamed = PathBuf::from(unnamed);
    match fs::remove_file(&unnamed) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let listener = UnixListener::bind(&unnamed)?;
    let mut file = SocketFile { identity: identity(&fs::symlink_metadata(&unnamed)?), path: unnamed };
    fs::set_permissions(&file.path, Permissions::from_mode(mode))?;
    fs::rename(&file.path, path)?;
    file.path = path.to_owned();
    Ok((listener, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lmtp");
        (folder, path)
    }

    #[tokio::test]
    async fn a_socket_has_its_mode_and_goes_with_its_server() {
        let (folder, path) = folder();
        let (listener, file) = bind(&path, 0o620).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o620);
        UnixStream::connect(&path).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        drop((listener, file));
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn the_socket_of_a_dead_server_is_taken_over() {
        let (_folder, path) = folder();
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "the file stays behind");
        let _ours = bind(&path, 0o600).unwrap();
        UnixStream::connect(&path).unwrap();
    }

    #[tokio::test]
    async fn who_listens_keeps_it_and_is_named() {
        let (_folder, path) = folder();
        let _first = bind(&path, 0o600).unwrap();
        let Err(Error::Taken { owner }) = bind(&path, 0o600) else { panic!("two listen at one name") };
        let us = format!("(process {})", std::process::id());
        assert!(owner.unwrap_or(us.clone()).ends_with(&us));
        UnixStream::connect(&path).unwrap();
    }

    #[tokio::test]
    async fn what_is_not_ours_is_not_removed() {
        let (_folder, path) = folder();
        fs::write(&path, "mail").unwrap();
        assert!(matches!(bind(&path, 0o600), Err(Error::Io(error)) if error.kind() == ErrorKind::AlreadyExists));
        assert_eq!(fs::read(&path).unwrap(), b"mail");
        fs::remove_file(&path).unwrap();
        let (_listener, file) = bind(&path, 0o600).unwrap();
        fs::remove_file(&path).unwrap();
        let _another = std::os::unix::net::UnixListener::bind(&path).unwrap();
        drop(file);
        UnixStream::connect(&path).unwrap();
    }
}
