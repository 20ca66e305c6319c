//! Comparisons that are driven by an installed tool: servers of ours and of others, started alike
//! and driven in turns.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::machine;
use super::programs::{GENERATOR_CORE, Programs, SERVER_CORE};
use super::run::Run;

/// A server of a comparison.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contender {
    /// What tables call it.
    pub(super) name: &'static str,
    pub(super) program: Program,
    /// Returns its arguments, after writing whatever files they name.
    pub(super) arguments: fn(&Place) -> io::Result<Vec<String>>,
}

/// Returns those of `contenders` that have one of the `names`, in the order of these.
pub(super) fn pick(contenders: &[Contender], names: &[&str]) -> Vec<Contender> {
    let named = |name: &&str| contenders.iter().find(|contender| contender.name == *name);
    names.iter().filter_map(named).copied().collect()
}

/// Names those of `contenders` that are built from this workspace.
pub(super) fn built(contenders: &[Contender]) -> Vec<&'static str> {
    let built = |contender: &Contender| match contender.program {
        Program::Built { program, .. } => Some(program),
        Program::Installed(_) => None,
    };
    contenders.iter().filter_map(built).collect()
}

/// Returns those of `contenders` that are programs of the system.
pub(super) fn tools(contenders: &[Contender]) -> impl Iterator<Item = Tool> {
    contenders.iter().filter_map(|contender| match contender.program {
        Program::Built { .. } => None,
        Program::Installed(tool) => Some(tool),
    })
}

/// Where a program comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    /// Built from this workspace, with the package in `Cargo.lock` whose version says what it is.
    Built {
        program: &'static str,
        package: &'static str,
    },
    Installed(Tool),
}

/// A program of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tool {
    pub(super) program: &'static str,
    /// The Debian package that has it.
    pub(super) package: &'static str,
    /// What makes it say its version.
    pub(super) version_option: &'static str,
}

/// Where a server is to listen and may write.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) address: SocketAddr,
    /// A directory of the server's own.
    pub(super) directory: PathBuf,
    /// The address of the server that it is to be in front of, if it is.
    pub(super) upstream: Option<String>,
}

/// A server that listens.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) pid: u32,
    pub(super) place: Place,
}

impl Place {
    /// Returns the path of the server's Unix socket, if it has one.
    pub(super) fn socket(&self) -> PathBuf {
        self.directory.join("socket")
    }

    /// Returns the address of the server that this one is in front of.
    pub(super) fn upstream(&self) -> io::Result<&str> {
        self.upstream.as_deref().ok_or_else(|| io::Error::other("there is no server behind this"))
    }
}

impl Server {
    /// Opens a connection that does not wait for ever.
    pub(super) fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.place.address)?;
        stream.set_read_timeout(Some(REPLY_LIMIT))?;
        Ok(stream)
    }
}

/// How long a server may take for its first replies.
const REPLY_LIMIT: Duration = Duration::from_secs(10);

/// How long a server may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How often a server that starts is asked whether it listens.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// How long a turn of a tool may take: the longest are planned to be of a second.
const TURN_LIMIT: Duration = Duration::from_secs(60);

impl Tool {
    /// Returns where the program is installed.
    ///
    /// # Errors
    /// Names the line that installs it.
    pub(super) fn find(self) -> Result<PathBuf, String> {
        let Self { program, package, .. } = self;
        find_in(&env::var_os("PATH").unwrap_or_default(), program).ok_or_else(|| {
            format!("{program} is not installed; on Debian: apt-get install {package}")
        })
    }
}

/// Looks for a program in the directories of `path`, and in that of the system's servers, which
/// only root has in its path.
fn find_in(path: &std::ffi::OsStr, program: &str) -> Option<PathBuf> {
    let directories = env::split_paths(path).chain([PathBuf::from("/usr/sbin")]);
    directories.map(|directory| directory.join(program)).find(|file| file.is_file())
}

impl Tool {
    /// Returns the version of the program, if it is installed and says it.
    pub(super) fn version(self) -> Option<String> {
        let output = Command::new(self.find().ok()?).arg(self.version_option).output().ok()?;
        // Which of the two a version goes to differs from program to program.
        let said = [output.stdout, output.stderr].concat();
        Some(version_in(&String::from_utf8_lossy(&said))?.to_owned())
    }
}

impl Contender {
    /// Returns the file to start.
    ///
    /// # Errors
    /// Says why there is none, and what to do about it.
    pub(super) fn file(&self, programs: &Programs) -> Result<PathBuf, String> {
        match self.program {
            Program::Built { program, .. } if programs.has(program) => Ok(programs.path(program)),
            Program::Built { program, .. } => Err(format!("{program} was not built")),
            Program::Installed(tool) => tool.find(),
        }
    }
}

/// Returns the versions of `contenders` and of the tool that drives them, if one does, by name.
pub(super) fn versions(driver: Option<Tool>, contenders: &[Contender]) -> BTreeMap<String, String> {
    let version = |tool: Tool| Some((tool.program.to_owned(), tool.version()?));
    let packages = contenders.iter().filter_map(|contender| match contender.program {
        Program::Built { package, .. } => Some(package),
        Program::Installed(_) => None,
    });
    let built = machine::versions(packages).into_iter();
    built
        .map(|(package, version)| (package.to_owned(), version))
        .chain(tools(contenders).chain(driver).filter_map(version))
        .collect()
}

