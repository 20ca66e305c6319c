//! Turns of an installed tool: servers driven one after the other, and what each turn cost them.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// What a tool says about one turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outcome {
    pub(super) requests: u64,
    pub(super) requests_per_second: f64,
    /// Microseconds that the half, 99 % and 99.9 % of the requests took at most.
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
}

/// The turns of one server.
#[derive(Debug, Default)]
pub(super) struct Turns {
    pub(super) outcomes: Vec<Outcome>,
    /// CPU nanoseconds per request, turn by turn.
    pub(super) cpu: Vec<f64>,
}

/// What a server gets to close the connections of a tool that has ended, before its CPU time is
/// read.
const SETTLE: Duration = Duration::from_millis(10);

/// Gives each server, known by its process id, one turn per round, in an order that rotates.
/// `drive` runs the tool against the server in a place; `after` is called with the rounds done.
/// The first `warm_up` rounds are not counted.
pub(super) fn alternate(
    pids: &[u32],
    warm_up: usize,
    rounds: usize,
    mut drive: impl FnMut(usize) -> crate::Result<Outcome>,
    mut after: impl FnMut(usize),
) -> crate::Result<Vec<Turns>> {
    let mut turns: Vec<Turns> = pids.iter().map(|_| Turns::default()).collect();
    for round in 0..warm_up + rounds {
        for place in order(round, pids.len()) {
            let before = cpu_nanos(pids[place])?;
            let outcome = drive(place)?;
            thread::sleep(SETTLE);
            let used = cpu_nanos(pids[place])?.saturating_sub(before);
            if used == 0 || outcome.requests == 0 {
                return Err("a turn in which the server did nothing; is its port another's?".into());
            }
            if round >= warm_up {
                turns[place].outcomes.push(outcome);
                turns[place].cpu.push(used as f64 / outcome.requests as f64);
            }
        }
        after(round + 1);
    }
    Ok(turns)
}

/// Returns the places of `count` servers, begun with another one each round.
fn order(round: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |step| (round + step) % count)
}

/// Returns the CPU time that the living threads of a process have used.
fn cpu_nanos(pid: u32) -> io::Result<u64> {
    let tasks = Path::new("/proc").join(pid.to_string()).join("task");
    let mut total = 0;
    for task in fs::read_dir(tasks)? {
        // A thread may end after the directory was read.
        let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
        total += first_field(&text)
            .ok_or_else(|| io::Error::other(format!("not a schedstat line: {text:?}")))?;
    }
    Ok(total)
}

/// Returns the first field of a `schedstat` line: nanoseconds spent on a core.
fn first_field(schedstat: &str) -> Option<u64> {
    schedstat.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTCOME: Outcome =
        Outcome { requests: 1, requests_per_second: 1.0, p50: 1.0, p99: 1.0, p999: 1.0 };

    /// Uses some of this process's CPU time, however coarsely the kernel counts it.
    fn work() {
        let this = std::process::id();
        let before = cpu_nanos(this).unwrap();
        while cpu_nanos(this).unwrap() == before {
            thread::yield_now();
        }
    }

    #[test]
    fn every_server_begins_a_round_in_turn() {
        let mut seen = Vec::new();
        let pids = [std::process::id(); 3];
        let drive = |place| {
            seen.push(place);
            work();
            Ok(OUTCOME)
        };
        let mut done = Vec::new();
        let turns = alternate(&pids, 1, 2, drive, |rounds| done.push(rounds)).unwrap();
        assert_eq!(seen, [0, 1, 2, 1, 2, 0, 2, 0, 1]);
        assert_eq!(done, [1, 2, 3]);
        assert!(turns.iter().all(|turns| turns.outcomes.len() == 2 && turns.cpu.len() == 2));
        assert!(turns.iter().flat_map(|turns| &turns.cpu).all(|&cpu| cpu > 0.0));
    }

    #[test]
    fn turn_without_requests_is_an_error() {
        let drive = |_| {
            work();
            Ok(Outcome { requests: 0, ..OUTCOME })
        };
        assert!(alternate(&[std::process::id()], 0, 1, drive, |_| ()).is_err());
    }

    #[test]
    fn schedstat_is_its_first_field() {
        assert_eq!(first_field("1234567 89 3\n"), Some(1_234_567));
        for bad in ["", "\n", "-1 0 0", "cpu 1 2"] {
            assert_eq!(first_field(bad), None, "{bad:?}");
        }
    }
}
