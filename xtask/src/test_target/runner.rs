//! Chooses what runs the programs of a target.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::linker::variable;
use super::{Emulated, Target};
use crate::Result;
use crate::tools::{debian, installed};

/// Tells `cargo` to run programs for another processor by qemu.
pub(super) fn choose(cargo: &mut Command, target: &Target) -> Result {
    if let Some(emulated) = &target.emulated {
        cargo.env(variable(target, "RUNNER"), runner(emulated)?);
    }
    Ok(())
}

/// Returns the command line that a program's own is appended to.
fn runner(emulated: &Emulated) -> Result<String> {
    let qemu = format!("qemu-{}", emulated.processor);
    let root = Path::new("usr").join(format!("{}-linux-gnu", emulated.processor));
    let own = installed(&qemu).filter(|_| Path::new("/").join(&root).is_dir());
    let (qemu, directory) = match own {
        Some(own) => (own, PathBuf::from("/")),
        None => {
            let directory = fetched(emulated)?;
            (directory.join("usr/bin").join(qemu), directory)
        }
    };
    // The libraries are qemu's; the program that it runs has its own below `root`.
    Ok(format!(
        "env LD_LIBRARY_PATH={} {} -U LD_LIBRARY_PATH -L {}",
        debian::libraries(&directory),
        qemu.display(),
        directory.join(root).display(),
    ))
}

/// Returns the directory with qemu, and the C library of the processor for which it stands in.
fn fetched(emulated: &Emulated) -> Result<PathBuf> {
    let mut packages = Vec::new();
    for package in ["qemu-user", emulated.c_library] {
        packages.push(format!("{package}={}", debian::candidate(package)?));
    }
    debian::unpacked(&packages)
}
