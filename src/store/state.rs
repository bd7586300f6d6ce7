//! What the store holds in memory, and how a record changes it.
//!
//! [`State::apply`] is the only way state changes: the committer calls it after the sync, and opening a store calls it with
//! what the journal says. So a replayed store cannot differ from the one that wrote the journal.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::bodies::Bodies;
use super::directory::Directory;
use super::index::{Batch, Index};
use super::journal::record::{
    AccountState, AddAccount, Counters, Delivery, HeadRecord, MailboxStep, MailboxesChange, Record, References,
    SetMetadata, Stated, StoreState,
};
use super::journal::segment::Place;
use super::mailbox::{Dirty, Mailbox, MailboxData, Messages};
use super::metadata::{Metadata, SPECIAL_USE_ENTRY};
use super::names::INBOX;
use super::{Account, AccountId, Bell, BodyId, CommitSeq, Error, MailboxId, Message, ModSeq, SpecialUse};

/// What the index does not know yet, of accounts and mailboxes.
#[derive(Debug, Default)]
struct Changed {
    accounts: HashSet<AccountId>,
    mailboxes: HashSet<MailboxId>,
    /// Accounts whose metadata is another.
    metadata: HashSet<AccountId>,
    /// Accounts whose limits are others.
    quotas: HashSet<AccountId>,
    /// Accounts whose script is another.
    scripts: HashSet<AccountId>,
    /// Aliases that are others, or gone.
    aliases: HashSet<String>,
    removed_accounts: Vec<AccountId>,
    removed_mailboxes: Vec<MailboxId>,
    anything: bool,
}

/// The store in memory, and the index behind it.
#[derive(Debug)]
pub(crate) struct State {
    directory: RwLock<Directory>,
    bodies: Mutex<Bodies>,
    changed: Mutex<Changed>,
    pub(crate) index: Index,
    /// While all comes from the journal.
    rebuilding: bool,
}

impl State {
    /// What the index says.
    pub(crate) fn load(index: Index, counters: Counters) -> Result<State, Error> {
        let mut directory = Directory::new(counters);
        for account in index.accounts()? {
            directory.add_account(account);
        }
        for head in index.heads()? {
            directory.add_mailbox(Mailbox::new(MailboxData::from_head(head)));
        }
        for metadata in index.metadata()? {
            directory.set_metadata(metadata.account, Metadata::from_record(metadata));
        }
        for (account, quota) in index.quotas()? {
            directory.set_quota(account, Some(quota));
        }
        for (account, script) in index.scripts()? {
            directory.set_script(account, Some(script));
        }
        for (name, alias) in index.aliases()? {
            directory.set_alias(name, Some(alias));
        }
        let bodies = Bodies::new(index.segments()?, false);
        Ok(State::new(directory, bodies, index, false))
    }

    /// Nothing yet: all comes from the journal. [`State::end_rebuild`] follows.
    pub(crate) fn rebuild(index: Index) -> State {
        State::new(Directory::default(), Bodies::new(BTreeMap::new(), true), index, true)
    }

    fn new(directory: Directory, bodies: Bodies, index: Index, rebuilding: bool) -> State {
        State {
            directory: RwLock::new(directory),
            bodies: Mutex::new(bodies),
            changed: Mutex::new(Changed::default()),
            index,
            rebuilding,
        }
    }

