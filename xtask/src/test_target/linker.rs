//! Chooses what links the programs of a target.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use super::{BUILDS, Target};
use crate::tools::{Compiler, pypi};
use crate::{Result, workspace_root};

/// Tells `cargo` to link with zig, unless the machine's own linker will do: rustup's musl comes
/// with a C library.
pub(super) fn choose(cargo: &mut Command, compiler: &Compiler, target: &Target) -> Result {
    if matches!(compiler, Compiler::Own) && target.emulated.is_none() {
        return Ok(());
    }
    cargo.env(variable(target, "LINKER"), zig_script(target)?);
    if target.is_static {
        // The C library and the object that begins a program are zig's.
        cargo.env(variable(target, "RUSTFLAGS"), "-Clink-self-contained=no");
    }
    Ok(())
}

/// Returns the name of the environment variable by which cargo takes a setting of `target`.
pub(super) fn variable(target: &Target, setting: &str) -> String {
    let target = target.triple.replace('-', "_").to_uppercase();
    format!("CARGO_TARGET_{target}_{setting}")
}

/// Writes the script that links for `target`: cargo takes a linker without arguments only.
fn zig_script(target: &Target) -> Result<PathBuf> {
    let zig = pypi::zig()?;
    // cargo links anew when the linker's name is another, not when what it does is.
    let name = format!("zig-{}-{}", pypi::ZIG_VERSION, target.zig);
    let script = workspace_root().join("target").join(BUILDS).join(name);
    fs::create_dir_all(script.parent().ok_or("no directory for a script")?)?;
    // What zig builds of C libraries goes where zig is; any other place would be in the home.
    let cache = zig.with_file_name("cache");
    let text = format!(
        "#!/bin/sh\nexport ZIG_GLOBAL_CACHE_DIR='{}'\nexec '{}' cc -target {} \"$@\"\n",
        cache.display(),
        zig.display(),
        target.zig,
    );
    fs::write(&script, text)?;
    fs::set_permissions(&script, PermissionsExt::from_mode(0o755))?;
    Ok(script)
}
