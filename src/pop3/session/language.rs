//! LANG (RFC 6856 §3): in which language our texts are. All are in English, which goes by two names: `i-default` (RFC 2277
//! §4.5), what everybody is spoken to in who has not asked for anything, and `en`. So there is nothing to remember of what a
//! client chose.

use super::Session;
use crate::pop3::reply;

/// A language of our texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Default,
    English,
}

impl Language {
    const ALL: [Language; 2] = [Language::Default, Language::English];

    fn tag(self) -> &'static str {
        match self {
            Language::Default => "i-default",
            Language::English => "en",
        }
    }

    /// Its name in itself.
    fn description(self) -> &'static str {
        match self {
            Language::Default => "Default language, English",
            Language::English => "English",
        }
    }

    /// The first that matches a basic language range (RFC 4647 §3.3.1): the tag, or what it begins with up to a hyphen.
    /// `*` leaves the choice to us.
    fn matching(range: &str) -> Option<Self> {
        if range == "*" {
            return Some(Language::English);
        }
        Self::ALL.into_iter().find(|language| {
            let (begins, rest) = language.tag().split_at_checked(range.len()).unwrap_or_default();
            begins.eq_ignore_ascii_case(range) && (rest.is_empty() || rest.starts_with('-'))
        })
    }
}

impl Session {
    pub(super) fn lang(&mut self, range: Option<&str>) {
        let out = &mut self.output;
        let Some(range) = range else {
            reply::ok(out, format_args!("language listing follows"));
            for language in Language::ALL {
                reply::line(out, format_args!("{} {}", language.tag(), language.description()));
            }
            return reply::end(out);
        };
        match Language::matching(range) {
            // The tag, then text in that language.
            Some(language) => reply::ok(out, format_args!("{} English it is", language.tag())),
            // The language stays what it was.
            None => reply::err(out, format_args!("there is no such language here, LANG lists ours")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_match_tags_and_what_begins_with_them() {
        for (range, language) in [
            ("*", Some(Language::English)),
            ("en", Some(Language::English)),
            ("EN", Some(Language::English)),
            ("i-default", Some(Language::Default)),
            ("I", Some(Language::Default)),
            ("en-GB", None),
            ("e", None),
            ("i-d", None),
            ("mul", None),
        ] {
            assert_eq!(Language::matching(range), language, "{range}");
        }
    }
}
