//! Readiness, as epoll keeps it: a list of what may be ready, which a wait looks through
//! (`fs/eventpoll.c` of Linux). `kqueue.rs` has what is different with the filters of kqueue.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use nix::errno::Errno;

use super::endpoint::{Phase, mask};
use super::kqueue::Filters;
use super::options::Interface;
use super::state::{Id, Kind, Owner, State};
use crate::event::{Event, Readiness};
use crate::token::Token;

/// What a poller waits for of one socket.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) poller: Id,
    pub(super) token: u64,
    pub(super) events: u32,
    /// What it waits for in the place of `events`, if the poller is a kqueue.
    pub(super) filters: Option<Filters>,
    /// It is in the poller's list.
    pub(super) is_listed: bool,
}

/// What may be ready, by its id.
#[derive(Debug)]
pub(super) struct ReadyList {
    pub(super) ids: VecDeque<Id>,
    interface: Interface,
    /// Its thread sleeps in a poll, and nothing has woken it.
    is_asleep: bool,
}

impl ReadyList {
    pub(super) fn new(interface: Interface) -> Self {
        Self { ids: VecDeque::new(), interface, is_asleep: false }
    }
}

impl State {
    /// Starts reporting `id` (`EPOLL_CTL_ADD`).
    pub(super) fn register(
        &mut self,
        poller: Id,
        id: Id,
        token: u64,
        events: u32,
    ) -> Result<(), Errno> {
        let node = self.node_mut(id).ok_or(Errno::EBADF)?;
        if node.registrations.iter().any(|registration| registration.poller == poller) {
            return Err(Errno::EEXIST);
        }
        let owner = node.owner;
        if let Some(end) = self.end(id).ok().filter(|_| owner == Owner::Program) {
            let connection = end.incoming().connection();
            self.fail_by_chance(&[Errno::ENOSPC, Errno::ENOMEM])
                .inspect_err(|_| self.records.note_cut(connection))?;
            self.records.note_served(connection);
        }
        let filters = self.filters(poller, id, events);
        let events = events | mask::ERR | mask::HUP;
        let node = self.node_mut(id).ok_or(Errno::EBADF)?;
        node.registrations.push(Registration { poller, token, events, filters, is_listed: false });
        if self.endpoint(id).is_some_and(|endpoint| endpoint.phase == Phase::Closed) {
            // It is reported at once.
            self.note_failure(id);
        }
        self.list_if_ready(poller, id);
        Ok(())
    }

    /// Replaces what is waited for (`EPOLL_CTL_MOD`).
    pub(super) fn reregister(
        &mut self,
        poller: Id,
        id: Id,
        token: u64,
        events: u32,
    ) -> Result<(), Errno> {
        let filters = self.filters(poller, id, events);
        let registration = self.registration(poller, id).ok_or(Errno::ENOENT)?;
        if filters.is_none() && (registration.events | events) & mask::EXCLUSIVE != 0 {
            return Err(Errno::EINVAL);
        }
        registration.filters = filters;
        (registration.token, registration.events) = (token, events | mask::ERR | mask::HUP);
        self.list_if_ready(poller, id);
        Ok(())
    }

    /// Stops reporting `id` (`EPOLL_CTL_DEL`).
    pub(super) fn deregister(&mut self, poller: Id, id: Id) -> Result<(), Errno> {
        self.registration(poller, id).ok_or(Errno::ENOENT)?;
        self.note_late_close(id);
        if let Some(node) = self.node_mut(id) {
            node.registrations.retain(|registration| registration.poller != poller);
        }
        if let Some(list) = self.ready_list(poller) {
            list.ids.retain(|&listed| listed != id);
        }
        Ok(())
    }

    pub(super) fn registration(&mut self, poller: Id, id: Id) -> Option<&mut Registration> {
        let node = self.node_mut(id)?;
        node.registrations.iter_mut().find(|registration| registration.poller == poller)
    }

    pub(super) fn ready_list(&mut self, poller: Id) -> Option<&mut ReadyList> {
        match &mut self.node_mut(poller)?.kind {
            Kind::Poller(list) => Some(list),
            _ => None,
        }
    }

    /// Raises a notifier, whose registration is an edge each time.
    pub(super) fn notify(&mut self, id: Id) {
        if let Some(Kind::Notifier(is_raised)) = self.node_mut(id).map(|node| &mut node.kind) {
            *is_raised = true;
        }
        self.note("notify", id, 0);
        self.wake(id, mask::IN);
    }

