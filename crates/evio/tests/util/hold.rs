//! Holding up a loop.

use std::sync::mpsc::{self, Receiver, Sender};

use super::DEADLINE;

/// Creates both sides of a hold.
pub(crate) fn hold() -> (Hold, Held) {
    let (entered, was_entered) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel();
    (Hold { entered, may_leave }, Held { was_entered, leave })
}

/// The handler's side: a callback waits here, and its loop with it, so that the test can prepare
/// what the next turn finds.
pub(crate) struct Hold {
    entered: Sender<()>,
    may_leave: Receiver<()>,
}

/// The test's side.
pub(crate) struct Held {
    was_entered: Receiver<()>,
    leave: Sender<()>,
}

impl Hold {
    pub(crate) fn wait(&self) {
        // A test that has failed is gone, and must not take the loop with it.
        let _ = self.entered.send(());
        let _ = self.may_leave.recv_timeout(DEADLINE);
    }
}

impl Held {
    /// Waits until the loop is held up.
    #[track_caller]
    pub(crate) fn wait(&self) {
        self.was_entered.recv_timeout(DEADLINE).expect("the loop comes to be held up");
    }

    pub(crate) fn release(&self) {
        self.leave.send(()).expect("the loop is held up");
    }
}
