//! Readiness, as epoll keeps it: a list of what may be ready, which a wait looks through
//! (`fs/eventpoll.c` of Linux). `kqueue.rs` has what is different with the filters of kqueue.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use nix::errno::Errno;

use super::endpoint::mask;
use super::kqueue::Filters;
use super::options::Interface;
use super::state::{Id, Kind, State};
use crate::event::{Event, Readiness};
use crate::token::Token;

/// What a poller waits for of one socket.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) poller: Id,
    pub(super) token: u64,
    events: u32,
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
}

impl ReadyList {
    pub(super) fn new(interface: Interface) -> Self {
        Self { ids: VecDeque::new(), interface }
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
        if let Kind::Stream(endpoint) = &node.kind
            && !node.is_peer
        {
            let client = endpoint.client();
            self.fail_by_chance(&[Errno::ENOSPC, Errno::ENOMEM])
                .inspect_err(|_| self.records.note_cut(client))?;
        }
        let filters = self.filters(poller, id, events);
        let events = events | mask::ERR | mask::HUP;
        let node = self.node_mut(id).ok_or(Errno::EBADF)?;
        node.registrations.push(Registration { poller, token, events, filters, is_listed: false });
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

    /// Tells those that wait for `id` of a change (`ep_poll_callback`). A key of zero passes every
    /// filter; another one has to be among the events that are waited for.
    pub(super) fn wake(&mut self, id: Id, key: u32) {
        let Some(node) = self.node_mut(id) else { return };
        for waker in mem::take(&mut node.wakers) {
            waker.wake();
        }
        let Some(node) = self.node_mut(id) else { return };
        let mut registrations = mem::take(&mut node.registrations);
        for registration in &mut registrations {
            let waits_for = registration.events & !mask::PRIVATE;
            let waits = waits_for != 0 && (key == 0 || key & waits_for != 0);
            let is_told = waits || registration.filters.is_some();
            if is_told && !registration.is_listed {
                registration.is_listed = true;
                if let Some(list) = self.ready_list(registration.poller) {
                    list.ids.push_back(id);
                }
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

    /// Reports up to `most` events as token and bits, and waits for the first of them at most for
    /// `timeout`: the clock jumps to the next arrival.
    pub(super) fn wait(
        &mut self,
        poller: Id,
        most: usize,
        timeout: Option<Duration>,
        found: &mut Vec<Event>,
    ) -> Result<(), Errno> {
        self.begin_call(poller);
        let deadline = timeout.map(|timeout| self.now.saturating_add(timeout));
        loop {
            self.settle();
            found.clear();
            match self.ready_list(poller).map(|list| list.interface) {
                Some(Interface::Kqueue) => self.report_filters(poller, most, found),
                _ => self.report(poller, most, found),
            }
            self.note("wait", poller, found.len() as u64);
            if !found.is_empty() || deadline.is_some_and(|deadline| deadline <= self.now) {
                return Ok(());
            }
            let next = self.next_arrival().into_iter().chain(deadline).min();
            // Nobody is left who could end this wait.
            self.now = next.ok_or(Errno::EDEADLK)?;
        }
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
