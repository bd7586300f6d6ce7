//! Where a message ends, by DATA and by BDAT.

use super::*;
use crate::wire::newline::BareNewlines;

/// LMTP's hello, and MAIL.
const LHLO: &str = "C: LHLO c
    S: 250-mx.example
    S: 250-PIPELINING
    S: 250-SIZE 52428800
    S: 250-8BITMIME
    S: 250-SMTPUTF8
    S: 250-CHUNKING
    S: 250-BINARYMIME
    S: 250-ENHANCEDSTATUSCODES
    S: 250-LIMITS RCPTMAX=1000
    S: 250 HELP
    C: MAIL FROM:<>
    S: 250 2.1.0 Sender accepted
    ";

/// SMTP smuggling (December 2023): no such sequence ends a message, and each gets it refused.
#[test]
fn only_crlf_dot_crlf_ends_data() {
    for end in ["\\n.\\n", "\\r\\n.\\n", "\\n.\\r\\n", "\\r.\\r", "\\r\\n.\\r", "\\r.\\r\\n", "\\n\\n.\\r\\r\\n"] {
        talk_on(&format!(
            "{DATA}C| a{end}MAIL FROM:<evil@example.org>\\r\\n.\\r\\n
             -- abandoned
             S: 550 5.6.11 The message has a CR or LF that stands alone
             C: NOOP
             S: 250 2.0.0 Nothing done"
        ));
    }
}

#[test]
fn a_bare_lf_becomes_crlf_where_that_is_configured() {
    let limits = Limits { bare_newlines: BareNewlines::Normalise, ..Limits::default() };
    let stored = "-- stored a\\r\\n.\\r\\nb\\r\\n
         S: 250 2.0.0 Stored on disk";
    // Storing goes piece by piece, so only the sum is the same for every split: the fake adds them up.
    talk_limited(limits.clone(), &format!("{DATA}C| a\\n.\\nb\\r\\n.\\r\\n\n{stored}"));
    talk_limited(limits, &format!("{ENVELOPE}C| BDAT 7 LAST\\r\\na\\n.\\nb\\r\\n\n{stored}"));
}

#[test]
fn chunks_are_counted_to_the_octet() {
    talk_on(&format!(
        "{ENVELOPE}C| BDAT 6\\r\\nQUIT\\r\\nBDAT 3\\r\\n.\\r\\n
         S: 250 2.0.0 Chunk received
         S: 250 2.0.0 Chunk received
         C: BDAT 0 LAST
         -- stored QUIT\\r\\n.\\r\\n
         S: 250 2.0.0 Stored on disk
         C| BDAT 2 LAST\\r\\nxx
         S: 503 5.5.1 No transaction that takes a chunk; RSET, then MAIL"
    ));
}

#[test]
fn binary_needs_chunks() {
    talk_on(
        "C: MAIL FROM:<> BODY=BINARYMIME
         S: 250 2.1.0 Sender accepted
         C: RCPT TO:<bob>
         S: 250 2.1.5 Recipient accepted
         C: DATA
         S: 503 5.5.1 BODY=BINARYMIME needs BDAT
         C| BDAT 5 LAST\\r\\n\\0\\r\\n\\n\\r
         -- stored \\x00\\r\\n\\n\\r
         S: 250 2.0.0 Stored on disk",
    );
}

#[test]
fn data_and_chunks_do_not_mix() {
    talk_on(&format!(
        "{ENVELOPE}C| BDAT 1\\r\\na
         S: 250 2.0.0 Chunk received
         C: DATA
         S: 503 5.5.1 BDAT has begun; only BDAT goes on with it
         C: RCPT TO:<alice>
         S: 503 5.5.1 BDAT has begun; only BDAT goes on with it
         C: RSET
         -- abandoned
         S: 250 2.0.0 Forgotten"
    ));
}

#[test]
fn a_refused_chunk_is_read_and_the_transaction_waits_for_rset() {
    talk_on(
        "C| BDAT 6 LAST\\r\\nQUIT\\r\\n
         S: 503 5.5.1 No transaction that takes a chunk; RSET, then MAIL
         C: MAIL FROM:<>
         S: 250 2.1.0 Sender accepted
         C: RCPT TO:<full>
         S: 250 2.1.5 Recipient accepted
         C| BDAT 6\\r\\nQUIT\\r\\n
         -- abandoned
         S: 452 4.3.1 Too little space; try again later
         C| BDAT 6\\r\\nQUIT\\r\\n
         S: 503 5.5.1 No transaction that takes a chunk; RSET, then MAIL
         C: MAIL FROM:<>
         S: 503 5.5.1 The transaction has failed; RSET, then MAIL
         C: RSET
         S: 250 2.0.0 Forgotten
         C: MAIL FROM:<>
         S: 250 2.1.0 Sender accepted",
    );
}

/// RFC 2033 §4.3: as many replies to the last chunk as there are recipients.
#[test]
fn lmtp_counts_replies_to_the_last_chunk() {
    talk_lmtp(&format!(
        "{LHLO}C: RCPT TO:<nobody>
         S: 550 5.1.1 No such user here
         C| BDAT 4 LAST\\r\\nQUITNOOP\\r\\n
         -- abandoned
         S: 250 2.0.0 Nothing done"
    ));
    talk_lmtp(&format!(
        "{LHLO}C: RCPT TO:<alice>
         S: 250 2.1.5 Recipient accepted
         C: RCPT TO:<bob>
         S: 250 2.1.5 Recipient accepted
         C| BDAT 3\\r\\na\\nb
         -- abandoned
         S: 550 5.6.11 The message has a CR or LF that stands alone
         C| BDAT 1 LAST\\r\\nc
         S: 503 5.5.1 No transaction that takes a chunk; RSET, then MAIL
         S: 503 5.5.1 No transaction that takes a chunk; RSET, then MAIL
         C: MAIL FROM:<>
         S: 250 2.1.0 Sender accepted"
    ));
}
