//! What strangers write in the DNS, and what a message says of who sent it.

use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::dmarc::Dmarc;
use mail_auth::spf::Spf;

use super::{Choice, seeds};
use crate::message::header;
use crate::policy::dkim::Reading;
use crate::policy::forged::Filter;
use crate::policy::results::Outcome;

const OWN: &str = "mx.example.com";

/// Records of SPF (RFC 7208 §4.6), DMARC (RFC 7489 §6.3) and DKIM keys (RFC 6376 §3.6.1) are read or refused.
pub(super) fn records_are_read(record: &[u8]) {
    // None of these is ours, so nothing more can be said than that they come back, in time and with bounded memory.
    let _ = (Spf::parse(record), Dmarc::parse(record), DomainKey::parse(record));
}

/// - What signatures, chain and authors of a message are is the same however it arrives.
/// - Nothing that is not signed passes, and without a key nothing does.
pub(super) fn signatures_are_read_alike(input: &[u8]) {
    let (choice, message) = Choice::of(input);
    choice.same_for_splits(message, |pieces| {
        let mut reading = Reading::default();
        pieces.iter().for_each(|piece| reading.push(piece));
        let (signed, keys) = reading.verify_without_keys();
        assert!(signed.dkim.iter().all(|verdict| verdict.outcome != Outcome::Pass));
        assert!(!signed.dkim.is_empty());
        (format!("{signed:?}"), keys)
    });
}

/// - What is left of a message is the same however it arrives, and is the message without some of its fields, in their order.
/// - In what is left nothing more claims to be ours, and what went was counted (RFC 8601 §5).
pub(super) fn no_forged_result_stays(input: &[u8]) {
    let (choice, message) = Choice::of(input);
    let (left, taken) = choice.same_for_splits(message, |pieces| {
        let mut filter = Filter::new(OWN);
        let (mut left, mut out_octets) = (Vec::new(), 0);
        for piece in pieces {
            out_octets += filter.push(piece, &mut left);
        }
        assert!(out_octets <= message.len());
        let taken = filter.end(&mut left);
        (left, taken)
    });
    let mut again = Vec::new();
    let mut filter = Filter::new(OWN);
    filter.push(&left, &mut again);
    assert_eq!(filter.end(&mut again), 0, "one is left: {}", left.escape_ascii());
    assert_eq!(again, left);
    assert_eq!(taken == 0, left == message);
    let mut fields = header::fields(message);
    for field in header::fields(&left) {
        assert!(fields.any(|before| before.raw == field.raw), "{} was never there", field.raw.escape_ascii());
    }
}

pub(super) fn messages() -> Vec<Vec<u8>> {
    let mut messages = seeds::messages(12_000);
    for claim in [
        "Authentication-Results: mx.example.com; spf=pass\r\nSubject: x\r\n\r\nbody\r\n",
        "From: a@b.example\r\nAuthentication-Results : (a (b\\) comment))\r\n \"mx.EXAMPLE.com\" 1; none\r\n\r\n",
        "Subject: x\r\nAuthentication-Results: mx.example.com",
        "Authentication-Results:other.example; none\nAUTHENTICATION-results:\n mx.example.com.\n\nx",
    ] {
        messages.push(claim.as_bytes().to_vec());
    }
    seeds::with_choices(&[0x00], &messages)
}

pub(super) fn records() -> Vec<Vec<u8>> {
    [
        "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 a:mail.example.com/24//64 mx -exists:%{ir}.%{l1r-}.x.example ?ptr include:_spf.example.net ~all",
        "v=spf1 redirect=_spf.%{d2} exp=why.%{o}.example unknown=%{h}",
        "v=DMARC1; p=quarantine; sp=reject; np=none; adkim=s; aspf=r; pct=25; fo=1:d:s; rf=afrf; ri=3600; rua=mailto:a@example.com!10m,mailto:b@example.com; ruf=mailto:c@example.com; psd=u; t=y",
        "v=DKIM1; h=sha256; k=ed25519; n=a note; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=; s=email:*; t=y:s",
        "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB",
        "p=",
    ]
    .map(|record| record.as_bytes().to_vec())
    .to_vec()
}
