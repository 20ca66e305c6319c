//! Programs that the Python package index has.

use std::path::PathBuf;
use std::process::Command;

use super::{cached, output_of};
use crate::Result;

/// Zig's C compiler links for systems other than the machine's, and has their C libraries. From
/// 0.16 on it has an allocator of its own in the place of musl's, which keeps what is freed: tests
/// for musl would be of another C library than users have.
pub(crate) const ZIG_VERSION: &str = "0.15.2";

/// Returns the program `zig`.
///
/// # Errors
/// There is no pip here, or it finds no such package.
pub(crate) fn zig() -> Result<PathBuf> {
    let directory = cached(&format!("ziglang-{ZIG_VERSION}"), |directory| {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--target"])
            .arg(directory)
            .arg(format!("ziglang=={ZIG_VERSION}"));
        output_of(&mut pip).map(|_| ())
    })?;
    Ok(directory.join("ziglang/zig"))
}
