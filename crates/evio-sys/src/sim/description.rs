//! What sockets and connections are like, in words, for those who look for what hangs.

use std::net::IpAddr;

use super::endpoint::{BOTH, Phase, RCV_SHUTDOWN};
use super::polling::shown;
use super::state::{Id, Kind, Owner, State};

/// What has a descriptor, and whose it is.
pub(super) struct Socket {
    pub(super) owner: Owner,
    pub(super) what: String,
}

/// What is said of one end.
struct Shown {
    phase: &'static str,
    unread: usize,
    not_taken: usize,
    has_end: bool,
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
        let is_of_host = |owner| matches!(owner, Owner::Peer(peer) if IpAddr::from(peer) == host);
        let is_there = |id: &&Id| {
            self.node(**id).is_some_and(|node| is_of_host(node.owner) && node.is_connection())
        };
        self.open_ids.iter().filter(is_there).map(|&id| self.describe_connection(id)).collect()
    }

    fn describe_connection(&self, id: Id) -> String {
        let other = match self.node(id).map(|node| &node.kind) {
            Some(Kind::Stream(endpoint)) => endpoint.peer,
            Some(Kind::Unix(end)) => Some(end.peer),
            _ => None,
        };
        let other = other.map_or_else(|| "nobody".to_owned(), |other| self.describe_end(other));
        format!("{} with {other}", self.describe_end(id))
    }

    fn describe_end(&self, id: Id) -> String {
        let Some(node) = self.node(id) else { return format!("#{id}, which is gone") };
        let Some(Shown { phase, unread, not_taken, has_end }) = self.show(&node.kind) else {
            return format!("#{id}");
        };
        let waits = node.registrations.iter().map(|registration| shown(registration.events));
        let waits = waits.collect::<Vec<_>>().join(" and ");
        let end = if has_end { ", the end received" } else { "" };
        let waits = if waits.is_empty() { waits } else { format!(", waits for {waits}") };
        format!(
            "#{id} ({phase}{unread} bytes unread, {not_taken} not taken by the peer{end}{waits})"
        )
    }

    fn show(&self, kind: &Kind) -> Option<Shown> {
        match kind {
            Kind::Stream(endpoint) => Some(Shown {
                phase: match endpoint.phase {
                    Phase::Connecting => "connecting, ",
                    Phase::Connected => "",
                    Phase::Closed => "closed, ",
                },
                unread: endpoint.input.len(),
                not_taken: endpoint.unacknowledged(),
                has_end: endpoint.fin_received,
            }),
            Kind::Unix(end) => {
                let not_taken = match self.node(end.peer).map(|node| &node.kind) {
                    Some(Kind::Unix(peer)) => peer.input_len(),
                    _ => 0,
                };
                Some(Shown {
                    phase: if end.shutdown == BOTH { "closed, " } else { "" },
                    unread: end.input_len(),
                    not_taken,
                    has_end: end.shutdown & RCV_SHUTDOWN != 0,
                })
            }
            _ => None,
        }
    }
}
