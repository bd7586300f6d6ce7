//! What a connection is: its state (RFC 3501 §3), and which commands each state allows.
//!
//! The state carries its data: there is no mailbox outside `Selected`, and no account before login. A table states the
//! facts of each command; the executor asks it before a command runs ([`Facts::allowed`]), and afterwards for what may
//! be told with the answer ([`Facts::expunge`]). What one client enables changes nothing for those beside it (RFC 9051,
//! appendix A).

use std::sync::Arc;

use super::Limits;
use super::command::{CommandBody, Numbering, SearchKey};
use super::dialect::Dialect;
use super::mailbox_filter::MailboxFilter;
use super::view::{ExpungeAllowed, Look, News, View};
use super::watch::{Attention, Watch};
use crate::auth::sasl::Offer;
use crate::notify::Listener;
use crate::store::{Account, Bell, MailboxId, ModSeq, OpenMailbox, Store};

/// One client's session: nothing in it knows a socket or a clock.
#[derive(Debug)]
pub(crate) struct Session {
    /// Where it is.
    pub(crate) state: State,
    /// What its line is worth.
    pub(crate) line: Line,
    /// What the client has asked to be told beyond RFC 3501.
    pub(crate) enabled: Enabled,
    /// Both directions are compressed (RFC 4978).
    pub(crate) compressed: bool,
    /// After ENABLE METADATA; boxed, since few clients ask for it and all have room for it.
    pub(crate) metadata: Option<Box<MetadataWatch>>,
    /// BAD answers: see [`count`](Session::count).
    pub(crate) bad_commands: u32,
    /// Failed logins of this connection.
    pub(crate) login_failures: u32,
    /// What NOTIFY asked for; `None` until it came for the first time. Boxed, since most sessions have none.
    pub(crate) watch: Option<Box<Watch>>,
}

/// What a client has enabled, until the connection ends (RFC 5161 §3.1, RFC 7162 §3.1, §3.2.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Enabled {
    /// A CONDSTORE enabling command came: FETCH responses that were not asked for have UID and MODSEQ.
    pub(crate) condstore: bool,
    /// `ENABLE QRESYNC`: VANISHED is sent where EXPUNGE would be. Never without `condstore`.
    pub(crate) qresync: bool,
    /// What changes the form of lines.
    pub(crate) dialect: Dialect,
}

impl Enabled {
    /// Whether the client is told of expunges by UID: VANISHED in place of EXPUNGE (RFC 7162 §3.2.10, RFC 9586 §3).
    pub(crate) fn vanished(self) -> bool {
        self.qresync || self.dialect.uid_only
    }
}

/// What a session that said ENABLE METADATA knows of its account's metadata (RFC 5464 §4.4.2).
#[derive(Debug)]
pub(crate) struct MetadataWatch {
    /// It was told of all changes up to here.
    pub(crate) seen: ModSeq,
    /// Its own changes since: mod-sequence, and where it asked for them.
    pub(crate) own: Vec<(ModSeq, Option<MailboxId>)>,
    /// Rings when anything in the account changes.
    pub(crate) bell: Listener<Bell>,
}

/// What protects the client's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// TLS is on.
    pub(crate) tls: bool,
    /// STARTTLS can be had.
    pub(crate) start_tls: bool,
    /// Passwords may come over it.
    pub(crate) login: bool,
    /// Which SASL mechanisms there are, if they may.
    pub(crate) sasl: Offer,
}

/// RFC 3501 §3.
#[derive(Debug)]
pub(crate) enum State {
    /// §3.1
    NotAuthenticated,
    /// §3.2
    Authenticated(Arc<Account>),
    /// §3.3; boxed, since most commands of most sessions move the state around.
    Selected(Box<Selected>),
    /// §3.4: nothing more is answered.
    Logout,
}

/// A mailbox and what this session knows of it.
#[derive(Debug)]
pub(crate) struct Selected {
    /// Whose session it is.
    pub(crate) account: Arc<Account>,
    /// The mailbox.
    pub(crate) mailbox: OpenMailbox,
    /// The session's picture of it.
    pub(crate) view: View,
    /// The UIDVALIDITY that SELECT told; a rename may give it another (docs/STORE.md).
    pub(crate) uid_validity: u32,
    /// EXAMINE: nothing may be changed, `\Recent` and `\Seen` neither.
    pub(crate) read_only: bool,
    /// Rings when there may be news; taken out before the first look, so that nothing is lost between SELECT and IDLE.
    pub(crate) bell: Listener<Bell>,
}

