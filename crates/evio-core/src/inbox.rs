//! The queue that other threads fill and a loop empties, and which of them wakes the loop.

use std::collections::VecDeque;
use std::mem;

#[cfg(not(all(test, loom)))]
use parking_lot::Mutex;

use crate::mailbox::SendError;
#[cfg(all(test, loom))]
use tests::Mutex;

/// What other threads have left for a loop.
///
/// The loop takes everything at once, and only when it has nothing else left to carry out. So it
/// meets the other threads once per turn: with a queue that both ends work on, a third of the wakes
/// per second were measured.
///
/// Whoever leaves something for a loop that sleeps, or is about to, has to wake it. A loop that has
/// been told looks here again before it sleeps, so nobody else has to. What a thread has to do for
/// that is under the lock that it needs anyway.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    shared: Mutex<Shared<T>>,
}

#[derive(Debug)]
struct Shared<T> {
    messages: VecDeque<T>,
    /// Messages as they are counted for the capacity: one of the queue may stand for several.
    count: usize,
    /// Invariant: true from the first message until the loop has found nothing here.
    is_told: bool,
    /// The loop has ended.
    is_closed: bool,
}

impl<T> Inbox<T> {
    pub(crate) fn new() -> Self {
        let messages = VecDeque::new();
        let shared = Shared { messages, count: 0, is_told: false, is_closed: false };
        Self { shared: Mutex::new(shared) }
    }

    /// Has `add` put a message into the queue, at its end, unless there are `capacity` already.
    /// Returns whether the loop has to be woken.
    ///
    /// What `add` holds is dropped outside of the lock if it is not called.
    pub(crate) fn leave(
        &self,
        capacity: usize,
        add: impl FnOnce(&mut VecDeque<T>),
    ) -> Result<bool, SendError> {
        let mut shared = self.shared.lock();
        if shared.is_closed {
            return Err(SendError::Stopped);
        }
        if shared.count >= capacity {
            return Err(SendError::Full);
        }
        shared.count += 1;
        add(&mut shared.messages);
        Ok(!mem::replace(&mut shared.is_told, true))
    }

    /// Takes note that there is something for the loop elsewhere, which has to be there by now.
    /// Returns whether the loop has to be woken.
    pub(crate) fn tell(&self) -> bool {
        !mem::replace(&mut self.shared.lock().is_told, true)
    }

    /// Has the next message wake the loop, since it could not be woken for this one.
    pub(crate) fn forget_told(&self) {
        self.shared.lock().is_told = false;
    }

    /// Moves everything to `messages`, which is empty. If there is nothing, and the loop has
    /// nothing else to carry out, the next message wakes it.
    ///
    /// Both under one lock: a message that came between a look and the note that the loop is about
    /// to sleep would be left behind.
    pub(crate) fn take_all(&self, messages: &mut VecDeque<T>, has_other_mail: bool) {
        let mut shared = self.shared.lock();
        mem::swap(messages, &mut shared.messages);
        shared.count = 0;
        shared.is_told = has_other_mail || !messages.is_empty();
    }

    /// Refuses messages from now on, and moves those that are here to the end of `messages`, for
    /// them to be dropped outside of the lock: that may run anybody's code.
    pub(crate) fn close(&self, messages: &mut VecDeque<T>) {
        let mut shared = self.shared.lock();
        shared.is_closed = true;
        messages.append(&mut shared.messages);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn leave(inbox: &Inbox<u32>, message: u32) -> Result<bool, SendError> {
        inbox.leave(3, |messages| messages.push_back(message))
    }

    #[test]
    fn the_first_wakes_a_loop_that_sleeps_and_nobody_one_that_runs() {
        let inbox = Inbox::new();
        let mut taken = VecDeque::new();
        for _ in 0..2 {
            assert_eq!(leave(&inbox, 1), Ok(true), "the loop sleeps");
            assert_eq!(leave(&inbox, 2), Ok(false), "a wake is on its way");
            assert!(!inbox.tell());
            inbox.take_all(&mut taken, false);
            assert_eq!(mem::take(&mut taken), [1, 2]);
            assert_eq!(leave(&inbox, 3), Ok(false), "the loop has something to do");
            inbox.take_all(&mut taken, false);
            assert_eq!(mem::take(&mut taken), [3]);
            inbox.take_all(&mut taken, true);
            assert!(!inbox.tell(), "the loop has something else to do");
            inbox.take_all(&mut taken, false);
            assert!(taken.is_empty());
        }
        assert!(inbox.tell(), "the loop has found nothing");
        inbox.forget_told();
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
            assert!(inbox.leave(3, add).is_ok());
        }
        assert_eq!(leave(&inbox, 4), Err(SendError::Full));
        assert!(inbox.leave(usize::MAX, |messages| messages.push_back(5)).is_ok());
        inbox.close(&mut taken);
        assert_eq!(taken, [0, 6, 5]);
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

    struct Model {
        inbox: Inbox<()>,
        /// Stands for the other queue, whose sender tells the inbox.
        orders: AtomicUsize,
        /// Stands for the waker, which is reported once for all wakes.
        wakes: AtomicUsize,
    }

    impl Model {
        fn send(&self) {
            if self.inbox.leave(usize::MAX, |messages| messages.push_back(())).unwrap() {
                self.wakes.fetch_add(1, Ordering::Relaxed);
            }
        }

        fn order(&self) {
            self.orders.fetch_add(1, Ordering::Relaxed);
            if self.inbox.tell() {
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
