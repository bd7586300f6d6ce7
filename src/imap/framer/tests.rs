//! The framer's events, for streams whole and split.

use proptest::prelude::*;

use super::*;
use crate::imap::response::Condition;

/// What happened, as a test reads it; pieces of a message are put together.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Command(String),
    Append(String),
    Plus,
    Message(String),
    /// What stands behind the last message.
    End(String),
    Line(String),
    /// The tag (or `*`) and the condition.
    No(String),
    Bad(String),
    Bye,
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn command(octets: &str) -> Seen {
    Seen::Command(octets.to_owned())
}

fn append(octets: &str) -> Seen {
    Seen::Append(octets.to_owned())
}

fn message(octets: &str) -> Seen {
    Seen::Message(octets.to_owned())
}

fn end() -> Seen {
    Seen::End(String::new())
}

fn bad(tag: &str) -> Seen {
    Seen::Bad(tag.to_owned())
}

const LIMITS: Limits = Limits { line: 60, literal: 20, command: 100, message: 50 };

/// A session that takes messages unless the mailbox is `none`, and expects a line behind IDLE.
fn run(limits: Limits, pieces: &[&[u8]]) -> Vec<Seen> {
    let mut framer = Framer::new(limits);
    let mut seen = Vec::new();
    for piece in pieces {
        framer.receive(piece.to_vec());
        while let Some(event) = framer.next_event() {
            let next = match event {
                Event::Command(frame) => {
                    if frame.ends_with(b"IDLE") {
                        framer.expect_line();
                    }
                    Seen::Command(text(&frame))
                }
                Event::Append(frame) => {
                    match text(&frame).contains("none") {
                        true => framer.refuse_message(),
                        false => framer.accept_message(),
                    }
                    Seen::Append(text(&frame))
                }
                Event::Continue => Seen::Plus,
                Event::Message(octets) => match seen.pop() {
                    Some(Seen::Message(before)) => Seen::Message(before + &text(&octets)),
                    last => {
                        seen.extend(last);
                        Seen::Message(text(&octets))
                    }
                },
                Event::MessageEnd(behind) => Seen::End(text(&behind)),
                Event::Line(line) => Seen::Line(text(&line)),
                Event::Refused { status, close } => {
                    assert_eq!(close, status.condition == Condition::Bye);
                    let tag = status.tag.map_or("*".to_owned(), |tag| tag.to_string());
                    match status.condition {
                        Condition::No => Seen::No(tag),
                        Condition::Bad => Seen::Bad(tag),
                        _ => Seen::Bye,
                    }
                }
            };
            seen.push(next);
        }
    }
    seen
}

fn conversation(octets: &str) -> Vec<Seen> {
    run(LIMITS, &[octets.as_bytes()])
}

#[test]
fn commands_sent_ahead_come_one_by_one() {
    assert_eq!(conversation("a NOOP\r\nb NOOP\r\nc"), [command("a NOOP"), command("b NOOP")]);
    assert_eq!(conversation("\r\n"), [command("")]);
}

#[test]
fn literals_stay_in_the_frame() {
    assert_eq!(
        conversation("a LOGIN {5}\r\nalice {3+}\r\na\r\n\r\nb NOOP\r\n"),
        [Seen::Plus, command("a LOGIN {5}\r\nalice {3+}\r\na\r\n"), command("b NOOP")],
    );
    assert_eq!(conversation("a X {0}\r\n\r\n"), [Seen::Plus, command("a X {0}\r\n")]);
    assert_eq!(conversation("a X {4}\r\n{3}\r"), [Seen::Plus]);
    // No heads of literals.
    for line in ["a X {}", "a X {x}", "a X 3}", "a X {3} ", "a X {3-}", "a X {+}"] {
        assert_eq!(conversation(&format!("{line}\r\n")), [command(line)]);
    }
}