/// What may be told of the selected mailbox at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Occasion {
    /// Whether the client can follow a renumbering.
    pub(crate) expunge: ExpungeAllowed,
    /// What the client wants to know.
    pub(crate) attention: Attention,
    /// It comes with the answer to a command, which may have told mod-sequences; else nobody asked.
    pub(crate) answers: bool,
    /// The command has removed messages, which must leave the client's picture whatever it wants to know.
    pub(crate) expunged: bool,
}

/// What a look at a selected mailbox found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// What to tell, in this order; it may be nothing.
    News(Vec<News>),
    /// The mailbox was deleted: there is nothing left to be selected.
    Deleted,
}

impl Selected {
    /// Looks at the mailbox and takes in what changed.
    pub(crate) fn look(&mut self, store: &Store, occasion: Occasion, enabled: Enabled) -> Found {
        let Occasion { expunge, attention, answers, expunged } = occasion;
        // Whatever rings from here on rings for the next look.
        self.bell.take();
        let head = self.mailbox.head();
        if head.gone {
            return Found::Deleted;
        }
        let from = self.view.look_from(attention);
        if attention == Attention::Nothing {
            let mut news = if expunged { self.look_for_expunges(enabled) } else { Vec::new() };
            news.extend(answers.then(|| self.view.held(head.highest_mod_seq, enabled)).flatten());
            return Found::News(news);
        }
        let owes = expunge == ExpungeAllowed::Yes && self.view.owes_expunges();
        if !owes && head.highest_mod_seq == from {
            return Found::News(answers.then(|| self.view.unchanged(enabled)).flatten().into_iter().collect());
        }
        // In the order that `Look` asks for.
        let takes_recent = !self.read_only && !enabled.dialect.rev2;
        let recent_from = if takes_recent { store.claim_recent(&self.mailbox) } else { head.first_recent_uid };
        let changes = self.mailbox.changes_since(from);
        let present = changes.history_lost.then(|| self.mailbox.snapshot().uids);
        let keywords = self.mailbox.head().keywords;
        let look = Look { recent_from, changes, keywords, present };
        Found::News(self.view.catch_up(look, expunge, enabled, attention))
    }

    fn look_for_expunges(&mut self, enabled: Enabled) -> Vec<News> {
        let changes = self.mailbox.changes_since(self.view.mod_seq());
        let vanished = match changes.history_lost {
            true => self.view.known().difference(&self.mailbox.snapshot().uids),
            false => changes.vanished,
        };
        self.view.catch_up_with_expunges(&vanished, enabled)
    }
}

impl Session {
    /// A session that has just begun.
    pub(crate) fn new(line: Line) -> Self {
        Self {
            state: State::NotAuthenticated,
            line,
            enabled: Enabled::default(),
            compressed: false,
            metadata: None,
            bad_commands: 0,
            login_failures: 0,
            watch: None,
        }
    }

    /// Whose session it is, after login.
    pub(crate) fn account(&self) -> Option<&Arc<Account>> {
        match &self.state {
            State::Authenticated(account) => Some(account),
            State::Selected(selected) => Some(&selected.account),
            State::NotAuthenticated | State::Logout => None,
        }
    }

    /// The selected mailbox, where there is one.
    pub(crate) fn selected(&mut self) -> Option<&mut Selected> {
        match &mut self.state {
            State::Selected(selected) => Some(selected),
            _ => None,
        }
    }

    /// What the client wants to know of the selected mailbox.
    pub(crate) fn attention(&self) -> Attention {
        self.watch.as_ref().map_or(Attention::All, |watch| watch.selected.attention)
    }

    /// Whether the client asked with `NOTIFY SET` to be told at any time.
    pub(crate) fn listens(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.account.is_some())
    }

    /// What rings when there may be something to tell: the account's bell rings with each of its mailboxes' bells.
    pub(crate) fn bell(&mut self) -> Option<&mut Listener<Bell>> {
        match (&mut self.watch, &mut self.metadata, &mut self.state) {
            (Some(watch), ..) if watch.account.is_some() => watch.account.as_mut().map(|account| &mut account.bell),
            (None, Some(metadata), _) => Some(&mut metadata.bell),
            (_, _, State::Selected(selected)) => Some(&mut selected.bell),
            _ => None,
        }
    }

    /// Whether somebody has logged in.
    pub(crate) fn is_authenticated(&self) -> bool {
        self.account().is_some()
    }

    /// Counts an answer; says whether it was one BAD too many. After login a good command makes up for the bad ones in front
    /// of it; a stranger has a fixed number.
    pub(crate) fn count(&mut self, bad: bool, limits: &Limits) -> bool {
        match (bad, self.is_authenticated()) {
            (true, _) => self.bad_commands += 1,
            (false, true) => self.bad_commands = 0,
            (false, false) => {}
        }
        let most = if self.is_authenticated() { limits.bad_commands } else { limits.bad_commands_before_login };
        bad && self.bad_commands >= most
    }

    /// Back to where it was before the login: nothing is left but the line, and the count of failures, which is the
    /// connection's (RFC 8437 §3, §4.1).
    pub(crate) fn unauthenticate(&mut self) {
        *self = Self { login_failures: self.login_failures, ..Self::new(self.line) };
    }

    /// Back from the selected to the authenticated state, with nothing said and nothing expunged.
    pub(crate) fn unselect(&mut self) {
        if let State::Selected(selected) = &self.state {
            if let Some(watch) = &mut self.watch {
                let told_all = selected.view.safe_mod_seq() == selected.mailbox.head().highest_mod_seq;
                watch.left(&selected.mailbox, told_all, selected.uid_validity);
            }
            self.state = State::Authenticated(Arc::clone(&selected.account));
        }
    }
}

