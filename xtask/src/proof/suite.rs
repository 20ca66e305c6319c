//! The test programs of `evio-sim`, and what they say.

use std::env;
use std::fmt;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::Result;
use crate::children::Children;

/// Programs that test the simulated kernel itself, or how a failure is told.
const LEFT_OUT: [&str; 3] = ["differential", "planted", "steps"];

pub(super) struct Suite {
    programs: Vec<Program>,
    /// What a program prints.
    output: PathBuf,
}

struct Program {
    name: String,
    path: PathBuf,
}

/// What the tests have come to.
#[derive(Debug, Default)]
pub(super) struct Run {
    results: Vec<(String, Option<Failure>)>,
    /// The lines that `evio_sim::for_each_seed` prints.
    summaries: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// How many seeds went well before.
    pub(super) seeds: u64,
    pub(super) message: String,
    /// It has not failed, but not ended either.
    pub(super) hangs: bool,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.hangs {
            true => f.write_str(&self.message),
            false => write!(f, "{} (after {} seeds)", self.message, self.seeds),
        }
    }
}

impl Suite {
    /// Builds the programs, or the one of this name; an error is one of the compiler, and no bug
    /// that a test has found.
    pub(super) fn build(workspace: &Path, target: &Path, only: Option<&str>) -> Result<Self> {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        let built = cargo
            .current_dir(workspace)
            .args(["test", "--package", "evio-sim", "--profile", "proof", "--no-run"])
            .args(["--test", only.unwrap_or("*")])
            .args(["--quiet", "--message-format", "json"])
            .env("CARGO_TARGET_DIR", target)
            .stderr(Stdio::inherit())
            .output()?;
        let lines = String::from_utf8(built.stdout)?;
        if !built.status.success() {
            let errors: Vec<_> = lines.lines().filter_map(error_in_message).collect();
            return Err(
                format!("the tests of evio-sim do not compile\n{}", errors.join("\n")).into()
            );
        }
        let mut programs: Vec<_> = lines.lines().filter_map(Program::in_message).collect();
        programs.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { programs, output: target.join("output.txt") })
    }

    /// Returns the names of all programs, without building any.
    pub(super) fn names(workspace: &Path) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(workspace.join("crates/evio-sim/tests"))? {
            let path = entry?.path();
            let is_program =
                path.extension().is_some_and(|end| end == "rs") || path.join("main.rs").exists();
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            if is_program && !LEFT_OUT.contains(&name) {
                names.push(name.to_owned());
            }
        }
        // The one that does anything finds most.
        names.sort_by_key(|name| (name != "state_machine", name.clone()));
        Ok(names)
    }

    /// Runs them with so many seeds of each test, each program for `limit` at most.
    pub(super) fn run(&self, seeds: u64, limit: Duration) -> Result<Run> {
        let (children, mut run) = (Children::default(), Run::default());
        for Program { name, path } in &self.programs {
            let mut command = Command::new(path);
            command.arg("--show-output").stderr(Stdio::null()).stdout(File::create(&self.output)?);
            command.env("EVIO_SEEDS", seeds.to_string());
            let status = match children.wait(children.start(&mut command)?.pid, limit) {
                Ok(status) => Some(status),
                Err(error) if error.kind() == ErrorKind::TimedOut => None,
                Err(error) => return Err(error.into()),
            };
            run.read(name, &String::from_utf8_lossy(&fs::read(&self.output)?));
            run.note_end(name, status, limit);
        }
        Ok(run)
    }
}

/// Reads an error of the compiler from one of the messages of cargo; warnings of a planted bug are
/// left out.
fn error_in_message(line: &str) -> Option<String> {
    let mut message: serde_json::Value = serde_json::from_str(line).ok()?;
    let message = message["message"].take();
    let is_error = message["level"] == "error";
    is_error.then(|| message["rendered"].as_str().unwrap_or_default().to_owned())
}

impl Program {
    /// Reads one of the messages of cargo.
    fn in_message(line: &str) -> Option<Self> {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let path = message["executable"].as_str()?.into();
        let target = &message["target"];
        let name = target["name"].as_str()?;
        let is_test = target["kind"].as_array()?.iter().any(|kind| kind == "test");
        (is_test && !LEFT_OUT.contains(&name)).then(|| Self { name: name.to_owned(), path })
    }
}

impl Run {
    /// Returns the names of all tests.
    pub(super) fn tests(&self) -> Vec<String> {
        self.results.iter().map(|(test, _)| test.clone()).collect()
    }

    pub(super) fn failures(&self) -> impl Iterator<Item = (&str, &Failure)> {
        self.results.iter().filter_map(|(test, failure)| Some((test.as_str(), failure.as_ref()?)))
    }

