//! Tests (RFC 5228 §5), run.

use super::{Halt, Run, fields};
use crate::sieve::matcher::{Matcher, Spent};
use crate::sieve::program::{AddressPart, EnvelopePart, Test, TestKind};

impl Run<'_> {
    pub(super) fn test(&mut self, test: &Test) -> Result<bool, Halt> {
        let spent = Halt::spent(test.at);
        self.budget.spend(1).map_err(&spent)?;
        match &test.kind {
            TestKind::True => Ok(true),
            TestKind::False => Ok(false),
            TestKind::Not(inner) => Ok(!self.test(inner)?),
            TestKind::AllOf(tests) => {
                for test in tests {
                    if !self.test(test)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            TestKind::AnyOf(tests) => {
                for test in tests {
                    if self.test(test)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            TestKind::Exists { names } => {
                self.budget.spend(names.len()).map_err(spent)?;
                Ok(names.iter().all(|name| self.fields.has(name)))
            }
            TestKind::Size { over: true, limit } => Ok(self.mail.octets > *limit),
            TestKind::Size { over: false, limit } => Ok(self.mail.octets < *limit),
            TestKind::Header { names, matcher } => self.header(names, matcher).map_err(spent),
            TestKind::Address { names, part, matcher } => self.address(names, *part, matcher).map_err(spent),
            TestKind::Envelope { parts, part, matcher } => self.envelope(parts, *part, matcher).map_err(spent),
            TestKind::HasFlag { matcher } => self.has_flag(matcher).map_err(spent),
            TestKind::MailboxExists { names } => {
                self.budget.spend(names.len()).map_err(spent)?;
                Ok(names.iter().all(|name| self.mailboxes.exists(name)))
            }
            TestKind::SpecialUseExists { mailbox, uses } => {
                self.budget.spend(uses.len()).map_err(spent)?;
                let mailboxes = self.mailboxes;
                Ok(uses.iter().all(|special_use| mailboxes.has_special_use(mailbox.as_deref(), special_use)))
            }
        }
    }

    fn header(&mut self, names: &[Vec<u8>], matcher: &Matcher) -> Result<bool, Spent> {
        for name in names {
            self.budget.spend(1)?;
            for text in self.fields.texts(name, &mut self.budget)?.iter() {
                if matcher.matches(text.as_bytes(), &mut self.budget)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn address(&mut self, names: &[Vec<u8>], part: AddressPart, matcher: &Matcher) -> Result<bool, Spent> {
        for name in names {
            self.budget.spend(1)?;
            for address in self.fields.addresses(name, &mut self.budget)?.iter() {
                self.budget.spend(1)?;
                if let Some(value) = fields::found(address).part(part, self.mail.separators)
                    && matcher.matches(&value, &mut self.budget)?
                {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// §5.4: the null reverse-path is the empty string, whatever part of it is asked for.
    fn envelope(&mut self, parts: &[EnvelopePart], part: AddressPart, matcher: &Matcher) -> Result<bool, Spent> {
        for which in parts {
            let value = match (which, self.mail.from) {
                (EnvelopePart::From, None) => Some((&[]).into()),
                (EnvelopePart::From, Some(from)) => from.part(part, self.mail.separators),
                (EnvelopePart::To, _) => self.mail.to.part(part, self.mail.separators),
            };
            if let Some(value) = value
                && matcher.matches(&value, &mut self.budget)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// RFC 5232 §4
    fn has_flag(&mut self, matcher: &Matcher) -> Result<bool, Spent> {
        for flag in self.flags.iter() {
            if matcher.matches(flag.as_bytes(), &mut self.budget)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
