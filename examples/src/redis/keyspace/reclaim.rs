//! Freeing what is large without anybody waiting for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread;

/// What is to be dropped on the thread, and the memory that it takes until then.
type Waste = (Box<dyn Send>, usize);

/// A thread that drops what it is given; it is started with the first thing.
///
/// To drop a million elements takes tens of milliseconds, in which the loop would serve nobody.
/// What waits here still counts as used memory, and so cannot pile up.
#[derive(Default)]
pub(super) struct Reclaimer {
    waste: OnceLock<Option<Sender<Waste>>>,
    pending: Arc<AtomicUsize>,
}

impl Reclaimer {
    /// Drops `value` elsewhere, or here if there can be no thread.
    pub(super) fn drop_later(&self, value: impl Send + 'static, memory: usize) {
        let sender = self.waste.get_or_init(|| self.start());
        if let Some(sender) = sender {
            self.pending.fetch_add(memory, Ordering::Relaxed);
            // The thread ends only after the sender has.
            let _ = sender.send((Box::new(value), memory));
        }
    }

    /// Returns the memory of what waits to be dropped.
    pub(super) fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    fn start(&self) -> Option<Sender<Waste>> {
        let (sender, waste) = channel::<Waste>();
        let pending = Arc::clone(&self.pending);
        let run = move || {
            for (value, memory) in waste {
                drop(value);
                pending.fetch_sub(memory, Ordering::Relaxed);
            }
        };
        thread::Builder::new().name("reclaim".into()).spawn(run).ok().map(|_| sender)
    }
}
