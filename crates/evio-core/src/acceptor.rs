//! From a listening socket to a connection in a loop.

use std::time::{Duration, Instant};

use evio_sys::Interest;
use evio_sys::net::{AcceptError, Listener};

use crate::loop_state::LoopState;
use crate::mailbox::{Accepted, Command};
use crate::source::Source;

/// Connections accepted from one listener in a turn: enough to keep up with a storm, few enough
/// that those that are open do not notice it.
const ACCEPT_BUDGET: usize = 64;

/// How long a listener rests when descriptors or memory ran out. A connection of this loop that
/// closes ends the rest at once.
const BACK_OFF: Duration = Duration::from_millis(50);

/// A listening socket of the loop.
#[derive(Debug)]
pub(crate) struct BoundListener {
    pub(crate) listener: Listener,
    pub(crate) address_index: u16,
    /// The kernel spreads the connections over one listener per loop, so they stay here.
    pub(crate) stays_here: bool,
    pub(crate) resting_until: Option<Instant>,
}

impl LoopState {
    /// Accepts what is waiting, up to the budget, and returns what belongs to this loop.
    ///
    /// What belongs to another loop is handed over.
    pub(crate) fn accept(&mut self, number: u32, here: &mut Vec<Accepted>) {
        for _ in 0..ACCEPT_BUDGET {
            let Some(bound) = self.listeners.get(number as usize) else { return };
            if bound.resting_until.is_some() {
                return;
            }
            match bound.listener.accept() {
                Ok((stream, peer)) => {
                    let address_index = bound.address_index;
                    let stays_here = bound.stays_here;
                    self.place(Accepted { stream, peer, address_index }, stays_here, here);
                }
                Err(AcceptError::Empty) => return,
                Err(AcceptError::Connection(_)) => {}
                Err(AcceptError::Exhausted(_)) => return self.rest(number),
            }
        }
    }

    fn place(&mut self, accepted: Accepted, stays_here: bool, here: &mut Vec<Accepted>) {
        let own = usize::from(self.loop_id);
        let placement = &self.group.placement;
        let target = if stays_here {
            placement.add(own);
            own
        } else {
            placement.place(&mut self.random)
        };
        if target == own {
            here.push(accepted);
        } else if self.group.mailbox(target).post(Command::Adopt(accepted)).is_err() {
            // That loop has ended, and this one is about to.
            placement.remove(target);
        }
    }

    /// Stops polling a listener for a while. Level-triggered, it would be reported for ever.
    fn rest(&mut self, number: u32) {
        let bound = &mut self.listeners[number as usize];
        if self.poller.deregister(&bound.listener).is_ok() {
            bound.resting_until = self.now.checked_add(BACK_OFF);
        }
    }

    /// Polls the listeners again whose rest is over at `now`.
    pub(crate) fn wake_listeners(&mut self, now: Instant) {
        for (number, bound) in (0..).zip(&mut self.listeners) {
            if bound.resting_until.is_some_and(|until| until <= now) {
                let token = Source::Listener(number).token();
                let result = self.poller.register(&bound.listener, token, Interest::READABLE);
                bound.resting_until = result.err().and_then(|_| now.checked_add(BACK_OFF));
            }
        }
    }

    /// Ends every rest: a descriptor has become free.
    pub(crate) fn descriptor_freed(&mut self) {
        for bound in &mut self.listeners {
            bound.resting_until = bound.resting_until.map(|_| self.now);
        }
    }

    pub(crate) fn next_listener_wake(&self) -> Option<Instant> {
        self.listeners.iter().filter_map(|bound| bound.resting_until).min()
    }
}
