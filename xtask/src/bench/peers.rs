//! The servers that are compared, as data.

use clap::builder::PossibleValuesParser;

/// A server that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer {
    /// What tables and options call it.
    pub(super) name: &'static str,
    /// The program's name in the release directory. It takes `--port 0` and says on stderr where
    /// it listens.
    pub(super) program: &'static str,
    /// Arguments before `--port 0`.
    pub(super) arguments: &'static [&'static str],
    /// The package in `Cargo.lock` whose version says what was measured.
    pub(super) package: Option<&'static str>,
}

/// What all others are compared to: the least that waiting for readiness can cost.
pub(super) const FLOOR: Peer =
    Peer { name: "floor", program: "floor-echo", arguments: &[], package: None };

/// The floor once more, to see how far apart the same program comes out.
pub(super) const FLOOR_AGAIN: Peer = Peer { name: "floor again", ..FLOOR };

/// The least that it can cost where sending waits for the end of the turn, as evio's does: less for
/// messages of up to a few KiB, more for longer ones.
pub(super) const FLOOR_DEFERRED: Peer =
    Peer { name: "floor-deferred", program: "floor-deferred", arguments: &[], package: None };

/// The echo server of this project.
pub(super) const EVIO: Peer =
    Peer { name: "evio", program: "echo-server", arguments: &[], package: Some("evio") };

/// What a user would pick instead.
pub(super) const OTHERS: &[Peer] = &[
    MIO,
    TOKIO,
    Peer {
        name: "tokio-multi",
        program: "tokio-echo",
        arguments: &["--loops", "0"],
        package: Some("tokio"),
    },
    Peer { name: "monoio", program: "monoio-echo", arguments: &[], package: Some("monoio") },
    THREADS,
    GO,
];

/// A loop by hand on mio.
pub(super) const MIO: Peer =
    Peer { name: "mio", program: "mio-echo", arguments: &[], package: Some("mio") };

/// A task per connection, on tokio's current-thread runtime.
pub(super) const TOKIO: Peer =
    Peer { name: "tokio", program: "tokio-echo", arguments: &[], package: Some("tokio") };

/// A thread per connection.
pub(super) const THREADS: Peer =
    Peer { name: "threads", program: "threads-echo", arguments: &[], package: None };

/// Go's net package: a goroutine per connection.
pub(super) const GO: Peer = Peer { name: "go", program: "go-echo", arguments: &[], package: None };

/// Servers that send datagrams back, the floor first.
pub(super) const UDP: &[Peer] = &[
    Peer { program: "floor-udp", ..FLOOR },
    Peer { arguments: &["--udp"], ..EVIO },
    Peer { name: "tokio", program: "tokio-udp", arguments: &[], package: Some("tokio") },
];

/// Accepts the names of [`OTHERS`].
pub(super) fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(OTHERS.iter().map(|peer| peer.name))
}

/// Returns the servers of a run, the floor first: all of [`OTHERS`], or those named in `against`.
/// A self-check has the floor twice and only what is named besides, so that the two take turns as
/// closely as can be.
pub(super) fn select(against: &[String], self_check: bool) -> Vec<Peer> {
    let named = |peer: &&Peer| against.iter().any(|name| name == peer.name);
    if self_check {
        let others = OTHERS.iter().filter(named);
        return [FLOOR, FLOOR_AGAIN].into_iter().chain(others.copied()).collect();
    }
    let others = OTHERS.iter().filter(|peer| against.is_empty() || named(peer));
    [FLOOR, EVIO].into_iter().chain(others.copied()).collect()
}

/// Returns the servers of the echo suite, which has both floors.
pub(super) fn echo(against: &[String], self_check: bool) -> Vec<Peer> {
    let mut peers = select(against, self_check);
    if !self_check {
        peers.insert(1, FLOOR_DEFERRED);
    }
    peers
}

/// Returns the servers of a run whose memory can be told from what the kernel or other threads keep
/// for them.
pub(super) fn single(against: &[String]) -> Vec<Peer> {
    let others = ["tokio-multi", "monoio"];
    select(against, false).into_iter().filter(|peer| !others.contains(&peer.name)).collect()
}

/// Returns the servers of a run that need next to nothing for each of tens of thousands of
/// connections.
pub(super) fn lasting(against: &[String]) -> Vec<Peer> {
    single(against).into_iter().filter(|peer| ![THREADS, GO].contains(peer)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections() {
        let cases: &[(&[&str], bool, &[&str])] = &[
            (
                &[],
                false,
                &["floor", "evio", "mio", "tokio", "tokio-multi", "monoio", "threads", "go"],
            ),
            (&["threads", "mio"], false, &["floor", "evio", "mio", "threads"]),
            (&[], true, &["floor", "floor again"]),
            (&["tokio"], true, &["floor", "floor again", "tokio"]),
        ];
        for (against, self_check, expected) in cases {
            let against: Vec<String> = against.iter().map(ToString::to_string).collect();
            let names: Vec<&str> =
                select(&against, *self_check).iter().map(|peer| peer.name).collect();
            assert_eq!(names, *expected, "{against:?}");
        }
    }

    #[test]
    fn echo_has_both_floors() {
        let names = |self_check| -> Vec<&str> {
            echo(&["mio".to_owned()], self_check).iter().map(|peer| peer.name).collect()
        };
        assert_eq!(names(false), ["floor", "floor-deferred", "evio", "mio"]);
        assert_eq!(names(true), ["floor", "floor again", "mio"]);
    }
}
