//! What listeners, their connections and the loops are given.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use evio::{Action, Events, Keepalive, ListenOptions, Server};
use nix::sys::socket::{getsockopt, sockopt};
use nix::sys::stat::{Mode, umask};

use util::{Client, TCP, bind, reports, start, start_each, unix_address};

fn name_of(client: &Client) -> String {
    match client {
        Client::Tcp(stream) => stream.local_addr().unwrap().to_string(),
        Client::Unix(_) => unreachable!("only TCP listeners here"),
    }
}

/// The umask is that of the process, which is why these are one test.
#[test]
fn a_socket_file_has_the_mode_that_was_asked_for() {
    for mask in [0o000, 0o077, 0o177] {
        for mode in [0o600, 0o660, 0o666, 0o007] {
            let before = umask(Mode::from_bits_truncate(mask));
            let address = unix_address();
            let server = bind(&format!("{address}?mode={mode:03o}"));
            umask(before);
            let file = address.strip_prefix("unix://").unwrap();
            let permissions = fs::metadata(file).unwrap().permissions();
            assert_eq!(permissions.mode() & 0o777, mode, "with umask {mask:03o}");
            drop(server);
        }
    }
}

#[test]
fn connections_inherit_what_their_listener_was_given() {
    let keepalive = Keepalive { idle: Duration::from_secs(41), count: 7, ..Keepalive::default() };
    let options = ListenOptions::default().nodelay(false).keepalive(keepalive).backlog(7);
    let (options_seen, seen) = reports();
    let server = start(Server::bind_with(&options, [TCP]).unwrap(), move || {
        Events::new().opened(|_, ()| Action::Detach).detached(move |_, _, (), socket| {
            let (socket, _) = socket.into_parts();
            let options = (
                getsockopt(&socket, sockopt::TcpNoDelay).unwrap(),
                getsockopt(&socket, sockopt::KeepAlive).unwrap(),
            );
            options_seen.send(options).unwrap();
            std::ops::ControlFlow::Break(())
        })
    });
    let client = server.connect();
    assert_eq!(seen.next(), (false, true));
    server.wait();
    drop(client);
}

/// It is accepted with its first byte, or much later.
#[test]
fn a_connection_can_be_deferred_until_it_says_something() {
    if util::left_out_on_kqueue("connections are reported at once") {
        return;
    }
    let options = ListenOptions::default().defer_accept(Duration::from_secs(30));
    let (opens, opened) = reports();
    let server = start(Server::bind_with(&options, [TCP, TCP]).unwrap(), move || {
        Events::new()
            .opened(move |conn, ()| {
                opens.send(conn.peer_addr().unwrap().to_string()).unwrap();
                Action::None
            })
            .data(|conn, (), input| {
                conn.write(input);
                Action::None
            })
    });
    let silent = server.connect();
    let client = server.connect();
    client.echo(b"hello");
    assert_eq!(opened.next(), name_of(&client));
    assert!(opened.rest().is_empty(), "the silent one has not been accepted");
    silent.echo(b"hello");
    assert_eq!(opened.next(), name_of(&silent));
    server.stop();
}

#[test]
fn loops_are_named_and_can_be_pinned() {
    const LOOPS: usize = 3;
    if util::left_out_on_kqueue("threads are not pinned") {
        return;
    }
    let (told, tell) = reports();
    let server = start_each(bind(TCP).pin_loops(true), LOOPS, move |loop_id| {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split(':').nth(1).unwrap().trim().to_owned()
        };
        told.send((loop_id, field("Name"), field("Cpus_allowed_list"))).unwrap();
        Events::new()
    });
    let mut seen: Vec<_> = (0..LOOPS).map(|_| tell.next()).collect();
    seen.sort();
    for (loop_id, name, cpus) in &seen[1..] {
        assert_eq!(*name, format!("evio-loop-{loop_id}"));
        assert!(cpus.parse::<usize>().is_ok(), "one processor, not {cpus}");
    }
    assert!(seen[0].2.parse::<usize>().is_ok(), "one processor, not {}", seen[0].2);
    let available = std::thread::available_parallelism().unwrap().get();
    let used: std::collections::HashSet<&str> = seen.iter().map(|seen| seen.2.as_str()).collect();
    assert_eq!(used.len(), available.min(LOOPS));
    let _: Client = server.connect();
    server.stop();
}

#[test]
fn loops_can_leave_a_processor_to_who_runs_there() {
    const LOOPS: usize = 2;
    /// The field `policy` of proc_pid_stat(5), the 41st; `comm`, the second, is in parentheses.
    const POLICY: usize = 41;
    const SCHED_BATCH: &str = "3";
    if util::left_out_on_kqueue("threads have no such policy") {
        return;
    }
    let policy = || {
        let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        fields.split(' ').nth(POLICY - 3).unwrap().to_owned()
    };
    let (told, tell) = reports();
    let server = start_each(bind(TCP).batch_loops(true), LOOPS, move |_| {
        told.send(policy()).unwrap();
        Events::new()
    });
    for _ in 0..LOOPS {
        assert_eq!(tell.next(), SCHED_BATCH);
    }
    server.stop();
}
