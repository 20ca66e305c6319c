//! Readiness, as kqueue keeps it: a filter for what can be read, and one for what can be written,
//! each with events of its own (kqueue(2), and `sys/kern/uipc_socket.c` of FreeBSD).

use std::collections::VecDeque;
use std::mem;

use super::endpoint::{BOTH, Endpoint, Phase, RCV_SHUTDOWN, SEND_SHUTDOWN, mask};
use super::state::{Id, Kind, State};
use super::udp::UdpEnd;
use super::unix::UnixEnd;
use crate::event::{Event, Readiness};
use crate::token::Token;

/// So much room makes a socket writable, if its buffer is as large (`sb_lowat`).
const LOW_WATER: usize = 2048;

/// What a filter is to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watch {
    /// There is no such filter, or EV_DISPATCH has disabled it.
    Nothing,
    /// That it is ready, as long as it is.
    Level,
    /// The same once: EV_DISPATCH.
    Once,
    /// That it has become ready, each time: EV_CLEAR.
    Change,
    /// That the end has come, once for each change: EV_CLEAR, and a NOTE_LOWAT that no buffer
    /// reaches.
    End,
}

/// The filters of a registration, for reading and for writing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filters([Watch; 2]);

/// What a filter that is active says of a socket.
#[derive(Clone, Copy, Debug, Default)]
struct Active {
    /// EV_EOF.
    is_eof: bool,
    /// EV_EOF with an error, or on a socket that has no peer any more.
    is_over: bool,
}

impl Filters {
    /// That of a notifier (EVFILT_USER).
    pub(super) const USER: Self = Self([Watch::Change, Watch::Nothing]);

    /// Returns the filters that the backend for kqueue has for an interest.
    pub(super) fn of(events: u32) -> Self {
        let watch = if events & mask::ONESHOT != 0 { Watch::Once } else { Watch::Level };
        match (events & mask::IN != 0, events & mask::OUT != 0) {
            (false, false) => Self([Watch::End; 2]),
            wanted => Self([wanted.0, wanted.1].map(|is| if is { watch } else { Watch::Nothing })),
        }
    }

    fn is_level(self) -> bool {
        self.0.contains(&Watch::Level)
    }
}

impl Endpoint {
    /// `filt_soread`: an end counts before what is there to read.
    fn read_filter(&self) -> Option<Active> {
        if self.shutdown & RCV_SHUTDOWN != 0 || self.phase == Phase::Closed {
            return Some(self.at_eof());
        }
        let is_readable = !self.input.is_empty() || self.error.is_some();
        (self.phase != Phase::Connecting && is_readable).then(Active::default)
    }

    /// Returns whether poll(2) says that there is room, which asks as the filter does.
    pub(super) fn is_writable_to_filter(&self) -> bool {
        self.write_filter().is_some()
    }

    /// `filt_sowrite`.
    fn write_filter(&self) -> Option<Active> {
        if self.shutdown & SEND_SHUTDOWN != 0 || self.phase == Phase::Closed {
            return Some(self.at_eof());
        }
        let is_writable = self.room() >= LOW_WATER.min(self.send_buffer);
        (self.phase != Phase::Connecting && is_writable).then(Active::default)
    }

    /// A socket that has ended both directions has no peer any more (`soisdisconnected`).
    fn at_eof(&self) -> Active {
        let has_no_peer = self.shutdown == BOTH || self.phase == Phase::Closed;
        Active { is_eof: true, is_over: self.error.is_some() || has_no_peer }
    }
}

/// As for TCP, but for a peer that is there or not.
impl UnixEnd {
    fn read_filter(&self) -> Option<Active> {
        if self.shutdown & RCV_SHUTDOWN != 0 {
            return Some(self.at_eof());
        }
        (!self.input.is_empty() || self.error.is_some()).then(Active::default)
    }

    fn write_filter(&self) -> Option<Active> {
        if self.shutdown & SEND_SHUTDOWN != 0 {
            return Some(self.at_eof());
        }
        let room = self.send_buffer.saturating_sub(self.held);
        (room >= LOW_WATER.min(self.send_buffer)).then(Active::default)
    }

