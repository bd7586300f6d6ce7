//! The bell: wakes whoever listens to a key, and knows nothing of mail.
//!
//! A wake-up is level-triggered and carries no data: it says "look", and the woken task asks the store what changed
//! since the state it knows. So a slow listener loses nothing and there is no queue that could overflow. Many wake-ups
//! before a listener looks are one.
//!
//! The rule for listeners: **listen before the first look**. Whatever happens after [`Hub::listen`] returned will wake;
//! whatever happened before it is seen by the look that follows.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

/// One bell for each key that somebody listens to. A key without listeners costs nothing.
///
/// Maps are keyed with std's SipHash: keys may be chosen by strangers.
#[derive(Debug)]
pub struct Hub<K: Eq + Hash + Clone> {
    bells: Mutex<HashMap<K, watch::Sender<()>>>,
}

impl<K: Eq + Hash + Clone> Default for Hub<K> {
    fn default() -> Self {
        Self { bells: Mutex::new(HashMap::new()) }
    }
}

impl<K: Eq + Hash + Clone> Hub<K> {
    /// A hub that nobody listens to yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Listens to `key` until the listener is dropped.
    pub fn listen(self: &Arc<Self>, key: K) -> Listener<K> {
        let mut bells = self.lock();
        let receiver = bells.entry(key.clone()).or_insert_with(|| watch::Sender::new(())).subscribe();
        drop(bells);
        Listener { hub: Arc::clone(self), key, receiver: Some(receiver) }
    }

    /// Wakes every listener of `key`; returns how many there are.
    ///
    /// Never call it while a lock is held that a woken task wants.
    pub fn wake(&self, key: &K) -> usize {
        let bells = self.lock();
        let Some(bell) = bells.get(key) else { return 0 };
        bell.send_replace(());
        bell.receiver_count()
    }

    /// How many keys are listened to.
    pub fn keys(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<K, watch::Sender<()>>> {
        // A panic while the lock was held left the map whole: each operation on it is a single step.
        self.bells.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A claim to be woken when a key rings. Made by [`Hub::listen`].
#[derive(Debug)]
pub struct Listener<K: Eq + Hash + Clone> {
    hub: Arc<Hub<K>>,
    key: K,
    // `None` only while it is dropped.
    receiver: Option<watch::Receiver<()>>,
}

impl<K: Eq + Hash + Clone> Listener<K> {
    /// Waits until the key has rung since the last return of this method (or since `listen`).
    ///
    /// Cancel-safe: a ring that arrives while nobody waits is remembered.
    pub async fn rung(&mut self) {
        if let Some(receiver) = &mut self.receiver {
            // The sender lives as long as a receiver does, so this errs only if the hub broke its own rule;
            // waiting for ever would then hide it, while an early wake-up is harmless.
            let _closed = receiver.changed().await;
        }
    }

    /// Whether the key has rung since it was last seen; it then counts as seen.
    pub fn take(&mut self) -> bool {
        match &mut self.receiver {
            Some(receiver) => {
                let rung = receiver.has_changed().unwrap_or(true);
                receiver.mark_unchanged();
                rung
            }
            None => false,
        }
    }
}

impl<K: Eq + Hash + Clone> Drop for Listener<K> {
    fn drop(&mut self) {
        let mut bells = self.hub.lock();
        self.receiver = None;
        if bells.get(&self.key).is_some_and(|bell| bell.receiver_count() == 0) {
            bells.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_ring_between_two_waits_is_remembered() {
        let hub = Hub::new();
        let mut listener = hub.listen(7);
        assert_eq!(hub.wake(&7), 1);
        assert_eq!(hub.wake(&7), 1);
        listener.rung().await;
        assert!(!listener.take(), "two rings before a look are one");
    }

    #[tokio::test]
    async fn a_ring_before_listening_is_not_heard() {
        let hub = Hub::new();
        assert_eq!(hub.wake(&7), 0);
        let mut listener = hub.listen(7);
        assert!(!listener.take());
        hub.wake(&7);
        assert!(listener.take());
    }

    #[tokio::test]
    async fn keys_do_not_disturb_one_another_and_end_with_their_last_listener() {
        let hub = Hub::new();
        let mut one = hub.listen(1);
        let two = hub.listen(2);
        let again = hub.listen(2);
        assert_eq!(hub.wake(&2), 2);
        assert!(!one.take());
        drop(two);
        assert_eq!(hub.keys(), 2);
        drop(again);
        assert_eq!(hub.keys(), 1);
    }

    #[tokio::test]
    async fn every_listener_of_a_key_is_woken() {
        let hub = Hub::new();
        let mut listeners: Vec<_> = (0..50).map(|_| hub.listen("inbox")).collect();
        assert_eq!(hub.wake(&"inbox"), 50);
        for listener in &mut listeners {
            listener.rung().await;
        }
    }
}
