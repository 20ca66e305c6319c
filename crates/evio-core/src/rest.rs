//! Rests: a listener or UDP socket that nothing can be had from is left alone for a while.

use std::time::{Duration, Instant};

use crate::acceptor::{BoundListener, Rest};
use crate::loop_state::LoopState;

/// How long a rest is: of a listener when descriptors or memory ran out, of a UDP socket that fails
/// time and again or is shut down. Long enough to cost nothing, short enough not to be noticed; a
/// listener waits for a connection to end besides.
pub(crate) const BACK_OFF: Duration = Duration::from_millis(50);

/// When those that rest are to be looked at.
#[derive(Debug, Default)]
pub(crate) struct Rests {
    /// `None` if no rest has an end of its own. What rested may be gone or busy again by then.
    pub(crate) first_end: Option<Instant>,
}

impl Rests {
    /// Takes note of a rest that begins now, and returns when it ends.
    pub(crate) fn begin(&mut self, now: Instant) -> Instant {
        let end = now.checked_add(BACK_OFF).unwrap_or(now);
        // All are as long: the first to begin is the first to end.
        self.first_end.get_or_insert(end);
        end
    }
}

impl LoopState {
    /// Has those polled again that have rested long enough.
    pub(crate) fn resume_rested(&mut self) {
        self.resume_rested_sockets();
        self.resume_rested_listeners();
        self.rests.first_end = self.first_rest_end();
    }

    fn first_rest_end(&self) -> Option<Instant> {
        let until = |(_, bound): (_, &BoundListener)| match bound.rest {
            Some(Rest::Until(until)) => Some(until),
            Some(Rest::Full) | None => None,
        };
        let sockets = self.sockets.iter().filter_map(|(_, bound)| bound.rests_until);
        self.listeners.iter().filter_map(until).chain(sockets).min()
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket as StdSocket;

    use evio_sys::clock;
    use evio_sys::net::UdpSocket;

    use super::*;
    use crate::config::Config;
    use crate::event_loop::EventLoop;
    use crate::udp::BoundUdp;

    #[test]
    fn the_first_to_begin_is_the_first_to_end() {
        let mut rests = Rests::default();
        let now = clock::now();
        let first = rests.begin(now);
        assert!(rests.begin(now + BACK_OFF / 2) > first);
        assert_eq!(rests.first_end, Some(first));
    }

    #[test]
    fn one_that_still_rests_is_waited_for() {
        let mut event_loop = EventLoop::new(Config::default()).unwrap();
        let state = &mut event_loop.state;
        let now = clock::now();
        let [over, later] = [now, now + Duration::from_secs(3600)].map(|until| {
            let socket = UdpSocket::try_from(StdSocket::bind("127.0.0.1:0").unwrap()).unwrap();
            let mut bound = BoundUdp::new(0, socket);
            bound.rests_until = Some(until);
            state.sockets.insert(bound)
        });
        state.resume_rested();
        assert_eq!(state.sockets[over].rests_until, None);
        assert!(state.sockets[later].rests_until.is_some());
        assert_eq!(state.rests.first_end, state.sockets[later].rests_until);
    }
}
