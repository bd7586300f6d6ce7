//! What holds for the summary of any octets: tests and properties hold messages to it.

use super::*;

/// What holds for the summary of any octets.
pub(crate) fn obeys_the_rules(message: &[u8], summary: &Summary) {
    assert_eq!(summary.octets as usize, message.len());
    assert_eq!(summary.structure.whole(), Span::new(0, summary.octets));
    assert_eq!(summary.header_octets() as usize, header::header_octets(message));
    let mut paths = Vec::new();
    part_obeys_the_rules(message, &summary.structure, 1, &mut Vec::new(), &mut paths);
    // Opens what is stored with all its checks.
    assert_eq!(Summary::decode(&summary.encode()).as_ref(), Ok(summary));
    for path in paths.iter().take(50) {
        let part = section::part(summary, path).expect("a numbered part is found");
        let text = |text| Section { path: path.clone(), text }.octets(message, summary);
        assert_eq!(text(None).as_deref(), Some(part.body.of(message)));
        assert_eq!(text(Some(SectionText::Mime)).as_deref(), Some(part.header.of(message)));
        let is_message = matches!(part.content, Content::Message(_));
        assert_eq!(text(Some(SectionText::Header)).is_some(), is_message);
        assert_eq!(text(Some(SectionText::HeaderFields(vec![b"to".to_vec()]))).is_some(), is_message);
        let _ = binary::octets(message, summary, path);
    }
    let whole = Section::default().octets(message, summary);
    assert_eq!(whole.as_deref(), Some(message));
    let needle = Needle::new("x");
    needle.is_in_message(message, summary);
    needle.is_in_addresses(&summary.envelope.from);
    summary.envelope.display_subject(20);
}

fn part_obeys_the_rules(message: &[u8], part: &Part, depth: usize, path: &mut Vec<u32>, paths: &mut Vec<Vec<u32>>) {
    assert!(depth <= DEPTH_MAX);
    assert!(
        part.header.start <= part.header.end && part.header.end == part.body.start && part.body.start <= part.body.end
    );
    assert!(part.body.end as usize <= message.len());
    let body = part.body.of(message);
    let lines =
        memchr::memchr_iter(b'\n', body).count() + usize::from(body.last().is_some_and(|octet| *octet != b'\n'));
    assert!(part.content == Content::Opaque || part.lines as usize == lines);
    match &part.content {
        Content::Leaf | Content::Opaque => {
            if depth == 1 || path.is_empty() {
                paths.push(vec![1]);
            }
        }
        Content::Multipart(children) => {
            assert!(!children.is_empty());
            let mut at = part.body.start;
            for (number, child) in (1..).zip(children) {
                assert!(
                    at <= child.header.start && child.body.end <= part.body.end,
                    "a child inside its parent, in order"
                );
                at = child.body.end;
                path.push(number);
                paths.push(path.clone());
                part_obeys_the_rules(message, child, depth + 1, path, paths);
                path.pop();
            }
        }
        Content::Message(enclosed) => {
            let inner = &enclosed.structure;
            assert_eq!(inner.whole(), part.body);
            // A message at the top is its own part 1.
            let numbered = path.is_empty();
            if numbered {
                path.push(1);
                paths.push(path.clone());
            }
            if !matches!(inner.content, Content::Multipart(_)) {
                path.push(1);
                paths.push(path.clone());
                part_obeys_the_rules(message, inner, depth + 1, path, paths);
                path.pop();
            } else {
                part_obeys_the_rules(message, inner, depth + 1, path, paths);
            }
            if numbered {
                path.pop();
            }
        }
    }
}

/// How much of a summary may be stored: parts have some hundred octets each, and text is found in the message.
pub(crate) fn is_bounded(message: &[u8], summary: &Summary) -> bool {
    summary.encode().len() <= 4 * message.len() + 1024
}
