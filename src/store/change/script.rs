//! Scripts: what is to become of mail that comes in for an account. The store keeps one for each account and does not know its
//! language; whoever sets it has checked it, and its length (`sieve`).

use std::sync::Arc;

use crate::store::committer::Touches;
use crate::store::journal::record::Record;
use crate::store::{AccountId, Decided, Error, Store};

/// # Scripts
impl Store {
    /// The account's script, if it has one.
    pub fn script(&self, account: AccountId) -> Option<Arc<str>> {
        self.inner.state.directory().script(account)
    }

    /// Gives an account a script, or takes it away. It holds for the next message.
    ///
    /// Errors: [`Error::NoSuchAccount`].
    pub async fn set_script(&self, account: AccountId, script: Option<Arc<str>>) -> Result<(), Error> {
        let octets = script.as_ref().map_or(0, |script| script.len() as u64);
        self.commit(Touches::Everything, octets, move |decider| {
            decider.inner.state.directory().account(account).ok_or(Error::NoSuchAccount)?;
            Ok(Decided::record(Record::SetScript(account, script), |_| ()))
        })
        .await
    }
}
