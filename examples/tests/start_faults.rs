//! What the system refuses a server that starts, and what a proxy does that can hear no signal, as
//! strace has the calls fail.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use util::{Server, injected, installed, left_out_on_kqueue, socket_path};

#[test]
fn a_server_without_a_thread_for_its_log_says_so() {
    if !installed("strace") {
        return;
    }
    let calls = "trace=?clone,?clone3";
    let fault = "inject=?clone,?clone3:error=EAGAIN:when=1";
    let mut command = Command::new("strace");
    command.args(["-qq", "-e", calls, "-e", fault, "-o", "/dev/null"]);
    command.args([env!("CARGO_BIN_EXE_echo-server"), "--port", "0"]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("error: no thread for the log: "), "{said}");
}

#[test]
fn a_proxy_that_hears_no_signal_any_more_ends() {
    if !installed("strace") {
        return;
    }
    let log = socket_path("signals.log");
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-qq", "-e", "trace=recvfrom", "-o", &log]);
    command.args(["-e", "inject=recvfrom:error=ENOMEM:when=1"]);
    command.args([env!("CARGO_BIN_EXE_tcp-proxy"), "--listen", "127.0.0.1:0"]);
    let mut proxy = Server::start_command(command.stdin(Stdio::null()), 1);
    proxy.signal(Signal::SIGTERM);
    assert!(proxy.wait().success());
    assert_eq!(injected(&log, "ENOMEM"), 1);
    fs::remove_file(&log).unwrap();
}

#[test]
fn loops_whose_policy_is_refused_serve_all_the_same() {
    if !installed("strace") || left_out_on_kqueue("there is no such policy") {
        return;
    }
    let log = socket_path("policy.log");
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-qq", "-e", "trace=sched_setscheduler", "-o", &log]);
    command.args(["-e", "inject=sched_setscheduler:error=EPERM"]);
    let processors = std::thread::available_parallelism().unwrap().get();
    command.args([env!("CARGO_BIN_EXE_echo-server"), "--port", "0"]);
    command.args(["--loops", &(processors + 1).to_string()]);
    let mut server = Server::start_command(command.stdin(Stdio::null()), 1);
    let mut client = server.connect();
    client.write_all(b"hello\n").unwrap();
    let mut reply = [0; 6];
    client.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"hello\n");
    drop(client);
    server.signal(Signal::SIGTERM);
    assert!(server.wait().success());
    assert_eq!(injected(&log, "EPERM"), processors + 1);
    fs::remove_file(&log).unwrap();
}
