//! `postbell alias`, as the owner of the store answers it: which addresses lead to others.
//!
//! What an alias means is [`resolution`](crate::auth::resolution)'s to say. Here it is seen to that one that is added leads
//! to somebody of ours, not in a circle, and not too far: nothing is sent from here, so nothing leads out. An account that is
//! removed later leaves aliases behind that lead to nobody; [`list`](Owner::list_aliases) says so.

use std::sync::Arc;

use super::control::{Owner, about_domain};
use crate::auth::Membership;
use crate::auth::address::{Address, canonical_domain};
use crate::auth::resolution::{ADDRESSEES_MAX, DEPTH_MAX, Meaning, Names, Trouble, domain_meant, halves, meaning};
use crate::store::{Alias, Store};

/// The store as it will be.
struct With<'a> {
    store: &'a Store,
    name: &'a str,
    alias: Arc<Alias>,
}

impl Names for With<'_> {
    fn is_account(&self, name: &str) -> bool {
        self.store.is_account(name)
    }
    fn alias(&self, name: &str) -> Option<Arc<Alias>> {
        if name == self.name { Some(Arc::clone(&self.alias)) } else { self.store.alias(name) }
    }
}

/// An alias as a program reads it.
#[derive(serde::Serialize)]
struct Listed<'a> {
    alias: &'a str,
    targets: &'a [String],
    /// The targets that lead to nobody.
    nobody: Vec<&'a str>,
    /// Why it can't be followed.
    trouble: Option<String>,
}

impl Owner {
    /// Lets an address lead to these, beside those that it leads to already.
    pub(super) async fn add_alias(&self, address: &str, targets: &[String]) -> Result<(), String> {
        let _changing = self.changing.lock().await;
        let name = self.canonical(address)?;
        if self.store.account(&name).is_some() {
            return Err(format!("{address} is an account: its mail stays there"));
        }
        let there = self.store.alias(&name);
        let mut alias = there.map_or_else(
            || Alias { display_name: address.to_owned(), targets: Vec::new() },
            |there| there.as_ref().clone(),
        );
        for target in targets {
            let canonical = self.canonical(target)?;
            if !alias.targets.iter().any(|known| self.canonical(known).is_ok_and(|known| known == canonical)) {
                alias.targets.push(target.clone());
            }
        }
        if alias.targets.len() > ADDRESSEES_MAX {
            return Err(format!("{address}: an alias leads to at most {ADDRESSEES_MAX}"));
        }
        if alias.targets.iter().any(|target| target.starts_with('@'))
            && (alias.targets.len() > 1 || !name.starts_with('@'))
        {
            return Err(format!(
                "{address}: only a whole domain leads to a whole domain, and to nothing else beside it"
            ));
        }
        let with = With { store: &self.store, name: &name, alias: Arc::new(alias.clone()) };
        self.verify(&with, address, targets)?;
        self.store.set_alias(&name, Some(alias)).await.map_err(|error| format!("{address}: {error}"))?;
        tracing::info!(alias = name, "alias added");
        Ok(())
    }

    /// Whether the new alias can be followed, and leads to somebody by each of its new targets.
    fn verify(&self, with: &With<'_>, address: &str, targets: &[String]) -> Result<(), String> {
        let about = |trouble: Trouble| format!("{address}: {trouble}");
        if let Some(other) = domain_meant(&with.alias) {
            return domains_end(with, other).map_err(about);
        }
        if !with.name.starts_with('@')
            && let Some(trouble) = self.follow(with, with.name).troubles.into_iter().next()
        {
            return Err(about(trouble));
        }
        for target in targets {
            let Meaning { accounts, troubles, .. } = self.follow(with, target);
            if let Some(trouble) = troubles.into_iter().next() {
                return Err(about(trouble));
            }
            let is_made_on_demand = matches!(self.membership, Some(Membership::Open { .. }));
            if accounts.is_empty() && !is_made_on_demand {
                return Err(format!("{address}: {target} is neither an account nor an alias here"));
            }
        }
        Ok(())
    }

    /// Lets an address lead no longer to these; to none at all where none is named.
    pub(super) async fn remove_alias(&self, address: &str, targets: &[String]) -> Result<(), String> {
        let _changing = self.changing.lock().await;
        let name = self.canonical_anywhere(address)?;
        let Some(there) = self.store.alias(&name) else { return Err(format!("{address} is no alias")) };
        let mut left = there.as_ref().clone();
        for target in targets {
            let canonical = self.canonical_anywhere(target)?;
            let before = left.targets.len();
            left.targets.retain(|known| self.canonical_anywhere(known).as_ref() != Ok(&canonical));
            if left.targets.len() == before {
                return Err(format!("{address} does not lead to {target}"));
            }
        }
        let left = Some(left).filter(|left| !targets.is_empty() && !left.targets.is_empty());
        self.store.set_alias(&name, left).await.map_err(|error| format!("{address}: {error}"))?;
        tracing::info!(alias = name, "alias removed");
        Ok(())
    }

