//! The queue that other threads fill and a loop empties, and which of them wakes the loop.

use std::collections::VecDeque;
use std::mem;

#[cfg(not(all(test, loom)))]
use parking_lot::Mutex;

use crate::mail::send_error::SendError;
#[cfg(all(test, loom))]
use tests::Mutex;

/// Messages that other threads have left for a loop.
///
/// The loop takes everything at once, and only when it has nothing else left to carry out. So it
/// meets the other threads once per turn: with a queue that both ends work on, a third of the wakes
/// per second were measured.
///
/// A sender wakes a loop that sleeps, or is about to. While a wake is pending, the loop looks here
/// again before it sleeps, so no other sender has to wake it. The flag for that is under the lock
/// that a sender needs anyway.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    shared: Mutex<Shared<T>>,
}

/// The most that may wait in an inbox.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) messages: usize,
    /// A message finds room in an empty inbox however long it is.
    pub(crate) bytes: usize,
}

#[derive(Debug)]
struct Shared<T> {
    messages: VecDeque<T>,
    /// Messages as they are counted for the bounds: one of the queue may stand for several.
    count: usize,
    /// Their bytes.
    bytes: usize,
    /// Invariant: true from the first message until the loop has found nothing here.
    wake_pending: bool,
    /// The loop has ended.
    is_closed: bool,
}

impl<T> Inbox<T> {
    pub(crate) fn new() -> Self {
        let messages = VecDeque::new();
        let (wake_pending, is_closed) = (false, false);
        let shared = Shared { messages, count: 0, bytes: 0, wake_pending, is_closed };
        Self { shared: Mutex::new(shared) }
    }

    /// Lets `add` put a message of so many `bytes` at the end of the queue, if there is room within
    /// `bounds`. Returns whether the loop has to be woken.
    ///
    /// What `add` holds is dropped outside of the lock if it is not called.
    pub(crate) fn try_push(
        &self,
        bounds: Bounds,
        bytes: usize,
        add: impl FnOnce(&mut VecDeque<T>),
    ) -> Result<bool, SendError> {
        let mut shared = self.shared.lock();
        if shared.is_closed {
            return Err(SendError::Stopped);
        }
        let is_too_much = shared.bytes > 0 && shared.bytes.saturating_add(bytes) > bounds.bytes;
        if shared.count >= bounds.messages || is_too_much {
            return Err(SendError::Full);
        }
        shared.count += 1;
        shared.bytes = shared.bytes.saturating_add(bytes);
        add(&mut shared.messages);
        Ok(!mem::replace(&mut shared.wake_pending, true))
    }

    /// Lets `add` put something for the loop elsewhere, unless the loop has ended. Returns whether
    /// it has to be woken.
    ///
    /// Both under one lock: what came between a loop's last look and its end would be left behind.
    pub(crate) fn notify(&self, add: impl FnOnce()) -> Result<bool, SendError> {
        let mut shared = self.shared.lock();
        if shared.is_closed {
            return Err(SendError::Stopped);
        }
        add();
        Ok(!mem::replace(&mut shared.wake_pending, true))
    }

    /// Makes the next sender wake the loop, since it could not be woken for this message.
    pub(crate) fn clear_wake_pending(&self) {
        self.shared.lock().wake_pending = false;
    }

    /// Moves everything to `messages`, which is empty. If there is nothing, and the loop has
    /// nothing else to carry out, the next sender wakes it.
    ///
    /// Both under one lock: a message that came between a look and the note that the loop is about
    /// to sleep would be left behind.
    pub(crate) fn take_all(&self, messages: &mut VecDeque<T>, has_other_mail: bool) {
        let mut shared = self.shared.lock();
        mem::swap(messages, &mut shared.messages);
        (shared.count, shared.bytes) = (0, 0);
        shared.wake_pending = has_other_mail || !messages.is_empty();
    }