    pub(crate) fn directory(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn directory_mut(&self) -> RwLockWriteGuard<'_, Directory> {
        self.directory.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn bodies(&self) -> MutexGuard<'_, Bodies> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) -> MutexGuard<'_, Changed> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings a mailbox's messages into memory. Blocks.
    pub(crate) fn load_messages(&self, mailbox: &Mailbox) -> Result<(), Error> {
        if mailbox.read().messages.is_some() {
            return Ok(());
        }
        let _loading = mailbox.loading.lock().unwrap_or_else(PoisonError::into_inner);
        if mailbox.read().messages.is_some() {
            return Ok(());
        }
        // Nobody changes them meanwhile: the committer only changes what is loaded.
        let messages: Messages = self.index.messages(mailbox.id())?;
        mailbox.write().messages = Some(messages);
        Ok(())
    }

    /// Does what the record says; returns the bells to ring. `place` is where it stands.
    pub(crate) fn apply(&self, record: Record, commit_seq: CommitSeq, place: Place) -> Result<Vec<Bell>, Error> {
        let mut bells: Vec<Bell> = record.mailboxes().into_iter().map(Bell::Mailbox).collect();
        bells.extend(record.accounts().into_iter().map(Bell::Account));
        self.mark_changed(&record);
        self.bodies().count_record(&place);
        match record {
            Record::Delivery(delivery) => self.apply_delivery(&delivery, place)?,
            Record::References(references) => self.apply_references(references)?,
            Record::Flags(change) => {
                if let Some(mailbox) = self.loaded(change.mailbox)? {
                    let mut data = mailbox.write();
                    data.add_keywords(&change.new_keywords);
                    data.change_flags(&change.uids, change.clear, change.set, change.mod_seq);
                }
                self.count(change.account, change.mailbox, change.mod_seq);
            }
            Record::Expunge(expunge) => {
                if let Some(mailbox) = self.loaded(expunge.mailbox)? {
                    let removed = mailbox.write().expunge(&expunge.uids, expunge.mod_seq, expunge.unix_s);
                    self.release(&removed)?;
                }
                self.count(expunge.account, expunge.mailbox, expunge.mod_seq);
            }
            Record::Mailboxes(change) => self.apply_mailboxes(change)?,
            Record::RenameInbox(change, references) => {
                let (account, to, mod_seq) = (references.account, references.to, references.mod_seq);
                self.directory_mut().touched(account, |touched| touched.rename_inbox(to, mod_seq));
                self.apply_steps(change)?;
                // RFC 5464 §4.1: INBOX keeps its metadata, and the new mailbox has it too.
                self.directory_mut().metadata_mut(account).copy(references.from, references.to, mod_seq);
                self.apply_references(references)?;
            }
            Record::AddAccount(add) => self.apply_add_account(add),
            Record::AddAccountWith(add, change) => {
                self.apply_add_account(add);
                self.apply_mailboxes(change)?;
            }
            Record::SetCredentials(account, credentials) => {
                if let Some(entry) = self.directory_mut().account_mut(account) {
                    let old = entry.account.as_ref().clone();
                    entry.account = Arc::new(Account { credentials, ..old });
                }
            }
            Record::SetQuota(account, quota) => self.directory_mut().set_quota(account, quota),
            Record::SetScript(account, script) => self.directory_mut().set_script(account, script),
            Record::SetAlias(name, alias) => self.directory_mut().set_alias(name, alias),
            Record::RemoveAccount(account) => bells.extend(self.remove_account(account)?),
            // It was made from what is in memory, unless the records that led there are gone.
            Record::MailboxState(state) if !self.rebuilding => {
                if let Some(mailbox) = self.directory().mailbox(state.head.mailbox) {
                    let stated = Some(Stated { commit_seq, segment: place.segment, octets: place.record_octets() });
                    let mut data = mailbox.write();
                    self.bodies().restate(data.head.stated, stated);
                    data.head.stated = stated;
                    data.dirty.head = true;
                }
            }
            Record::MailboxState(mut state) => {
                state.head.stated = Some(Stated { commit_seq, segment: place.segment, octets: place.record_octets() });
                let (id, account) = (state.head.mailbox, state.head.account);
                let known = self.directory().mailbox(id).cloned();
                let mailbox = match known {
                    Some(mailbox) => mailbox,
                    None => Mailbox::new(MailboxData::from_head(state.head.clone())),
                };
                let mut directory = self.directory_mut();
                if let Some(entry) = directory.account_mut(account) {
                    entry.mailboxes.retain(|_, there| there.id() != id);
                }
                mailbox.write().replace(state);
                directory.add_mailbox(mailbox);
            }
            Record::AccountState(state) => self.directory_mut().add_account(state),
            Record::StoreState(state) => self.apply_store_state(&state)?,
            Record::SetMetadata(set) => self.apply_set_metadata(set),
            Record::MetadataState(mut state) => {
                let stated = Some(Stated { commit_seq, segment: place.segment, octets: place.record_octets() });
                let mut directory = self.directory_mut();
                if self.rebuilding {
                    state.stated = stated;
                    directory.set_metadata(state.account, Metadata::from_record(state));
                } else {
                    // It was made from what is in memory.
                    let metadata = directory.metadata_mut(state.account);
                    let before = std::mem::replace(&mut metadata.stated, stated);
                    drop(directory);
                    self.bodies().restate(before, stated);
                }
            }
        }
        Ok(bells)
    }

    fn apply_set_metadata(&self, set: SetMetadata) {
        let SetMetadata { account, mailbox, mod_seq, entries, uses } = set;
        {
            let mut directory = self.directory_mut();
            let changed = mailbox.filter(|_| !entries.is_empty()).into_iter();
            let changed: BTreeSet<_> = changed.chain(uses.iter().map(|(mailbox, _)| *mailbox)).collect();
            for id in &changed {
                directory.touched(account, |touched| touched.touch(*id, mod_seq));
                // RFC 7162 §3.2: SETMETADATA counts the mailbox's mod-sequence on. In a rebuild its state may come later.
                if let Some(mailbox) = directory.mailbox(*id) {
                    mailbox.write().touch(mod_seq);
                }
            }
            let metadata = directory.metadata_mut(account);
            for (name, value) in entries {
                metadata.set(mailbox, name, value, mod_seq);
            }
            metadata.forget_removed();
            for (mailbox, special_use) in uses {
                set_special_use(&mut directory, account, mailbox, special_use, mod_seq);
            }
            directory.touched(account, |touched| touched.touch_metadata(mod_seq));
            directory.count_mod_seq(account, mod_seq);
        }
    }

    /// The commit of the last state of an account's metadata; 0 when there is none.
    pub(crate) fn metadata_stated(&self, account: AccountId) -> CommitSeq {
        let directory = self.directory();
        directory.metadata(account).and_then(|metadata| metadata.stated).map_or(0, |stated| stated.commit_seq)
    }

    fn mark_changed(&self, record: &Record) {
        let mut changed = self.changed();
        changed.anything = true;
        changed.mailboxes.extend(record.mailboxes());
        changed.accounts.extend(record.accounts());
        changed.metadata.extend(record.metadata());
        changed.quotas.extend(record.quota());
        changed.scripts.extend(record.script());
        changed.aliases.extend(record.alias().map(str::to_owned));
    }

    /// The commit of the mailbox's last state; 0 when there is none.
    pub(crate) fn stated(&self, id: MailboxId) -> CommitSeq {
        let mailbox = self.directory().mailbox(id).cloned();
        mailbox.and_then(|mailbox| mailbox.read().head.stated).map_or(0, |stated| stated.commit_seq)
    }

    /// A mailbox that is there, its messages in memory.
    fn loaded(&self, id: MailboxId) -> Result<Option<Arc<Mailbox>>, Error> {
        let mailbox = self.directory().mailbox(id).cloned();
        match mailbox {
            Some(mailbox) => {
                self.load_messages(&mailbox)?;
                Ok(Some(mailbox))
            }
            None => Ok(None),
        }
    }

    /// Messages of a mailbox changed, and the change is in it.
    fn count(&self, account: AccountId, mailbox: MailboxId, mod_seq: ModSeq) {
        let mut directory = self.directory_mut();
        directory.touched(account, |touched| touched.touch(mailbox, mod_seq));
        directory.count_mod_seq(account, mod_seq);
    }

    fn release(&self, messages: &[Message]) -> Result<(), Error> {
        let (mut bodies, mut index) = (self.bodies(), self.index.lookup());
        messages.iter().try_for_each(|message| bodies.refer(message.body, -1, &mut index))
    }

    fn apply_delivery(&self, delivery: &Delivery, place: Place) -> Result<(), Error> {
        let mut references = 0;
        {
            let mut directory = self.directory_mut();
            directory.counters.body = directory.counters.body.max(delivery.body.0);
        }
        if delivery.places.is_empty() {
            self.bodies().add_unplaced(delivery.body, place);
            return Ok(());
        }
        // The body is known before any message refers to it.
        let size = place.body_len;
        let mut mailboxes = Vec::with_capacity(delivery.places.len());
        for at in &delivery.places {
            if let Some(mailbox) = self.loaded(at.mailbox)? {
                references += 1;
                mailboxes.push((mailbox, at));
            }
        }
        self.bodies().add(delivery.body, place, references);
        for (mailbox, at) in mailboxes {
            let mut data = mailbox.write();
            data.add_keywords(&at.new_keywords);
            data.insert(Message {
                uid: at.uid,
                flags: at.flags,
                mod_seq: at.mod_seq,
                body: delivery.body,
                size,
                internal_date: delivery.internal_date,
                save_date_unix_s: delivery.save_date_unix_s,
            });
        }
        for at in &delivery.places {
            self.count(at.account, at.mailbox, at.mod_seq);
        }
        Ok(())
    }

    fn apply_references(&self, references: References) -> Result<(), Error> {
        let (from, to) = (self.loaded(references.from)?, self.loaded(references.to)?);
        // Referred to first, released after: a body that moves is needed all the time.
        if let Some(to) = to {
            {
                let (mut bodies, mut index) = (self.bodies(), self.index.lookup());
                for message in &references.messages {
                    bodies.refer(message.body, 1, &mut index)?;
                }
            }
            let mut data = to.write();
            data.add_keywords(&references.new_keywords);
            for message in references.messages {
                data.insert(message);
            }
        }
        if let Some(from) = from
            && !references.moved.is_empty()
        {
            let removed = from.write().expunge(&references.moved, references.mod_seq, references.unix_s);
            self.release(&removed)?;
        }
        self.count(references.account, references.from, references.mod_seq);
        self.count(references.account, references.to, references.mod_seq);
        Ok(())
    }

    fn apply_mailboxes(&self, change: MailboxesChange) -> Result<(), Error> {
        let (account, mod_seq) = (change.account, change.mod_seq);
        self.apply_steps(change)?;
        self.directory_mut().count_mod_seq(account, mod_seq);
        Ok(())
    }

    /// Does the steps; they do not count yet.
    fn apply_steps(&self, change: MailboxesChange) -> Result<(), Error> {
        let MailboxesChange { account, mod_seq, steps } = change;
        // Under one lock: a tree is renamed as one.
        let mut directory = self.directory_mut();
        directory.touched(account, |touched| {
            touched.touch_directory(mod_seq);
            touched.touch_metadata(mod_seq);
        });
        for step in steps {
            match step {
                MailboxStep::Create { mailbox, name, uid_validity, special_use } => {
                    let head = HeadRecord::new(mailbox, account, name, uid_validity, special_use, mod_seq);
                    directory.add_mailbox(Mailbox::new(MailboxData::new(head)));
                }
                MailboxStep::Rename { mailbox, name, uid_validity } => {
                    if let Some(mailbox) = directory.remove_mailbox(mailbox) {
                        mailbox.write().rename(name, uid_validity, mod_seq);
                        directory.add_mailbox(mailbox);
                    }
                }
                MailboxStep::Delete { mailbox } => {
                    drop(directory);
                    self.delete_mailbox(mailbox, mod_seq)?;
                    directory = self.directory_mut();
                }
                MailboxStep::Subscribe { name } => {
                    if let Some(entry) = directory.account_mut(account) {
                        entry.subscriptions.insert(name);
                    }
                }
                MailboxStep::Unsubscribe { name } => {
                    if let Some(entry) = directory.account_mut(account) {
                        entry.subscriptions.remove(&name);
                    }
                }
                MailboxStep::SetSpecialUse { mailbox, special_use } => {
                    set_special_use(&mut directory, account, mailbox, special_use, mod_seq);
                }
            }
        }
        Ok(())
    }

    fn delete_mailbox(&self, id: MailboxId, mod_seq: ModSeq) -> Result<(), Error> {
        let Some(mailbox) = self.loaded(id)? else { return Ok(()) };
        {
            let mut directory = self.directory_mut();
            directory.remove_mailbox(id);
            directory.remove_metadata_of(mailbox.account(), id);
        }
        self.changed().removed_mailboxes.push(id);
        let (messages, stated): (Vec<Message>, _) = {
            let mut data = mailbox.write();
            data.gone = true;
            data.head.highest_mod_seq = data.head.highest_mod_seq.max(mod_seq);
            data.dirty = Dirty::default();
            let chunks = data.messages.iter().flat_map(|messages| messages.chunks.iter());
            (chunks.flat_map(|chunk| chunk.messages.iter().copied()).collect(), data.head.stated)
        };
        self.bodies().restate(stated, None);
        self.release(&messages)
    }

    fn apply_add_account(&self, add: AddAccount) {
        let mut directory = self.directory_mut();
        directory.add_account(AccountState {
            account: add.account,
            name: add.name,
            display_name: add.display_name,
            credentials: add.credentials,
            subscriptions: vec![INBOX.to_owned()],
            used_names: Vec::new(),
            highest_mod_seq: add.mod_seq,
        });
        let (name, uid_validity) = (INBOX.to_owned(), add.inbox_uid_validity);
        let head = HeadRecord::new(add.inbox, add.account, name, uid_validity, None, add.mod_seq);
        directory.add_mailbox(Mailbox::new(MailboxData::new(head)));
    }

    /// Removes an account; returns the bells of its mailboxes.
    fn remove_account(&self, id: AccountId) -> Result<Vec<Bell>, Error> {
        let mailboxes: Vec<_> = match self.directory().account(id) {
            Some(entry) => entry.mailboxes.values().map(|mailbox| mailbox.id()).collect(),
            None => return Ok(Vec::new()),
        };
        for mailbox in &mailboxes {
            self.delete_mailbox(*mailbox, 0)?;
        }
        let stated = self.directory().metadata(id).and_then(|metadata| metadata.stated);
        self.bodies().restate(stated, None);
        let mut directory = self.directory_mut();
        directory.remove_account(id);
        self.changed().removed_accounts.push(id);
        Ok(mailboxes.into_iter().map(Bell::Mailbox).collect())
    }

    fn apply_store_state(&self, state: &StoreState) -> Result<(), Error> {
        let (dead_accounts, dead_mailboxes) = self.directory().not_in(state);
        for mailbox in dead_mailboxes {
            self.delete_mailbox(mailbox, 0)?;
        }
        for account in dead_accounts {
            self.remove_account(account)?;
        }
        let counters = &mut self.directory_mut().counters;
        counters.account = counters.account.max(state.counters.account);
        counters.mailbox = counters.mailbox.max(state.counters.mailbox);
        counters.body = counters.body.max(state.counters.body);
        counters.uid_validity = counters.uid_validity.max(state.counters.uid_validity);
        Ok(())
    }

    /// All records were applied: which bodies are needed is counted, and nothing is recent (the journal does not say who
    /// was told).
    pub(crate) fn end_rebuild(&mut self) -> Result<(), Error> {
        self.rebuilding = false;
        let without_account = self.directory_mut().name_mailboxes();
        for id in without_account {
            // Only after damage: the account's own record was lost.
            tracing::error!(mailbox = %id, "a mailbox belongs to an account that is not there");
            self.delete_mailbox(id, 0)?;
        }
        let mut references: HashMap<BodyId, u32> = HashMap::new();
        let mut stated = Vec::new();
        self.directory_mut().retain_metadata();
        for (account, metadata) in self.directory().all_metadata() {
            self.changed().metadata.insert(account);
            stated.extend(metadata.stated);
        }
        for (account, _) in self.directory().quotas() {
            self.changed().quotas.insert(account);
        }
        for (account, _) in self.directory().scripts() {
            self.changed().scripts.insert(account);
        }
        self.changed().aliases.extend(self.directory().aliases().keys().cloned());
        for mailbox in self.directory().mailboxes() {
            let mut data = mailbox.write();
            data.head.first_recent_uid = data.head.uid_next;
            stated.extend(data.head.stated);
            data.dirty.head = true;
            for message in data.messages.iter().flat_map(|messages| messages.chunks.iter()).flat_map(|c| &c.messages) {
                *references.entry(message.body).or_default() += 1;
            }
        }
        self.bodies().recount(&references, &stated);
        Ok(())
    }

    /// Whether the index lacks anything.
    pub(crate) fn is_dirty(&self) -> bool {
        self.changed().anything || !self.bodies().is_clean()
    }

    /// Remembers that a mailbox's head changed without a record.
    pub(crate) fn head_changed(&self, mailbox: MailboxId) {
        let mut changed = self.changed();
        changed.mailboxes.insert(mailbox);
        changed.anything = true;
    }

    /// Gathers all that the index lacks; returns the generation of bodies to give to [`State::collected`], and the
    /// mailboxes that were gathered. Called between commit groups, never twice at a time.
    pub(crate) fn collect(&self, now_unix_s: i64) -> Result<(Batch, u64, Vec<Arc<Mailbox>>), Error> {
        let changed = std::mem::take(&mut *self.changed());
        let mut batch = Batch::default();
        let directory = self.directory();
        for id in changed.removed_mailboxes {
            self.index.remove_mailbox(&mut batch, id)?;
        }
        for id in changed.removed_accounts {
            self.index.remove_account(&mut batch, id)?;
        }
        for entry in changed.accounts.iter().filter_map(|id| directory.account(*id)) {
            self.index.set_account(&mut batch, &entry.record())?;
        }
        for id in changed.metadata {
            if let Some(metadata) = directory.metadata(id) {
                self.index.set_metadata(&mut batch, &metadata.record(id))?;
            }
        }
        for id in changed.quotas {
            // Those of an account that was removed go with it.
            if directory.account(id).is_some() {
                self.index.set_quota(&mut batch, id, directory.quota(id))?;
            }
        }
        for id in changed.scripts {
            if directory.account(id).is_some() {
                self.index.set_script(&mut batch, id, directory.script(id).as_deref())?;
            }
        }
        for name in changed.aliases {
            self.index.set_alias(&mut batch, &name, directory.alias(&name).map(Arc::as_ref))?;
        }
        let mut mailboxes = Vec::new();
        for mailbox in changed.mailboxes.iter().filter_map(|id| directory.mailbox(*id)) {
            self.collect_mailbox(&mut batch, mailbox, now_unix_s)?;
            mailboxes.push(Arc::clone(mailbox));
        }
        drop(directory);
        let bodies = self.bodies().collect();
        let generation = bodies.generation;
        self.index.set_bodies(&mut batch, bodies)?;
        Ok((batch, generation, mailboxes))
    }

    fn collect_mailbox(&self, batch: &mut Batch, mailbox: &Mailbox, now_unix_s: i64) -> Result<(), Error> {
        let mut data = mailbox.write();
        data.trim_history(now_unix_s);
        let dirty = std::mem::take(&mut data.dirty);
        let id = mailbox.id();
        if dirty.replaced {
            self.index.remove_messages(batch, id)?;
        }
        if dirty.forgotten {
            self.index.remove_vanished(batch, id, data.head.history_from)?;
        }
        if let Some(messages) = &data.messages {
            for number in dirty.chunks {
                let chunk = messages.chunks.binary_search_by_key(&number, |chunk| chunk.number);
                let chunk = chunk.ok().map(|at| &messages.chunks[at]);
                self.index.set_chunk(batch, id, number, chunk)?;
            }
            if let Some(from) = dirty.vanished_from {
                for vanished in messages.vanished.iter().filter(|vanished| vanished.mod_seq >= from) {
                    self.index.set_vanished(batch, id, vanished)?;
                }
            }
        }
        self.index.set_head(batch, &data.head)
    }

    /// What was collected is in the index.
    pub(crate) fn collected(&self, generation: u64) {
        self.bodies().collected(generation);
    }
}

/// A mailbox is for something else from here on. Its head says it, and its metadata that it changed.
fn set_special_use(
    directory: &mut Directory,
    account: AccountId,
    id: MailboxId,
    special_use: Option<SpecialUse>,
    mod_seq: ModSeq,
) {
    // In a rebuild its state may come later, and says it too.
    if let Some(mailbox) = directory.mailbox(id) {
        let mut data = mailbox.write();
        data.head.special_use = special_use;
        data.dirty.head = true;
    }
    let metadata = directory.metadata_mut(account);
    metadata.set(Some(id), SPECIAL_USE_ENTRY.to_owned(), None, mod_seq);
    metadata.forget_removed();
}
