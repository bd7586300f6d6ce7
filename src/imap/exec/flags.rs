//! The flags that a mailbox has: FLAGS, PERMANENTFLAGS (RFC 3501 §7.2.6, §7.1).

use crate::imap::response::{Code, Data, Status};
use crate::store::{FlagNames, Flags, KEYWORDS_MAX};

/// The system flags, without `\Recent`, which no client can set.
const SYSTEM: Flags =
    Flags::SEEN.union(Flags::ANSWERED).union(Flags::FLAGGED).union(Flags::DELETED).union(Flags::DRAFT);

/// `* FLAGS (…)`
pub(super) fn flags(keywords: &[String]) -> Data {
    Data::Flags(FlagNames { system: SYSTEM, keywords: keywords.to_vec() })
}

/// `* OK [PERMANENTFLAGS (…)]`: everything, and new keywords while there is room for one; nothing where nothing can be
/// changed.
pub(super) fn permanent_flags(keywords: &[String], read_only: bool) -> Status {
    let code = if read_only {
        Code::PermanentFlags { flags: FlagNames::default(), new_keywords: false }
    } else {
        let flags = FlagNames { system: SYSTEM, keywords: keywords.to_vec() };
        Code::PermanentFlags { flags, new_keywords: keywords.len() < KEYWORDS_MAX }
    };
    Status::untagged_ok("These flags stay").with_code(code)
}

/// The bits of flags by name, as far as the mailbox knows the keywords.
pub(super) fn bits(names: &FlagNames, keywords: &[String]) -> Flags {
    names.keywords.iter().filter_map(|name| keyword(name, keywords)).fold(names.system, Flags::union)
}

/// The bit of a keyword, if the mailbox knows it; keywords are the same in any case.
pub(super) fn keyword(name: &str, keywords: &[String]) -> Option<Flags> {
    let index = keywords.iter().position(|known| known.eq_ignore_ascii_case(name))?;
    (index < KEYWORDS_MAX).then(|| Flags::keyword(index))
}
