//! THREAD=REFERENCES (RFC 5256 §3): parents by References and In-Reply-To, then threads of one subject together.
//!
//! Steps 1 to 5 of the RFC are named where they are done. Each Message ID has a node, whether there is a message with it or
//! not; a message takes the node of its ID when it comes, and one without, or with one that an earlier message has, takes a
//! node of its own.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::forest::Forest;
use super::tree::{Home, Member, Tree};

/// How many Message IDs may be referred to that no message has; each costs some 80 octets. Twenty for each message of a
/// mailbox of 100,000, of which real ones have two.
const UNKNOWN_MAX: usize = 2_000_000;

/// More than [`UNKNOWN_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooManyReferences;

/// The nodes and their links.
#[derive(Debug, Default)]
pub(super) struct References {
    forest: Forest,
    by_id: HashMap<u128, u32>,
    /// Of each node the message that has it.
    taken: Vec<Option<u32>>,
    /// Of each message its node.
    nodes: Vec<u32>,
    /// The last reference of the message that was begun.
    last: Option<u32>,
}

impl References {
    /// A message begins; they come in the order of the mailbox.
    pub(super) fn begin(&mut self, id: Option<u128>) -> Result<(), TooManyReferences> {
        let named = id.map(|id| self.node(id)).transpose()?;
        let node = match named.filter(|node| self.taken[*node as usize].is_none()) {
            Some(node) => node,
            None => self.add()?,
        };
        self.taken[node as usize] = Some(self.nodes.len() as u32);
        self.nodes.push(node);
        self.last = None;
        Ok(())
    }

    /// It refers to that ID. Step 1.A: the reference before it becomes its parent, unless it has one.
    pub(super) fn refer(&mut self, id: u128) -> Result<(), TooManyReferences> {
        let node = self.node(id)?;
        if let Some(before) = self.last.replace(node)
            && self.forest.parent(node).is_none()
        {
            self.forest.link(node, before);
        }
        Ok(())
    }

    /// The message ends. Step 1.B: its last reference becomes its parent, whatever was before.
    pub(super) fn end(&mut self) {
        let Some(node) = self.nodes.last().copied() else { return };
        self.forest.cut(node);
        if let Some(last) = self.last.take() {
            self.forest.link(node, last);
        }
    }

    fn node(&mut self, id: u128) -> Result<u32, TooManyReferences> {
        match self.by_id.get(&id) {
            Some(node) => Ok(*node),
            None => {
                let node = self.add()?;
                self.by_id.insert(id, node);
                Ok(node)
            }
        }
    }

    fn add(&mut self) -> Result<u32, TooManyReferences> {
        if self.forest.len() - self.nodes.len() > UNKNOWN_MAX {
            return Err(TooManyReferences);
        }
        self.taken.push(None);
        Ok(self.forest.add())
    }

    /// For each node the nearest message at or above it, and the root of its tree.
    fn resolve(&self) -> Vec<(Option<u32>, u32)> {
        const OPEN: u32 = u32::MAX;
        let mut resolved = vec![(None, OPEN); self.forest.len()];
        let mut way = Vec::new();
        for node in 0..self.forest.len() as u32 {
            let mut at = node;
            let mut above = loop {
                if resolved[at as usize].1 != OPEN {
                    break resolved[at as usize];
                }
                way.push(at);
                match self.forest.parent(at) {
                    Some(parent) => at = parent,
                    None => break (None, at),
                }
            };
            while let Some(at) = way.pop() {
                above.0 = self.taken[at as usize].or(above.0);
                resolved[at as usize] = above;
            }
        }
        resolved
    }

    /// Steps 2 to 5; the tree does step 6.
    pub(super) fn tree(self, members: Vec<Member>) -> Tree {
        let resolved = self.resolve();
        let mut tree = Tree::new(members);
        // Steps 2 and 3: nodes without a message go, and what was below them moves up. Under the root only a single one does:
        // several stay together under a dummy.
        let mut without_message: HashMap<u32, Vec<u32>> = HashMap::new();
        for (message, node) in (0..).zip(&self.nodes) {
            let Some(parent) = self.forest.parent(*node) else { continue };
            match resolved[parent as usize] {
                (Some(above), _) => tree.put(message, Home::Below(above)),
                (None, root) => without_message.entry(root).or_default().push(message),
            }
        }
        drop(resolved);
        for messages in without_message.into_values().filter(|messages| messages.len() > 1) {
            let dummy = tree.dummy();
            messages.into_iter().for_each(|message| tree.put(message, Home::Dummy(dummy)));
        }
        merge_subjects(&mut tree);
        tree
    }
}

/// Who stands for a thread: a message under the root, or a dummy and the first message below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    dummy: Option<u32>,
    message: u32,
}

/// Step 5: threads of one subject become one.
fn merge_subjects(tree: &mut Tree) {
    // Step 4
    let heads: Vec<Head> = tree.heads().into_iter().map(|(dummy, message)| Head { dummy, message }).collect();
    // 5.A and B
    let mut table: HashMap<u128, Head> = HashMap::new();
    for head in &heads {
        let Some(subject) = tree.member(head.message).subject else { continue };
        match table.entry(subject) {
            Entry::Vacant(entry) => drop(entry.insert(*head)),
            Entry::Occupied(mut entry) => {
                let there = *entry.get();
                let is_better = || tree.member(there.message).is_reply && !tree.member(head.message).is_reply;
                if there.dummy.is_none() && (head.dummy.is_some() || is_better()) {
                    entry.insert(*head);
                }
            }
        }
    }
    // 5.C
    for head in heads {
        let Some(subject) = tree.member(head.message).subject else { continue };
        // Every subject is in the table by now. A message that went under a dummy is no child of the root any more.
        let Some(there) = table.get_mut(&subject).filter(|there| **there != head) else { continue };
        if head.dummy.is_none() && tree.home(head.message) != Home::Root {
            continue;
        }
        match (there.dummy, head.dummy) {
            (Some(into), Some(dummy)) => tree.move_all(dummy, into),
            (Some(dummy), None) => tree.put(head.message, Home::Dummy(dummy)),
            // No dummy is behind a message in the table: it would have taken its place.
            (None, Some(_)) => {}
            (None, None) if tree.member(head.message).is_reply && !tree.member(there.message).is_reply => {
                tree.put(head.message, Home::Below(there.message));
            }
            (None, None) => {
                let dummy = tree.dummy();
                tree.put(there.message, Home::Dummy(dummy));
                tree.put(head.message, Home::Dummy(dummy));
                there.dummy = Some(dummy);
            }
        }
    }
}

#[cfg(test)]
mod tests;