#[test]
fn a_literal_too_big_is_refused_before_plus() {
    assert_eq!(conversation("a X {21}\r\nb NOOP\r\n"), [bad("a"), command("b NOOP")]);
    assert_eq!(conversation("a X {99999999999999999999999999}\r\nb NOOP\r\n"), [bad("a"), command("b NOOP")]);
    assert_eq!(conversation("a X {21+}\r\nb NOOP\r\nc NOOP\r\n"), [Seen::Bye]);
    let five = "{19+}\r\n1234567890123456789".repeat(5);
    assert_eq!(conversation(&format!("a X {five}\r\n")), [Seen::Bye], "all together are too many");
    let many = "{0+}\r\n".repeat(20);
    assert_eq!(conversation(&format!("a X {many}\r\n")), [bad("a"), Seen::Bye], "heads count too");
}

#[test]
fn the_message_of_append_is_handed_out_in_pieces() {
    let head = "a APPEND INBOX (\\Seen) {50}";
    let body = "x".repeat(50);
    assert_eq!(
        conversation(&format!("{head}\r\n{body}\r\nb NOOP\r\n")),
        [append(head), Seen::Plus, message(&body), end(), command("b NOOP")],
    );
    assert_eq!(
        conversation("a append {5+}\r\nINBOX ~{3+}\r\na\0b\r\n"),
        [append("a append {5+}\r\nINBOX ~{3+}"), message("a\0b"), end()],
    );
    assert_eq!(conversation("a APPEND x {0}\r\n\r\n"), [append("a APPEND x {0}"), Seen::Plus, end()]);
}

/// RFC 6855 §4: the parenthesis stands in the frame behind it.
#[test]
fn a_message_in_utf8() {
    let head = "a APPEND INBOX UTF8 (~{2}";
    assert_eq!(
        conversation(&format!("{head}\r\nab)\r\nb NOOP\r\n")),
        [append(head), Seen::Plus, message("ab"), Seen::End(")".to_owned()), command("b NOOP")]
    );
}

#[test]
fn a_message_too_big_is_refused() {
    let no = [Seen::No("a".to_owned()), command("b NOOP")];
    assert_eq!(conversation("a APPEND INBOX {51}\r\nb NOOP\r\n"), no);
    assert_eq!(conversation("a APPEND INBOX {51+}\r\nb NOOP\r\n"), [Seen::Bye]);
}

#[test]
fn a_message_that_is_not_wanted_is_not_taken_for_commands() {
    let waits = "a APPEND none {9}";
    assert_eq!(conversation(&format!("{waits}\r\nb NOOP\r\n")), [append(waits), command("b NOOP")]);
    let sends = "a APPEND none {9+}";
    assert_eq!(conversation(&format!("{sends}\r\nx LOGOUT\r\r\nb NOOP\r\n")), [append(sends), command("b NOOP")],);
}

#[test]
fn what_stands_behind_a_message_is_a_frame() {
    let head = "a APPEND INBOX {2+}";
    let start = [append(head), message("ab")];
    for rest in [" x", ")", "\r\r", "\rx"] {
        let seen = conversation(&format!("{head}\r\nab{rest}\r\nb NOOP\r\n"));
        assert_eq!(seen, [&start[..], &[Seen::End(rest.to_owned()), command("b NOOP")]].concat(), "{rest:?}");
    }
    let seen = conversation(&format!("{head}\r\nab\n\r\nb NOOP\r\n"));
    assert_eq!(seen, [&start[..], &[bad("a"), command("b NOOP")]].concat());
    let long = "x".repeat(61);
    let seen = conversation(&format!("{head}\r\nab{long}\r\nb NOOP\r\n"));
    assert_eq!(seen, [&start[..], &[bad("a"), command("b NOOP")]].concat());
}

