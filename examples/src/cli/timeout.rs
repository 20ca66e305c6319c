//! Times on a command line.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A time that may be `off`: `90s`, `5m`, `1h 30m`, or `off` for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(pub Option<Duration>);

impl FromStr for Timeout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        match parse_time(text).map_err(|error| format!("{error}, or off"))? {
            Duration::ZERO => Err("write off for no limit".into()),
            time => Ok(Self(Some(time))),
        }
    }
}

/// Reads a time that there always is: `90s`, `5m`, `1h 30m`.
///
/// # Errors
///
/// Says how a time is written.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a time such as 90s or 5m"))
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(time) => humantime::format_duration(time).fmt(f),
            None => f.write_str("off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_their_unit() {
        for (text, seconds) in [("90s", 90), ("5m", 300), ("1h 30m", 5400)] {
            assert_eq!(text.parse(), Ok(Timeout(Some(Duration::from_secs(seconds)))));
        }
        assert_eq!("off".parse(), Ok(Timeout(None)));
        for text in ["", "5", "0s", "-1s", "5 parsecs", "99999999999999999999h"] {
            assert!(text.parse::<Timeout>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_prints_as_it_is_read() {
        for text in ["off", "1m 30s", "250ms"] {
            assert_eq!(text.parse::<Timeout>().map(|time| time.to_string()), Ok(text.to_owned()));
        }
    }
}
