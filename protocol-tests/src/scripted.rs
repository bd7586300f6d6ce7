//! Servers of a few lines, for tests of the runner: what they say to a line depends on a word in it.

use std::collections::BTreeMap;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::connection::Segments;
use crate::outcome::{Ended, Outcome};
use crate::run;
use crate::subject::Subject;
use crate::transcript::{Service, Transcript, parse};

/// What the server says to a line that holds the word, `TAG` standing for the line's first word.
pub(crate) type Script = &'static [(&'static str, &'static str)];

/// What every script says where it says nothing else.
const MANNERS: Script = &[
    ("LOGIN", "TAG OK\r\n"),
    ("SELECT", "* 2 EXISTS\r\n* FLAGS (\\Seen)\r\nTAG OK\r\n"),
    ("NOOP", "TAG OK\r\n"),
    ("CLOSE", ""),
];

async fn serve(stream: TcpStream, greeting: &'static str, script: Script) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(greeting.as_bytes()).await?;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let tag = line.split(' ').next().unwrap_or("").trim().to_owned();
        let answer =
            script.iter().chain(MANNERS).find(|(word, _)| line.contains(word)).map_or("", |(_, answer)| answer);
        stream.write_all(answer.replace("TAG", &tag).as_bytes()).await?;
        if line.contains("CLOSE") {
            return Ok(());
        }
        line.clear();
    }
    Ok(())
}

/// A server that answers so, for as long as the test runs.
pub(crate) async fn subject(service: Service, greeting: &'static str, script: Script) -> Subject {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, greeting, script));
        }
    });
    let mut subject = Subject::new(BTreeMap::from([(service, address)]), "t{n}@localhost", "secret");
    // Of what does not come, nobody waits long here.
    subject.patience = 0.1;
    subject
}

/// A transcript of these lines.
pub(crate) fn transcript(head: &str, body: &str) -> Transcript {
    let source = format!("# A rule.\nrfc: RFC 1 §1\n{head}\n{body}");
    parse::parse("x", &source, &|name| Err(format!("no {name}"))).unwrap()
}

/// What becomes of these lines.
pub(crate) async fn outcome(service: Service, greeting: &'static str, script: Script, body: &str) -> Ended {
    run::transcript(&transcript("", body), &subject(service, greeting, script).await, Segments::Whole).await
}

/// The same in INBOX.
pub(crate) async fn imap(script: Script, body: &str) -> Ended {
    outcome(Service::Imap, "* OK hello\r\n", script, &format!("connect imap login select INBOX\n{body}")).await
}

/// A failure names the line and what came. Lines count from the body's first, which is 5.
#[track_caller]
pub(crate) fn fails(ended: Ended, line: usize, got: &str) {
    let Outcome::Failed(broken) = ended.outcome else { panic!("{:?}, but a failure was due", ended.outcome) };
    assert_eq!(broken.line, line, "{broken:?}");
    assert!(broken.got.contains(got), "not {got:?}: {broken:?}");
}

#[track_caller]
pub(crate) fn passes(ended: Ended) {
    assert_eq!(ended.outcome, Outcome::Passed, "{:?}", ended.conversation);
}
