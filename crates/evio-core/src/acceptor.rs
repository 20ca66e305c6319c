//! From a listening socket to a connection in a loop.

use std::io;
use std::time::{Duration, Instant};

use evio_sys::Interest;
use evio_sys::net::{AcceptError, Listener, Reserve};

use crate::loop_state::LoopState;
use crate::mailbox::{Accepted, Order};
use crate::rest::BACK_OFF;
use crate::source::Source;
use crate::udp::BoundUdp;

/// Connections accepted from one listener in a turn, so that a storm of them leaves room for those
/// that are there.
const ACCEPT_BUDGET: usize = 64;

/// The steps in which a listener learns how many connections to expect: of one more where there is
/// one, it takes as many turns to try for two.
const SIXTEENTHS: usize = 16;

/// After this time a shortage is another one: whoever waited in the first has left by himself.
const FORGOTTEN: Duration = Duration::from_millis(200);

/// A listener of the loop.
#[derive(Debug)]
pub(crate) struct BoundListener {
    pub(crate) listener: Listener,
    pub(crate) address_index: u16,
    /// Its connections belong to this loop: the kernel has balanced them.
    pub(crate) stays_here: bool,
    /// Why it is out of the poller, if it is.
    pub(crate) rest: Option<Rest>,
    /// Since when it has found no descriptor for those who wait.
    pub(crate) short_since: Option<Instant>,
    /// How many connections a turn accepts, in sixteenths, before it leaves the rest to the next.
    ///
    /// To ask in vain whether another one waits is a system call for nothing: the poller says so
    /// anyway. So a turn asks for as many as there were, and for more only if there always are.
    allowance: usize,
}

impl BoundListener {
    fn expected(&self) -> usize {
        self.allowance / SIXTEENTHS
    }

    /// Takes note that as many were waiting as were expected.
    fn expect_more(&mut self) {
        self.allowance += self.expected();
        self.allowance = self.allowance.min(ACCEPT_BUDGET * SIXTEENTHS);
    }

    /// Takes note that no more than this were waiting.
    fn expect(&mut self, count: usize) {
        self.allowance = count.max(1) * SIXTEENTHS;
    }
}

/// What a listener waits for before it accepts again; a connection that ends is enough for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// The server has as many connections as it may have.
    Full,
    Until(Instant),
}

impl BoundListener {
    pub(crate) fn new(address_index: u16, listener: Listener, stays_here: bool) -> Self {
        Self {
            listener,
            address_index,
            stays_here,
            rest: None,
            short_since: None,
            allowance: SIXTEENTHS,
        }
    }
}

impl LoopState {
    pub(crate) fn add_listener(&mut self, bound: BoundListener) -> io::Result<()> {
        let place = self.listeners.vacant_entry();
        let token = Source::Listener(place.key() as u32).token();
        self.poller.register(&bound.listener, token, Interest::READABLE)?;
        place.insert(bound);
        self.reserve.get_or_insert_with(Reserve::hold);
        Ok(())
    }

    /// Accepts what is waiting, within the budget. What belongs to this loop is moved to `here`.
    /// Returns the error of a listener that is of no use any more, which is gone then, and the
    /// index of its address.
    pub(crate) fn accept(
        &mut self,
        number: u32,
        here: &mut Vec<Accepted>,
    ) -> Option<(usize, io::Error)> {
        let mut accepted = 0;
        for attempt in 0..ACCEPT_BUDGET {
            let bound = self.listeners.get_mut(number as usize)?;
            if bound.rest.is_some() {
                return None;
            }
            if accepted == bound.expected() {
                bound.expect_more();
                return None;
            }
            if !self.group.placement.admit() {
                self.rest_while_full(number);
                return None;
            }
            let error = match bound.listener.accept() {
                Ok((stream, peer)) => {
                    let (address_index, stays_here) = (bound.address_index, bound.stays_here);
                    accepted += 1;
                    bound.short_since = None;
                    self.place(Accepted { stream, peer, address_index }, stays_here, here);
                    continue;
                }
                Err(error) => error,
            };
            let was_full = self.group.placement.withdraw();
            match error {
                AcceptError::Connection(_) => self.leave_room(was_full),
                AcceptError::Empty => {
                    bound.expect(accepted);
                    self.leave_room(was_full);
                    return None;
                }
                AcceptError::Listener(error) => {
                    self.leave_room(was_full);
                    let bound = self.remove_listener(number);
                    return Some((usize::from(bound.address_index), error));
                }
                // The system looks for a descriptor first, so it may be that nobody waits any more.
                // If somebody does, the poller says so again.
                AcceptError::Descriptors(_) if attempt > 0 => {
                    bound.expect(accepted);
                    self.leave_room(was_full);
                    return None;
                }
                AcceptError::Descriptors(_) => {
                    self.run_short(number);
                    return None;
                }
                _ => {
                    self.rest(number);
                    return None;
                }
            }
        }
        if accepted == 0 {
            // So many failed connections are none: something refuses this process every accept.
            self.rest(number);
        }
        None
    }

