//! Tests (RFC 5228 §5), and those of imap4flags (RFC 5232 §4), mailbox (RFC 5490 §3.1) and special-use (RFC 8579 §3).

use super::super::matcher::{Comparator, MatchType, Matcher};
use super::super::program::{AddressPart, EnvelopePart, Test, TestKind};
use super::super::syntax::{self, Argument, Tests, Value};
use super::Compiler;
use super::arguments::{Given, Place, TagSpec, Takes};

const IS: TagSpec = TagSpec::new("is", Takes::Nothing, "match type");
const CONTAINS: TagSpec = TagSpec::new("contains", Takes::Nothing, "match type");
const MATCHES: TagSpec = TagSpec::new("matches", Takes::Nothing, "match type");
const COMPARATOR: TagSpec = TagSpec::new("comparator", Takes::String, "comparator");
const MATCHING: &[TagSpec] = &[IS, CONTAINS, MATCHES, COMPARATOR];
const ADDRESS: &[TagSpec] = &[
    IS,
    CONTAINS,
    MATCHES,
    COMPARATOR,
    TagSpec::new("all", Takes::Nothing, "part of an address"),
    TagSpec::new("localpart", Takes::Nothing, "part of an address"),
    TagSpec::new("domain", Takes::Nothing, "part of an address"),
    TagSpec::new("user", Takes::Nothing, "part of an address").of("subaddress"),
    TagSpec::new("detail", Takes::Nothing, "part of an address").of("subaddress"),
];
const SIZE: &[TagSpec] =
    &[TagSpec::new("over", Takes::Nothing, "limit"), TagSpec::new("under", Takes::Nothing, "limit")];

const KEYS: Place = (Takes::Strings, "its keys");
const FIELDS: Place = (Takes::Strings, "its header names");

/// A test, and what it takes.
struct TestSpec {
    name: &'static str,
    extension: Option<&'static str>,
    tags: &'static [TagSpec],
    places: &'static [Place],
}

const fn spec(name: &'static str, tags: &'static [TagSpec], places: &'static [Place]) -> TestSpec {
    TestSpec { name, extension: None, tags, places }
}

const TESTS: &[TestSpec] = &[
    spec("address", ADDRESS, &[FIELDS, KEYS]),
    spec("allof", &[], &[]),
    spec("anyof", &[], &[]),
    TestSpec { extension: Some("envelope"), ..spec("envelope", ADDRESS, &[(Takes::Strings, "its parts"), KEYS]) },
    spec("exists", &[], &[FIELDS]),
    spec("false", &[], &[]),
    TestSpec { extension: Some("imap4flags"), ..spec("hasflag", MATCHING, &[(Takes::Strings, "its list of flags")]) },
    spec("header", MATCHING, &[FIELDS, KEYS]),
    TestSpec { extension: Some("mailbox"), ..spec("mailboxexists", &[], &[(Takes::Strings, "its mailboxes")]) },
    spec("not", &[], &[]),
    spec("size", SIZE, &[(Takes::Number, "its limit")]),
    TestSpec {
        extension: Some("special-use"),
        ..spec("specialuse_exists", &[], &[(Takes::Strings, "its special uses")])
    },
    spec("true", &[], &[]),
];

/// Fields that hold addresses, in lower case: those of RFC 5322 §3.6, and those with an address-list in them that others
/// define (RFC 5228 §5.1 wants the test kept to such).
const ADDRESS_FIELDS: &[&str] = &[
    "apparently-to",
    "bcc",
    "cc",
    "delivered-to",
    "disposition-notification-to",
    "envelope-to",
    "errors-to",
    "from",
    "mail-followup-to",
    "mail-reply-to",
    "reply-to",
    "resent-bcc",
    "resent-cc",
    "resent-from",
    "resent-reply-to",
    "resent-sender",
    "resent-to",
    "return-path",
    "return-receipt-to",
    "sender",
    "to",
    "x-original-to",
];

/// Whether there is such a test.
pub(super) fn is_test(name: &str) -> bool {
    TESTS.iter().any(|spec| spec.name == name)
}

