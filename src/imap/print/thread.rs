//! THREAD, the command and the response (RFC 5256 §5): the twin of [`parse::thread`](crate::imap::parse).

use super::lexeme::number;
use super::search;
use crate::imap::command::{SearchKey, ThreadAlgorithm};
use crate::imap::response::ThreadMark;

/// `SP thread-alg SP charset 1*(SP search-key)`: the charset is UTF-8.
pub(super) fn arguments(out: &mut Vec<u8>, algorithm: ThreadAlgorithm, key: &SearchKey) {
    out.extend_from_slice(match algorithm {
        ThreadAlgorithm::OrderedSubject => b" ORDEREDSUBJECT",
        ThreadAlgorithm::References => b" REFERENCES",
    });
    out.extend_from_slice(b" UTF-8");
    search::keys(out, key);
}

/// ```abnf
/// thread-data    = "THREAD" [SP 1*thread-list]
/// thread-list    = "(" (thread-members / thread-nested) ")"
/// thread-members = nz-number *(SP nz-number) [SP thread-nested]
/// thread-nested  = 2*thread-list
/// ```
pub(super) fn threads(out: &mut Vec<u8>, marks: &[ThreadMark]) {
    out.extend_from_slice(b"THREAD");
    let mut needs_space = true;
    for mark in marks {
        if needs_space && *mark != ThreadMark::Close {
            out.push(b' ');
        }
        match mark {
            ThreadMark::Open => out.push(b'('),
            ThreadMark::Number(named) => number(out, u64::from(*named)),
            ThreadMark::Close => out.push(b')'),
        }
        needs_space = matches!(mark, ThreadMark::Number(_));
    }
}