    /// Has those try again who were refused the room that was kept here for nobody. A listener that
    /// goes to rest tells nobody: two of them would wake each other without end.
    fn leave_room(&self, was_full: bool) {
        if was_full && self.group.placement.take_waiting() {
            self.group.accept_again();
        }
    }

    fn place(&mut self, accepted: Accepted, stays_here: bool, here: &mut Vec<Accepted>) {
        let own = usize::from(self.loop_id);
        let placement = &self.group.placement;
        let target = if stays_here {
            placement.add(own);
            own
        } else {
            placement.place(&mut self.random, accepted.peer)
        };
        if target == own {
            here.push(accepted);
        } else if self.group.mailbox(target).order(Order::Adopt(accepted)).is_err() {
            // That loop has ended, and this one is about to.
            placement.remove(target);
        }
    }

    /// Leaves the waiting connections some time, in which one that is served may end. Those that
    /// still wait after it are turned away: a peer that is told can go elsewhere.
    fn run_short(&mut self, number: u32) {
        let bound = &mut self.listeners[number as usize];
        let short =
            bound.short_since.map(|since| self.clock.now().saturating_duration_since(since));
        if short.is_some_and(|short| (BACK_OFF..FORGOTTEN).contains(&short)) {
            if let Some(reserve) = &mut self.reserve {
                let turned_away =
                    (0..ACCEPT_BUDGET).take_while(|_| reserve.turn_away(&bound.listener));
                let _ = turned_away.count();
            }
            bound.short_since = None;
        } else {
            bound.short_since = Some(self.clock.now());
        }
        self.rest(number);
    }

    fn rest(&mut self, number: u32) {
        let until = self.rests.begin(self.clock.now());
        self.take_from_poller(number, Rest::Until(until));
        self.group.placement.wait_for_room();
    }

    fn rest_while_full(&mut self, number: u32) {
        self.take_from_poller(number, Rest::Full);
        if self.group.placement.wait_for_room() {
            // A connection ended before it could know that somebody waits.
            self.resume_listeners();
        }
    }

    /// Listeners are polled level-triggered: one that nothing is to be accepted from would be
    /// reported again and again.
    fn take_from_poller(&mut self, number: u32, rest: Rest) {
        let bound = &mut self.listeners[number as usize];
        if self.poller.deregister(&bound.listener).is_ok() {
            bound.rest = Some(rest);
        }
    }

    /// Has listeners that waited for a connection to end accept again.
    pub(crate) fn resume_listeners(&mut self) {
        self.resume_listeners_if(|_| true);
    }

    /// Has listeners accept again that have rested long enough.
    pub(crate) fn resume_rested_listeners(&mut self) {
        let now = self.clock.now();
        // Those that rest have kept room for nobody, and may have been why others were refused it.
        if self.listeners.iter().any(|(_, bound)| bound.rest.is_some()) {
            self.leave_room(true);
        }
        let is_over = |rest| matches!(rest, Rest::Until(until) if until <= now);
        self.resume_listeners_if(is_over);
    }

    fn resume_listeners_if(&mut self, is_over: impl Fn(Rest) -> bool) {
        for (number, bound) in &mut self.listeners {
            if bound.rest.is_some_and(&is_over) {
                let token = Source::Listener(number as u32).token();
                let result = self.poller.register(&bound.listener, token, Interest::READABLE);
                bound.rest = result.err().map(|_| Rest::Until(self.rests.begin(self.clock.now())));
            }
        }
    }

    /// Takes note that a connection is gone, and tells all listeners that wait for it.
    pub(crate) fn make_room(&mut self) {
        if let Some(reserve) = &mut self.reserve {
            reserve.refill();
        }
        if self.group.placement.take_waiting() {
            self.group.accept_again();
        }
    }

    fn remove_listener(&mut self, number: u32) -> BoundListener {
        let bound = self.listeners.remove(number as usize);
        if bound.rest.is_none() {
            // Fails only if the system has forgotten it already.
            let _ = self.poller.deregister(&bound.listener);
        }
        bound
    }

    /// Gives up the sockets of the address with this index, or all of them. Connections stay, and
    /// datagrams that wait for the end of the turn are still sent.
    pub(crate) fn stop_listening(&mut self, address_index: Option<u16>) {
        let is_meant = |index| address_index.is_none_or(|meant| meant == index);
        let numbers = |(number, bound): (usize, &BoundListener)| {
            is_meant(bound.address_index).then_some(number as u32)
        };
        for number in self.listeners.iter().filter_map(numbers).collect::<Vec<_>>() {
            self.remove_listener(number);
        }
        let numbers =
            |(number, bound): (usize, &BoundUdp)| is_meant(bound.address_index).then_some(number);
        for number in self.sockets.iter().filter_map(numbers).collect::<Vec<_>>() {
            let BoundUdp { socket, .. } = self.sockets.remove(number);
            let _ = self.poller.deregister(&socket);
            self.outbox.give_up(number as u32, Some(socket));
        }
    }
}
