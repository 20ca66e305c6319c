//! What sockets and connections are like, in words, for those who look for what hangs.

use std::net::IpAddr;

use super::endpoint::Phase;
use super::polling::shown;
use super::state::{Id, Kind, Owner, State};

/// What has a descriptor, and whose it is.
pub(super) struct Socket {
    pub(super) owner: Owner,
    pub(super) what: String,
}

impl State {
    pub(super) fn describe_socket(&self, id: Id) -> Option<Socket> {
        let node = self.node(id)?;
        let what = match &node.kind {
            Kind::Stream(end) if end.is_client => format!("TCP {} to {}", end.local, end.remote),
            Kind::Stream(end) => {
                let client = end.peer.map_or_else(String::new, |client| format!(", #{client}"));
                format!("TCP {} from {}{client}", end.local, end.remote)
            }
            Kind::Unix(end) => end.describe(),
            Kind::Udp(end) => format!("UDP {}", end.local),
            Kind::Listener(listening) => format!("listens at {}", listening.name),
            Kind::Poller(_) => "a poller".to_owned(),
            Kind::Notifier(_) => "a waker".to_owned(),
            Kind::Reserve => "held back".to_owned(),
        };
        Some(Socket { owner: node.owner, what })
    }

    /// Returns a line for each connection that a peer on this host has a descriptor of.
    pub(super) fn describe_host(&self, host: IpAddr) -> Vec<String> {
        let is_there = |id: &&Id| match self.node(**id) {
            Some(node) => {
                let is_peer = node.owner != Owner::Program;
                is_peer && matches!(&node.kind, Kind::Stream(end) if end.local.ip() == host)
            }
            None => false,
        };
        self.descriptors.values().filter(is_there).map(|&id| self.describe_connection(id)).collect()
    }

    fn describe_connection(&self, id: Id) -> String {
        let other = match self.node(id).map(|node| &node.kind) {
            Some(Kind::Stream(endpoint)) => endpoint.peer,
            _ => None,
        };
        let other = other.map_or_else(|| "nobody".to_owned(), |other| self.describe_end(other));
        format!("{} with {other}", self.describe_end(id))
    }

    fn describe_end(&self, id: Id) -> String {
        let Some(node) = self.node(id) else { return format!("#{id}, which is gone") };
        let Kind::Stream(endpoint) = &node.kind else { return format!("#{id}") };
        let phase = match endpoint.phase {
            Phase::Connecting => "connecting, ",
            Phase::Connected => "",
            Phase::Closed => "closed, ",
        };
        let waits = node.registrations.iter().map(|registration| shown(registration.events));
        let waits = waits.collect::<Vec<_>>().join(" and ");
        let (unread, unsent) = (endpoint.input.len(), endpoint.unacknowledged());
        let end = if endpoint.fin_received { ", the end received" } else { "" };
        let waits = if waits.is_empty() { waits } else { format!(", waits for {waits}") };
        format!("#{id} ({phase}{unread} bytes unread, {unsent} not taken by the peer{end}{waits})")
    }
}
