//! A program under test.

use std::path::PathBuf;
use std::process::Command;

use crate::bug::Bug;
use crate::server::Server;
use crate::verdict::Verdict;

/// A program to check, with its arguments.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<String>,
    descriptors: Option<usize>,
}

impl Program {
    /// Names a program that speaks the [`protocol`](crate::protocol).
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), arguments: Vec::new(), descriptors: None }
    }

    /// Names the twin at `path`, with `bug` planted.
    #[must_use]
    pub fn twin(path: impl Into<PathBuf>, bug: Bug) -> Self {
        Self::new(path).with(&["--bug", &bug.name()])
    }

    /// Appends arguments.
    #[must_use]
    pub fn with(&self, arguments: &[&str]) -> Self {
        let mut program = self.clone();
        program.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        program
    }

    /// Gives the program this many descriptors only.
    #[must_use]
    pub fn with_descriptors(&self, count: usize) -> Self {
        Self { descriptors: Some(count), ..self.clone() }
    }

    fn command(&self) -> Command {
        let mut command = match self.descriptors {
            None => Command::new(&self.path),
            Some(count) => {
                let mut shell = Command::new("sh");
                let script = format!("ulimit -n {count} && exec \"$0\" \"$@\"");
                shell.args(["-c", &script]).arg(&self.path);
                shell
            }
        };
        command.args(&self.arguments);
        command
    }

    /// Starts the program, and waits until it listens.
    ///
    /// # Errors
    ///
    /// Fails when it does not start, or does not say where it listens.
    pub fn start(&self) -> Verdict<Server> {
        Server::spawn(&mut self.command())
    }
}