/// In which states a command may come (RFC 3501 §6.1 to §6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// §6.1
    Always,
    /// §6.2
    BeforeLogin,
    /// §6.3
    AfterLogin,
    /// §6.4
    Selected,
}

/// RFC 7162 §3.2.10.2: no EXPUNGE while sequence numbers are among the criteria of a search by UID.
fn unless_numbered(key: &SearchKey) -> ExpungeAllowed {
    match key.any(&|key| matches!(key, SearchKey::Sequence(_))) {
        true => ExpungeAllowed::No,
        false => ExpungeAllowed::Yes,
    }
}

/// What is to be known of a command before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Its name, for logs and answers.
    pub(crate) name: &'static str,
    /// When it may come.
    pub(crate) allowed: Allowed,
    /// Whether EXPUNGE may be sent with its answer.
    pub(crate) expunge: ExpungeAllowed,
    /// Whether message sequence numbers stand in it, or in its answer.
    pub(crate) numbers: bool,
}

impl Facts {
    const fn new(name: &'static str, allowed: Allowed, expunge: ExpungeAllowed) -> Self {
        Self { name, allowed, expunge, numbers: false }
    }

    /// The same, with message sequence numbers.
    const fn with_numbers(self) -> Self {
        Self { numbers: true, ..self }
    }

    /// A search that answers with UIDs; `$` among its criteria is no number.
    fn searching(name: &'static str, key: &SearchKey) -> Self {
        let numbers = key.any(&|key| matches!(key, SearchKey::Sequence(set) if !set.is_saved()));
        Self { numbers, ..Self::new(name, Allowed::Selected, unless_numbered(key)) }
    }