#[test]
fn messages_follow_one_another() {
    assert_eq!(
        conversation("a APPEND x {2}\r\nab (\\Seen) ~{3+}\r\ncde {0}\r\n\r\nb NOOP\r\n"),
        [
            append("a APPEND x {2}"),
            Seen::Plus,
            message("ab"),
            append(" (\\Seen) ~{3+}"),
            message("cde"),
            append(" {0}"),
            Seen::Plus,
            end(),
            command("b NOOP"),
        ]
    );
    let no = Seen::No("a".to_owned());
    let first = [append("a APPEND x {1+}"), message("a")];
    assert_eq!(
        conversation("a APPEND x {1+}\r\na {51}\r\nb NOOP\r\n"),
        [&first[..], &[no, command("b NOOP")]].concat()
    );
    assert_eq!(conversation("a APPEND x {1+}\r\na {51+}\r\nb NOOP\r\n"), [&first[..], &[Seen::Bye]].concat());
}

#[test]
fn urls_are_no_messages() {
    assert_eq!(
        conversation("a APPEND x CATENATE (URL {1}\r\nu TEXT {2}\r\nab url {1}\r\nv)\r\nb NOOP\r\n"),
        [
            Seen::Plus,
            append("a APPEND x CATENATE (URL {1}\r\nu TEXT {2}"),
            Seen::Plus,
            message("ab"),
            Seen::Plus,
            Seen::End(" url {1}\r\nv)".to_owned()),
            command("b NOOP"),
        ]
    );
    assert_eq!(conversation("a APPEND x CATENATE (URL u)\r\n"), [command("a APPEND x CATENATE (URL u)")]);
    // A mailbox of that name.
    assert_eq!(conversation("a APPEND URL {1+}\r\nm\r\n"), [append("a APPEND URL {1+}"), message("m"), end()]);
    // Too big for a frame: behind the message, too.
    let head = "a APPEND x CATENATE (TEXT {1+}";
    let seen = conversation(&format!("{head}\r\nm URL {{21}}\r\nb NOOP\r\n"));
    assert_eq!(seen, [append(head), message("m"), bad("a"), command("b NOOP")]);
}

#[test]
fn messages_of_replace() {
    let head = "a REPLACE 4 {1+}\r\nx {2+}";
    assert_eq!(conversation(&format!("{head}\r\nab\r\n")), [append(head), message("ab"), end()]);
    let head = "a uid replace 4 x (\\Seen) {2+}";
    assert_eq!(conversation(&format!("{head}\r\nab\r\n")), [append(head), message("ab"), end()]);
    assert_eq!(conversation("a UID APPEND x {2+}\r\nab\r\n"), [command("a UID APPEND x {2+}\r\nab")]);
}

/// The answer is given; what is on its way is not taken for commands.
#[test]
fn a_refused_command_is_read_to_its_end() {
    let head = "a APPEND none {2+}";
    for rest in ["", " (\\Seen) {3+}\r\nx\r\n", " {0+}\r\n {3+}\r\nb\r\n", " {3}", " URL {3+}\r\nabc)", "\nb LOGOUT"] {
        let seen = conversation(&format!("{head}\r\nab{rest}\r\nb NOOP\r\n"));
        assert_eq!(seen, [append(head), command("b NOOP")], "{rest:?}");
    }
    let seen = conversation(&format!("{head}\r\nab {{51+}}\r\nb NOOP\r\n"));
    assert_eq!(seen, [append(head), Seen::Bye]);
    let second = "a APPEND x {1+}\r\na (none) {2+}\r\nbc {2+}\r\n\r\n\r\nb NOOP\r\n";
    assert_eq!(
        conversation(second),
        [append("a APPEND x {1+}"), message("a"), append(" (none) {2+}"), command("b NOOP")]
    );
}

#[test]
fn after_an_overlong_line_the_stream_goes_on() {
    let long = "x".repeat(61);
    assert_eq!(conversation(&format!("a {long}\r\nb NOOP\r\n")), [bad("a"), command("b NOOP")]);
    assert_eq!(conversation(&format!("{long} b\r\nb NOOP\r\n")), [bad("*"), command("b NOOP")]);
    let fits = format!("a {}", "x".repeat(58));
    assert_eq!(conversation(&format!("{fits}\r\n")), [command(&fits)]);
    assert_eq!(conversation(&format!("a {long} {{5+}}\r\nb NOOP\r\n")), [bad("a"), Seen::Bye]);
    let endless = vec![b'x'; SKIP_MAX + 61];
    assert_eq!(run(LIMITS, &[&endless]), [bad("*"), Seen::Bye]);
}

