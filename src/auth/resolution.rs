//! What an address means: whose account it is, or whose accounts (RFC 5321 §3.9).
//!
//! The rules, first match first; an address that is another's word for a third is looked up anew, by the same rules:
//! 1. the account of just this name; 2. the alias of just this name; 3. the account, 4. the alias of the name without its
//!    detail (RFC 5233), which goes on to a target that has none of its own;
//! 5. the domain is an alias of another (`@example.net → @example.org`): the same local part there;
//! 6. `postmaster` and `abuse` (RFC 5321 §4.5.1, RFC 2142 §4, §5) where the configuration names somebody for them;
//! 7. the catch-all of the domain (`@example.org → alice@example.org`), without detail: it belongs to a name that is none.
//!
//! Aliases lead to aliases at most [`DEPTH_MAX`] deep, and to at most [`ADDRESSEES_MAX`] in all. Circles and what
//! passes these bounds are refused when an alias is added; where they come about all the same (an alias is used before
//! it is made), that is a [`Trouble`], and mail has to wait until somebody mends it. A name that leads to somebody and
//! to somebody who is gone leads to those who are there.
//!
//! Sees accounts and aliases by their names alone ([`Names`]), so it can be held to an oracle.

use std::collections::HashSet;
use std::sync::Arc;

use super::address::{Address, BadAddress, canonical_domain};
use crate::store::{Alias, Store};

/// How deep aliases may lead to aliases: more than any household of names needs, and a bound for the way back.
pub const DEPTH_MAX: usize = 10;
/// How many accounts an address may lead to: as many as a transaction may have recipients (RFC 5321 §4.5.3.1.8 asks for 100).
pub const ADDRESSEES_MAX: usize = 1_000;
/// How many addresses are looked up for one: an alias is looked into once, so only a web of long lists comes near.
const LOOKUPS_MAX: usize = 10_000;

/// The names that every domain has (RFC 5321 §4.5.1, RFC 2142).
const ROLES: [&str; 2] = ["postmaster", "abuse"];

/// How addresses are read here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What separates the user from the detail: any of these; none: there are no details.
    pub separators: String,
    /// Who is `postmaster` and `abuse` where there is neither account nor alias of that name.
    pub postmaster: Option<String>,
}

impl Default for Rules {
    /// The common choice: `+`.
    fn default() -> Self {
        Self { separators: super::address::DETAIL_SEPARATOR.to_string(), postmaster: None }
    }
}

/// Which names there are.
pub trait Names {
    /// Whether an account has this canonical name.
    fn is_account(&self, name: &str) -> bool;
    /// The alias of this canonical name; those of whole domains begin with `@`.
    fn alias(&self, name: &str) -> Option<Arc<Alias>>;
}

impl Names for Store {
    fn is_account(&self, name: &str) -> bool {
        self.account(name).is_some()
    }
    fn alias(&self, name: &str) -> Option<Arc<Alias>> {
        Store::alias(self, name)
    }
}

/// Why an alias can't be followed to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It leads back to itself.
    #[error("{0} leads back to itself")]
    Circle(String),
    /// It leads from alias to alias too often.
    #[error("more than {DEPTH_MAX} aliases lead from one to the next")]
    TooDeep,
    /// It leads to too many.
    #[error("it leads to more than {ADDRESSEES_MAX} accounts or aliases")]
    TooMany,
}

/// Where an address leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meaning {
    /// Names of accounts, with the detail that the mail has for each; none twice.
    pub accounts: Vec<(String, Option<String>)>,
    /// Addresses that are nobody's, without their details.
    pub nobody: Vec<Address>,
    /// Why some were not followed.
    pub troubles: Vec<Trouble>,
}

/// What `local_part` at `domain` means.
pub fn meaning(names: &impl Names, rules: &Rules, local_part: &str, domain: &str) -> Result<Meaning, BadAddress> {
    let (path, seen) = (Vec::new(), HashSet::new());
    let mut search = Search { names, rules, found: Meaning::default(), path, seen, lookups: 0 };
    search.follow(local_part, domain, None)?;
    Ok(search.found)
}

/// The two halves of a full address or (`@example.org`) a whole domain.
pub fn halves(address: &str) -> Option<(&str, &str)> {
    address.rsplit_once('@').filter(|(_, domain)| !domain.is_empty())
}

/// The domain that an alias of a whole domain means, where it means a whole domain.
pub fn domain_meant(alias: &Alias) -> Option<&str> {
    match alias.targets.as_slice() {
        [target] => target.strip_prefix('@'),
        _ => None,
    }
}

