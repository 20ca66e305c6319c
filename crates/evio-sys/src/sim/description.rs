//! What a connection is like, in words, for those who look for what hangs.

use std::net::IpAddr;

use super::endpoint::Phase;
use super::polling::shown;
use super::state::{Id, Kind, State};

impl State {
    /// Returns a line for each connection that a peer on this host has a descriptor of.
    pub(super) fn describe_host(&self, host: IpAddr) -> Vec<String> {
        let is_there = |id: &&Id| match self.node(**id) {
            Some(node) => {
                node.is_peer && matches!(&node.kind, Kind::Stream(end) if end.local.ip() == host)
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
