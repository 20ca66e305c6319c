//! One comparison: which servers, under which load.

use super::peers::Peer;
use super::results::{CaseResults, Latency, ServerResults};
use super::table;

/// Servers that run at once and take turns under the same load.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) key: String,
    pub(super) title: String,
    /// The first is what the others are compared to.
    pub(super) entries: Vec<Entry>,
    pub(super) load: Load,
}

/// A server of a case.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) peer: Peer,
    /// Arguments besides the peer's own.
    pub(super) arguments: Vec<String>,
    pub(super) core: Core,
}

/// Where a server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Core {
    /// On the core that is the servers'.
    Own,
    /// On the generator's, since it is not what is measured.
    Generator,
    /// On any core, the generator's included.
    Any,
}

/// What the generator does with every server of a case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Load {
    pub(super) pace: &'static str,
    pub(super) connections: u32,
    /// Silent connections to each server but the first.
    pub(super) idle: u32,
    /// Bytes per message.
    pub(super) size: u64,
    /// Messages in flight per connection.
    pub(super) pipeline: u32,
    /// Milliseconds of a turn.
    pub(super) turn: u32,
    /// Turns of each server that do not count.
    pub(super) warm_up: u32,
    /// Seconds of each server that do.
    pub(super) seconds: f64,
    /// Servers of which the first is what the others are compared to, if there are several such
    /// groups, one after the other.
    pub(super) group: Option<u32>,
    /// How many times longer to go on while the ratios are not known well enough.
    pub(super) patience: usize,
}

/// The load that the others vary: a few connections that are busy with small messages.
///
/// A turn is long enough that its ends do not count and short enough that all servers of a round
/// meet the same moods of the machine. Caches, branch predictors and the kernel's socket buffers
/// settle within the first turn of the warm-up.
pub(super) const SMALL: Load = Load {
    pace: "closed",
    connections: 50,
    idle: 0,
    size: 64,
    pipeline: 1,
    turn: 60,
    warm_up: 4,
    seconds: 3.0,
    group: None,
    patience: 1,
};

/// The pace of requests that come on a schedule.
pub(super) const OPEN: &str = "open";

impl Case {
    /// A case that is told from the others of its suite by its load.
    pub(super) fn new(entries: Vec<Entry>, load: Load) -> Self {
        let Load { connections, size, pipeline, .. } = load;
        let key = format!("c{connections}-s{size}-p{pipeline}");
        Self { key, title: table::describe(load), entries, load }
    }

    /// Returns the results of this case.
    pub(super) fn results(&self, servers: Vec<ServerResults>) -> CaseResults {
        CaseResults::new(self.key.clone(), self.title.clone(), servers)
    }
}

impl Entry {
    /// Adds arguments, and what is different about the server to its name.
    pub(super) fn with(mut self, difference: &str, arguments: &[&str]) -> Self {
        self.name = format!("{}, {difference}", self.name);
        self.arguments.extend(arguments.iter().map(ToString::to_string));
        self
    }
}

impl From<Peer> for Entry {
    fn from(peer: Peer) -> Self {
        Self { name: peer.name.to_owned(), peer, arguments: Vec::new(), core: Core::Own }
    }
}

impl Load {
    /// Returns how many turns of each server count.
    pub(super) fn turns(self) -> usize {
        (self.seconds * 1000.0 / f64::from(self.turn)).round().max(1.0) as usize
    }

    /// Returns the generator's options.
    pub(super) fn options(self) -> Vec<String> {
        let group = self.group.map(|group| ("--group", group.to_string()));
        [
            ("--pace", self.pace.to_owned()),
            ("--connections", self.connections.to_string()),
            ("--idle", self.idle.to_string()),
            ("--size", self.size.to_string()),
            ("--pipeline", self.pipeline.to_string()),
            ("--turn", self.turn.to_string()),
            ("--warm-up", self.warm_up.to_string()),
            ("--turns", self.turns().to_string()),
            ("--most-turns", (self.turns() * self.patience).to_string()),
        ]
        .into_iter()
        .chain(group)
        .flat_map(|(option, value)| [option.to_owned(), value])
        .collect()
    }
}

impl Latency {
    /// Makes microseconds of nanoseconds.
    pub(super) fn from_nanos(p50: f64, p99: f64, p999: f64) -> Self {
        Self { p50: p50 / 1e3, p99: p99 / 1e3, p999: p999 / 1e3 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::peers;

    #[test]
    fn keys_tell_cases_apart() {
        let case = Case::new(Vec::new(), Load { connections: 1000, ..SMALL });
        assert_eq!(
            (case.key.as_str(), case.title.as_str()),
            ("c1000-s64-p1", "1000 connections, 64 B")
        );
    }

    #[test]
    fn seconds_are_filled_with_turns() {
        let turns = |seconds| Load { seconds, ..SMALL }.turns();
        assert_eq!([0.01, 0.1, 1.0, 3.0].map(turns), [1, 2, 17, 50]);
    }

    #[test]
    fn options_of_the_generator() {
        let options = Load { patience: 2, seconds: 0.6, ..SMALL }.options().join(" ");
        let expected = "--pace closed --connections 50 --idle 0 --size 64 --pipeline 1 --turn 60 \
                        --warm-up 4 --turns 10 --most-turns 20";
        assert_eq!(options, expected);
        assert!(
            Load { group: Some(2), ..SMALL }
                .options()
                .ends_with(&["--group", "2"].map(str::to_owned))
        );
    }

    #[test]
    fn entry_says_what_is_different() {
        let entry = Entry::from(peers::EVIO).with("2 loops", &["--loops", "2"]);
        assert_eq!(entry.name, "evio, 2 loops");
        assert_eq!(entry.arguments, ["--loops", "2"]);
    }
}
