//! How often memory is asked for, read from callgrind's profile.
//!
//! A counting allocator would need unsafe code. callgrind notes the calls of the C library's
//! functions anyway, and Rust's allocator is made of them.

use std::collections::HashMap;

/// What Rust's allocator calls.
const FUNCTIONS: [&str; 5] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"];

/// How many callers of these functions are told apart. Calls are noted where nothing is counted,
/// too, and can be told by their cost of nothing; so those from here must not be added up with
/// those from there, and this is more than there are functions between.
const CALLERS: usize = 16;

/// Returns the options with which callgrind notes what [`count`] needs.
pub(super) fn options() -> impl Iterator<Item = String> {
    FUNCTIONS.into_iter().map(|function| format!("--separate-callers{CALLERS}={function}"))
}

/// Returns how often memory was asked for where instructions were counted.
pub(super) fn count(profile: &str) -> Option<u64> {
    // A function's name stands behind its number when that is first mentioned.
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut allocates = false;
    let mut total = 0;
    let mut lines = profile.lines();
    while let Some(line) = lines.next() {
        if let Some(function) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
            let (number, name) = function.split_once(' ').unwrap_or((function, ""));
            let name = if name.is_empty() { *names.get(number)? } else { name };
            names.insert(number, name);
            // The callers stand behind apostrophes.
            let called = name.split('\'').next();
            allocates = called.is_some_and(|called| FUNCTIONS.contains(&called));
        } else if let Some(calls) = line.strip_prefix("calls=") {
            // A line with the place and the cost follows.
            let cost: u64 = lines.next()?.split(' ').nth(1).unwrap_or("0").parse().ok()?;
            if allocates && cost > 0 {
                total += calls.split(' ').next()?.parse::<u64>().ok()?;
            }
        }
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "\
events: Ir
fn=(1) malloc'grow
16 120
cfn=(2) _int_malloc
calls=9 400
+3 800

fn=(3) grow
cfn=(1)
calls=3 16
10 90
cfn=(4) malloc_consolidate
calls=5 16
10 90
cfn=(5) calloc'zeroed'grow
calls=4 8
+1 50

fn=(6) hold
cfn=(7) malloc'hold
calls=100 16
12
cfn=(8) realloc'hold
calls=100 16
12 0
";

    #[test]
    fn calls_that_cost_something_are_counted() {
        assert_eq!(count(PROFILE), Some(7));
        assert_eq!(count("events: Ir\n"), Some(0));
    }

    #[test]
    fn what_is_no_profile_has_no_count() {
        for bad in ["fn=(1)\n", "fn=(1) malloc\ncalls=1 2\n", "fn=(1) malloc\ncalls=x 1\n1 1\n"] {
            assert_eq!(count(bad), None, "{bad:?}");
        }
    }
}
