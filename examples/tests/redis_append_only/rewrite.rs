//! The file is written anew while the server is used.

use std::fs;
use std::process::Command;
use std::time::Instant;

use nix::sys::signal::Signal;

use crate::reply::{Client, Reply};
use crate::util::{DEADLINE, Server};
use crate::{REDIS_SERVER, ask, confirm, contents, new_file, start};

fn field(server: &Server, name: &str) -> String {
    let info = ask(server, "INFO persistence");
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("{name}: {info}")).trim().to_owned()
}

fn wait_for(server: &Server, name: &str, value: &str) {
    let deadline = Instant::now() + DEADLINE;
    while field(server, name) != value {
        assert!(Instant::now() < deadline, "{name} is {}", field(server, name));
    }
}

pub(crate) fn rewrite(server: &Server) {
    assert_eq!(ask(server, "BGREWRITEAOF"), "+Background append only file rewriting started\r\n");
    wait_for(server, "aof_rewrite_in_progress", "0");
    assert_eq!(field(server, "aof_last_bgrewrite_status"), "ok");
}

#[test]
fn a_file_that_was_written_anew_is_short_and_has_all_keys() {
    let path = new_file("anew");
    let mut server = start(&path, "2");
    confirm(&server, &vec!["INCR n".to_owned(); 2000]);
    let more = ["SADD a x y z", "SET b v PX 5000000", "RPUSH c 1 2 3", "SPOP a", "HSET d f v"];
    let mut client = Client::new(server.connect());
    more.iter().for_each(|command| drop(client.ask_text(command)));
    let before = contents(&mut client);
    let long = fs::metadata(&path).unwrap().len();
    rewrite(&server);
    let short = fs::metadata(&path).unwrap().len();
    assert!(short < 500 && long > 20_000, "{long} bytes became {short}");
    assert_eq!(field(&server, "aof_current_size"), short.to_string());
    assert!(!fs::exists(format!("{path}.rewrite")).unwrap());
    // It goes on in the new file.
    confirm(&server, &["INCR n".to_owned()]);
    server.signal(Signal::SIGKILL);
    server.wait();
    let server = start(&path, "2");
    assert_eq!(contents(&mut Client::new(server.connect())), before);
    assert_eq!(ask(&server, "GET n"), "$4\r\n2001\r\n");
    drop(server);
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_file_that_has_doubled_is_written_anew_by_itself() {
    let path = new_file("doubled");
    let arguments = ["--port", "0", "--appendonly", &path, "--auto-aof-rewrite-min-size", "10kb"];
    let server = Server::start(REDIS_SERVER, &arguments, 1);
    let deadline = Instant::now() + DEADLINE;
    let (mut count, mut before) = (0, 0);
    loop {
        confirm(&server, &vec!["INCR n".to_owned(); 100]);
        count += 100;
        let len = fs::metadata(&path).unwrap().len();
        if len < before {
            break;
        }
        before = len;
        assert!(Instant::now() < deadline, "it grows on: {len}");
    }
    // A hundred commands are less than 3,000 bytes.
    assert!(before > 10 * 1024 - 3_000, "not before it is that long: {before}");
    let count = count.to_string();
    assert_eq!(ask(&server, "GET n"), format!("${}\r\n{count}\r\n", count.len()));
    drop(server);
    fs::remove_file(&path).unwrap();
}

/// A folder has the name of the new file.
#[test]
fn a_file_that_cannot_be_written_anew_is_used_as_it_is() {
    let path = new_file("blocked");
    let server = start(&path, "1");
    confirm(&server, &["SET k v".to_owned()]);
    fs::create_dir(format!("{path}.rewrite")).unwrap();
    ask(&server, "BGREWRITEAOF");
    wait_for(&server, "aof_last_bgrewrite_status", "err");
    let line = server.next_line();
    assert!(line.contains("not written anew"), "{line}");
    confirm(&server, &["SET l v".to_owned()]);
    drop(server);
    let server = start(&path, "1");
    assert_eq!(ask(&server, "DBSIZE"), ":2\r\n");
    drop(server);
    fs::remove_dir(format!("{path}.rewrite")).unwrap();
    fs::remove_file(&path).unwrap();
}

#[test]
fn without_a_file_there_is_nothing_to_write_anew() {
    let server = Server::start(REDIS_SERVER, &["--port", "0"], 1);
    assert!(ask(&server, "BGREWRITEAOF").starts_with("-ERR there is no append-only file"));
}

/// A limit for the length of files stands for a full disk. What could not be written to the long
/// file is written to the short one that takes its place.
#[test]
fn a_full_disk_has_room_again_when_the_file_was_written_anew() {
    let path = new_file("full-anew");
    let script = "trap '' XFSZ; ulimit -S -f 32; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, REDIS_SERVER, "--port", "0", "--appendonly", &path]);
    let server = Server::start_command(&mut command, 1);
    let mut confirmed = 0;
    let mut client = Client::new(server.connect());
    while let Some(Reply::Integer(number)) = client.try_ask_text("INCR n") {
        confirmed = number;
        assert!(confirmed < 10_000, "there is a limit");
    }
    let mut client = Client::new(server.connect());
    let Reply::Error(message) = client.ask_text("INCR n") else { panic!("it is refused") };
    assert!(message.starts_with("MISCONF "), "{message}");
    rewrite(&server);
    let deadline = Instant::now() + DEADLINE;
    while client.ask_text("SET k v") != Reply::Simple("OK".into()) {
        assert!(Instant::now() < deadline, "it goes on");
    }
    let before = client.ask_text("GET n");
    assert_eq!(before, Reply::Bulk((confirmed + 1).to_string().into()), "it was not confirmed");
    drop(server);
    let server = start(&path, "1");
    let mut client = Client::new(server.connect());
    assert_eq!(client.ask_text("GET n"), before);
    assert_eq!(client.ask_text("GET k"), Reply::Bulk(b"v".into()));
    drop(server);
    fs::remove_file(&path).unwrap();
}

#[test]
fn the_file_of_another_server_is_not_written_over() {
    let path = new_file("neighbour");
    let server = start(&path, "1");
    confirm(&server, &["SET k v".to_owned()]);
    let its_path = format!("{path}.rewrite");
    let neighbour = start(&its_path, "1");
    confirm(&neighbour, &["SET its v".to_owned()]);
    let before = fs::read(&its_path).unwrap();
    ask(&server, "BGREWRITEAOF");
    wait_for(&server, "aof_last_bgrewrite_status", "err");
    assert_eq!(fs::read(&its_path).unwrap(), before);
    drop(neighbour);
    rewrite(&server);
    drop(server);
    fs::remove_file(&path).unwrap();
}
