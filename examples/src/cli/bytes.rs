//! Numbers of bytes on a command line.

use std::fmt::Debug;
use std::ops::RangeBounds;

use crate::redis::parse_memory;

/// Returns what reads a number of bytes in a range: `100`, `64k`, `100mb`.
pub fn bytes<T: TryFrom<usize> + PartialOrd>(
    range: impl RangeBounds<T> + Debug + Clone + Send + Sync + 'static,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let Some(bytes) = parse_memory(text) else {
            let units = "the units are b, k, kb, m, mb, g and gb";
            return Err(format!("write a number of bytes, such as 100mb; {units}"));
        };
        let fitting = T::try_from(bytes).ok().filter(|bytes| range.contains(bytes));
        fitting.ok_or_else(|| format!("{bytes} is not in {range:?}"))
    }
}
