//! Commands on their way from the thread that reads them to the loop.

use std::io;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use evio_sys::{Poller, Token, Waker};
use evio_twins::Bug;
use evio_twins::protocol::Command;

/// How long the loop waits, where a wake is lost, for the wake to lose.
const GAP: Duration = Duration::from_secs(5);

/// A queue with a waker.
pub(crate) struct Mailbox {
    bug: Bug,
    queue: Mutex<Vec<Command>>,
    waker: Waker,
    /// Posts that are over, the wake included.
    posts: Mutex<usize>,
    posted: Condvar,
}

impl Mailbox {
    pub(crate) fn new(bug: Bug, poller: &Poller, token: Token) -> io::Result<Self> {
        Ok(Self {
            bug,
            queue: Mutex::default(),
            waker: Waker::new(poller, token)?,
            posts: Mutex::default(),
            posted: Condvar::new(),
        })
    }

    pub(crate) fn post(&self, command: Command) -> io::Result<()> {
        lock(&self.queue).push(command);
        self.waker.wake()?;
        *lock(&self.posts) += 1;
        self.posted.notify_one();
        Ok(())
    }

    /// Has all commands carried out.
    pub(crate) fn drain(&self, carry_out: impl FnMut(Command)) {
        if self.bug != Bug::DrainFirst {
            self.waker.acknowledge();
        }
        let posts = *lock(&self.posts);
        let commands = mem::take(&mut *lock(&self.queue));
        commands.into_iter().for_each(carry_out);
        if self.bug == Bug::DrainFirst {
            // The gap is a few instructions wide and seldom hit; here it lasts until it is.
            let in_gap = |now: &mut usize| *now == posts;
            drop(self.posted.wait_timeout_while(lock(&self.posts), GAP, in_gap));
            self.waker.acknowledge();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics with the lock")
}
