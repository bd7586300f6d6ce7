//! What can be changed: a file for each kind of change.
//!
//! Each has its face (a method of [`Store`](super::Store)) and its decision, which runs on the committer's thread, sees
//! what is published, and makes the record.

mod accounts;
mod aliases;
mod append;
mod copy;
mod deliver;
mod expunge;
mod flags;
mod mailboxes;
mod metadata;
mod quota;
mod script;
