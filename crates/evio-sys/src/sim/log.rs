//! What happened, in words.

use std::collections::VecDeque;
use std::time::Duration;

/// Where the lines go.
#[derive(Debug)]
pub(super) enum Log {
    Off,
    /// To standard error.
    Printed,
    /// The last so many are kept.
    Kept(VecDeque<String>, usize),
}

impl Log {
    pub(super) fn is_on(&self) -> bool {
        !matches!(self, Self::Off)
    }

    #[cold]
    pub(super) fn add(&mut self, now: Duration, line: &str) {
        let line = format!("{:>14.6}s {line}", now.as_secs_f64());
        match self {
            Self::Off => {}
            Self::Printed => eprintln!("{line}"),
            Self::Kept(lines, most) => {
                if lines.len() == *most {
                    lines.pop_front();
                }
                lines.push_back(line);
            }
        }
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &String> {
        let lines = match self {
            Self::Kept(lines, _) => Some(lines),
            Self::Off | Self::Printed => None,
        };
        lines.into_iter().flatten()
    }
}
