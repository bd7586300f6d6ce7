//! ENABLE (RFC 5161): CONDSTORE and QRESYNC (RFC 7162 §3.1, §3.2.3), IMAP4rev2 (RFC 9051 §6.3.1), UTF8=ACCEPT (RFC 6855 §3),
//! UIDONLY (RFC 9586 §3).
//! What is not known is passed over (RFC 5161 §3.1).

use std::borrow::Cow;

use super::{Context, Done, Outcome, condstore, metadata};
use crate::imap::response::Data;

pub(super) fn run(cx: &mut Context<'_>, capabilities: &[String]) -> Outcome {
    let mut enabled: Vec<Cow<'static, str>> = Vec::new();
    for capability in capabilities {
        let name = match capability.as_str() {
            "CONDSTORE" => {
                condstore::enable(cx);
                "CONDSTORE"
            }
            "QRESYNC" => {
                condstore::enable_qresync(cx);
                "QRESYNC"
            }
            "IMAP4REV2" => {
                cx.session.enabled.dialect.rev2 = true;
                if let Some(selected) = cx.session.selected() {
                    selected.view.forget_recent();
                }
                "IMAP4rev2"
            }
            "UIDONLY" => {
                cx.session.enabled.dialect.uid_only = true;
                "UIDONLY"
            }
            "UTF8=ACCEPT" => {
                cx.session.enabled.dialect.utf8_accept = true;
                "UTF8=ACCEPT"
            }
            // RFC 5464 §4.1
            "METADATA" => {
                metadata::enable(cx);
                "METADATA"
            }
            unknown => {
                tracing::debug!(unknown, "a client wants to enable what nobody knows");
                continue;
            }
        };
        if !enabled.iter().any(|known| known == name) {
            enabled.push(name.into());
        }
    }
    cx.put(Data::Enabled(enabled));
    Ok(Done::ok("ENABLE done"))
}