    /// The facts of a command.
    ///
    /// RFC 3501 §7.4.1 forbids EXPUNGE in the answers to FETCH, STORE and SEARCH, and §5.5 does not count their UID forms
    /// among them: those carry UIDs, which no EXPUNGE can make mean another message. COPY brings them, as RFC 2180 §4.4
    /// wants it: no client may have another command with numbers under way behind it.
    pub(crate) fn of(command: &CommandBody) -> Self {
        use Allowed::{AfterLogin, Always, BeforeLogin, Selected};
        use ExpungeAllowed::{No, Yes};
        use Numbering::{Sequence, Uid};
        match command {
            CommandBody::Capability => Self::new("CAPABILITY", Always, Yes),
            CommandBody::Noop => Self::new("NOOP", Always, Yes),
            CommandBody::Logout => Self::new("LOGOUT", Always, No),
            CommandBody::Id(_) => Self::new("ID", Always, Yes),
            CommandBody::StartTls => Self::new("STARTTLS", BeforeLogin, No),
            CommandBody::Authenticate { .. } => Self::new("AUTHENTICATE", BeforeLogin, No),
            CommandBody::Login { .. } => Self::new("LOGIN", BeforeLogin, No),
            CommandBody::Select { .. } => Self::new("SELECT", AfterLogin, No),
            CommandBody::Examine { .. } => Self::new("EXAMINE", AfterLogin, No),
            CommandBody::Create { .. } => Self::new("CREATE", AfterLogin, Yes),
            CommandBody::Delete { .. } => Self::new("DELETE", AfterLogin, Yes),
            CommandBody::Rename { .. } => Self::new("RENAME", AfterLogin, Yes),
            CommandBody::Subscribe { .. } => Self::new("SUBSCRIBE", AfterLogin, Yes),
            CommandBody::Unsubscribe { .. } => Self::new("UNSUBSCRIBE", AfterLogin, Yes),
            CommandBody::List(_) => Self::new("LIST", AfterLogin, Yes),
            CommandBody::Lsub { .. } => Self::new("LSUB", AfterLogin, Yes),
            CommandBody::Status { .. } => Self::new("STATUS", AfterLogin, Yes),
            CommandBody::Append(_) => Self::new("APPEND", AfterLogin, Yes),
            CommandBody::Namespace => Self::new("NAMESPACE", AfterLogin, Yes),
            CommandBody::MyRights { .. } => Self::new("MYRIGHTS", AfterLogin, Yes),
            CommandBody::GetMetadata(_) => Self::new("GETMETADATA", AfterLogin, Yes),
            CommandBody::SetMetadata { .. } => Self::new("SETMETADATA", AfterLogin, Yes),
            CommandBody::Enable(_) => Self::new("ENABLE", AfterLogin, Yes),
            CommandBody::Notify(_) => Self::new("NOTIFY", AfterLogin, Yes),
            CommandBody::Idle => Self::new("IDLE", AfterLogin, Yes),
            CommandBody::GetQuota(_) => Self::new("GETQUOTA", AfterLogin, Yes),
            CommandBody::GetQuotaRoot { .. } => Self::new("GETQUOTAROOT", AfterLogin, Yes),
            CommandBody::Unauthenticate => Self::new("UNAUTHENTICATE", AfterLogin, No),
            CommandBody::Compress => Self::new("COMPRESS", AfterLogin, No),
            CommandBody::Check => Self::new("CHECK", Selected, Yes),
            CommandBody::Close => Self::new("CLOSE", Selected, No),
            CommandBody::Unselect => Self::new("UNSELECT", Selected, No),
            CommandBody::Expunge => Self::new("EXPUNGE", Selected, Yes),
            CommandBody::UidBatches(_) => Self::new("UIDBATCHES", Selected, Yes),
            CommandBody::UidExpunge(_) => Self::new("UID EXPUNGE", Selected, Yes),
            CommandBody::Search { by: Sequence, .. } => Self::new("SEARCH", Selected, No).with_numbers(),
            CommandBody::Search { by: Uid, key, .. } => Self::searching("UID SEARCH", key),
            // RFC 7377 §2.2
            CommandBody::MultiSearch { sources, key, .. } => {
                let selected = sources.contains(&MailboxFilter::Selected);
                Self { allowed: if selected { Selected } else { AfterLogin }, ..Self::searching("ESEARCH", key) }
            }
            CommandBody::Sort { by: Sequence, .. } => Self::new("SORT", Selected, No).with_numbers(),
            CommandBody::Sort { by: Uid, key, .. } => Self::searching("UID SORT", key),
            CommandBody::Thread { by: Sequence, .. } => Self::new("THREAD", Selected, No).with_numbers(),
            CommandBody::Thread { by: Uid, key, .. } => Self::searching("UID THREAD", key),
            CommandBody::Fetch { by: Sequence, .. } => Self::new("FETCH", Selected, No).with_numbers(),
            CommandBody::Fetch { by: Uid, .. } => Self::new("UID FETCH", Selected, Yes),
            CommandBody::Store { by: Sequence, .. } => Self::new("STORE", Selected, No).with_numbers(),
            CommandBody::Store { by: Uid, .. } => Self::new("UID STORE", Selected, Yes),
            CommandBody::Replace { by: Sequence, .. } => Self::new("REPLACE", Selected, Yes).with_numbers(),
            CommandBody::Replace { by: Uid, .. } => Self::new("UID REPLACE", Selected, Yes),
            CommandBody::Copy { by: Sequence, .. } => Self::new("COPY", Selected, Yes).with_numbers(),
            CommandBody::Copy { by: Uid, .. } => Self::new("UID COPY", Selected, Yes),
            CommandBody::Move { by: Sequence, .. } => Self::new("MOVE", Selected, Yes).with_numbers(),
            CommandBody::Move { by: Uid, .. } => Self::new("UID MOVE", Selected, Yes),
        }
    }

    /// Whether the command may come in this state; else what to answer with BAD.
    pub(crate) fn check(self, state: &State) -> Result<(), &'static str> {
        match (self.allowed, state) {
            (_, State::Logout) => Err("the session is over"),
            (Allowed::Always, _)
            | (Allowed::BeforeLogin, State::NotAuthenticated)
            | (Allowed::AfterLogin, State::Authenticated(_) | State::Selected(_))
            | (Allowed::Selected, State::Selected(_)) => Ok(()),
            (Allowed::BeforeLogin, _) => Err("you are logged in already"),
            (Allowed::AfterLogin | Allowed::Selected, State::NotAuthenticated) => Err("log in first"),
            (Allowed::Selected, State::Authenticated(_)) => Err("select a mailbox first"),
        }
    }
}