impl Compiler<'_> {
    pub(super) fn test(&mut self, test: &syntax::Test) -> Option<Test> {
        let name = test.name.as_str();
        let Some(spec) = TESTS.iter().find(|spec| spec.name == name) else {
            let near = self.suggestion(name, TESTS.iter().map(|spec| spec.name));
            self.problem(test.at, format!("there is no test `{name}`{near}"));
            return None;
        };
        if let Some(extension) = spec.extension {
            self.needs(extension, &format!("`{name}`"), test.at);
        }
        let places = match (name, test.arguments.as_slice()) {
            // The variables of RFC 5232 §4.
            ("hasflag", [.., before, Argument { value: Value::String(_) | Value::Strings(_), .. }])
                if !before.strings().is_empty() && !is_value_of_tag(&test.arguments) =>
            {
                let text = "`hasflag` takes one list of flags: the extension \"variables\" is not supported";
                self.problem(test.at, text);
                return None;
            }
            ("specialuse_exists", [_, _]) => &[(Takes::String, "its mailbox"), (Takes::Strings, "its special uses")],
            _ => spec.places,
        };
        let given = self.arguments((name, test.at), &test.arguments, spec.tags, places);
        let kind = match name {
            "not" | "allof" | "anyof" => {
                let inner = self.inner_tests(test);
                given?;
                inner?
            }
            _ => {
                self.no_tests(name, test.at, &test.tests);
                self.test_kind(test, &given?)?
            }
        };
        Some(Test { at: test.at, kind })
    }

    /// The tests that hold tests (§5.2, §5.3, §5.8).
    fn inner_tests(&mut self, test: &syntax::Test) -> Option<TestKind> {
        match (test.name.as_str(), &test.tests) {
            ("not", Tests::One(inner)) => self.test(inner).map(|inner| TestKind::Not(Box::new(inner))),
            ("not", _) => {
                self.problem(test.at, "`not` needs one test");
                None
            }
            (name, Tests::List(inner)) => {
                let tests: Vec<_> = inner.iter().map(|inner| self.test(inner)).collect();
                let tests = tests.into_iter().collect::<Option<_>>()?;
                Some(if name == "allof" { TestKind::AllOf(tests) } else { TestKind::AnyOf(tests) })
            }
            (name, _) => {
                self.problem(test.at, format!("`{name}` needs a list of tests in parentheses"));
                None
            }
        }
    }

    fn test_kind(&mut self, test: &syntax::Test, given: &Given<'_>) -> Option<TestKind> {
        Some(match test.name.as_str() {
            "true" => TestKind::True,
            "false" => TestKind::False,
            "exists" => TestKind::Exists { names: self.field_names(given.place(0)) },
            "size" => self.size(test, given)?,
            "header" => {
                let (names, keys) = (self.field_names(given.place(0)), self.all_octets(given.place(1)));
                TestKind::Header { names, matcher: self.matcher(given, keys)? }
            }
            "address" => {
                let (names, keys) = (self.address_fields(given.place(0)), self.all_octets(given.place(1)));
                TestKind::Address { names, part: address_part(given), matcher: self.matcher(given, keys)? }
            }
            "envelope" => {
                let (parts, keys) = (self.envelope_parts(given.place(0)), self.all_octets(given.place(1)));
                TestKind::Envelope { parts, part: address_part(given), matcher: self.matcher(given, keys)? }
            }
            "hasflag" => {
                // One string may hold several flags (RFC 5232 §2).
                let keys = self.all_texts(given.place(0));
                let keys = keys.iter().flat_map(|key| key.split(' ')).filter(|key| !key.is_empty());
                let keys = keys.map(|key| key.as_bytes().to_vec()).collect();
                TestKind::HasFlag { matcher: self.matcher(given, keys)? }
            }
            "mailboxexists" => {
                let names = self.all_texts(given.place(0));
                self.mailboxes.extend(names.iter().map(|name| (given.place(0).at, name.clone(), false)));
                TestKind::MailboxExists { names }
            }
            _ => self.special_use_exists(test, given),
        })
    }

    /// §5.9
    fn size(&mut self, test: &syntax::Test, given: &Given<'_>) -> Option<TestKind> {
        let Value::Number(limit) = given.place(0).value else { return None };
        let Some(tag) = given.of_group("limit") else {
            self.problem(test.at, "`size` needs `:over` or `:under`");
            return None;
        };
        Some(TestKind::Size { over: tag == "over", limit })
    }

    /// RFC 8579 §3.1
    fn special_use_exists(&mut self, test: &syntax::Test, given: &Given<'_>) -> TestKind {
        match test.arguments.len() {
            2 => {
                let mailbox = self.one_text(given.place(0));
                self.mailboxes.push((given.place(0).at, mailbox.clone(), false));
                TestKind::SpecialUseExists { mailbox: Some(mailbox), uses: self.all_texts(given.place(1)) }
            }
            _ => TestKind::SpecialUseExists { mailbox: None, uses: self.all_texts(given.place(0)) },
        }
    }

    /// Comparator and match type, with the keys.
    fn matcher(&mut self, given: &Given<'_>, keys: Vec<Vec<u8>>) -> Option<Matcher> {
        let comparator = match given.value("comparator") {
            None => Comparator::default(),
            Some(argument) => match self.one_text(argument).as_str() {
                "i;octet" => Comparator::Octet,
                "i;ascii-casemap" => Comparator::AsciiCasemap,
                other => {
                    let text = format!("there is no comparator {other:?}; those that are: i;ascii-casemap, i;octet");
                    self.problem(argument.at, text);
                    return None;
                }
            },
        };
        let match_type = match given.of_group("match type") {
            Some("contains") => MatchType::Contains,
            Some("matches") => MatchType::Matches,
            _ => MatchType::Is,
        };
        Some(Matcher::new(comparator, match_type, keys))
    }

    /// Names of header fields. A name that no field can have is no error (§2.4.2.2), but a mistake all the same.
    fn field_names(&mut self, argument: &Argument) -> Vec<Vec<u8>> {
        let mut names = self.all_octets(argument);
        for (name, text) in names.iter_mut().zip(argument.strings()) {
            if !is_field_name(name) {
                self.warn(text.at, format!("no header field can have the name {:?}", text.text));
            }
            name.make_ascii_lowercase();
        }
        names
    }

    fn address_fields(&mut self, argument: &Argument) -> Vec<Vec<u8>> {
        let names = self.field_names(argument);
        for (name, text) in names.iter().zip(argument.strings()) {
            if is_field_name(name) && !ADDRESS_FIELDS.iter().any(|field| field.as_bytes() == name) {
                let text_of = format!("the field {:?} holds no addresses: test it with `header`", text.text);
                self.problem(text.at, text_of);
            }
        }
        names
    }

    /// §5.4
    fn envelope_parts(&mut self, argument: &Argument) -> Vec<EnvelopePart> {
        let mut parts = Vec::new();
        for (name, text) in self.all_texts(argument).iter().zip(argument.strings()) {
            match name.to_ascii_lowercase().as_str() {
                "from" => parts.push(EnvelopePart::From),
                "to" => parts.push(EnvelopePart::To),
                _ => self.problem(text.at, "an envelope has the parts \"from\" and \"to\""),
            }
        }
        parts
    }
}

/// Whether the last two arguments are a tag's value and a list, as in `hasflag :comparator "i;octet" "A"`.
fn is_value_of_tag(arguments: &[Argument]) -> bool {
    matches!(arguments, [.., Argument { value: Value::Tag(tag), .. }, _, _] if tag == "comparator")
}

/// RFC 5322 §3.6.8: printable characters of ASCII without the colon.
fn is_field_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|octet| octet.is_ascii_graphic() && *octet != b':')
}

fn address_part(given: &Given<'_>) -> AddressPart {
    match given.of_group("part of an address") {
        Some("localpart") => AddressPart::LocalPart,
        Some("domain") => AddressPart::Domain,
        Some("user") => AddressPart::User,
        Some("detail") => AddressPart::Detail,
        _ => AddressPart::All,
    }
}
