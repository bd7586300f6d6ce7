//! A set of flags as scripts have it (RFC 5232 §2): words, compared without regard to case.

/// The system flags that can be set (RFC 3501 §2.3.2), as IMAP writes them.
const SYSTEM_FLAGS: [&str; 5] = ["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"];

/// The longest keyword. IMAP has no limit, but no client invents one of more than a few words.
const KEYWORD_OCTETS_MAX: usize = 200;

/// As many as a set may have; further ones are left out, as what can't be stored is (RFC 5232 §5). A mailbox holds fewer
/// keywords than these.
const FLAGS_MAX: usize = 100;

/// Flags, each once, in the order in which they were set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags(Vec<String>);

impl Flags {
    /// The flags as IMAP writes them: `\Seen`, `$Forwarded`.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that a list of flags names, whose strings may hold several; and what is none that can be set, which is to be
    /// ignored (§2).
    pub(super) fn of<'l>(list: impl Iterator<Item = &'l str>) -> (Flags, Vec<&'l str>) {
        let (mut flags, mut ignored) = (Flags::default(), Vec::new());
        for word in list.flat_map(|text| text.split(' ')).filter(|word| !word.is_empty()) {
            match canonical(word) {
                Some(flag) => flags.insert(flag),
                None => ignored.push(word),
            }
        }
        (flags, ignored)
    }

    fn insert(&mut self, flag: &str) {
        if self.0.len() < FLAGS_MAX && !self.contains(flag) {
            self.0.push(flag.to_owned());
        }
    }

    fn contains(&self, flag: &str) -> bool {
        self.iter().any(|there| there.eq_ignore_ascii_case(flag))
    }

    /// `addflag`
    pub(super) fn add(&mut self, others: &Flags) {
        others.iter().for_each(|flag| self.insert(flag));
    }

    /// `removeflag`
    pub(super) fn remove(&mut self, others: &Flags) {
        self.0.retain(|flag| !others.contains(flag));
    }
}

/// A flag that can be set, as IMAP writes it (RFC 3501 §9, flag).
fn canonical(word: &str) -> Option<&str> {
    if word.starts_with('\\') {
        return SYSTEM_FLAGS.into_iter().find(|flag| flag.eq_ignore_ascii_case(word));
    }
    let is_special = |octet: u8| matches!(octet, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']');
    let is_atom = word.bytes().all(|octet| octet.is_ascii_graphic() && !is_special(octet));
    (is_atom && word.len() <= KEYWORD_OCTETS_MAX).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(list: &[&'static str]) -> (String, Vec<&'static str>) {
        let (flags, ignored) = Flags::of(list.iter().copied());
        (flags.0.join(" "), ignored)
    }

    /// §2, §3.2: spaces divide, empty strings are nothing, case makes no difference, what can't be set is ignored.
    #[test]
    fn lists_of_flags() {
        assert_eq!(of(&["\\Deleted", "\\Answered"]).0, "\\Deleted \\Answered");
        assert_eq!(of(&["  \\deleted   \\ANSWERED ", "", " "]).0, "\\Deleted \\Answered");
        assert_eq!(of(&["Junk junk $MDNSent"]).0, "Junk $MDNSent");
        let ignored = ["\\Recent", "\\Unknown", "a(b", "a\tb", "\u{e4}", "]"];
        assert_eq!(of(&ignored), (String::new(), ignored.to_vec()));
    }

    #[test]
    fn sets() {
        let of = |list| Flags::of([list].into_iter()).0;
        let mut flags = of("A B");
        flags.add(&of("b C"));
        assert_eq!(flags, of("A B C"));
        flags.remove(&of("a c \\Seen"));
        assert_eq!(flags, of("B"));
    }

    #[test]
    fn a_set_is_bounded() {
        let many: String = (0..1_000).map(|number| format!("k{number} ")).collect();
        assert_eq!(Flags::of([many.as_str()].into_iter()).0.0.len(), FLAGS_MAX);
    }
}
