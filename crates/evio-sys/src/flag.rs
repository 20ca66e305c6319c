//! A flag that merges calls from many threads until one thread has seen them.

#[cfg(all(test, loom))]
use loom::sync::atomic::{AtomicBool, Ordering};
#[cfg(not(all(test, loom)))]
use std::sync::atomic::{AtomicBool, Ordering};

/// Up from the first [`raise`](Self::raise) until the next [`lower`](Self::lower).
#[derive(Debug)]
pub(crate) struct Flag(AtomicBool);

impl Flag {
    pub(crate) fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Returns whether the flag was down: then the caller has to tell the other side.
    pub(crate) fn raise(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }

    /// To be called *before* looking for what the flag was raised for.
    pub(crate) fn lower(&self) {
        // A swap and not a store: it reads what the last `raise` wrote, and so sees all that its
        // caller did before.
        self.0.swap(false, Ordering::AcqRel);
    }
}

/// `RUSTFLAGS="--cfg loom" cargo test -p evio-sys --lib flag` goes through every
/// interleaving of two senders and a receiver, and every value that a read may see.
#[cfg(all(test, loom))]
mod tests {
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicUsize;
    use loom::thread;

    use super::*;

    struct Shared {
        flag: Flag,
        /// Stands for the poller, which reports each notification once.
        notifications: AtomicUsize,
        /// Stands for the queue.
        messages: AtomicUsize,
    }

    impl Shared {
        fn send(&self) {
            self.messages.fetch_add(1, Ordering::Relaxed);
            if self.flag.raise() {
                self.notifications.fetch_add(1, Ordering::Relaxed);
            }
        }

        /// Returns how many messages are there, if there is a notification.
        fn poll(&self, lowers_first: bool) -> Option<usize> {
            if self.notifications.swap(0, Ordering::Relaxed) == 0 {
                return None;
            }
            if lowers_first {
                self.flag.lower();
                return Some(self.messages.load(Ordering::Relaxed));
            }
            let seen = self.messages.load(Ordering::Relaxed);
            self.flag.lower();
            Some(seen)
        }
    }

    fn check(lowers_first: bool) {
        loom::model(move || {
            let shared = Arc::new(Shared {
                flag: Flag::new(),
                notifications: AtomicUsize::new(0),
                messages: AtomicUsize::new(0),
            });
            let senders: Vec<_> = (0..2)
                .map(|_| {
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || shared.send())
                })
                .collect();
            let mut seen = shared.poll(lowers_first).unwrap_or(0);
            for sender in senders {
                sender.join().unwrap();
            }
            seen = shared.poll(lowers_first).unwrap_or(seen);
            assert_eq!(seen, 2, "a message was left behind without a notification");
        });
    }

    #[test]
    fn no_message_is_left_behind() {
        check(true);
    }

    /// The model can tell the right order from the wrong one.
    #[test]
    #[should_panic(expected = "left behind")]
    fn looking_before_lowering_leaves_messages_behind() {
        check(false);
    }
}