    /// Notes that the thread of a poller sleeps until something wakes it, or that it is awake.
    pub(super) fn set_asleep(&mut self, poller: Id, is_asleep: bool) {
        if let Some(list) = self.ready_list(poller) {
            list.is_asleep = is_asleep;
        }
    }

    /// Tells those that wait for `id` of a change (`ep_poll_callback`). A key of zero passes every
    /// filter; another one has to be among the events that are waited for. Of those that wait
    /// exclusively (`EPOLLEXCLUSIVE`), in the order in which they were registered, those that are
    /// awake are told up to the first that sleeps, which is woken.
    pub(super) fn wake(&mut self, id: Id, key: u32) {
        let Some(node) = self.node_mut(id) else { return };
        for waker in mem::take(&mut node.wakers) {
            waker.wake();
        }
        let Some(node) = self.node_mut(id) else { return };
        let mut registrations = mem::take(&mut node.registrations);
        let mut has_woken_one = false;
        for registration in &mut registrations {
            let is_exclusive =
                registration.filters.is_none() && registration.events & mask::EXCLUSIVE != 0;
            let waits_for = registration.events & !mask::PRIVATE;
            let waits = waits_for != 0 && (key == 0 || key & waits_for != 0);
            let is_told = waits || registration.filters.is_some();
            if !is_told || is_exclusive && has_woken_one {
                continue;
            }
            if let Some(list) = self.ready_list(registration.poller) {
                if !mem::replace(&mut registration.is_listed, true) {
                    list.ids.push_back(id);
                }
                has_woken_one |= mem::take(&mut list.is_asleep) && is_exclusive;
            }
        }
        if let Some(node) = self.node_mut(id) {
            node.registrations = registrations;
        }
    }

    /// Returns what `id` would be reported for, whatever is waited for.
    fn events_of(&mut self, id: Id) -> u32 {
        match self.node_mut(id).map(|node| &mut node.kind) {
            Some(Kind::Stream(endpoint)) => endpoint.events(),
            Some(Kind::Unix(end)) => end.events(),
            Some(Kind::Udp(end)) => end.events(),
            Some(Kind::Listener(listening)) => listening.events(),
            Some(Kind::Notifier(is_raised)) => mask::OUT | if *is_raised { mask::IN } else { 0 },
            Some(Kind::Poller(list)) if !list.ids.is_empty() => mask::IN,
            _ => 0,
        }
    }

    fn list_if_ready(&mut self, poller: Id, id: Id) {
        let is_ready = self.would_report(poller, id);
        let Some(registration) = self.registration(poller, id) else { return };
        if is_ready && !registration.is_listed {
            registration.is_listed = true;
            if let Some(list) = self.ready_list(poller) {
                list.ids.push_back(id);
            }
        }
    }

    /// Returns whether a wait would report something.
    pub(super) fn has_ready(&mut self, poller: Id) -> bool {
        let Some(list) = self.ready_list(poller) else { return false };
        let listed: Vec<Id> = list.ids.iter().copied().collect();
        listed.into_iter().any(|id| self.would_report(poller, id))
    }

    /// Looks for a connection of the program that an epoll was asked to report, that has something
    /// to report, and that is in no list: its edge has been reported, and it was left as it was.
    pub(super) fn find_overlooked(&mut self) -> Option<String> {
        let ids: Vec<Id> = self.open_ids.iter().copied().collect();
        ids.into_iter().find_map(|id| {
            let node = self
                .node(id)
                .filter(|node| node.owner == Owner::Program && node.owed_wakes == 0)?;
            if !node.is_connection() {
                return None;
            }
            let has_been_told = |registration: &&Registration| {
                registration.filters.is_none() && !registration.is_listed
            };
            let waits_for = node.registrations.iter().filter(has_been_told);
            let wanted = waits_for.fold(0, |wanted, registration| wanted | registration.events);
            // What is not read may have an end, and only the program knows whether it has something
            // to write.
            if wanted & mask::IN == 0 {
                return None;
            }
            let found = self.look_at(id) & wanted & !mask::PRIVATE & !mask::OUT;
            (found != 0).then(|| format!("#{id} has {}", shown(found)))
        })
    }

    /// Returns the events of a connection, and leaves it as it is: a poll remembers who asked for
    /// room.
    fn look_at(&mut self, id: Id) -> u32 {
        let no_space = self.endpoint(id).map(|endpoint| endpoint.no_space);
        let events = self.events_of(id);
        if let (Some(no_space), Some(endpoint)) = (no_space, self.endpoint(id)) {
            endpoint.no_space = no_space;
        }
        events
    }

