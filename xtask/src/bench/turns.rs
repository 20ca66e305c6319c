//! Turns of an installed tool: servers driven one after the other, and what each turn cost them.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::results::Latency;

/// What a tool says about one turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outcome {
    pub(super) requests: u64,
    pub(super) requests_per_second: f64,
    /// Absent where the tool's percentiles mean something else.
    pub(super) latency: Option<Latency>,
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

/// Gives each of `count` servers one turn per round, in an order that rotates. `drive` runs the
/// tool against the server in a place; `cpu` reads the CPU nanoseconds that this server has used so
/// far; `after` is called with the number of rounds done. The first `warm_up` rounds do not count.
pub(super) fn alternate(
    count: usize,
    warm_up: usize,
    rounds: usize,
    mut cpu: impl FnMut(usize) -> io::Result<u64>,
    mut drive: impl FnMut(usize) -> crate::Result<Outcome>,
    mut after: impl FnMut(usize),
) -> crate::Result<Vec<Turns>> {
    let mut turns: Vec<Turns> = (0..count).map(|_| Turns::default()).collect();
    for round in 0..warm_up + rounds {
        for place in order(round, count) {
            let before = cpu(place)?;
            let outcome = drive(place)?;
            thread::sleep(SETTLE);
            let used = cpu(place)?.saturating_sub(before);
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

/// Returns the CPU nanoseconds that the living threads of a process have used.
pub(super) fn cpu_nanos(pid: u32) -> io::Result<u64> {
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

    const OUTCOME: Outcome = Outcome { requests: 1, requests_per_second: 1.0, latency: None };

    #[test]
    fn every_server_begins_a_round_in_turn() {
        let mut seen = Vec::new();
        let mut done = Vec::new();
        let mut clock = 0;
        // Each look at the clock finds it a little further than the one before.
        let cpu = |place: usize| {
            clock += 10 * (place as u64 + 1);
            Ok(clock)
        };
        let drive = |place| {
            seen.push(place);
            Ok(Outcome { requests: 5, ..OUTCOME })
        };
        let turns = alternate(3, 1, 2, cpu, drive, |rounds| done.push(rounds)).unwrap();
        assert_eq!(seen, [0, 1, 2, 1, 2, 0, 2, 0, 1]);
        assert_eq!(done, [1, 2, 3]);
        for (turns, cpu) in turns.iter().zip([2.0, 4.0, 6.0]) {
            assert_eq!((turns.outcomes.len(), &turns.cpu[..]), (2, &[cpu, cpu][..]));
        }
    }

    #[test]
    fn turn_in_which_nothing_happens_is_an_error() {
        let mut clock = 0;
        let mut ticking = |_| {
            clock += 1;
            Ok(clock)
        };
        let unasked = |_| Ok(Outcome { requests: 0, ..OUTCOME });
        assert!(alternate(1, 0, 1, &mut ticking, unasked, |_| ()).is_err());
        assert!(alternate(1, 0, 1, &mut ticking, |_| Ok(OUTCOME), |_| ()).is_ok());
        assert!(alternate(1, 0, 1, |_| Ok(7), |_| Ok(OUTCOME), |_| ()).is_err());
    }

    #[test]
    fn own_process_has_used_time() {
        // Reading the directory is itself a switch or two, so the count has moved off zero.
        while cpu_nanos(std::process::id()).unwrap() == 0 {
            thread::yield_now();
        }
    }

    #[test]
    fn schedstat_is_its_first_field() {
        assert_eq!(first_field("1234567 89 3\n"), Some(1_234_567));
        for bad in ["", "\n", "-1 0 0", "cpu 1 2"] {
            assert_eq!(first_field(bad), None, "{bad:?}");
        }
    }
}
