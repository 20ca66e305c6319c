//! Resident memory of another process, read from outside.

use std::fs;
use std::io;

/// Returns the bytes of memory that the process `pid` occupies.
///
/// What the kernel keeps for its sockets is not among them.
///
/// # Errors
///
/// Fails when there is no such process, or when its memory may not be looked at.
pub fn of_process(pid: u32) -> io::Result<u64> {
    // Unlike the counters in `status`, which each thread batches, this one is exact.
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    parse_rollup(&text).ok_or_else(|| io::Error::other("no Rss line in smaps_rollup"))
}

/// Returns the `Rss` line's number, in bytes.
fn parse_rollup(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rollup_has_its_line() {
        let text = "00400000-7fff [rollup]\nRss:     1840 kB\nPss:      500 kB\n";
        assert_eq!(parse_rollup(text), Some(1840 * 1024));
        for bad in ["", "Pss: 500 kB\n", "Rss: 1840 MB\n", "Rss: kB\n"] {
            assert_eq!(parse_rollup(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn own_memory_grows_with_what_is_written() {
        let before = of_process(std::process::id()).unwrap();
        // Of this many bytes, all pages are fresh from the kernel.
        let block = vec![1_u8; 64 << 20];
        let after = of_process(std::process::id()).unwrap();
        assert!(after >= before + (32 << 20), "{before} {after} {}", block.len());
    }
}
