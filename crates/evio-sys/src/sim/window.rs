//! A window that stays closed: the peer is there and does not read.

use std::time::Duration;

use nix::errno::Errno;

use super::endpoint::Phase;
use super::options::Interface;
use super::state::{Id, State};
use super::wire::Packet;

/// When the first probe of a closed window is sent, from which `TCP_USER_TIMEOUT` counts there
/// (`icsk_probes_tstamp` of Linux).
const FIRST_PROBE: Duration = Duration::from_millis(200);

impl State {
    /// Sets `TCP_USER_TIMEOUT`. Systems with kqueue have nothing like it, nor has a Unix socket,
    /// whose peer cannot vanish.
    pub(super) fn set_user_timeout(&mut self, id: Id, timeout: Option<Duration>) {
        let has_it = self.options.interface == Interface::Epoll;
        if let Some(endpoint) = self.endpoint(id).filter(|_| has_it) {
            endpoint.user_timeout = timeout;
            self.watch_window(id);
        }
    }

    /// Notes that the peer has taken something, or that output waits now that did not before.
    pub(super) fn note_progress(&mut self, id: Id) {
        let now = self.now;
        if let Some(endpoint) = self.endpoint(id) {
            endpoint.waits_since = (!endpoint.output.is_empty()).then_some(now);
            if !endpoint.is_window_watched {
                self.watch_window(id);
            }
        }
    }

    /// Sets the timer of a window that may stay closed.
    fn watch_window(&mut self, id: Id) {
        let Some(endpoint) = self.endpoint(id) else { return };
        if let (Some(since), Some(timeout)) = (endpoint.waits_since, endpoint.user_timeout) {
            endpoint.is_window_watched = true;
            let at = (since + FIRST_PROBE).saturating_add(timeout);
            self.schedule(at, Packet::WindowTimer(id));
        }
    }

    /// Ends a connection whose window has been closed for too long; the peer is not told
    /// (`tcp_write_err` of Linux). What is on its way is given up by another timer.
    pub(super) fn look_at_window(&mut self, id: Id) {
        let now = self.now;
        let Some(endpoint) = self.endpoint(id).filter(|end| end.phase == Phase::Connected) else {
            return;
        };
        endpoint.is_window_watched = false;
        let (Some(since), Some(timeout)) = (endpoint.waits_since, endpoint.user_timeout) else {
            return;
        };
        if now < (since + FIRST_PROBE).saturating_add(timeout) {
            self.watch_window(id);
        } else if endpoint.in_flight.is_empty() {
            self.end_with(id, Errno::ETIMEDOUT);
        }
    }
}
