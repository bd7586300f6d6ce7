//! ENVELOPE and BODYSTRUCTURE read by two grammars that are not Postbell's, and held against the octets that BODY[…] gives:
//! sizes and lines are those of the parts, headers and texts are the whole, parts lie in their parents in their order.

use imap_codec::ResponseCodec;
use imap_codec::decode::Decoder;
use protocol_tests::imap::value::Value;

use crate::server::Imap;

/// So many parts of a message are looked at; those that have thousands are all alike.
const PARTS_MAX: usize = 40;

/// How deep imap-codec reads structures.
const IMAP_CODEC_DEPTH: usize = 8;

/// A part as BODYSTRUCTURE has it.
struct Part {
    path: String,
    octets: usize,
    /// Where it has such a number.
    lines: Option<usize>,
    is_message: bool,
    /// The paths of what is inside a multipart.
    children: Vec<String>,
    is_multipart: bool,
}

/// Holds what the server says of a message against its octets.
pub(crate) fn check(imap: &mut Imap, number: usize, name: &str) {
    for response in
        imap.command(&format!("FETCH {number} (ENVELOPE BODY BODYSTRUCTURE RFC822.SIZE INTERNALDATE FLAGS UID)"))
    {
        if response.values.iter().map(depth).max() <= Some(IMAP_CODEC_DEPTH) {
            decodes(&response.raw, name);
        }
    }
    let items = imap.fetch(number, "ENVELOPE BODYSTRUCTURE BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT]");
    let item = |name: &str| &items.iter().find(|(there, _)| there == name).expect("what was asked for").1;
    envelope(item("ENVELOPE"), name);
    let (whole, header, text) = (octets(item("BODY[]")), octets(item("BODY[HEADER]")), octets(item("BODY[TEXT]")));
    assert!([header, text].concat() == whole, "{name}: HEADER and TEXT are the message");
    let mut parts = Vec::new();
    structure(item("BODYSTRUCTURE"), "", true, name, &mut parts);
    for part in parts.iter().take(PARTS_MAX) {
        check_part(imap, number, part, text, name);
    }
}

