//! Faults at random, many a second: a library that is preloaded shortens what is received and sent,
//! interrupts calls and shuffles events. `shim.c` says why no kernel promise is broken by that, and
//! so nothing may be lost at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use super::client::{Client, Done};
use super::lab::Lab;
use super::process::Process;
use super::protocol::Endpoint;
use super::random::Random;
use super::servers::Server;
use crate::Result;
use crate::tools::output_of;

const SOURCE: &str = include_str!("preload/shim.c");

/// The kinds of faults, in the order of the library.
const KINDS: [&str; 7] = [
    "short receive",
    "short send",
    "EINTR",
    "EAGAIN",
    "accept failed",
    "fewer events",
    "shuffled events",
];

/// Clients at a time, so that a poll has several events to shuffle.
const CLIENTS: u64 = 16;

/// Connections of each client in a round.
const CONNECTIONS: usize = 4;

/// Rounds of one server at most: many times what the faults that are asked for take.
const ROUNDS: u64 = 1_000;

/// What was injected, by kind.
pub(super) type Counts = [u64; KINDS.len()];

/// A library that was compiled for this run.
#[derive(Debug)]
pub(super) struct Shim(PathBuf);

impl Shim {
    /// Compiles the library.
    ///
    /// # Errors
    /// There is no C compiler, or it complains.
    pub(super) fn compile(lab: &Lab<'_>) -> Result<Self> {
        let (source, library) = (lab.log("shim.c"), lab.log("shim.so"));
        fs::write(&source, SOURCE)?;
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]);
        output_of(compiler.arg(&library).arg(&source).arg("-ldl"))?;
        Ok(Self(library))
    }
}

/// Gives every server so many faults, and returns how many of each kind there were.
///
/// # Errors
/// Says what is wrong with a server, and how to repeat it.
pub(super) fn run(lab: &Lab<'_>, servers: &[Server], faults: u64) -> Result<Counts> {
    let shim = Shim::compile(lab)?;
    let mut all = Counts::default();
    for &server in servers {
        let counts = stress(lab, &shim, server, faults / servers.len() as u64);
        let counts = counts.map_err(|what| {
            let (seed, name) = (lab.seed, server.name);
            let repeat = format!("cargo xtask faults --only random --server {name} --seed {seed}");
            format!("{name}: {what}\n    to repeat it: {repeat}")
        })?;
        for (sum, count) in all.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    Ok(all)
}

/// Returns a line of all kinds and their counts.
pub(super) fn describe(counts: &Counts) -> String {
    let total: u64 = counts.iter().sum();
    let kinds = KINDS.iter().zip(counts).map(|(kind, count)| format!("{count} {kind}"));
    format!("{total} random faults: {}", kinds.collect::<Vec<_>>().join(", "))
}

fn stress(
    lab: &Lab<'_>,
    shim: &Shim,
    server: Server,
    faults: u64,
) -> std::result::Result<Counts, String> {
    let file = lab.log(&format!("{}.counts", server.name));
    let process = start(lab, shim, server, &file).map_err(|error| error.to_string())?;
    let address = process.address().ok_or_else(|| format!("no start:\n{}", process.excerpt()))?;
    let endpoint = Endpoint { protocol: server.protocol, address };
    let client = |round, number| {
        let random = Random::of(lab.seed, server.name, round * CLIENTS + number);
        converse(endpoint, random).map_err(|trouble| {
            format!("client {number} of round {round}: {trouble:?}\n{}", process.excerpt())
        })
    };
    client(0, 0)?;
    let baseline = process.fewest_descriptors();
    let mut counts = Counts::default();
    for round in 1..ROUNDS {
        thread::scope(|scope| {
            let clients: Vec<_> =
                (0..CLIENTS).map(|number| scope.spawn(move || client(round, number))).collect();
            let joined = clients.into_iter().map(|client| client.join().expect("no client panics"));
            joined.collect::<std::result::Result<Vec<()>, String>>()
        })?;
        counts = read(&file).map_err(|error| error.to_string())?;
        if counts.iter().sum::<u64>() >= faults {
            break;
        }
    }
    let missing = KINDS.iter().zip(counts).filter(|(_, count)| *count == 0);
    if let Some((kind, _)) = missing.into_iter().next() {
        return Err(format!("no fault of the kind \"{kind}\" was injected"));
    }
    process.judge_end(baseline)?;
    Ok(counts)
}

fn start<'a>(
    lab: &Lab<'a>,
    shim: &Shim,
    server: Server,
    counts: &Path,
) -> std::io::Result<Process<'a>> {
    fs::write(counts, [0; size_of::<Counts>()])?;
    let line = lab.command_line(server);
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).env("LD_PRELOAD", &shim.0);
    command.env("EVIO_FAULTS_COUNTS", counts).env("EVIO_FAULTS_SEED", lab.seed.to_string());
    Process::start(lab.children, &mut command)
}

fn read(file: &Path) -> std::io::Result<Counts> {
    let bytes = fs::read(file)?;
    let mut counts = Counts::default();
    for (count, bytes) in counts.iter_mut().zip(bytes.chunks_exact(size_of::<u64>())) {
        *count = u64::from_ne_bytes(bytes.try_into().expect("as many as a number has"));
    }
    Ok(counts)
}

/// Some connections, one after the other, each with requests and an end that the stream decides.
fn converse(server: Endpoint, mut random: Random) -> Done {
    for _ in 0..CONNECTIONS {
        let number = random.next();
        let mut client = Client::connect(server, random.clone(), number)?;
        for _ in 0..random.below(6) {
            match random.below(4) {
                0 => client.exchange(random.below(60_000))?,
                1 => client.pipeline(1 + random.below(20), random.below(3_000))?,
                2 => client.pipeline(1 + random.below(200), 1)?,
                _ => client.exchange(random.below(500))?,
            }
        }
        match random.below(4) {
            0 => client.last_exchange(random.below(20_000))?,
            1 => client.reset()?,
            2 => client.reset_behind(random.below(2_000))?,
            _ => client.end()?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{KINDS, SOURCE, describe};

    #[test]
    fn every_kind_of_the_library_has_a_name() {
        let (_, kinds) = SOURCE.split_once("enum kind {").unwrap();
        let (kinds, _) = kinds.split_once("KINDS").unwrap();
        assert_eq!(kinds.matches(',').count(), KINDS.len());
    }

    #[test]
    fn counts_are_summed_up() {
        let line = describe(&[1, 2, 3, 4, 5, 6, 7]);
        assert!(line.starts_with("28 random faults: 1 short receive, 2 short send"), "{line}");
    }
}