    pub(super) fn summaries(&self) -> impl Iterator<Item = &str> {
        self.summaries.iter().map(String::as_str)
    }

    /// Notes how a program has ended, if that says what its output does not.
    fn note_end(&mut self, program: &str, status: Option<ExitStatus>, limit: Duration) {
        let of_program = |(test, failure): &(String, Option<Failure>)| {
            failure.is_some() && test.starts_with(&format!("{program}::"))
        };
        let message = match status {
            None => format!("hangs: it has not ended in {} s", limit.as_secs()),
            Some(status) if !status.success() && !self.results.iter().any(of_program) => {
                format!("it has died: {status}")
            }
            Some(_) => return,
        };
        let failure = Failure { seeds: 0, message, hangs: status.is_none() };
        self.results.push((format!("{program}::(all)"), Some(failure)));
    }

    /// Reads the output of one program.
    fn read(&mut self, program: &str, output: &str) {
        for line in output.lines() {
            if line.starts_with("evio-sim: ") {
                self.summaries.push(line.to_owned());
            }
            let Some((test, result)) =
                line.strip_prefix("test ").and_then(|test| test.split_once(" ... "))
            else {
                continue;
            };
            let failure = (result == "FAILED").then(|| Failure::of(test, output));
            self.results.push((format!("{program}::{test}"), failure));
        }
    }
}

impl Failure {
    /// Finds what a test has printed.
    fn of(test: &str, output: &str) -> Self {
        let heading = format!("---- {test} stdout ----\n");
        let printed = output.split_once(&heading).map_or("", |(_, rest)| rest);
        let printed = printed.split("\n---- ").next().unwrap_or("");
        let seeds = printed
            .rsplit_once(" seeds went well before)")
            .and_then(|(before, _)| before.rsplit_once('('))
            .and_then(|(_, seeds)| seeds.parse().ok())
            .unwrap_or(0);
        // Others before it may have been caught, by a loop or by the test.
        let of_panic = printed.rsplit_once(" panicked at ").and_then(|(_, at)| at.lines().nth(1));
        let message = of_panic.unwrap_or("no message");
        let seeds_of = printed.lines().filter(|line| line.starts_with("seed "));
        let seed = seeds_of.filter_map(|line| line.split_once(" has failed. ")).next_back();
        let message = match seed.map(|(seed, _)| seed) {
            Some(seed) => format!("{seed}: {message}"),
            None => message.to_owned(),
        };
        Self { seeds, message, hangs: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "
test one ... ok
test two ... FAILED
test three ... FAILED

---- one stdout ----
evio-sim: one: 7 seeds in 0.1 s, 7 connections, 9 turns, faults: resets 3

---- two stdout ----

thread 'two' (1) panicked at b.rs:1:2:
it was caught

thread 'two' (1) panicked at a.rs:1:2:
client 2 waits
seed 5 has failed. The last of what happened; EVIO_TRACE=1 prints all of it:
EVIO_SEED=5 repeats it (12 seeds went well before)

---- three stdout ----

thread 'three' (1) panicked at a.rs:1:2:
it is wrong
";

    #[test]
    fn a_program_that_dies_or_hangs_has_failed() {
        let end = |output: &str, script: Option<&str>| {
            let run_script = |script| Command::new("sh").args(["-c", script]).status().unwrap();
            let mut run = Run::default();
            run.read("echo", output);
            run.note_end("echo", script.map(run_script), Duration::from_secs(1));
            run.failures().last().map(|(_, failure)| failure.message.clone())
        };
        assert_eq!(end("test one ... ok\n", Some("true")), None);
        let died = end("test one ... ok\n", Some("kill -ABRT $$")).unwrap();
        assert!(died.starts_with("it has died: signal: 6"), "{died}");
        assert_eq!(end("test one ... FAILED\n", Some("exit 101")).unwrap(), "no message");
        assert_eq!(end("", None).unwrap(), "hangs: it has not ended in 1 s");
    }

    #[test]
    fn what_failed_is_read_with_its_message_and_seeds() {
        let mut run = Run::default();
        run.read("echo", OUTPUT);
        assert_eq!(run.tests(), ["echo::one", "echo::two", "echo::three"]);
        let failure =
            |seeds, message: &str| Failure { seeds, message: message.to_owned(), hangs: false };
        let expected = [
            ("echo::two", &failure(12, "seed 5: client 2 waits")),
            ("echo::three", &failure(0, "it is wrong")),
        ];
        assert!(run.failures().eq(expected), "{run:?}");
        assert_eq!(run.summaries().count(), 1);
    }
}
