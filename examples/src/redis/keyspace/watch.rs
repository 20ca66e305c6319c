//! Who watches which keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hashbrown::HashMap;

/// Set as soon as one of the keys that a client watches is changed.
#[derive(Debug, Clone, Default)]
pub(in crate::redis) struct Dirty(Arc<AtomicBool>);

impl Dirty {
    fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Tells whether a watched key was changed. Whoever holds the locks of all watched keys has an
    /// answer that stays true.
    pub(in crate::redis) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The watched keys of one part of the keyspace: nearly always none.
#[derive(Default)]
pub(super) struct Watched(HashMap<Box<[u8]>, Vec<Dirty>>);

impl Watched {
    pub(super) fn add(&mut self, key: &[u8], client: &Dirty) {
        let clients = self.0.entry_ref(key).or_default();
        if !clients.iter().any(|watching| watching.is(client)) {
            clients.push(client.clone());
        }
    }

    pub(super) fn remove(&mut self, key: &[u8], client: &Dirty) {
        if let Some(clients) = self.0.get_mut(key) {
            clients.retain(|watching| !watching.is(client));
            if clients.is_empty() {
                self.0.remove(key);
            }
        }
    }

    /// Tells the clients that watch `key`.
    #[inline]
    pub(super) fn touch(&self, key: &[u8]) {
        if !self.0.is_empty() {
            self.touch_any(key);
        }
    }

    #[cold]
    fn touch_any(&self, key: &[u8]) {
        self.0.get(key).into_iter().flatten().for_each(Dirty::set);
    }

    /// Returns how many keys are watched.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.0.keys().map(|key| &**key)
    }
}
