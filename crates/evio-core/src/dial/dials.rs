//! The dials of one loop.

use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::dial::dial_error::{DialError, DialFailure, DialId};
use crate::dial::state::{Dial, State};
use crate::types::conn_id::ConnKey;
use crate::types::limits::Limits;
use crate::types::origin::Tag;

/// The dials of a loop that are under way, by number.
#[derive(Debug)]
pub(crate) struct Dials {
    dials: BTreeMap<u64, Dial>,
    last_number: u64,
    max_dials: usize,
    loop_id: u16,
}

impl Dials {
    pub(crate) fn new(loop_id: u16, max_dials: usize) -> Self {
        Self { dials: BTreeMap::new(), last_number: 0, max_dials, loop_id }
    }

    /// Begins a dial whose addresses are to be [given](Self::give).
    ///
    /// # Errors
    ///
    /// Fails when there are as many as there may be.
    pub(crate) fn begin(
        &mut self,
        target: String,
        tag: Tag,
        limits: Option<Limits>,
        timeout: Duration,
        now: Instant,
    ) -> io::Result<DialId> {
        if self.dials.len() >= self.max_dials {
            let text = "as many dials are under way as the loop may have";
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, text));
        }
        self.last_number += 1;
        self.dials.insert(self.last_number, Dial::new(target, tag, limits, timeout, now));
        Ok(DialId { loop_id: self.loop_id, number: self.last_number })
    }

    /// Returns the numbers of all dials.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.dials.keys().copied().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.dials.is_empty()
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Dial> {
        self.dials.get(&number)
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut Dial> {
        self.dials.get_mut(&number)
    }

    /// Gives a dial its addresses, or the reason why there are none.
    pub(crate) fn give(&mut self, number: u64, addresses: io::Result<Vec<SocketAddr>>) {
        let Some(dial) = self.dials.get_mut(&number) else { return };
        if matches!(dial.state, State::Resolving) {
            match addresses {
                Ok(addresses) => dial.begin(addresses),
                Err(error) => dial.fail(DialFailure::Resolve(error)),
            }
        }
    }

    /// Fails a dial whose time is up.
    pub(crate) fn expire(&mut self, number: u64, now: Instant) {
        if let Some(dial) = self.dials.get_mut(&number).filter(|dial| dial.is_due(now)) {
            dial.fail(DialFailure::TimedOut(dial.timeout));
        }
    }

    /// Returns the address that a dial is to try now. When it has none left and no attempt is under
    /// way, it has failed.
    pub(crate) fn next_address(&mut self, number: u64, now: Instant) -> Option<SocketAddr> {
        let dial = self.dials.get_mut(&number)?;
        let State::Trying = dial.state else { return None };
        let next = dial.next_address(now);
        if next.is_none() && dial.attempts.is_empty() {
            dial.fail(DialFailure::Unreachable);
        }
        next
    }

    /// Notes an attempt that has begun, and returns the one that gives way to it.
    pub(crate) fn note_attempt(
        &mut self,
        number: u64,
        key: ConnKey,
        address: SocketAddr,
        now: Instant,
    ) -> Option<ConnKey> {
        self.dials.get_mut(&number)?.begin_attempt(key, address, now)
    }

    /// Notes that an address could not be tried.
    pub(crate) fn note_failure(&mut self, number: u64, address: SocketAddr, error: io::Error) {
        if let Some(dial) = self.dials.get_mut(&number) {
            dial.failed.push((address, error));
        }
    }

    /// Notes that an attempt has failed. Returns whether it was one of the dial's.
    pub(crate) fn note_end(
        &mut self,
        number: u64,
        key: ConnKey,
        error: io::Error,
        now: Instant,
    ) -> bool {
        let dial = self.dials.get_mut(&number);
        dial.is_some_and(|dial| dial.end_attempt(key, error, now))
    }

    /// Fails a dial, unless it has failed.
    pub(crate) fn fail(&mut self, number: u64, failure: DialFailure) {
        if let Some(dial) = self.dials.get_mut(&number) {
            dial.fail(failure);
        }
    }

    /// Takes a dial out: one of whose attempts has come about, or that is wanted no more.
    pub(crate) fn remove(&mut self, number: u64) -> Option<Dial> {
        self.dials.remove(&number)
    }

    /// Takes a dial that has failed, and the error.
    pub(crate) fn take_failed(&mut self, number: u64) -> Option<(Dial, DialError)> {
        let State::Failed(_) = self.dials.get(&number)?.state else { return None };
        let mut dial = self.dials.remove(&number)?;
        let State::Failed(failure) = mem::replace(&mut dial.state, State::Resolving) else {
            return None;
        };
        let error = DialError {
            id: DialId { loop_id: self.loop_id, number },
            tag: dial.tag,
            target: mem::take(&mut dial.target),
            failure,
            attempts: mem::take(&mut dial.failed),
        };
        Some((dial, error))
    }
}

#[cfg(test)]
mod tests;
