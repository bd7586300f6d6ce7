//! Character classes of RFC 3501 §9. RFC 5321's are with SMTP's grammar.

/// `CTL`, `%x00-1F / %x7F`
pub(crate) const fn is_ctl(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f
}

/// `ATOM-CHAR`: any 7-bit CHAR but `(`, `)`, `{`, space, CTL, `%`, `*`, `"`, `\` and `]`.
pub(crate) const fn is_atom_char(byte: u8) -> bool {
    byte.is_ascii() && !is_ctl(byte) && !matches!(byte, b'(' | b')' | b'{' | b' ' | b'%' | b'*' | b'"' | b'\\' | b']')
}

/// `ASTRING-CHAR`: an ATOM-CHAR, or `]`.
pub(crate) const fn is_astring_char(byte: u8) -> bool {
    is_atom_char(byte) || byte == b']'
}

/// `list-char`: an ASTRING-CHAR, or one of LIST's wildcards `%` and `*`.
pub(crate) const fn is_list_char(byte: u8) -> bool {
    is_astring_char(byte) || matches!(byte, b'%' | b'*')
}
