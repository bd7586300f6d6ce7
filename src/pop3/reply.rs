//! The first line of every answer (RFC 1939 §3, RFC 2449 §8).
//!
//! Every reply is printed here, from our own texts and numbers: nothing a client sent ever stands in one.

use std::fmt;

/// Why something was refused, for programs. RFC 2449 §8 lets a client ignore what it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// `AUTH`: the name or the password is wrong (RFC 3206 §6).
    Auth,
    /// `IN-USE`: the credentials were good, but other sessions are in the way (RFC 2449 §8.1.2).
    InUse,
    /// `LOGIN-DELAY`: the credentials were good, but the last login was a moment ago (RFC 2449 §8.1.1).
    LoginDelay,
    /// `SYS/TEMP`: it may work later (RFC 3206 §4).
    SysTemp,
    /// `SYS/PERM`: somebody has to repair something (RFC 3206 §5).
    SysPerm,
    /// `UTF8`: the message can't be shown without UTF8 (RFC 6856 §5).
    Utf8,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Code::Auth => "AUTH",
            Code::InUse => "IN-USE",
            Code::LoginDelay => "LOGIN-DELAY",
            Code::SysTemp => "SYS/TEMP",
            Code::SysPerm => "SYS/PERM",
            Code::Utf8 => "UTF8",
        })
    }
}

/// Appends `+OK text`. RFC 2449 §6.4: the text must not begin with a square bracket; and RFC 1939 §3: the line stays below
/// 512 octets, as all our texts do.
pub(super) fn ok(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    line(out, format_args!("+OK {text}"));
}

/// Appends `-ERR text`.
pub(super) fn err(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    line(out, format_args!("-ERR {text}"));
}

/// Appends `-ERR [code] text`.
pub(super) fn err_with(out: &mut Vec<u8>, code: Code, text: fmt::Arguments<'_>) {
    line(out, format_args!("-ERR [{code}] {text}"));
}

/// Appends a line of a SASL exchange: `+ base64`, the space standing before an empty challenge too (RFC 5034 §4).
pub(super) fn challenge(out: &mut Vec<u8>, base64: &str) {
    line(out, format_args!("+ {base64}"));
}

/// Appends a line of a multi-line answer that can't begin with a dot.
pub(super) fn line(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    use std::io::Write;
    // Writing to a Vec never errs.
    let _never = write!(out, "{text}\r\n");
}

/// Appends the end of a multi-line answer.
pub(super) fn end(out: &mut Vec<u8>) {
    line(out, format_args!("."));
}
