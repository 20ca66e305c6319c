//! How often memory is asked for, read from callgrind's profile.
//!
//! A counting allocator would need unsafe code. callgrind notes the calls of the C library's
//! functions anyway, and Rust's allocator is made of them.

use std::collections::HashMap;

/// What Rust's allocator calls.
const FUNCTIONS: [&str; 5] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"];

/// How many callers of these functions are named: more than there are between them and the loop.
const CALLERS: usize = 16;

/// Returns the options with which callgrind notes what [`count`] needs.
pub(super) fn options() -> impl Iterator<Item = String> {
    FUNCTIONS.into_iter().map(|function| format!("--separate-callers{CALLERS}={function}"))
}

/// Returns how often memory was asked for, but for what `held` did or had done. callgrind notes
/// calls even where it was told to count no instructions.
pub(super) fn count(profile: &str, held: &str) -> Option<u64> {
    let matters = |name: &str| {
        // The callers stand behind apostrophes.
        let mut callers = name.split('\'');
        callers.next().is_some_and(|called| FUNCTIONS.contains(&called))
            && !callers.any(|caller| caller == held)
    };
    // A function's name stands behind its number when that is first mentioned.
    let mut names: HashMap<&str, bool> = HashMap::new();
    let mut counts = false;
    let mut total = 0;
    for line in profile.lines() {
        if let Some(function) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
            counts = match function.split_once(' ') {
                Some((number, name)) => *names.entry(number).or_insert_with(|| matters(name)),
                None => *names.get(function)?,
            };
        } else if let (true, Some(calls)) = (counts, line.strip_prefix("calls=")) {
            total += calls.split(' ').next()?.parse::<u64>().ok()?;
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

fn=(6) request_path::hold
cfn=(7) malloc'request_path::hold'count_loop
calls=100 16
12 5
cfn=(8) realloc'grow'request_path::hold
calls=100 16
12 5
";

    #[test]
    fn calls_are_counted_unless_made_while_held() {
        assert_eq!(count(PROFILE, "request_path::hold"), Some(7));
        assert_eq!(count(PROFILE, "nothing"), Some(207));
        assert_eq!(count("events: Ir\n", "hold"), Some(0));
    }

    #[test]
    fn what_is_no_profile_has_no_count() {
        for bad in ["fn=(1)\n", "fn=(1) malloc\ncalls=x 1\n1 1\n"] {
            assert_eq!(count(bad, "hold"), None, "{bad:?}");
        }
    }
}
