//! Where mail comes from, and what follows from it.

pub mod arc;
pub mod blocklist;
pub mod checks;
pub mod decision;
pub mod dkim;
pub mod dmarc;
pub mod forged;
pub mod resolver;
pub mod results;
pub mod reverse_dns;
pub mod spf;

#[cfg(test)]
mod signing;
#[cfg(test)]
mod tests;
