//! Ticks.

use std::time::Duration;

use crate::program::Program;
use crate::verdict::Verdict;

const PERIOD: Duration = Duration::from_millis(20);
/// How long each callback takes: a schedule that counts from its end is late by as much more each
/// time.
const WORK: Duration = Duration::from_millis(10);
const TICKS: u32 = 60;

/// Checks that ticks are never early, and that their lateness does not add up.
///
/// # Errors
///
/// Says how early or late they are.
pub fn ticks_on_time(program: &Program) -> Verdict {
    let (period, work) = (PERIOD.as_millis().to_string(), WORK.as_millis().to_string());
    let server = program.with(&["--tick", &period, "--tick-work", &work]).start()?;
    let mut times = Vec::new();
    for number in 0..TICKS {
        let report = server.next_report()?;
        let time = report.strip_prefix("tick ").ok_or_else(|| report.clone())?;
        let time = Duration::from_micros(time.parse()?);
        let due = number * PERIOD;
        if time < due {
            return Err(format!("tick {number} is early: {time:?}, not {due:?}").into());
        }
        times.push(time);
    }
    // A busy machine makes any of them late, but not all.
    let later = (0..TICKS).zip(&times).skip(times.len() / 2);
    let drift = later.map(|(number, &time)| time.saturating_sub(times[0] + number * PERIOD)).min();
    match drift {
        Some(drift) if drift <= PERIOD => Ok(()),
        drift => Err(format!("the ticks have drifted: {drift:?}").into()),
    }
}
