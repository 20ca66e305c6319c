//! What happened, in words.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

/// Where the lines go.
#[derive(Debug)]
pub(super) enum Log {
    Off,
    /// To standard error.
    Printed,
    /// The last so many are kept.
    Kept(VecDeque<String>, usize),
    /// They were kept.
    Over(VecDeque<String>),
}

impl Log {
    pub(super) fn is_on(&self) -> bool {
        matches!(self, Self::Printed | Self::Kept(..))
    }

    #[cold]
    pub(super) fn add(&mut self, now: Duration, line: &str) {
        let line = format!("{:>14.6}s {line}", now.as_secs_f64());
        match self {
            Self::Off | Self::Over(_) => {}
            Self::Printed => eprintln!("{line}"),
            Self::Kept(lines, most) => {
                if lines.len() == *most {
                    lines.pop_front();
                }
                lines.push_back(line);
            }
        }
    }

    pub(super) fn end(&mut self) {
        *self = match mem::replace(self, Self::Off) {
            Self::Kept(lines, _) | Self::Over(lines) => Self::Over(lines),
            Self::Off | Self::Printed => Self::Off,
        };
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &String> {
        let lines = match self {
            Self::Kept(lines, _) | Self::Over(lines) => Some(lines),
            Self::Off | Self::Printed => None,
        };
        lines.into_iter().flatten()
    }
}
