//! How many loops there are.

use std::thread;

/// How many loops a server runs.
///
/// # Examples
///
/// ```
/// use evio::Loops;
///
/// assert_eq!(Loops::from(4).count(), 4);
/// assert!(Loops::Available.count() >= 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loops {
    /// This many; zero is taken as one.
    Exactly(usize),
    /// As many as the process may use processors, counting affinity and control groups.
    Available,
}

impl Loops {
    /// Returns the number.
    #[must_use]
    pub fn count(self) -> usize {
        match self {
            Self::Exactly(count) => count.max(1),
            Self::Available => thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

impl From<usize> for Loops {
    fn from(count: usize) -> Self {
        Self::Exactly(count)
    }
}
