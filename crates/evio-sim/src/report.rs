//! What the handlers of all loops were told.

use std::collections::{BTreeMap, BTreeSet};

use evio::ConnId;
use evio_sys::sim::ConnectionId;

/// Which connections there are and have been.
#[derive(Debug, Default)]
pub(crate) struct Report {
    opened: u64,
    /// Connections that have not had their last callback, with their loop.
    live: BTreeMap<ConnId, usize>,
    /// Those that have had it.
    ended: BTreeSet<ConnId>,
    /// Those of the kernel that were opened.
    accepted: BTreeSet<ConnectionId>,
}

impl Report {
    pub(crate) fn opened(&self) -> u64 {
        self.opened
    }

    pub(crate) fn check_end(&self) {
        let first = self.live.first_key_value();
        assert!(first.is_none(), "{} connections got no ending: {first:?}", self.live.len());
    }

    /// Notes a connection of a loop, and that of the kernel that was accepted for it. Returns what
    /// is wrong with that.
    pub(crate) fn open(
        &mut self,
        id: ConnId,
        loop_id: usize,
        accepted: Option<ConnectionId>,
    ) -> Result<(), &'static str> {
        self.opened += 1;
        if self.live.insert(id, loop_id).is_some() {
            return Err("opened twice");
        }
        match accepted.is_none_or(|accepted| self.accepted.insert(accepted)) {
            true => Ok(()),
            false => Err("its connection was opened as another one already"),
        }
    }

    pub(crate) fn end(&mut self, id: ConnId, loop_id: usize) -> Result<(), &'static str> {
        self.ended.insert(id);
        match self.live.remove(&id) {
            Some(of) if of == loop_id => Ok(()),
            Some(_) => Err("it ends on another loop than its own"),
            None => Err("two endings"),
        }
    }

    /// Notes that an outbound connection has not come about.
    pub(crate) fn fail(&mut self, id: ConnId) -> Result<(), &'static str> {
        match (self.live.contains_key(&id), self.ended.insert(id)) {
            (true, _) => Err("it was opened, and is said not to have come about"),
            (_, false) => Err("two endings"),
            (false, true) => Ok(()),
        }
    }
}