    fn at_eof(&self) -> Active {
        Active { is_eof: true, is_over: self.error.is_some() || self.shutdown == BOTH }
    }
}

impl UdpEnd {
    fn read_filter(&self) -> Option<Active> {
        (!self.input.is_empty() || self.error.is_some()).then(Active::default)
    }
}

impl State {
    /// Returns what the filters of a socket, a listener or a notifier say.
    fn active_filters(&self, id: Id) -> [Option<Active>; 2] {
        match self.node(id).map(|node| &node.kind) {
            Some(Kind::Stream(endpoint)) => [endpoint.read_filter(), endpoint.write_filter()],
            Some(Kind::Unix(end)) => [end.read_filter(), end.write_filter()],
            Some(Kind::Udp(end)) => [end.read_filter(), Some(Active::default())],
            Some(Kind::Listener(listening)) => {
                [(!listening.waiting.is_empty()).then(Active::default), None]
            }
            Some(Kind::Poller(list)) => [(!list.ids.is_empty()).then(Active::default), None],
            Some(Kind::Notifier(true)) => [Some(Active::default()), None],
            _ => [None, None],
        }
    }

    /// Returns the events of a registration, of which `None` says nothing of interest.
    fn filter_events(&self, id: Id, token: u64, filters: Filters) -> [Option<Event>; 2] {
        let active = self.active_filters(id);
        [0, 1].map(|filter| {
            let Active { is_eof, is_over } = active[filter]?;
            let (is_read, watch) = (filter == 0, filters.0[filter]);
            let is_told = match watch {
                Watch::Nothing => false,
                Watch::Level | Watch::Once | Watch::Change => true,
                // The end of one direction only is no end of the connection.
                Watch::End => is_over,
            };
            let readiness = Readiness {
                readable: is_read && watch != Watch::End,
                writable: !is_read && watch != Watch::End,
                hangup_or_error: is_over,
                // What is left is reported again.
                read_on: false,
                read_closed: is_over || is_eof && is_read,
                write_closed: is_over || is_eof && !is_read,
            };
            is_told.then(|| Event::new(Token(token), readiness))
        })
    }

    /// Returns whether one of the filters of a registration has something to report.
    pub(super) fn has_active_filter(&self, id: Id, filters: Filters) -> bool {
        self.filter_events(id, 0, filters).iter().any(Option::is_some)
    }

    /// Reports the events of the registrations that are listed, both filters of one in an order
    /// that is drawn. What goes on being ready is put back.
    pub(super) fn report_filters(&mut self, poller: Id, most: usize, found: &mut Vec<Event>) {
        let Some(list) = self.ready_list(poller) else { return };
        let mut listed = mem::take(&mut list.ids);
        if listed.len() > 1 {
            // Nothing is said of an order.
            let first = self.random.below(listed.len());
            listed.rotate_left(first);
        }
        let mut again = VecDeque::new();
        // Two events for the last one may be one too many: it waits then.
        while found.len() + 1 < most.max(2) {
            let Some(id) = listed.pop_front() else { break };
            let is_write_first = self.random.below(2) == 0;
            let Some(registration) = self.registration(poller, id) else { continue };
            registration.is_listed = false;
            let Some(filters) = registration.filters else { continue };
            let token = registration.token;
            let events = self.filter_events(id, token, filters);
            let order = if is_write_first { [1, 0] } else { [0, 1] };
            found.extend(order.iter().filter_map(|&filter| events[filter]));
            self.note_reported(id);
            let Some(registration) = self.registration(poller, id) else { continue };
            let watches = registration.filters.iter_mut().flat_map(|filters| &mut filters.0);
            for (watch, event) in watches.zip(events) {
                if *watch == Watch::Once && event.is_some() {
                    *watch = Watch::Nothing;
                }
            }
            let is_ready = events.iter().any(Option::is_some);
            if is_ready && filters.is_level() {
                registration.is_listed = true;
                again.push_back(id);
            }
        }
        listed.append(&mut again);
        if let Some(list) = self.ready_list(poller) {
            list.ids = listed;
        }
    }
}