#[test]
fn only_crlf_ends_a_line() {
    assert_eq!(conversation("a NOOP\nb LOGOUT\r\nc NOOP\r\n"), [bad("a"), command("c NOOP")]);
    assert_eq!(conversation("a X {1}\r\n\r\nb LOGOUT\r\nc NOOP\r\n"), [Seen::Plus, bad("a"), command("c NOOP"),]);
    assert_eq!(conversation("a X {2+}\nb\r\n"), [Seen::Bye]);
    assert_eq!(conversation("a b\rc\r\n"), [command("a b\rc")], "the grammar refuses it");
}

#[test]
fn done_comes_as_a_line_with_commands_behind_it() {
    assert_eq!(
        conversation("a IDLE\r\ndOnE\r\nb NOOP\r\n"),
        [command("a IDLE"), Seen::Line("dOnE".to_owned()), command("b NOOP"),]
    );
    assert_eq!(conversation("a IDLE\r\nDONE\nb X\r\nc NOOP\r\n"), [command("a IDLE"), bad("*"), command("c NOOP"),]);
    // A line is no command: no literal, no tag.
    assert_eq!(
        conversation("a IDLE\r\nx {3+}\r\nb NOOP\r\n"),
        [command("a IDLE"), Seen::Line("x {3+}".to_owned()), command("b NOOP"),]
    );
}

#[test]
fn before_login_a_message_is_a_literal_like_others() {
    let limits = Limits::BEFORE_LOGIN;
    assert_eq!(run(limits, &[b"a APPEND INBOX {1}\r\nx\r\n"]), [Seen::Plus, command("a APPEND INBOX {1}\r\nx")]);
    assert_eq!(run(limits, &[b"a APPEND INBOX {8193}\r\n"]), [bad("a")]);
}

#[test]
fn an_idle_framer_holds_nothing() {
    let mut framer = Framer::new(LIMITS);
    framer.receive(b"a NOOP\r\nb IDLE\r\n".to_vec());
    while framer.next_event().is_some() {}
    assert_eq!((framer.input.capacity(), framer.frame.capacity()), (0, 0));
}

/// Lines and fragments that mean something to a framer.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop::sample::select(vec![
        "\r\n",
        "\r\n",
        "\r\n",
        "\n",
        "\r",
        "a NOOP\r\n",
        "a IDLE\r\n",
        "DONE\r\n",
        "a APPEND x ",
        "a APPEND none ",
        "a REPLACE 1 x ",
        "a APPEND x CATENATE (",
        "URL ",
        " TEXT ",
        "none",
        "~",
        "{3}\r\n",
        "{3+}\r\n",
        "{12}\r\n",
        "{45+}\r\n",
        "{0}\r\n",
        "{0+}\r\n",
        "{99}\r\n",
        "{99+}\r\n",
        "+}",
        "abc",
        "xxxxxxxxxxxxxxxxxxxxxxxx",
        " ",
        "\0",
    ]);
    prop::collection::vec(fragment, 0..24).prop_map(|fragments| fragments.concat().into_bytes())
}

proptest! {
    #[test]
    fn it_does_not_matter_how_octets_are_split(stream in stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let whole = run(LIMITS, &[&stream]);
        let octets: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(&run(LIMITS, &octets), &whole);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        prop_assert_eq!(&run(LIMITS, &pieces), &whole);
    }

    #[test]
    fn what_it_holds_is_bounded(stream in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut framer = Framer::new(LIMITS);
        for piece in stream.chunks(7) {
            framer.receive(piece.to_vec());
            while framer.next_event().is_some() {}
            prop_assert!(framer.unread().len() <= LIMITS.line + 2);
            prop_assert!(framer.frame.len() <= LIMITS.command + 2);
        }
    }
}
