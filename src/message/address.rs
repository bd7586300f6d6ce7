//! Addresses in header fields (RFC 5322 §3.4, §4.4), read with tolerance.

use super::Address;

/// Reads an address list, groups as IMAP shows them (RFC 3501 §7.4.2): a mark with the group's name, its members, a mark with
/// nothing. At most `max` addresses and marks.
pub fn parse_list(value: &[u8], max: usize) -> Vec<Address> {
    let _ = (value, max);
    unimplemented!()
}
