//! The fields of a header by name, read when a test asks for them, and once.

use std::collections::HashMap;
use std::rc::Rc;

use super::address::Found;
use crate::message::address::parse_list;
use crate::message::{Address, ITEMS_MAX, header};
use crate::sieve::matcher::{Budget, Spent};

/// A header's fields.
pub(super) struct Fields<'h> {
    /// By name, in lower case.
    by_name: HashMap<Vec<u8>, Field<'h>>,
    /// How many addresses may still be read of all fields together: an address costs a sender two octets, and us a hundred.
    addresses_left: usize,
}

#[derive(Default)]
struct Field<'h> {
    raw: Vec<&'h [u8]>,
    texts: Option<Rc<[String]>>,
    addresses: Option<Rc<[Address]>>,
}

impl<'h> Fields<'h> {
    pub(super) fn new(header: &'h [u8]) -> Fields<'h> {
        let mut by_name: HashMap<Vec<u8>, Field<'h>> = HashMap::new();
        for field in header::fields(header).filter(|field| !field.name.is_empty()) {
            by_name.entry(field.name.to_ascii_lowercase()).or_default().raw.push(field.value);
        }
        Fields { by_name, addresses_left: ITEMS_MAX }
    }

    pub(super) fn has(&self, name: &[u8]) -> bool {
        self.by_name.contains_key(name)
    }

    /// The values of the fields of that name: unfolded, decoded, without blanks around them (RFC 5228 §2.4.2.2, §2.7.2,
    /// §5.7).
    pub(super) fn texts(&mut self, name: &[u8], budget: &mut Budget) -> Result<Rc<[String]>, Spent> {
        let Some(field) = self.by_name.get_mut(name) else { return Ok(Rc::new([])) };
        if let Some(texts) = &field.texts {
            return Ok(Rc::clone(texts));
        }
        budget.spend(field.raw.iter().map(|raw| raw.len()).sum())?;
        let texts: Rc<[String]> = field.raw.iter().map(|raw| header::decoded(raw)).collect();
        field.texts = Some(Rc::clone(&texts));
        Ok(texts)
    }

    /// The addresses in the fields of that name, those in groups among them (RFC 5228 §5.1).
    pub(super) fn addresses(&mut self, name: &[u8], budget: &mut Budget) -> Result<Rc<[Address]>, Spent> {
        let Some(field) = self.by_name.get_mut(name) else { return Ok(Rc::new([])) };
        if let Some(addresses) = &field.addresses {
            return Ok(Rc::clone(addresses));
        }
        budget.spend(field.raw.iter().map(|raw| raw.len()).sum())?;
        let mut addresses = Vec::new();
        for raw in &field.raw {
            let more = parse_list(&header::unfold(raw), self.addresses_left);
            self.addresses_left = self.addresses_left.saturating_sub(more.len());
            // Marks of groups have no host.
            addresses.extend(more.into_iter().filter(|address| address.host.is_some()));
        }
        let addresses: Rc<[Address]> = addresses.into();
        field.addresses = Some(Rc::clone(&addresses));
        Ok(addresses)
    }
}

/// An address without its name.
pub(super) fn found(address: &Address) -> Found<'_> {
    Found {
        local_part: address.mailbox.as_ref().map_or(&[], |text| text.as_bytes()),
        domain: address.host.as_ref().map_or(&[], |text| text.as_bytes()),
    }
}
