//! Ending a poll from another thread.

use std::io;

use crate::backend::Notifier;
use crate::flag::Flag;
use crate::poller::Poller;
use crate::token::Token;

/// Makes a poll return, from any thread.
///
/// Calls merge: of all calls between two [`acknowledge`](Self::acknowledge)s only the first makes
/// a system call. The intended use is a queue beside it:
///
/// - a sender first pushes its message, then calls [`wake`](Self::wake);
/// - the polling thread, on seeing the waker's token, first calls `acknowledge`, then empties the
///   queue.
///
/// In this order no message can be left behind: a `wake` that did nothing did so because an
/// `acknowledge`, and with it a look at the queue, was still to come. Emptying the queue first
/// would lose a message that is pushed between the two.
///
/// # Examples
///
/// ```
/// use evio_sys::{Events, Poller, Token, Waker};
///
/// # fn main() -> std::io::Result<()> {
/// let poller = Poller::new()?;
/// let waker = Waker::new(&poller, Token(1))?;
/// std::thread::scope(|scope| {
///     scope.spawn(|| waker.wake());
///     let mut events = Events::with_capacity(4);
///     poller.poll(&mut events, None)?;
///     assert_eq!(events.iter().next().map(|event| event.token()), Some(Token(1)));
///     waker.acknowledge();
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct Waker {
    notifier: Notifier,
    /// Invariant: true from the first `wake` until the next `acknowledge`.
    pending: Flag,
}

impl Waker {
    /// Creates a waker that is reported by `poller` under `token`.
    ///
    /// # Errors
    ///
    /// Fails when the process or the system is out of file descriptors or memory.
    pub fn new(poller: &Poller, token: Token) -> io::Result<Self> {
        let notifier = Notifier::new(poller.selector(), token)?;
        Ok(Self { notifier, pending: Flag::new() })
    }

    /// Makes the present or the next poll report the waker's token.
    ///
    /// # Errors
    ///
    /// Fails when the system call does; the next call tries again.
    pub fn wake(&self) -> io::Result<()> {
        if !self.pending.raise() {
            return Ok(());
        }
        let result = self.notifier.notify();
        if result.is_err() {
            self.pending.lower();
        }
        result
    }

    /// Lets the next [`wake`](Self::wake) notify again.
    ///
    /// To be called by the polling thread *before* it looks for the reason it was woken.
    pub fn acknowledge(&self) {
        self.notifier.acknowledge();
        self.pending.lower();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::event::Events;

    #[test]
    fn wakes_merge_until_acknowledged() {
        let poller = Poller::new().unwrap();
        let waker = Waker::new(&poller, Token(9)).unwrap();
        let mut events = Events::with_capacity(4);
        for _ in 0..3 {
            for _ in 0..5 {
                waker.wake().unwrap();
            }
            poller.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
            assert_eq!(events.len(), 1);
            waker.acknowledge();
            poller.poll(&mut events, Some(Duration::ZERO)).unwrap();
            assert!(events.is_empty(), "an acknowledged waker is silent");
        }
    }

    /// Each of `THREADS` senders counts up and wakes; the poller must come to see every count.
    #[test]
    fn no_wake_is_lost_under_contention() {
        const THREADS: usize = 3;
        const WAKES: usize = 20_000;
        let poller = Poller::new().unwrap();
        let waker = Waker::new(&poller, Token(9)).unwrap();
        let sent = AtomicUsize::new(0);
        let mut events = Events::with_capacity(4);
        let mut seen = 0;
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..WAKES {
                        sent.fetch_add(1, Ordering::Relaxed);
                        waker.wake().unwrap();
                    }
                });
            }
            while seen < THREADS * WAKES {
                poller.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
                assert!(!events.is_empty(), "a wake was lost: {seen} of {}", THREADS * WAKES);
                waker.acknowledge();
                seen = sent.load(Ordering::Relaxed);
            }
        });
    }
}
