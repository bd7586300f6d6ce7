//! NAMESPACE (RFC 2342 §5, RFC 9051 §6.3.10, §7.3.3): one personal namespace, that everything is in.

use super::{Context, Done, Outcome};
use crate::imap::response::Data;
use crate::store::SEPARATOR;

pub(super) fn run(cx: &mut Context<'_>) -> Outcome {
    cx.put(Data::Namespace { separator: SEPARATOR });
    Ok(Done::ok("NAMESPACE done"))
}