fn decodes(raw: &[u8], name: &str) {
    let line = [raw, b"\r\n"].concat();
    match ResponseCodec::default().decode(&line) {
        Ok((b"", _)) => {}
        Ok((rest, _)) => panic!("{name}: imap-codec left {:.300}", String::from_utf8_lossy(rest)),
        Err(error) => panic!("{name}: imap-codec: {error:?} of {:.3000}", String::from_utf8_lossy(&line)),
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::List(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn octets(value: &Value) -> &[u8] {
    match value {
        Value::Text(octets) => octets,
        other => panic!("{other:?} is no string"),
    }
}

fn number(value: &Value) -> usize {
    match value {
        Value::Atom(digits) => std::str::from_utf8(digits).unwrap().parse().unwrap(),
        other => panic!("{other:?} is no number"),
    }
}

fn list(value: &Value) -> &[Value] {
    match value {
        Value::List(values) => values,
        other => panic!("{other:?} is no list"),
    }
}

fn is_nil(value: &Value) -> bool {
    matches!(value, Value::Atom(atom) if atom.eq_ignore_ascii_case(b"NIL"))
}

fn is_nstring(value: &Value) -> bool {
    is_nil(value) || matches!(value, Value::Text(_))
}

/// RFC 3501 §7.4.2
fn envelope(value: &Value, name: &str) {
    let fields = list(value);
    assert_eq!(fields.len(), 10, "{name}: an envelope");
    assert!([0, 1, 8, 9].iter().all(|at| is_nstring(&fields[*at])), "{name}: {fields:?}");
    for field in &fields[2..8] {
        if is_nil(field) {
            continue;
        }
        let (addresses, mut in_group) = (list(field), false);
        assert!(!addresses.is_empty(), "{name}: NIL where there is nobody");
        for address in addresses {
            let parts = list(address);
            assert!(parts.len() == 4 && parts.iter().all(is_nstring), "{name}: {address:?}");
            match (is_nil(&parts[2]), is_nil(&parts[3])) {
                (false, true) => assert!(!std::mem::replace(&mut in_group, true), "{name}: a group in a group"),
                (true, true) => assert!(std::mem::take(&mut in_group), "{name}: an end of no group"),
                (false, false) => {}
                (true, false) => panic!("{name}: {address:?} has a host and no mailbox"),
            }
        }
        assert!(!in_group, "{name}: a group without an end");
    }
    // The RFC's defaults.
    for at in [3, 4] {
        assert!(
            is_nil(&fields[2]) || !is_nil(&fields[at]),
            "{name}: Sender and Reply-To are From where they are missing"
        );
    }
}

fn parameters(value: &Value, name: &str) {
    if !is_nil(value) {
        let pairs = list(value);
        let are_strings = pairs.iter().all(|value| matches!(value, Value::Text(_)));
        assert!(!pairs.is_empty() && pairs.len().is_multiple_of(2) && are_strings, "{name}: {value:?}");
    }
}

/// Disposition, language, location.
fn extension(values: &[Value], name: &str) {
    let [disposition, language, location] = values else { panic!("{name}: {values:?} is no extension data") };
    if !is_nil(disposition) {
        let [Value::Text(_), params] = list(disposition) else { panic!("{name}: {disposition:?}") };
        parameters(params, name);
    }
    match language {
        Value::List(tags) => {
            assert!(!tags.is_empty() && tags.iter().all(|tag| matches!(tag, Value::Text(_))), "{name}")
        }
        other => assert!(is_nstring(other), "{name}: {other:?}"),
    }
    assert!(is_nstring(location), "{name}: {location:?}");
}

/// Collects the parts below `value`, whose own number is `path`. `is_message`: it is the body of a message, where a part that is
/// no multipart has the number 1.
fn structure(value: &Value, path: &str, is_message: bool, name: &str, parts: &mut Vec<Part>) {
    let below = |number: usize| if path.is_empty() { number.to_string() } else { format!("{path}.{number}") };
    let fields = list(value);
    if let Some(Value::List(_)) = fields.first() {
        let count = fields.iter().take_while(|field| matches!(field, Value::List(_))).count();
        let [Value::Text(_), params, rest @ ..] = &fields[count..] else { panic!("{name}: {:?}", &fields[count..]) };
        parameters(params, name);
        extension(rest, name);
        let children: Vec<_> = (1..=count).map(below).collect();
        parts.push(Part {
            path: path.to_owned(),
            octets: 0,
            lines: None,
            is_message,
            children: children.clone(),
            is_multipart: true,
        });
        for (child, path) in fields.iter().zip(&children) {
            structure(child, path, false, name, parts);
        }
        return;
    }
    let path = if is_message { below(1) } else { path.to_owned() };
    let [media_type, subtype, params, id, description, encoding, size, rest @ ..] = fields else {
        panic!("{name}: {fields:?} is no body")
    };
    parameters(params, name);
    assert!([id, description].into_iter().all(is_nstring), "{name}: {fields:?}");
    assert!(matches!(encoding, Value::Text(_)), "{name}: {encoding:?}");
    let (media_type, subtype) = (octets(media_type).to_ascii_lowercase(), octets(subtype).to_ascii_lowercase());
    let mut part =
        Part { path, octets: number(size), lines: None, is_message: false, children: Vec::new(), is_multipart: false };
    let mut inside = None;
    let rest = match rest {
        [lines, rest @ ..] if media_type == b"text" => {
            part.lines = Some(number(lines));
            rest
        }
        [enclosed, body, lines, rest @ ..]
            if media_type == b"message" && rest.len() == 4 && (subtype == b"rfc822" || subtype == b"global") =>
        {
            envelope(enclosed, name);
            part.lines = Some(number(lines));
            part.is_message = true;
            inside = Some(body);
            rest
        }
        rest => rest,
    };
    let [md5, rest @ ..] = rest else { panic!("{name}: no MD5") };
    assert!(is_nstring(md5), "{name}: {md5:?}");
    extension(rest, name);
    let path = part.path.clone();
    parts.push(part);
    if let Some(body) = inside {
        structure(body, &path, true, name, parts);
    }
}

fn check_part(imap: &mut Imap, message: usize, part: &Part, text: &[u8], name: &str) {
    let Part { path, .. } = part;
    if part.is_multipart {
        // What a multipart holds: of the message itself its TEXT.
        let body = match (path.is_empty(), part.is_message) {
            (true, _) => text.to_vec(),
            (false, true) => fetch(imap, message, &format!("{path}.TEXT")),
            (false, false) => fetch(imap, message, path),
        };
        let mut rest = &body[..];
        for child in part.children.iter().take(PARTS_MAX) {
            let octets = [fetch(imap, message, &format!("{child}.MIME")), fetch(imap, message, child)].concat();
            let at =
                find(rest, &octets).unwrap_or_else(|| panic!("{name}: part {child} is not in {path:?} in its order"));
            rest = &rest[at + octets.len()..];
        }
        return;
    }
    let body = fetch(imap, message, path);
    assert_eq!(body.len(), part.octets, "{name}: octets of {path}");
    let line_ends = body.iter().filter(|octet| **octet == b'\n').count();
    let lines = line_ends + usize::from(body.last().is_some_and(|octet| *octet != b'\n'));
    assert_eq!(part.lines.unwrap_or(lines), lines, "{name}: lines of {path}");
    if part.is_message {
        let pieces = ["HEADER", "TEXT"].map(|text| fetch(imap, message, &format!("{path}.{text}")));
        assert!(pieces.concat() == body, "{name}: HEADER and TEXT of {path} are the part");
    }
}

fn find(octets: &[u8], piece: &[u8]) -> Option<usize> {
    if piece.is_empty() {
        return Some(0);
    }
    octets.windows(piece.len()).position(|window| window == piece)
}

fn fetch(imap: &mut Imap, message: usize, section: &str) -> Vec<u8> {
    let items = imap.fetch(message, &format!("BODY.PEEK[{section}]"));
    let [(_, value)] = &items[..] else { panic!("BODY[{section}]: {items:?}") };
    octets(value).to_vec()
}
