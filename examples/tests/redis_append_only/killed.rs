//! A server that is killed in the middle of a load.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use nix::sys::signal::Signal;

use crate::commands::Choices;
use crate::reply::{Client, Reply};
use crate::util::DEADLINE;
use crate::{new_file, start};

/// How often the server is killed, unless `EVIO_ROUNDS` says so.
const ROUNDS: usize = 3;

const CLIENTS: usize = 4;

/// Increments a number and appends it to a list, again and again, until the server is gone. Returns
/// the last number that was confirmed.
fn count_up(mut stream: TcpStream, client: usize, from: usize, confirmed: &AtomicUsize) -> usize {
    let mut last = from;
    let mut bytes = Vec::new();
    loop {
        let next = last + 1;
        let request = format!("INCR n{client}\r\nRPUSH l{client} {next}\r\n");
        let expected = format!(":{next}\r\n:{next}\r\n");
        bytes.resize(expected.len(), 0);
        if stream.write_all(request.as_bytes()).is_err() || stream.read_exact(&mut bytes).is_err() {
            return last;
        }
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
        last = next;
        confirmed.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_server_that_is_killed_has_lost_nothing_that_was_confirmed() {
    let rounds = std::env::var("EVIO_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let mut choices = Choices::new(RandomState::new().hash_one(0));
    let path = new_file("killed");
    let mut stored = [0; CLIENTS];
    for round in 0..rounds {
        let loops = ["1", "2", "3"][round % 3];
        let server = start(&path, loops);
        let confirmed = AtomicUsize::new(0);
        let enough = 1 + choices.below(400);
        let last: Vec<usize> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    let (stream, confirmed) = (server.connect(), &confirmed);
                    scope.spawn(move || count_up(stream, client, stored[client], confirmed))
                })
                .collect();
            let deadline = Instant::now() + DEADLINE;
            while confirmed.load(Ordering::Relaxed) < enough {
                assert!(Instant::now() < deadline, "only {confirmed:?} writes");
                std::thread::yield_now();
            }
            server.signal(Signal::SIGKILL);
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        drop(server);
        let server = start(&path, loops);
        let mut client = Client::new(server.connect());
        for (number, (stored, last)) in stored.iter_mut().zip(last).enumerate() {
            let Reply::Array(_, list) = client.ask_text(&format!("LRANGE l{number} 0 -1")) else {
                panic!("no list");
            };
            let list: Vec<Vec<u8>> = list.iter().flat_map(Reply::members).collect();
            assert!(list.len() >= last, "{} of {last} are there, round {round}", list.len());
            let expected = (1..=list.len()).map(|number| number.to_string().into_bytes());
            assert!(list.iter().cloned().eq(expected));
            // The last number may be there without its list element, and neither was confirmed.
            let Reply::Bulk(count) = client.ask_text(&format!("GET n{number}")) else { continue };
            let count: usize = String::from_utf8(count).unwrap().parse().unwrap();
            assert!(count == list.len() || count == list.len() + 1, "{count} {}", list.len());
            if count > list.len() {
                client.ask_text(&format!("RPUSH l{number} {count}"));
            }
            *stored = count;
        }
    }
    println!("{rounds} rounds: {stored:?} writes");
    fs::remove_file(&path).unwrap();
}
