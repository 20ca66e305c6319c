//! Starts another program the way a measurement needs it: `launch CORE PROGRAM [ARGUMENT]...`.
//!
//! The program runs on one core only (with `any` for CORE, on all of them), may open as many files
//! as this machine allows, and is killed when the thread that started it ends, so that nothing is
//! left behind by a run that dies. It replaces this process and so has its process id. All of this
//! must happen between `fork` and `exec`; a program of its own can do it without unsafe code.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use clap::Parser;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

/// Starts a program on one core, with many files, for no longer than its parent
#[derive(Debug, Parser)]
struct Args {
    /// Which of the cores this process may use, from 0, or `any`; too high a number means the last
    #[arg(value_parser = parse_core)]
    core: Core,
    /// Program to start and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<std::ffi::OsString>,
}

/// Where a program is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Core {
    Any,
    Nth(usize),
}

fn parse_core(text: &str) -> Result<Core, std::num::ParseIntError> {
    if text == "any" { Ok(Core::Any) } else { text.parse().map(Core::Nth) }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let error = launch(&args).unwrap_or_else(|error| error);
    eprintln!("launch: cannot start {}: {error}", args.command[0].to_string_lossy());
    ExitCode::FAILURE
}

/// Becomes the program. Returns only with an error, in either form.
fn launch(args: &Args) -> io::Result<io::Error> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    if let Core::Nth(core) = args.core {
        pin(core)?;
    }
    Ok(Command::new(&args.command[0]).args(&args.command[1..]).exec())
}

/// Keeps this process to one of the cores it may use.
fn pin(core: usize) -> io::Result<()> {
    let this = Pid::from_raw(0);
    let usable = cores(&sched_getaffinity(this)?);
    if let Some(&core) = usable.get(core).or(usable.last()) {
        let mut only = CpuSet::new();
        only.set(core)?;
        sched_setaffinity(this, &only)?;
    }
    Ok(())
}

/// Returns the numbers of the cores in `set`.
fn cores(set: &CpuSet) -> Vec<usize> {
    (0..CpuSet::count()).filter(|&core| set.is_set(core).unwrap_or(false)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_keeps_its_own_options() {
        let args = Args::try_parse_from(["launch", "1", "echo-server", "--port", "0"]).unwrap();
        assert_eq!(args.core, Core::Nth(1));
        assert_eq!(args.command, ["echo-server", "--port", "0"]);
        let args = Args::try_parse_from(["launch", "any", "echo-server"]).unwrap();
        assert_eq!(args.core, Core::Any);
        assert!(Args::try_parse_from(["launch", "1"]).is_err());
        assert!(Args::try_parse_from(["launch", "core", "echo-server"]).is_err());
    }

    #[test]
    fn cores_are_those_of_the_set() {
        let mut set = CpuSet::new();
        assert_eq!(cores(&set), []);
        for core in [1, 4, 63] {
            set.set(core).unwrap();
        }
        assert_eq!(cores(&set), [1, 4, 63]);
    }
}
