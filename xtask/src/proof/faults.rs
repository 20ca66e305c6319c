//! How often each fault was injected, as the tests print it.

use std::collections::BTreeMap;
use std::fmt;

/// Counts that are of no fault: what the program under test does.
const NO_FAULTS: [&str; 2] = ["late_closes", "vain_sends"];

/// Sums by the names of `evio_sys::sim::Counts`.
#[derive(Debug, Default)]
pub(super) struct Faults(BTreeMap<String, u64>);

impl Faults {
    /// Adds the counts of a line such as `.. Counts { segments: 1, resets: 2 }`.
    pub(super) fn add(&mut self, line: &str) {
        let fields = line.split_once("Counts { ").map_or("", |(_, fields)| fields);
        for field in fields.trim_end_matches(" }").split(", ") {
            let Some((name, count)) = field.split_once(": ") else { continue };
            *self.0.entry(name.to_owned()).or_default() += count.parse().unwrap_or(0);
        }
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
        let line = "evio-sim: echo: 20 seeds in 0.1 s, Counts { segments: 1, resets: 0, \
                    vain_sends: 0 }";
        assert_eq!(seeds_in(line), Some(20));
        faults.add(line);
        faults.add("evio-sim: other: 1 seeds in 0.1 s, Counts { segments: 41, resets: 0 }");
        assert_eq!(faults.never_injected(), ["resets"]);
        assert!(faults.to_string().contains("segments 42"), "{faults}");
    }
}
