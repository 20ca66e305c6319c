//! How often each thing was done: a test that does nothing must not be green.

use std::collections::BTreeMap;
use std::fmt;

use parking_lot::Mutex;

#[derive(Debug, Default)]
pub(crate) struct Census(Mutex<BTreeMap<String, u64>>);

impl Census {
    pub(crate) fn count(&self, what: &str) {
        let mut counts = self.0.lock();
        match counts.get_mut(what) {
            Some(count) => *count += 1,
            None => drop(counts.insert(what.to_owned(), 1)),
        }
    }

    pub(crate) fn add(&self, other: &Self) {
        let mut counts = self.0.lock();
        for (what, count) in &*other.0.lock() {
            *counts.entry(what.clone()).or_default() += count;
        }
    }

    /// Returns those of `all` that have not occurred.
    pub(crate) fn missing<'a>(&self, all: &[&'a str]) -> Vec<&'a str> {
        let counts = self.0.lock();
        let has = |what: &str| counts.keys().any(|key| key.starts_with(what));
        all.iter().copied().filter(|what| !has(what)).collect()
    }
}

impl fmt::Display for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut column = 0;
        for (what, count) in &*self.0.lock() {
            let item = format!("{what} {count}; ");
            if column + item.len() > 98 {
                writeln!(f)?;
                column = 0;
            }
            column += item.len();
            f.write_str(&item)?;
        }
        Ok(())
    }
}
