//! GETQUOTA and GETQUOTAROOT (RFC 9208 §4.1.1, §4.1.2): how much an account may hold, and how much it does.
//!
//! An account with a limit has one quota root (§3.2), `""`, for all its mailboxes, those included that are not there
//! yet; an account without has none. SETQUOTA is not offered: limits are the operator's. They are hard, so that a
//! warning never comes with an OK (§4.3.1): who would pass one gets `NO [OVERQUOTA]`, and nothing is added.

use super::failure::Failure;
use super::{Context, Done, Outcome};
use crate::imap::response::{Code, Data};
use crate::store::{AccountId, canonical_name};

/// The one quota root's name.
const ROOT: &[u8] = b"";

pub(super) fn get(cx: &mut Context<'_>, root: &[u8]) -> Outcome {
    let account = cx.account()?;
    let known = if root == ROOT { quota(cx, account) } else { None };
    cx.put(known.ok_or_else(|| Failure::no(Code::NonExistent, "There is no such quota root"))?);
    Ok(Done::ok("GETQUOTA done"))
}

pub(super) fn get_root(cx: &mut Context<'_>, mailbox: &str) -> Outcome {
    let account = cx.account()?;
    let mailbox = canonical_name(mailbox)?.to_string();
    let quota = quota(cx, account);
    cx.put(Data::QuotaRoot { mailbox, rooted: quota.is_some() });
    if let Some(quota) = quota {
        cx.put(quota);
    }
    Ok(Done::ok("GETQUOTAROOT done"))
}

/// The QUOTA response, where something is limited. STORAGE is in units of 1,024 octets (§5.1): what is used is rounded
/// up, and what is allowed down, so that nobody counts on room that there is not.
fn quota(cx: &Context<'_>, account: AccountId) -> Option<Data> {
    let quota = cx.store().quota(account);
    let usage = cx.store().usage(account);
    let storage = quota.octets.map(|limit| (usage.octets.div_ceil(1024), limit / 1024));
    let messages = quota.messages.map(|limit| (usage.messages, limit));
    (!quota.is_unlimited()).then_some(Data::Quota { storage, messages })
}
