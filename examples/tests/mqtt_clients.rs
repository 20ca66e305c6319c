//! `mqtt-broker` with the clients of mosquitto.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod mqtt_util;
mod util;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;

use mqtt_util::{Client, start};
use util::{Server, installed, run};

/// Runs `mosquitto_pub` to its end.
fn publish(server: &Server, arguments: &[&str]) {
    let port = server.port().to_string();
    run("mosquitto_pub", &[&["-V", "mqttv311", "-p", &port], arguments].concat());
}

/// Starts a broker that keeps a message for each subscriber.
fn start_ready(loops: &str) -> Server {
    let server = start(loops, &[]);
    publish(&server, &["-t", "ready", "-m", "yes", "-r", "-q", "1"]);
    server
}

/// A `mosquitto_sub` that has subscribed, and what it prints.
struct Subscriber {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Subscriber {
    /// It has subscribed when it has got the message that is kept.
    fn start(server: &Server, arguments: &[&str]) -> Self {
        let port = server.port().to_string();
        let mut command = Command::new("mosquitto_sub");
        command.args(["-V", "mqttv311", "-p", &port, "-v"]).args(arguments).args(["-t", "ready"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut subscriber = Self { child, lines };
        assert_eq!(subscriber.line(), "ready yes");
        subscriber
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn mosquitto_sub_prints_what_mosquitto_pub_publishes() {
    if !installed("mosquitto_pub") {
        return;
    }
    for loops in ["1", "2"] {
        let server = start_ready(loops);
        let mut subscribers = ["0", "1", "2"].map(|qos| {
            Subscriber::start(&server, &["-t", "a/+/c", "-t", "other/#", "-q", qos, "-C", "4"])
        });
        publish(&server, &["-t", "a/b/c", "-m", "first"]);
        publish(&server, &["-t", "a/b", "-m", "not for them"]);
        publish(&server, &["-t", "other", "-m", "second", "-q", "1"]);
        publish(&server, &["-t", "other/x", "-m", "third", "-q", "1", "-i", "name"]);
        for subscriber in &mut subscribers {
            let lines = [(); 3].map(|()| subscriber.line());
            assert_eq!(lines, ["a/b/c first", "other second", "other/x third"]);
            assert!(subscriber.child.wait().unwrap().success());
        }
    }
}

#[test]
fn mosquitto_pub_publishes_ten_thousand_lines_that_all_arrive() {
    if !installed("mosquitto_pub") {
        return;
    }
    for (loops, qos) in [("1", "0"), ("2", "0"), ("2", "1")] {
        let server = start_ready(loops);
        let arguments = ["-t", "lines", "-q", qos, "-C", "10001"];
        let mut subscribers = [(); 2].map(|()| Subscriber::start(&server, &arguments));
        let port = server.port().to_string();
        let mut command = Command::new("mosquitto_pub");
        command.args(["-V", "mqttv311", "-p", &port, "-t", "lines", "-q", qos, "-l"]);
        let mut publisher = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut input = publisher.stdin.take().unwrap();
        thread::spawn(move || {
            (0..10_000).for_each(|number| writeln!(input, "{number}").unwrap());
        });
        // Both at once: one that cannot print what it gets has the other wait.
        thread::scope(|scope| {
            for subscriber in &mut subscribers {
                scope.spawn(|| {
                    for number in 0..10_000 {
                        assert_eq!(subscriber.line(), format!("lines {number}"));
                    }
                });
            }
        });
        assert!(publisher.wait().unwrap().success());
    }
}

#[test]
fn mosquitto_sub_that_is_killed_leaves_its_will() {
    if !installed("mosquitto_sub") {
        return;
    }
    let server = start_ready("2");
    let mut witness = Client::connect(&server, "witness");
    witness.subscribe(&[("will", 1)]);
    let will = ["--will-topic", "will", "--will-payload", "killed", "--will-qos", "1"];
    drop(Subscriber::start(&server, &will));
    assert_eq!(witness.receive_text(), "killed");
}
