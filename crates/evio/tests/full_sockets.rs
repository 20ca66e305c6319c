//! A socket that is full is not asked again for each piece of output that is added: the system says
//! when there is room.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::env;
use std::fs;
use std::process::Command;

use evio::Events;

use util::{Driven, TCP, Transport, bind, installed, is_alone, pair, run_alone, start_driven};

/// More than the kernel takes from a server whose peer does not read.
static UNSENDABLE: [u8; 16 << 20] = [7; 16 << 20];

const PIECES: usize = 500;

/// Adds pieces of output in turns of their own, then reads all of it.
fn fill(transport: Transport) {
    let Driven { server, driver, .. } = start_driven(bind(TCP), Events::<()>::new);
    let (stream, client) = pair(transport);
    let id = driver.adopt(stream);
    let handle = driver.ask_of(id, |conn| {
        conn.write_static(&UNSENDABLE);
        conn.handle()
    });
    driver.fence();
    let waiting = driver.ask_of(id, |conn| conn.output_len());
    assert!(waiting > 0, "the socket is not full");
    for number in 0..PIECES {
        match number % 2 {
            0 => handle.send("!").unwrap(),
            _ => driver.handle().broadcast(*b"!").unwrap(),
        }
        driver.ask(|_| ());
    }
    assert!(client.receive(UNSENDABLE.len()) == UNSENDABLE);
    assert_eq!(client.receive(PIECES), [b'!'; PIECES]);
    drop(client);
    server.stop();
}

/// strace counts the calls that find no room. There may be some while the peer reads: room that the
/// system reported can be gone again, or be less than what was offered.
#[test]
fn a_full_socket_is_tried_when_there_is_room() {
    const MOST: usize = 100;
    if is_alone() {
        fill(Transport::Unix);
        return fill(Transport::Tcp);
    }
    if !installed("strace") {
        return;
    }
    let log = env::temp_dir().join(format!("evio-full-sockets-{}.log", std::process::id()));
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "--seccomp-bpf", "-e", "trace=sendto,sendmsg,write,writev", "-o"]);
    strace.arg(&log).arg(env::current_exe().unwrap());
    run_alone("a_full_socket_is_tried_when_there_is_room", &mut strace);
    let text = fs::read_to_string(&log).unwrap();
    fs::remove_file(&log).unwrap();
    assert!(text.contains("sendto("), "calls are seen: {text}");
    let refused = text.lines().filter(|line| line.contains("EAGAIN")).count();
    assert!(refused < MOST, "{refused} calls found no room");
}