    /// All of them, a line each, or as one JSON list; and what is wrong with them.
    pub(super) fn list_aliases(&self, json: bool) -> Result<Vec<String>, String> {
        let aliases = self.store.aliases();
        let listed: Vec<_> = aliases.iter().map(|(name, alias)| self.listed(name, alias)).collect();
        if json {
            return Ok(vec![serde_json::to_string(&listed).map_err(|error| error.to_string())?]);
        }
        let line = |Listed { alias, targets, nobody, trouble }: Listed<'_>| {
            let mut line = format!("{alias} → {}", targets.join(", "));
            if !nobody.is_empty() {
                line += &format!(" (nobody: {})", nobody.join(", "));
            }
            if let Some(trouble) = trouble {
                line += &format!(" (mail waits: {trouble})");
            }
            line
        };
        Ok(listed.into_iter().map(line).collect())
    }

    fn listed<'a>(&self, name: &str, alias: &'a Alias) -> Listed<'a> {
        let (mut nobody, mut trouble) = (Vec::new(), None);
        let with = With { store: &self.store, name, alias: Arc::new(alias.clone()) };
        if let Some(other) = domain_meant(alias) {
            trouble = domains_end(&with, other).err();
        } else {
            let is_made_on_demand = matches!(self.membership, Some(Membership::Open { .. }));
            for target in &alias.targets {
                let Meaning { accounts, troubles, .. } = self.follow(&with, target);
                if accounts.is_empty() && troubles.is_empty() && !is_made_on_demand {
                    nobody.push(target.as_str());
                }
                trouble = trouble.or_else(|| troubles.into_iter().next());
            }
        }
        let trouble = trouble.map(|trouble| trouble.to_string());
        Listed { alias: &alias.display_name, targets: &alias.targets, nobody, trouble }
    }

    /// The aliases that name somebody who is gone.
    pub(super) fn aliases_of_nobody(&self) -> Vec<String> {
        let aliases = self.store.aliases();
        let listed = aliases.iter().map(|(name, alias)| self.listed(name, alias));
        let told = listed.filter(|listed| !listed.nobody.is_empty());
        told.map(|listed| format!("{} leads to nobody by {}", listed.alias, listed.nobody.join(", "))).collect()
    }

    /// Where an address leads; nowhere, if it is none.
    fn follow(&self, names: &impl Names, address: &str) -> Meaning {
        let (local_part, domain) = halves(address).unwrap_or_default();
        meaning(names, &self.rules, local_part, domain).unwrap_or_default()
    }

    /// The canonical name of an address of ours, or of a whole domain of ours, its detail included.
    fn canonical(&self, address: &str) -> Result<String, String> {
        let name = self.canonical_anywhere(address)?;
        self.check_domain(&name, address)?;
        Ok(name)
    }

    fn canonical_anywhere(&self, address: &str) -> Result<String, String> {
        let (local_part, domain) = halves(address)
            .ok_or_else(|| format!("{address:?} is neither an address such as info@example.org nor @example.org"))?;
        let name = match local_part {
            "" => canonical_domain(domain).map(|domain| format!("@{domain}")),
            _ => Address::with_separators(local_part, domain, "").map(|address| address.name),
        };
        name.map_err(|bad| format!("{address:?}: {bad}"))
    }

    pub(super) fn check_domain(&self, name: &str, shown: &str) -> Result<(), String> {
        let Some(Membership::Closed { domains }) = &self.membership else { return Ok(()) };
        let domain = name.rsplit_once('@').map_or("", |(_, domain)| domain);
        if domains.iter().any(|ours| ours == domain) { Ok(()) } else { Err(about_domain(shown, domain, domains)) }
    }
}

/// Whether domains that are aliases of domains come to an end.
fn domains_end(with: &With<'_>, first: &str) -> Result<(), Trouble> {
    let mut next = first.to_owned();
    for _ in 0..DEPTH_MAX {
        let Ok(domain) = canonical_domain(&next) else { return Ok(()) };
        let name = format!("@{domain}");
        if name == with.name {
            return Err(Trouble::Circle(name));
        }
        match with.alias(&name).as_deref().and_then(domain_meant) {
            Some(other) => next = other.to_owned(),
            None => return Ok(()),
        }
    }
    Err(Trouble::TooDeep)
}
