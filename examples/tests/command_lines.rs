//! Command lines that are wrong, and what the user is told.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::process::{Command, Stdio};

const CHAT_SERVER: &str = env!("CARGO_BIN_EXE_chat-server");
const ECHO_SERVER: &str = env!("CARGO_BIN_EXE_echo-server");
const HTTP_SERVER: &str = env!("CARGO_BIN_EXE_http-server");
const MINI_REDIS: &str = env!("CARGO_BIN_EXE_mini-redis");
const REDIS_SERVER: &str = env!("CARGO_BIN_EXE_redis-server");
const TCP_PROXY: &str = env!("CARGO_BIN_EXE_tcp-proxy");

const ONLY_A_HOST: &str = "write only a host name, an IP address or \"*\"";

/// Runs a program that must end at once, by an error of its command line, and returns what it says.
fn refused(program: &str, arguments: &[&str]) -> String {
    ended(program, arguments, 2)
}

/// As `refused`, by an error of what the command line asks for.
fn failed(program: &str, arguments: &[&str]) -> String {
    ended(program, arguments, 1)
}

fn ended(program: &str, arguments: &[&str], code: i32) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    said
}

#[test]
fn a_server_that_cannot_listen_says_why() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let port = address.port().to_string();
    // Each C library has words of its own for it.
    let why = TcpListener::bind(address).unwrap_err();
    for program in [CHAT_SERVER, ECHO_SERVER, HTTP_SERVER, MINI_REDIS, REDIS_SERVER] {
        let said = failed(program, &["--port", &port]);
        let expected = format!("error: cannot listen on tcp://{address}: {why}");
        assert!(said.contains(&expected), "{said}");
    }
    let said = failed(ECHO_SERVER, &["--port", "0", "--unix-socket", "/nosuch/socket"]);
    let expected = "error: cannot listen on unix:///nosuch/socket: the directory /nosuch";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_host_that_is_more_than_a_host() {
    for (host, words) in [
        ("127.0.0.1:80", "write the port apart: --host 127.0.0.1 --port 80"),
        ("[::1]:80", "write the port apart: --host [::1] --port 80"),
        (":80", "write the port apart: --host \"*\" --port 80"),
        ("", ONLY_A_HOST),
        ("a b", ONLY_A_HOST),
        ("[::1", ONLY_A_HOST),
        ("me@localhost", ONLY_A_HOST),
        ("/tmp/x", ONLY_A_HOST),
        ("127.0.0.1/x", ONLY_A_HOST),
        ("tcp://a", ONLY_A_HOST),
        ("tcp://a:80", ONLY_A_HOST),
        ("a:80?reuseport=true", ONLY_A_HOST),
    ] {
        let said = refused(ECHO_SERVER, &["--port", "0", "--host", host]);
        let expected = format!("error: invalid value '{host}' for '--host <HOST>': ");
        assert!(said.starts_with(&expected) || host.is_empty(), "{said}");
        assert!(said.contains(words), "{said}\ndoes not say\n{words}");
    }
}

#[test]
fn a_log_that_cannot_be_written() {
    let said = failed(HTTP_SERVER, &["--port", "0", "--access-log", "/nosuch/log"]);
    assert!(said.contains("error: --access-log /nosuch/log: No such file or directory"), "{said}");
}

#[test]
fn the_only_path_for_post_is_in_the_help() {
    let output = Command::new(HTTP_SERVER).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("POST /echo"), "{help}");
}

#[test]
fn times_and_sizes_are_refused_with_their_units() {
    for (program, option, value, words) in [
        (ECHO_SERVER, "--drain-timeout", "off", "write a time such as 90s or 5m\n"),
        (ECHO_SERVER, "--idle-timeout", "5", "write a time such as 90s or 5m, or off\n"),
        (REDIS_SERVER, "--maxmemory", "1tb", "; the units are b, k, kb, m, mb, g and gb\n"),
        (REDIS_SERVER, "--max-output", "0", "0 is not in 1048576..\n"),
        (HTTP_SERVER, "--max-body", "1tb", "; the units are b, k, kb, m, mb, g and gb\n"),
        (HTTP_SERVER, "--body", "2gb", "2147483648 is not in ..=1073741824\n"),
        (CHAT_SERVER, "--max-backlog", "1k", "1000 is not in 1024..\n"),
    ] {
        // A server that takes the value ends as well, since it cannot listen there.
        let said = refused(program, &[option, value, "--unix-socket", "/nosuch/socket"]);
        assert!(said.contains(words), "{said}\ndoes not say\n{words}");
    }
}

#[test]
fn more_loops_than_are_of_use() {
    for program in [ECHO_SERVER, TCP_PROXY] {
        let said = refused(program, &["--loops", "65535"]);
        assert!(said.contains("65535 is not in 0..=1024"), "{said}");
    }
}

#[test]
fn both_addresses_of_the_proxy_are_refused_in_the_same_words() {
    for (address, words) in [
        ("nope", "no port in \"nope\"; write host:port"),
        ("127.0.0.1:x", "invalid port \"x\"; write a number from 0 to 65535"),
        ("tcp://:80?reuseprt=true", "unknown option \"reuseprt\"; the only one is reuseport=true"),
        ("tulip://howdy", "unknown scheme \"tulip\"; use tcp, "),
        ("unix://", "no socket path in \"\"; write unix://PATH"),
    ] {
        for option in ["--listen", "--upstream"] {
            let said = refused(TCP_PROXY, &[option, address]);
            let form = format!("'{option} <ADDRESS>': invalid address {address:?}: {words}");
            assert!(said.contains(&form), "{said}\ndoes not say\n{form}");
        }
    }
}

#[test]
fn an_upstream_that_nobody_can_connect_to() {
    for (address, words) in [
        ("127.0.0.1:0", "no server has port 0"),
        (":5000", "name the host of the server, such as 127.0.0.1:5000"),
        ("udp://127.0.0.1:5000", "write HOST:PORT, for TCP, or unix://PATH"),
        ("unix://@name", "write HOST:PORT, for TCP, or unix://PATH"),
        ("localhost:5000?reuseport=true", "options are for addresses to listen on"),
        ("unix:///tmp/x?mode=600", "options are for addresses to listen on"),
    ] {
        let said = refused(TCP_PROXY, &["--upstream", address]);
        assert!(said.contains(words), "{said}\ndoes not say\n{words}");
    }
}