    /// Refuses everything from now on, if it `may` by then, and moves the messages that are here to
    /// the end of `messages`, for them to be dropped outside of the lock: that may run anybody's
    /// code.
    pub(crate) fn close(&self, messages: &mut VecDeque<T>, may: impl FnOnce() -> bool) {
        let mut shared = self.shared.lock();
        if may() {
            shared.is_closed = true;
            messages.append(&mut shared.messages);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const UNBOUNDED: Bounds = Bounds { messages: usize::MAX, bytes: usize::MAX };

    #[test]
    fn bytes_are_bounded_and_a_long_message_finds_an_empty_inbox() {
        let inbox = Inbox::new();
        let bounds = Bounds { messages: 100, bytes: 10 };
        let push = |bytes| inbox.try_push(bounds, bytes, |messages| messages.push_back(bytes));
        assert!(push(50).is_ok());
        assert_eq!(push(1), Err(SendError::Full));
        let mut taken = VecDeque::new();
        inbox.take_all(&mut taken, false);
        assert!(push(4).is_ok() && push(6).is_ok());
        assert_eq!(push(1), Err(SendError::Full));
        assert!(push(0).is_ok(), "what has no bytes is bounded by its number");
        assert_eq!(taken, [50]);
    }

    fn leave(inbox: &Inbox<u32>, message: u32) -> Result<bool, SendError> {
        let bounds = Bounds { messages: 3, bytes: 100 };
        inbox.try_push(bounds, 1, |messages| messages.push_back(message))
    }

    #[test]
    fn the_first_wakes_a_loop_that_sleeps_and_nobody_one_that_runs() {
        let inbox = Inbox::new();
        let mut taken = VecDeque::new();
        for _ in 0..2 {
            assert_eq!(leave(&inbox, 1), Ok(true), "the loop sleeps");
            assert_eq!(leave(&inbox, 2), Ok(false), "a wake is on its way");
            assert_eq!(inbox.notify(|| ()), Ok(false));
            inbox.take_all(&mut taken, false);
            assert_eq!(mem::take(&mut taken), [1, 2]);
            assert_eq!(leave(&inbox, 3), Ok(false), "the loop has something to do");
            inbox.take_all(&mut taken, false);
            assert_eq!(mem::take(&mut taken), [3]);
            inbox.take_all(&mut taken, true);
            assert_eq!(inbox.notify(|| ()), Ok(false), "the loop has something else to do");
            inbox.take_all(&mut taken, false);
            assert!(taken.is_empty());
        }
        assert_eq!(inbox.notify(|| ()), Ok(true), "the loop has found nothing");
        inbox.clear_wake_pending();
        assert_eq!(leave(&inbox, 1), Ok(true), "the wake before has failed");
    }

    #[test]
    fn no_more_than_the_capacity_waits_and_nothing_for_a_loop_that_has_ended() {
        let inbox = Inbox::new();
        let mut taken = VecDeque::from([0]);
        for message in 1..=3 {
            // In one message, as tasks are.
            let add = |messages: &mut VecDeque<u32>| {
                let sum = messages.pop_back().unwrap_or(0) + message;
                messages.push_back(sum);
            };
            assert!(inbox.try_push(Bounds { messages: 3, bytes: 100 }, 1, add).is_ok());
        }
        assert_eq!(leave(&inbox, 4), Err(SendError::Full));
        assert!(inbox.try_push(UNBOUNDED, 0, |messages| messages.push_back(5)).is_ok());
        inbox.close(&mut taken, || false);
        assert!(inbox.notify(|| ()).is_ok(), "it goes on");
        inbox.close(&mut taken, || true);
        assert_eq!(taken, [0, 6, 5]);
        assert_eq!(inbox.notify(|| panic!("nobody will look")), Err(SendError::Stopped));
        assert_eq!(leave(&inbox, 7), Err(SendError::Stopped));
    }
}

/// `RUSTFLAGS="--cfg loom" cargo test -p evio-core --lib inbox` goes through every interleaving of
/// two senders and a loop.
#[cfg(all(test, loom))]
mod tests {
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::sync::{Arc, MutexGuard};
    use loom::thread;

    use super::*;

    /// loom's, which is locked as ours is.
    #[derive(Debug)]
    pub(super) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(super) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(super) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("no thread panics with the lock")
        }
    }

    const UNBOUNDED: Bounds = Bounds { messages: usize::MAX, bytes: usize::MAX };

    struct Model {
        inbox: Inbox<()>,
        /// Stands for the other queue, whose sender tells the inbox.
        orders: AtomicUsize,
        /// Stands for the waker, which is reported once for all wakes.
        wakes: AtomicUsize,
    }

    impl Model {
        fn send(&self) {
            if self.inbox.try_push(UNBOUNDED, 0, |messages| messages.push_back(())).unwrap() {
                self.wakes.fetch_add(1, Ordering::Relaxed);
            }
        }

        fn order(&self) {
            let add = || {
                self.orders.fetch_add(1, Ordering::Relaxed);
            };
            if self.inbox.notify(add).unwrap() {
                self.wakes.fetch_add(1, Ordering::Relaxed);
            }
        }

        /// Does what a loop does until it sleeps, if it is woken. Returns what it has got.
        fn turn(&self, looks_before_it_sleeps: bool) -> usize {
            let mut got = 0;
            if self.wakes.swap(0, Ordering::Relaxed) == 0 {
                return got;
            }
            let mut messages = VecDeque::new();
            loop {
                let orders = self.orders.swap(0, Ordering::Relaxed);
                self.inbox.take_all(&mut messages, orders > 0);
                let has_orders = self.orders.load(Ordering::Relaxed) > 0;
                let is_idle = messages.is_empty() && orders == 0 && !has_orders;
                got += messages.drain(..).len() + orders;
                if is_idle || !looks_before_it_sleeps {
                    return got;
                }
            }
        }
    }

    fn check(senders: [fn(&Model); 2], looks_before_it_sleeps: bool) {
        loom::model(move || {
            let model = Arc::new(Model {
                inbox: Inbox::new(),
                orders: AtomicUsize::new(0),
                wakes: AtomicUsize::new(0),
            });
            let senders = senders.map(|leave| {
                let model = Arc::clone(&model);
                thread::spawn(move || leave(&model))
            });
            let mut got = model.turn(looks_before_it_sleeps);
            for sender in senders {
                sender.join().unwrap();
            }
            got += model.turn(looks_before_it_sleeps);
            assert_eq!(got, 2, "a message was left behind without a wake");
        });
    }

    #[test]
    fn no_message_is_left_behind() {
        let pairs: [[fn(&Model); 2]; 3] =
            [[Model::send, Model::send], [Model::send, Model::order], [Model::order, Model::order]];
        for senders in pairs {
            check(senders, true);
        }
    }

    /// The model can tell a loop that looks again from one that does not.
    #[test]
    #[should_panic(expected = "left behind")]
    fn sleeping_without_another_look_leaves_messages_behind() {
        check([Model::send, Model::order], false);
    }
}
