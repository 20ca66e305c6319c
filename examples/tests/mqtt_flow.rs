//! `mqtt-broker` under a flood: readers lose nothing, and who does not read is cut off.
//!
//! Each flood is 30 MiB: more than may wait for a client, 8 MiB, and more than all sockets on the
//! way can hold: a broker that does not make the publisher wait cuts off its readers here.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod mqtt_util;
mod util;

use std::collections::HashMap;
use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use mqtt_util::{Client, Connect, publish, start};
use util::DEADLINE;

/// What may wait for a client.
const ALLOWED: [&str; 2] = ["--max-output", "8mb"];

/// How many messages make a flood, and how long they are.
const SHORT: (u32, usize) = (30_000, 1024);
const LONG: (u32, usize) = (480, 64 << 10);

/// How long a publisher must have been stopped to be taken for one that waits. It may be less when
/// the machine is busy: then the readers begin early.
const STOPPED: Duration = Duration::from_millis(500);

/// Has a client publish numbers, padded to `len` bytes, and then nothing. Tells each time that it
/// is stopped, and when it is through.
fn flood(client: Client, name: &str, (count, len): (u32, usize), qos: u8) -> Receiver<bool> {
    let mut stream = client.stream().try_clone().unwrap();
    stream.set_write_timeout(Some(STOPPED)).unwrap();
    // What the broker confirms is not looked at, but must not be what stops it.
    let mut confirmed = client.stream().try_clone().unwrap();
    thread::spawn(move || io::copy(&mut confirmed, &mut io::sink()));
    let (tell, told) = channel();
    let topic = format!("flood/{name}");
    thread::spawn(move || {
        let mut payload = vec![b'x'; len];
        for number in 0..count {
            payload[..4].copy_from_slice(&number.to_be_bytes());
            let packet_id = (qos > 0).then_some((number % 60_000) as u16 + 1);
            let stopped = || tell.send(false).unwrap_or_default();
            write(&mut stream, &publish(&topic, &payload, packet_id, false), &stopped);
        }
        write(&mut stream, &publish(&topic, b"", None, false), &|| {});
        let _ = tell.send(true);
    });
    told
}

/// Writes all bytes, however long that takes.
fn write(stream: &mut TcpStream, mut bytes: &[u8], stopped: &dyn Fn()) {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(len) => bytes = &bytes[len..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => stopped(),
            Err(error) => panic!("the publisher was cut off: {error}"),
        }
    }
}

/// Waits until a publisher waits, or is through, which says whether it is.
fn stopped(publisher: &Receiver<bool>) -> bool {
    publisher.recv_timeout(DEADLINE).expect("the publisher is stopped, or through")
}

/// Reads all that publishers send, and returns how many messages that was. None may be missing, and
/// each publisher's are in order.
fn read_all(client: &mut Client, publishers: usize) -> u32 {
    let mut next = HashMap::<String, u32>::new();
    let (mut count, mut ended) = (0, 0);
    while ended < publishers {
        let received = client.try_receive();
        let received = received.unwrap_or_else(|| panic!("cut off after {count} messages"));
        let next = next.entry(received.topic).or_default();
        match received.payload.first_chunk() {
            Some(number) => {
                assert_eq!(u32::from_be_bytes(*number), *next, "of {count} messages");
                *next += 1;
                count += 1;
            }
            None => ended += 1,
        }
    }
    count
}

/// Floods readers, who begin to read when the publisher has come to a stop. With two loops, one
/// reader alone is not on that of the publisher.
fn flood_readers<const READERS: usize>(loops: &str, size: (u32, usize), qos: u8) {
    let server = start(loops, &ALLOWED);
    let mut readers = Client::several::<READERS>(&server, "reader");
    for reader in &mut readers {
        reader.subscribe(&[("flood/#", qos)]);
    }
    let publisher = flood(Client::connect(&server, "publisher"), "one", size, qos);
    assert!(!stopped(&publisher), "the flood found room");
    thread::scope(|scope| {
        for reader in &mut readers {
            scope.spawn(|| assert_eq!(read_all(reader, 1), size.0));
        }
    });
}

#[test]
fn late_readers_lose_nothing_on_one_loop() {
    flood_readers::<2>("1", SHORT, 0);
    flood_readers::<1>("1", LONG, 1);
}

#[test]
fn late_readers_lose_nothing_on_two_loops() {
    flood_readers::<1>("2", SHORT, 0);
    flood_readers::<1>("2", LONG, 0);
    flood_readers::<2>("2", LONG, 0);
}

#[test]
fn late_readers_lose_nothing_that_they_acknowledge() {
    flood_readers::<1>("1", SHORT, 1);
    flood_readers::<1>("2", SHORT, 1);
}

/// Each of them may have published what was read at once before it hears that it is to wait, and
/// that of all together is more than may wait for a client.
#[test]
fn many_publishers_are_more_than_readers_have_room_for() {
    const PUBLISHERS: usize = 400;
    let server = start("2", &ALLOWED);
    let [mut reader, _, mut second] = Client::several(&server, "reader");
    reader.subscribe(&[("flood/#", 0)]);
    second.subscribe(&[("flood/#", 0)]);
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|number| {
            let name = number.to_string();
            let publisher = Client::connect(&server, &name);
            // The turn of the loop that has the readers.
            Client::connect(&server, "between");
            flood(publisher, &name, (100, 1024), 0)
        })
        .collect();
    // Those whose flood the sockets have taken are through.
    for publisher in &publishers {
        stopped(publisher);
    }
    // Readers that are slow to begin.
    thread::sleep(STOPPED);
    thread::scope(|scope| {
        for reader in [&mut reader, &mut second] {
            scope.spawn(|| assert_eq!(read_all(reader, PUBLISHERS), 100 * PUBLISHERS as u32));
        }
    });
}

