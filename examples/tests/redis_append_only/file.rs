//! The file: torn, of something else, of another server, on a full disk.

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::reply::{Client, Reply};
use crate::util::{DEADLINE, Server, installed};
use crate::{REDIS_SERVER, SET, new_file, start};

#[test]
fn what_is_cut_off_by_the_end_is_removed_and_said() {
    let multi = format!("*1\r\n$5\r\nMULTI\r\n{}", SET.replace('v', "w"));
    for torn in ["*", "*2\r\n$3\r\nDEL\r\n$1\r\nk", &multi] {
        let path = new_file("torn");
        fs::write(&path, format!("{SET}{torn}")).unwrap();
        let log = format!("{path}: removed {} bytes at its end", torn.len());
        let mut child = Command::new(REDIS_SERVER)
            .args(["--port", "0", "--appendonly", &path])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut stderr = child.stderr.take().unwrap();
        while !said.contains("listening on ") || !said.ends_with('\n') {
            let mut byte = [0];
            assert_eq!(stderr.read(&mut byte).unwrap(), 1, "{said}");
            said.push(byte[0].into());
        }
        let _ = child.kill();
        child.wait().unwrap();
        assert!(said.contains(&log), "{said}");
        assert_eq!(fs::read_to_string(&path).unwrap(), SET);
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_file_that_is_something_else_is_refused() {
    for (contents, words) in [
        ("*x\r\n", "no command at byte 0: invalid multibulk length"),
        (
            &format!("{SET}*1\r\n$4\r\nNOPE\r\n"),
            "the command at byte 27 fails: ERR unknown command",
        ),
        (&format!("{SET}*1\r\n$3\r\nGET\r\n"), "at byte 27 fails: ERR wrong number of arguments"),
    ] {
        let path = new_file("else");
        fs::write(&path, contents).unwrap();
        let arguments = ["--port", "0", "--appendonly", &path];
        let output = Command::new(REDIS_SERVER).args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(words) && said.contains(&path), "{said}");
        assert_eq!(fs::read_to_string(&path).unwrap(), contents, "it is left as it was");
        fs::remove_file(&path).unwrap();
    }
}

/// A limit for the length of files stands for a full disk.
#[test]
fn nothing_is_changed_while_the_disk_is_full() {
    if !installed("prlimit") {
        return;
    }
    let path = new_file("full");
    let script = "trap '' XFSZ; ulimit -S -f 64; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, REDIS_SERVER, "--port", "0", "--appendonly", &path]);
    let server = Server::start_command(&mut command, 1);
    let mut stream = server.connect();
    let mut confirmed = 0;
    let value = "v".repeat(5_000);
    let mut reply = [0; 5];
    loop {
        let request = format!("SET k{confirmed} {value}\r\n");
        if stream.write_all(request.as_bytes()).is_err() || stream.read_exact(&mut reply).is_err() {
            break;
        }
        assert_eq!(&reply, b"+OK\r\n");
        confirmed += 1;
        assert!(confirmed < 100, "there is a limit");
    }
    assert!(confirmed > 0);
    let mut client = Client::new(server.connect());
    let Reply::Error(message) = client.ask_text("SET k v") else { panic!("it is refused") };
    assert!(message.starts_with("MISCONF "), "{message}");
    assert_eq!(client.ask_text("GET k0"), Reply::Bulk(value.into()), "what is there can be read");
    // There is room again.
    let pid = server.pid().to_string();
    let raised = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status();
    assert!(raised.unwrap().success());
    let deadline = Instant::now() + DEADLINE;
    while client.ask_text("SET k v") != Reply::Simple("OK".into()) {
        assert!(Instant::now() < deadline, "it goes on");
    }
    drop(server);
    let server = start(&path, "1");
    let mut client = Client::new(server.connect());
    assert_eq!(client.ask_text("GET k"), Reply::Bulk(b"v".into()));
    let there = (0..confirmed).map(|key| client.ask_text(&format!("STRLEN k{key}")));
    assert!(there.collect::<Vec<_>>().iter().all(|len| *len == Reply::Integer(5_000)));
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_second_server_does_not_get_the_file() {
    let path = new_file("second");
    let _first = start(&path, "1");
    let arguments = ["--port", "0", "--appendonly", &path];
    let second = Command::new(REDIS_SERVER).args(arguments).stdin(Stdio::null()).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("another server has this file"), "{said}");
    fs::remove_file(&path).unwrap();
}
