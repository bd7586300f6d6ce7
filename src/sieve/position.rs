//! Where something stands in a script, and what is wrong with it.

use std::fmt;

/// A place in a script, as editors show it: both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The character in it.
    pub column: u32,
}

impl Position {
    /// The place of an octet of a script; octets that are not UTF-8 count as a character each.
    pub(super) fn of(script: &[u8], at: At) -> Position {
        let before = &script[..(at.0 as usize).min(script.len())];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
        // Scripts are far shorter than 32 bits count.
        Position { line: line as u32, column: column as u32 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// An octet of the script, counted from 0. What is parsed and what is run remember these, and only what is told to people
/// becomes a [`Position`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At(pub(super) u32);

/// Something that is wrong with a script, or may be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub position: Position,
    /// What is wrong, and what would be right.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.position, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_those_of_editors() {
        let script = "a\r\n\"\u{e4}\" b\nc".as_bytes();
        let at = |octet| Position::of(script, At(octet)).to_string();
        assert_eq!(
            [at(0), at(1), at(3), at(7), at(8), at(10), at(99)],
            ["1:1", "1:2", "2:1", "2:4", "2:5", "3:1", "3:2"]
        );
        assert_eq!(Position::of(b"\xff\xffx", At(2)).to_string(), "1:3");
    }
}
