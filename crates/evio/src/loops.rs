//! How many loops there are.

use std::thread;

/// How many loops a server runs.
///
/// A number is that many loops, and 0 is taken as one. Some programs have an option in which 0
/// stands for all processors; that is [`Available`](Self::Available).
///
/// # Examples
///
/// ```
/// use evio::Loops;
///
/// assert_eq!(Loops::from(4).count(), 4);
/// assert_eq!(Loops::from(0).count(), 1);
/// assert!(Loops::Available.count() >= 1);
///
/// /// Reads an option in which 0 stands for all processors.
/// fn loops(option: usize) -> Loops {
///     if option == 0 { Loops::Available } else { option.into() }
/// }
/// assert_eq!(loops(0), Loops::Available);
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

/// [`Loops::Exactly`] so many: zero is one loop.
impl From<usize> for Loops {
    fn from(count: usize) -> Self {
        Self::Exactly(count)
    }
}
