//! How often the file is synced.

use std::fs;
use std::io::{Read, Write};
use std::process::Command;

use crate::util::{Server, installed};
use crate::{REDIS_SERVER, new_file};

/// One client for each loop, and a disk that is slow enough for all of them to wait for it.
#[test]
fn loops_that_wait_for_the_disk_share_a_sync() {
    const LOOPS: usize = 8;
    if !installed("strace") {
        return;
    }
    let (path, log) = (new_file("syncs"), new_file("syncs-trace"));
    let loops = LOOPS.to_string();
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-qq", "-e", "trace=fdatasync", "-o", &log]);
    command.args(["-e", "inject=fdatasync:delay_enter=300000"]);
    command.args([REDIS_SERVER, "--port", "0", "--loops", &loops, "--appendonly", &path]);
    let server = Server::start_command(&mut command, 1);
    let clients: Vec<_> = (0..LOOPS).map(|_| server.connect()).collect();
    for (number, mut client) in clients.iter().enumerate() {
        client.write_all(format!("SET key{number} v\r\n").as_bytes()).unwrap();
    }
    for mut client in &clients {
        let mut reply = [0; 5];
        client.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"+OK\r\n");
    }
    let trace = fs::read_to_string(&log).unwrap();
    let syncs = trace.lines().filter(|line| line.contains("fdatasync(")).count();
    // One for the first client, one for those that have come meanwhile, and some for late ones.
    assert!((1..=LOOPS / 2).contains(&syncs), "{syncs} syncs:\n{trace}");
    drop(server);
    fs::remove_file(&path).unwrap();
    fs::remove_file(&log).unwrap();
}
