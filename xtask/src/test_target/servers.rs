//! Starts servers whose programs hold all their libraries, and asks each something.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{BUILDS, Target};
use crate::children::Children;
use crate::faults::process::Process;
use crate::{Result, workspace_root};

/// A server, what it is sent and what it must answer.
const SERVERS: [(&str, &[u8], &[u8]); 2] = [
    ("echo-server", b"hello", b"hello"),
    (
        "redis-server",
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
        b"+OK\r\n$1\r\nv\r\n",
    ),
];

/// Longer than a server takes that has anything to say.
const PATIENCE: Duration = Duration::from_secs(10);

/// Builds the servers, and checks that each is static and answers. They are not optimised: that
/// would build the standard library a second time.
pub(super) fn check(mut build: Command, target: &Target) -> Result {
    build.args(["--package", "evio-examples"]);
    build.args(SERVERS.iter().flat_map(|(server, ..)| ["--bin", server]));
    if !build.status()?.success() {
        return Err("the servers do not build".into());
    }
    let programs = workspace_root().join("target").join(BUILDS).join(target.triple).join("debug");
    for (server, question, answer) in SERVERS {
        let program = programs.join(server);
        if !is_static(&fs::read(&program)?) {
            return Err(format!("{} is linked to libraries", program.display()).into());
        }
        ask(&program, question, answer).map_err(|error| format!("{server}: {error}"))?;
        let size = fs::metadata(&program)?.len();
        println!("test-target: {server} is static, has {size} bytes, and answers");
    }
    Ok(())
}

/// Starts `program`, and checks that it answers.
fn ask(program: &Path, question: &[u8], answer: &[u8]) -> Result {
    let children = Children::default();
    let server = Process::start(&children, Command::new(program).args(["--port", "0"]))?;
    let address = server.address().ok_or_else(|| format!("no start: {}", server.excerpt()))?;
    let mut client = TcpStream::connect(address)?;
    client.set_read_timeout(Some(PATIENCE))?;
    client.write_all(question)?;
    let mut received = vec![0; answer.len()];
    client.read_exact(&mut received)?;
    if received == answer {
        Ok(())
    } else {
        Err(format!("answers {}", received.escape_ascii()).into())
    }
}

/// Tells whether an ELF program of 64 bits is complete: it names no interpreter, which would load
/// libraries for it.
fn is_static(program: &[u8]) -> bool {
    const PT_INTERP: usize = 3;
    let number = |at: usize, length: usize| {
        let bytes = program.get(at..at + length).unwrap_or_default();
        bytes.iter().rev().fold(0_usize, |number, &byte| number << 8 | usize::from(byte))
    };
    let (headers, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    let mut kinds = (0..count).map(|header| number(headers + header * size, 4));
    count > 0 && kinds.all(|kind| kind != PT_INTERP)
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use super::is_static;

    #[test]
    fn a_program_with_an_interpreter_is_not_static() {
        let this = fs::read(env::current_exe().unwrap()).unwrap();
        let names_an_interpreter = this.windows(3).any(|name| name == b"ld-");
        assert_eq!(is_static(&this), !names_an_interpreter);
        assert!(!is_static(b"no program"));
    }
}