/// What waits for the deaf reader is on the same way as the messages of the others.
#[test]
fn publishers_of_others_do_not_wait_for_a_deaf_reader() {
    let server = start("2", &[]);
    let mut deaf = Client::connect(&server, "deaf");
    deaf.subscribe(&[("flood/#", 0)]);
    let publishers = [(); 8].map(|()| {
        let publisher = Client::connect(&server, "");
        // The turn of the loop that has the readers.
        Client::connect(&server, "between");
        publisher
    });
    let [mut publisher, mut reader] = Client::several(&server, "other");
    reader.subscribe(&[("other", 0)]);
    let publishers = publishers.map(|publisher| flood(publisher, "one", SHORT, 0));
    for publisher in &publishers {
        assert!(!stopped(publisher), "the flood found room");
    }
    for number in 0..100 {
        publisher.publish("other", &number.to_string(), false);
        assert_eq!(reader.receive().payload, number.to_string().as_bytes());
    }
    assert_eq!(deaf.receive().topic, "flood/one");
}

#[test]
fn who_does_not_read_is_cut_off_and_a_slow_reader_gets_everything() {
    for loops in ["1", "2"] {
        let server = start(loops, &["--write-timeout", "2s"]);
        let mut deaf = Client::several::<2>(&server, "deaf");
        let mut reader = Client::connect(&server, "reader");
        for client in deaf.iter_mut().chain([&mut reader]) {
            client.subscribe(&[("flood/#", 0)]);
        }
        let publisher = flood(Client::connect(&server, "publisher"), "one", SHORT, 0);
        for part in 0..10 {
            let first = part * SHORT.0 / 10;
            for number in first..first + SHORT.0 / 10 {
                assert_eq!(reader.receive().payload[..4], number.to_be_bytes());
            }
            // A reader that is slow, but reads.
            thread::sleep(Duration::from_millis(50));
        }
        assert!(reader.receive().payload.is_empty());
        while !stopped(&publisher) {}
        for _ in &deaf {
            // The kernel has the same timeout, and is first where it has it.
            let line = server.next_line();
            // The C libraries have texts of their own for ETIMEDOUT.
            let reasons = ["peer takes no output", "timed out (os error "];
            assert!(reasons.iter().any(|reason| line.contains(reason)), "{line}");
            assert!(line.contains("\"deaf-"), "{line}");
        }
    }
}

#[test]
fn who_reads_and_does_not_acknowledge_is_cut_off() {
    for loops in ["1", "2"] {
        let server = start(loops, &["--congestion-timeout", "2s"]);
        let mut mute = Client::several::<2>(&server, "mute");
        let mut reader = Client::connect(&server, "reader");
        for client in mute.iter_mut().chain([&mut reader]) {
            client.subscribe(&[("flood/#", 1)]);
        }
        let publisher = Client::connect(&server, "publisher");
        let _publisher = flood(publisher, "one", (5000, 100), 1);
        thread::scope(|scope| {
            for client in &mut mute {
                scope.spawn(|| while client.try_read().is_some() {});
            }
            assert_eq!(read_all(&mut reader, 1), 5000);
        });
        for _ in 0..2 {
            let line = server.next_line();
            assert!(line.ends_with(" has left: aborted by this server"), "{line}");
            assert!(line.contains("\"mute-"), "{line}");
        }
    }
}

#[test]
fn publishers_go_on_when_the_subscriber_they_wait_for_has_left() {
    for loops in ["1", "2"] {
        let server = start(loops, &[]);
        let mut subscriber = Client::connect(&server, "subscriber");
        subscriber.subscribe(&[("flood/#", 0)]);
        let publisher = flood(Client::connect(&server, "publisher"), "one", LONG, 0);
        assert!(!stopped(&publisher), "the flood found room");
        drop(subscriber);
        while !stopped(&publisher) {}
    }
}

/// Its pings wait behind what it has published, so it cannot be heard.
#[test]
fn a_publisher_that_has_to_wait_is_not_taken_for_silent() {
    for loops in ["1", "2"] {
        let server = start(loops, &[]);
        let mut reader = Client::connect(&server, "reader");
        reader.subscribe(&[("flood/#", 0)]);
        let publisher = Connect { keep_alive: 1, ..Connect::new("publisher") }.connect(&server);
        let publisher = flood(publisher, "one", LONG, 0);
        // The time of this one begins when the publisher waits.
        assert!(!stopped(&publisher), "the flood found room");
        let silent = Connect { keep_alive: 2, ..Connect::new("silent") }.connect(&server);
        silent.expect_end();
        assert_eq!(read_all(&mut reader, 1), LONG.0);
    }
}

#[test]
fn nobody_waits_for_wills_that_a_subscriber_does_not_read() {
    // 10 MB: more than all publishers may owe, behind what sockets hold that nobody reads, which is
    // some 4 MiB on Linux; and less than may wait for a client.
    const WILLS: usize = 10_000;
    let server = start("2", &[]);
    let mut deaf = Client::connect(&server, "deaf");
    deaf.subscribe(&[("will", 0)]);
    let mut readers = Client::several::<2>(&server, "reader");
    let mut publishers = Client::several::<2>(&server, "publisher");
    readers.iter_mut().for_each(|reader| _ = reader.subscribe(&[("news", 0)]));
    let message = "x".repeat(1000);
    for number in 0..WILLS {
        let name = format!("leaves{number}");
        let will = Some(("will", message.as_str(), 0));
        drop(Connect { will, ..Connect::new(&name) }.connect(&server));
    }
    for publisher in &mut publishers {
        publisher.publish("news", "hello", false);
        for reader in &mut readers {
            assert_eq!(reader.receive_text(), "hello");
        }
    }
}
