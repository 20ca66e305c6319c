//! Programs that the Python package index has.

use std::path::PathBuf;
use std::process::Command;

use super::{cached, output_of};
use crate::Result;

/// Zig's C compiler links for systems other than the machine's, and has their C libraries.
const ZIG: (&str, &str) = ("ziglang", "0.17.1");

/// Returns the program `zig`.
///
/// # Errors
/// There is no pip here, or it finds no such package.
pub(crate) fn zig() -> Result<PathBuf> {
    let (package, version) = ZIG;
    let directory = cached(&format!("{package}-{version}"), |directory| {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--target"])
            .arg(directory)
            .arg(format!("{package}=={version}"));
        output_of(&mut pip).map(|_| ())
    })?;
    Ok(directory.join("ziglang/zig"))
}
