//! Medians with their spread.

use serde::Serialize;

/// The middle of a set of figures and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// A quarter of the figures is not above this one.
    pub low: f64,
    /// Half of the figures are not above this one.
    pub median: f64,
    /// Three quarters of the figures are not above this one.
    pub high: f64,
}

impl Spread {
    /// Returns the quartiles of `figures`, or `None` when there are none.
    ///
    /// Quartiles rather than extremes: one turn that another program disturbed says nothing about
    /// the server.
    #[must_use]
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        if sorted.is_empty() {
            return None;
        }
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            low: quantile(&sorted, 0.25),
            median: quantile(&sorted, 0.5),
            high: quantile(&sorted, 0.75),
        })
    }

    /// Returns the standard error of the median of `count` figures that spread so far.
    #[must_use]
    pub fn error(self, count: usize) -> f64 {
        // Of a normal distribution, the quartiles are 1.349 deviations apart, and the median's
        // error is 1.253 times the mean's.
        (self.high - self.low) / 1.349 * 1.253 / (count as f64).sqrt()
    }
}

/// Returns the value at `fraction` of the sorted figures, between two neighbours where it falls
/// between them.
fn quantile(sorted: &[f64], fraction: f64) -> f64 {
    let rank = fraction * (sorted.len() - 1) as f64;
    let below = sorted[rank.floor() as usize];
    let above = sorted[rank.ceil() as usize];
    below + (above - below) * rank.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles() {
        let cases: &[(&[f64], [f64; 3])] = &[
            (&[5.0], [5.0, 5.0, 5.0]),
            (&[2.0, 1.0], [1.25, 1.5, 1.75]),
            (&[3.0, 1.0, 2.0], [1.5, 2.0, 2.5]),
            (&[5.0, 3.0, 1.0, 4.0, 2.0], [2.0, 3.0, 4.0]),
            (&[1.0, 1.0, 1.0, 1.0, 1000.0], [1.0, 1.0, 1.0]),
        ];
        for (figures, [low, median, high]) in cases {
            let expected = Spread { low: *low, median: *median, high: *high };
            assert_eq!(Spread::of(figures.iter().copied()), Some(expected), "{figures:?}");
        }
    }

    #[test]
    fn error_of_the_median() {
        // The quartiles of a normal distribution with the deviation 2.
        let spread = Spread { low: 8.651, median: 10.0, high: 11.349 };
        assert!((spread.error(100) - 0.2506).abs() < 0.0001);
    }

    #[test]
    fn nothing_has_no_median() {
        assert_eq!(Spread::of([]), None);
    }
}
