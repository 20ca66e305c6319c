//! CPU time of another process, read from outside.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Returns the CPU time that all living threads of the process `pid` have used.
///
/// The kernel counts a running thread's time only at its next tick or switch, so a figure is exact
/// to the nanosecond when the process sleeps and late by some milliseconds when it does not.
///
/// # Errors
///
/// Fails when there is no such process, or when this kernel keeps no scheduler statistics.
pub fn of_process(pid: u32) -> io::Result<Duration> {
    let tasks = Path::new("/proc").join(pid.to_string()).join("task");
    let mut total = Duration::ZERO;
    for task in fs::read_dir(&tasks)? {
        match fs::read_to_string(task?.path().join("schedstat")) {
            Ok(text) => total += parse_schedstat(&text)?,
            // The thread ended after the directory was read.
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}

/// Tells whether `error` is how `/proc` says that a thread no longer exists.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(nix::errno::Errno::ESRCH as i32)
}

/// Returns the first field of a `schedstat` line: nanoseconds spent on a core.
///
/// # Errors
///
/// Fails when the first field is missing or is not a number.
pub fn parse_schedstat(text: &str) -> io::Result<Duration> {
    text.split_ascii_whitespace()
        .next()
        .and_then(|field| field.parse().ok())
        .map(Duration::from_nanos)
        .ok_or_else(|| io::Error::other(format!("not a schedstat line: {:?}", text.trim_end())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedstat_is_its_first_field() {
        let cases: &[(&str, Option<u64>)] = &[
            ("1234567 89 3\n", Some(1_234_567)),
            ("0 75381 1\n", Some(0)),
            ("18446744073709551615 0 0\n", Some(u64::MAX)),
            ("  42\t1 1", Some(42)),
            ("18446744073709551616 0 0\n", None),
            ("-1 0 0\n", None),
            ("", None),
            ("\n", None),
            ("cpu 1 2\n", None),
        ];
        for (text, nanos) in cases {
            let parsed = parse_schedstat(text).ok();
            assert_eq!(parsed, nanos.map(Duration::from_nanos), "{text:?}");
        }
    }

    #[test]
    fn own_process_has_used_time() {
        // Reading the directory is itself a switch or two, so the count has moved off zero.
        while of_process(std::process::id()).unwrap() == Duration::ZERO {
            std::thread::yield_now();
        }
    }

    #[test]
    fn missing_process_is_an_error() {
        // Linux gives no process a number above 2^22.
        assert!(of_process(1 << 23).is_err());
    }
}
