//! Signals end a server, and the process when there is none.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::env;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use evio::{Action, Events};
use nix::sys::signal::{Signal, raise};

use util::{TCP, bind, is_alone, reports, run_alone, start};

const HOUR: Duration = Duration::from_secs(3_600);

/// Runs a server until `signal` ends it.
fn run_until(signal: Signal) {
    let (opens, opened) = reports();
    let server = bind(TCP).shutdown_on_signals(HOUR).unwrap();
    let server = start(server, move || {
        Events::new()
            .opened(move |_, ()| {
                opens.send(()).unwrap();
                Action::None
            })
            .stopping(|conn, ()| {
                conn.write(b"goodbye");
                Action::Close
            })
    });
    let client = server.connect();
    opened.next();
    raise(signal).unwrap();
    assert_eq!(client.receive_to_end(), b"goodbye");
    drop(client);
    server.wait();
}

#[test]
fn the_first_signal_ends_a_server_gracefully_and_also_the_server_after_it() {
    if is_alone() {
        run_until(Signal::SIGTERM);
        run_until(Signal::SIGINT);
        // One that is dropped has not had its signal, and leaves it to others.
        let server = bind(TCP).shutdown_on_signals(HOUR).unwrap();
        drop(bind(TCP).shutdown_on_signals(HOUR).unwrap());
        raise(Signal::SIGINT).unwrap();
        server.run(Events::new()).unwrap();
        return;
    }
    let test = "the_first_signal_ends_a_server_gracefully_and_also_the_server_after_it";
    run_alone(test, &mut Command::new(env::current_exe().unwrap()));
}

/// Returns the status of a process that does this.
fn status_of(what: &str) -> Option<i32> {
    let mut command = Command::new(env::current_exe().unwrap());
    let command = command.args(["a_signal_that_is_for_no_server", "--exact"]).env(WHAT, what);
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
    assert_eq!(status.signal(), None, "{what}");
    status.code()
}

/// In the environment of a process that a signal is to end.
const WHAT: &str = "EVIO_TEST_SIGNALS";

#[test]
fn a_signal_that_is_for_no_server() {
    let server = || bind(TCP).shutdown_on_signals(HOUR).unwrap();
    match env::var(WHAT).as_deref() {
        Ok("the second") => {
            let _server = server();
            raise(Signal::SIGINT).unwrap();
            raise(Signal::SIGTERM).unwrap();
        }
        Ok("after the end") => {
            drop(server());
            raise(Signal::SIGINT).unwrap();
        }
        _ => {
            assert_eq!(status_of("the second"), Some(128 + 15));
            assert_eq!(status_of("after the end"), Some(128 + 2));
        }
    }
}