/// Returns the first version number in what a program says about itself.
fn version_in(text: &str) -> Option<&str> {
    let mut words = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    let is_version = |word: &&str| {
        let numbers: Vec<&str> = word.split('.').collect();
        numbers.len() > 1 && numbers.iter().all(|number| !number.is_empty())
    };
    words.find(is_version)
}

impl Run {
    /// Returns those of `contenders` that can be started, and names the others.
    pub(super) fn installed(&self, contenders: &[Contender]) -> Vec<Contender> {
        let can_start = |contender: &&Contender| match contender.file(&self.programs) {
            Ok(_) => true,
            Err(reason) => {
                eprintln!("left out: {}: {reason}", contender.name);
                false
            }
        };
        contenders.iter().filter(can_start).copied().collect()
    }

    /// Starts every contender on one core and waits until all of them listen.
    pub(super) fn serve_contenders(&self, contenders: &[Contender]) -> crate::Result<Vec<Server>> {
        self.serve_in_front_of(None, contenders)
    }

    /// As `serve_contenders`, for servers that are in front of another one.
    pub(super) fn serve_in_front_of(
        &self,
        upstream: Option<&str>,
        contenders: &[Contender],
    ) -> crate::Result<Vec<Server>> {
        let upstream = upstream.map(str::to_owned);
        let mut servers = Vec::with_capacity(contenders.len());
        for contender in contenders {
            let directory = self.programs.scratch().join(contender.name);
            // What an earlier run left would be in the way, a Unix socket above all.
            let _ = fs::remove_dir_all(&directory);
            fs::create_dir_all(&directory)?;
            let log = File::create(directory.join(LOG))?;
            let (address, upstream) = (free_address()?, upstream.clone());
            let place = Place { address, directory, upstream };
            let mut command = self.programs.launch(SERVER_CORE, &contender.file(&self.programs)?);
            command.args((contender.arguments)(&place)?);
            command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
            let pid = self.children.start(&mut command)?.pid;
            servers.push(Server { name: contender.name, pid, place });
        }
        let deadline = Instant::now() + START_LIMIT;
        for server in &servers {
            wait_for(server, deadline)?;
        }
        Ok(servers)
    }

    /// Runs a tool to its end on the core that the servers are not on, and returns what it prints.
    pub(super) fn drive_with(&self, tool: Tool, arguments: &[String]) -> crate::Result<String> {
        let mut command = self.programs.launch(GENERATOR_CORE, &tool.find()?);
        command.args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = self.children.start(&mut command)?;
        let status = self.children.wait(child.pid, TURN_LIMIT)?;
        // What these tools print fits into a pipe, so it can be read now that they have ended.
        let printed = child.stdout.map(io::read_to_string).transpose()?.unwrap_or_default();
        if !status.success() {
            let complaint = child.stderr.map(io::read_to_string).transpose()?.unwrap_or_default();
            return Err(format!("{} failed: {}", tool.program, complaint.trim()).into());
        }
        Ok(printed)
    }
}

/// Where a server's output goes, in its directory.
const LOG: &str = "log";

/// Asks the system for an address that nobody listens on.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Waits until the server takes a connection.
fn wait_for(server: &Server, deadline: Instant) -> crate::Result {
    while let Err(error) = server.connect() {
        if Instant::now() >= deadline {
            let log = fs::read_to_string(server.place.directory.join(LOG)).unwrap_or_default();
            return Err(format!("{} does not listen: {error}\n{log}", server.name).into());
        }
        thread::sleep(POLL_INTERVAL);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_tool_is_named_with_the_line_that_installs_it() {
        let tool = Tool { program: "no-such-program", package: "its-package", version_option: "" };
        let reason = tool.find().unwrap_err();
        assert!(reason.contains("no-such-program"), "{reason}");
        assert!(reason.ends_with("apt-get install its-package"), "{reason}");
    }

    #[test]
    fn versions_are_found_in_any_words() {
        for (said, version) in [
            ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0", Some("7.0.15")),
            ("nginx version: nginx/1.22.1", Some("1.22.1")),
            ("HAProxy version 2.6.12-1+deb12u3 2025/10/03", Some("2.6.12")),
            ("wrk debian/4.1.0-3+b2 [epoll] Copyright (C) 2012", Some("4.1.0")),
            ("in 2012, or 2013. Or .5 or 1.", None),
            ("", None),
        ] {
            assert_eq!(version_in(said), version, "{said}");
        }
    }

    #[test]
    fn program_is_found_in_the_path() {
        assert_eq!(find_in("/no/such:/bin".as_ref(), "sh"), Some(PathBuf::from("/bin/sh")));
        assert_eq!(find_in("".as_ref(), "no-such-program"), None);
    }

    #[test]
    fn server_that_does_not_listen_is_reported_with_what_it_said() {
        let directory = env::temp_dir().join(format!("evio-outside-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(LOG), "no licence").unwrap();
        let address = free_address().unwrap();
        let place = Place { address, directory: directory.clone(), upstream: None };
        let error = wait_for(&Server { name: "shy", pid: 0, place }, Instant::now()).unwrap_err();
        fs::remove_dir_all(directory).unwrap();
        let error = error.to_string();
        assert!(error.contains("shy does not listen") && error.contains("no licence"), "{error}");
    }
}