struct Search<'a, N> {
    names: &'a N,
    rules: &'a Rules,
    found: Meaning,
    /// The aliases that led here.
    path: Vec<String>,
    /// What was looked into, and what was found, with details.
    seen: HashSet<(String, Option<String>)>,
    lookups: usize,
}

impl<N: Names> Search<'_, N> {
    /// Looks up an address; `passed` is the detail that an alias on the way had.
    fn follow(&mut self, local_part: &str, domain: &str, passed: Option<&str>) -> Result<(), BadAddress> {
        self.lookups += 1;
        if self.lookups > LOOKUPS_MAX {
            self.trouble(Trouble::TooMany);
            return Ok(());
        }
        let whole = Address::with_separators(local_part, domain, "")?;
        let cut = Address::with_separators(local_part, domain, &self.rules.separators)?;
        let detail = cut.detail.clone().or_else(|| passed.map(str::to_owned));
        for (name, detail) in [(&whole.name, passed.map(str::to_owned)), (&cut.name, detail)] {
            if self.names.is_account(name) {
                self.add(name, detail);
                return Ok(());
            }
            if let Some(alias) = self.names.alias(name) {
                self.follow_alias(name, &alias, detail.as_deref());
                return Ok(());
            }
        }
        let of_domain = format!("@{}", canonical_domain(domain)?);
        let of_domain = self.names.alias(&of_domain).map(|alias| (of_domain, alias));
        let user = cut.name.rsplit_once('@').map_or("", |(user, _)| user);
        match (of_domain, &self.rules.postmaster) {
            (Some((_, alias)), _) if domain_meant(&alias).is_some() => {
                let other = domain_meant(&alias).unwrap_or_default().to_owned();
                // The same domain with another local part is no circle: an alias there may lead back to this domain.
                self.descend(&whole.name, |search| search.follow(local_part, &other, passed));
            }
            (_, Some(postmaster)) if ROLES.contains(&user) && !self.is_on_path(POSTMASTER_RULE) => {
                let target = [postmaster.clone()];
                self.descend(POSTMASTER_RULE, |search| search.follow_all(&target, None));
            }
            // A catch-all that leads to nobody does not catch that too.
            (Some((name, alias)), _) if !self.is_on_path(&name) => self.follow_alias(&name, &alias, None),
            _ => self.found.nobody.push(cut),
        }
        Ok(())
    }

    fn follow_alias(&mut self, name: &str, alias: &Alias, detail: Option<&str>) {
        // What is looked into twice has led there by two ways; what is on the way itself is a circle.
        if !self.is_on_path(name) && !self.seen.insert((name.to_owned(), detail.map(str::to_owned))) {
            return;
        }
        self.descend(name, |search| search.follow_all(&alias.targets, detail));
    }

    fn follow_all(&mut self, targets: &[String], detail: Option<&str>) -> Result<(), BadAddress> {
        for target in targets {
            // What was stored was an address when it was.
            if let Some((local_part, domain)) = halves(target)
                && !local_part.is_empty()
            {
                self.follow(local_part, domain, detail)?;
            }
        }
        Ok(())
    }

    /// Goes one step deeper, unless that leads in a circle or too far.
    fn descend(&mut self, name: &str, follow: impl FnOnce(&mut Self) -> Result<(), BadAddress>) {
        if self.is_on_path(name) {
            return self.trouble(Trouble::Circle(name.to_owned()));
        }
        if self.path.len() >= DEPTH_MAX {
            return self.trouble(Trouble::TooDeep);
        }
        self.path.push(name.to_owned());
        let followed = follow(self);
        self.path.pop();
        if let Err(bad) = followed {
            tracing::error!(alias = name, %bad, "an alias leads to what is no address");
        }
    }

    fn is_on_path(&self, name: &str) -> bool {
        self.path.iter().any(|on| on == name)
    }

    fn trouble(&mut self, trouble: Trouble) {
        if !self.found.troubles.contains(&trouble) {
            self.found.troubles.push(trouble);
        }
    }

    fn add(&mut self, name: &str, detail: Option<String>) {
        if self.found.accounts.len() >= ADDRESSEES_MAX {
            self.trouble(Trouble::TooMany);
        } else if self.seen.insert((name.to_owned(), detail.clone())) {
            self.found.accounts.push((name.to_owned(), detail));
        }
    }
}

/// The place of rule 6 on the way: no address is written so.
const POSTMASTER_RULE: &str = "postmaster";

#[cfg(test)]
mod tests;