    fn would_report(&mut self, poller: Id, id: Id) -> bool {
        let Some(registration) = self.registration(poller, id) else { return false };
        let (wanted, filters) = (registration.events & !mask::PRIVATE, registration.filters);
        match filters {
            Some(filters) => self.has_active_filter(id, filters),
            None => self.events_of(id) & wanted != 0,
        }
    }

    /// Returns what a kqueue waits for; `None` for an epoll.
    fn filters(&mut self, poller: Id, id: Id, events: u32) -> Option<Filters> {
        if self.ready_list(poller)?.interface == Interface::Epoll {
            return None;
        }
        match self.node(id)?.kind {
            Kind::Notifier(_) => Some(Filters::USER),
            _ => Some(Filters::of(events)),
        }
    }

    /// Reports up to `most` events as token and bits, and waits for the first of them until
    /// `deadline` or the end of a look-up: the clock jumps to the next arrival.
    pub(super) fn wait(
        &mut self,
        poller: Id,
        most: usize,
        deadline: Option<Duration>,
        found: &mut Vec<Event>,
    ) -> Result<(), Errno> {
        self.begin_call(poller);
        loop {
            self.settle();
            self.set_asleep(poller, false);
            found.clear();
            match self.ready_list(poller).map(|list| list.interface) {
                Some(Interface::Kqueue) => self.report_filters(poller, most, found),
                _ => self.report(poller, most, found),
            }
            self.note("wait", poller, found.len() as u64);
            let is_over = deadline.is_some_and(|deadline| deadline <= self.now);
            if !found.is_empty() || is_over || !self.answers.is_empty() {
                return Ok(());
            }
            self.set_asleep(poller, true);
            let next = self.next_arrival().into_iter().chain(deadline).min();
            // Nobody is left who could end this wait.
            self.now = next.ok_or(Errno::EDEADLK)?;
        }
    }

    pub(super) fn note_reported(&mut self, id: Id) {
        let is_notifier = self.node(id).is_some_and(|node| matches!(node.kind, Kind::Notifier(_)));
        self.done += u64::from(is_notifier);
    }

    /// Goes through the list once (`ep_send_events`): what is reported of a level-triggered
    /// registration is put back, to be looked at again by the next wait.
    fn report(&mut self, poller: Id, most: usize, found: &mut Vec<Event>) {
        let Some(list) = self.ready_list(poller) else { return };
        let mut listed = mem::take(&mut list.ids);
        if listed.len() > 1 && self.random.chance(self.options.faults.reorder) {
            self.counts.reorders += 1;
            let first = self.random.below(listed.len());
            listed.rotate_left(first);
        }
        let mut again = VecDeque::new();
        while found.len() < most {
            let Some(id) = listed.pop_front() else { break };
            let events = self.events_of(id);
            let Some(registration) = self.registration(poller, id) else { continue };
            registration.is_listed = false;
            let events = events & registration.events & !mask::PRIVATE;
            if events == 0 {
                continue;
            }
            found.push(Event::new(Token(registration.token), decode(events)));
            self.note_reported(id);
            let Some(registration) = self.registration(poller, id) else { continue };
            if registration.events & mask::ONESHOT != 0 {
                registration.events &= mask::PRIVATE;
            } else if registration.events & mask::ET == 0 {
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

/// Writes events as epoll_ctl(2) names them.
pub(super) fn shown(events: u32) -> String {
    let names = [
        (mask::IN, "IN"),
        (mask::PRI, "PRI"),
        (mask::OUT, "OUT"),
        (mask::ERR, "ERR"),
        (mask::HUP, "HUP"),
        (mask::RDHUP, "RDHUP"),
        (mask::EXCLUSIVE, "EXCLUSIVE"),
        (mask::ONESHOT, "ONESHOT"),
        (mask::ET, "ET"),
    ];
    let set = names.iter().filter(|(bit, _)| events & bit != 0);
    set.map(|(_, name)| *name).collect::<Vec<_>>().join("|")
}

/// As the backend for epoll decodes an event.
fn decode(events: u32) -> Readiness {
    let has = |bits: u32| events & bits != 0;
    Readiness {
        readable: has(mask::IN),
        writable: has(mask::OUT),
        hangup_or_error: has(mask::ERR | mask::HUP),
        read_on: has(mask::ERR | mask::HUP | mask::RDHUP | mask::PRI),
        read_closed: has(mask::RDHUP | mask::HUP),
        write_closed: has(mask::ERR | mask::HUP),
    }
}
