//! The fields of a header as octets (RFC 5322 §2.2): where the header ends, which fields it has, unfolding.

/// One field of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'h> {
    /// The name, without colon and the space before it; empty for lines that are no field.
    pub name: &'h [u8],
    /// What is behind the colon, folded as it is, with its line end.
    pub value: &'h [u8],
    /// The whole field with its line end.
    pub raw: &'h [u8],
}

/// How many octets of `message` are header, the blank line included; all of them where there is no blank line.
pub fn header_octets(message: &[u8]) -> usize {
    let _ = message;
    unimplemented!()
}

/// The fields of a header in their order, lines that are no field among them.
pub fn fields(header: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let _ = header;
    std::iter::empty()
}

/// How many `Received:` fields there are: the hops of the message, for loop detection (RFC 5321 §6.3).
pub fn received_count(header: &[u8]) -> usize {
    let _ = header;
    unimplemented!()
}
