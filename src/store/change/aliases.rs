//! Aliases: addresses whose mail goes to others.
//!
//! Here they are names and lists of names. That they lead somewhere, and not in a circle, is seen to by whoever sets them.

use std::sync::Arc;

use crate::store::committer::Touches;
use crate::store::journal::record::Record;
use crate::store::{ALIASES_MAX, Alias, Decided, Error, Store};

/// # Aliases
impl Store {
    /// The alias of that canonical name.
    pub fn alias(&self, name: &str) -> Option<Arc<Alias>> {
        self.inner.state.directory().alias(name).cloned()
    }

    /// All of them with their canonical names, by name.
    pub fn aliases(&self) -> Vec<(String, Arc<Alias>)> {
        let directory = self.inner.state.directory();
        directory.aliases().iter().map(|(name, alias)| (name.clone(), Arc::clone(alias))).collect()
    }

    /// Sets the alias of that canonical name, in place of one that is there, or (`None`) removes it.
    ///
    /// Errors: [`Error::TooManyAliases`].
    pub async fn set_alias(&self, name: &str, alias: Option<Alias>) -> Result<(), Error> {
        let name = name.to_owned();
        self.commit(Touches::Everything, 0, move |decider| {
            {
                let directory = decider.inner.state.directory();
                let there = directory.alias(&name);
                if there.map(Arc::as_ref) == alias.as_ref() {
                    return Ok(Decided::Nothing(()));
                }
                if there.is_none() && directory.aliases().len() >= ALIASES_MAX {
                    return Err(Error::TooManyAliases);
                }
            }
            Ok(Decided::record(Record::SetAlias(name, alias), |_| ()))
        })
        .await
    }
}
