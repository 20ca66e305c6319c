//! How often each fault was injected, as the tests print it.

use std::collections::BTreeMap;
use std::fmt;

use crate::Result;

/// Counts that are of no fault: what the program under test does.
const NO_FAULTS: [&str; 2] = ["late_closes", "vain_sends"];

/// Sums by the names of `evio_sys::sim::Counts`.
#[derive(Debug, Default)]
pub(super) struct Faults(BTreeMap<String, u64>);

impl Faults {
    /// Adds the counts of a line such as `.. faults: segments 1, resets 2`.
    ///
    /// # Errors
    /// The line has other fields than counts.
    pub(super) fn add(&mut self, line: &str) -> Result {
        let wrong = || format!("no counts of faults: {line}");
        let (_, counts) = line.split_once("faults: ").ok_or_else(wrong)?;
        for count in counts.split(", ") {
            let (name, count) = count.split_once(' ').ok_or_else(wrong)?;
            *self.0.entry(name.to_owned()).or_default() += count.parse::<u64>()?;
        }
        Ok(())
    }

    pub(super) fn never_injected(&self) -> Vec<&str> {
        let never = self.0.iter().filter(|&(_, &count)| count == 0);
        never.map(|(name, _)| name.as_str()).filter(|name| !NO_FAULTS.contains(name)).collect()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<_> = self.0.iter().map(|(name, count)| format!("{name} {count}")).collect();
        write!(f, "proof: injected: {}", all.join(", "))
    }
}

/// Returns how many seeds a line is about.
pub(super) fn seeds_in(line: &str) -> Option<u64> {
    let (before, _) = line.split_once(" seeds in ")?;
    before.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_added_and_those_that_are_zero_are_named() {
        let mut faults = Faults::default();
        let line = "evio-sim: echo: 20 seeds in 0.1 s, faults: segments 1, resets 0, vain_sends 0";
        assert_eq!(seeds_in(line), Some(20));
        faults.add(line).unwrap();
        faults.add("evio-sim: other: 1 seeds in 0.1 s, faults: segments 41, resets 0").unwrap();
        assert_eq!(faults.never_injected(), ["resets"]);
        assert!(faults.to_string().contains("segments 42"), "{faults}");
        for cut in ["evio-sim: echo: 20 seeds in 0.1 s, fau", "faults: segments"] {
            assert!(faults.add(cut).is_err(), "{cut}");
        }
    }
}
