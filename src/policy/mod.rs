//! What is taken from whom: decisions that are made before mail is delivered, by how much somebody brings ([`abuse`]) and by
//! where it comes from ([`checks`]). Knows no client's socket.

pub mod abuse;
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
