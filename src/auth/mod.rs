//! Who somebody is.

pub mod directory;
pub use directory::Directory;

use std::net::IpAddr;
use std::sync::Arc;

use crate::store::Account;

/// Checks passwords. Shared by all protocols.
#[derive(Debug)]
pub struct Authenticator {}

/// Why a login failed. The client sees the same for every cause, after the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginError {
    /// Wrong name or password.
    Refused,
    /// Cannot be checked now; try later.
    Unavailable,
}

impl Authenticator {
    /// Checks a name and a password; waits where this peer has failed before. `name` is as the client gave it.
    pub async fn login(&self, name: &str, password: &str, peer: IpAddr) -> Result<Arc<Account>, LoginError> {
        let _ = (name, password, peer);
        unimplemented!()
    }
}
