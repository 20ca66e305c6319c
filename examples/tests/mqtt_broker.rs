//! `mqtt-broker` over sockets: what each packet does, on one loop and on two.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod mqtt_util;
mod util;

use std::io::ErrorKind;
use std::time::Duration;

use mqtt_util::{
    CONNACK, Client, Connect, MQTT_BROKER, PINGRESP, PUBACK, UNSUBACK, packet, publish, start, text,
};
use util::Server;

/// With two, clients that connect one after the other are on different loops.
const LOOPS: [&str; 2] = ["1", "2"];

/// Goes on when all loops have carried out what this client has had the broker do before.
fn sync(server: &Server, client: &mut Client) {
    let mut witnesses = Client::several::<2>(server, "sync");
    for witness in &mut witnesses {
        witness.subscribe(&[("sync", 0)]);
    }
    client.publish("sync", "done", false);
    assert!(witnesses.iter_mut().all(|witness| witness.receive_text() == "done"));
}

#[test]
fn a_message_comes_to_who_has_subscribed_wherever_they_are() {
    for loops in LOOPS {
        let server = start(loops, &[]);
        let mut subscribers = Client::several::<4>(&server, "subscriber");
        for (client, filters) in subscribers.iter_mut().zip([
            [("a/+", 0), ("b", 1)],
            [("#", 1), ("a/b", 0)],
            [("a/b", 2), ("+/+/+", 2)],
            [("$SYS/#", 0), ("/", 0)],
        ]) {
            let granted = filters.map(|(_, qos)| qos.min(1));
            assert_eq!(client.subscribe(&filters), granted);
        }
        let mut publisher = Client::connect(&server, "publisher");
        publisher.write(&publish("a/b", b"zero", None, false));
        publisher.publish("a/b", "one", false);
        publisher.publish("$SYS/x", "special", false);
        publisher.publish("b", "last", false);
        publisher.publish("x/y/z", "last", false);
        publisher.publish("/", "last", false);
        let mut came = subscribers.map(|mut client| {
            let mut came = Vec::new();
            while came.last().is_none_or(|(_, text, _)| text != "last") {
                let received = client.receive();
                let text = String::from_utf8(received.payload).unwrap();
                assert!(!received.is_retained);
                came.push((received.topic, text, received.packet_id));
            }
            came
        });
        let expected = [
            &[("a/b", "zero", None), ("a/b", "one", None), ("b", "last", Some(1))][..],
            &[("a/b", "zero", None), ("a/b", "one", Some(1)), ("b", "last", Some(2))],
            &[("a/b", "zero", None), ("a/b", "one", Some(1)), ("x/y/z", "last", Some(2))],
            &[("$SYS/x", "special", None), ("/", "last", None)],
        ];
        for (came, expected) in came.iter_mut().zip(expected) {
            let came = came.iter().map(|(topic, text, id)| (topic.as_str(), text.as_str(), *id));
            assert_eq!(came.collect::<Vec<_>>(), expected);
        }
    }
}

#[test]
fn a_subscription_that_is_taken_back_brings_nothing_more() {
    for loops in LOOPS {
        let server = start(loops, &[]);
        let [mut subscriber, mut publisher] = Client::several(&server, "client");
        subscriber.subscribe(&[("a", 0), ("b/#", 0), ("c", 0)]);
        // One of them was not there.
        let filters = [text("a"), text("b/#"), text("nothing")].concat();
        subscriber.write(&packet(0xa2, &[&[3, 7], &filters[..]].concat()));
        assert_eq!(subscriber.read(), (UNSUBACK, vec![3, 7]));
        for topic in ["a", "b", "b/c", "c"] {
            publisher.publish(topic, topic, false);
        }
        assert_eq!(subscriber.receive_text(), "c");
        // A second subscription takes the place of the first.
        assert_eq!(subscriber.subscribe(&[("c", 1)]), [1]);
        publisher.publish("c", "once", false);
        publisher.publish("c", "again", false);
        assert_eq!(subscriber.receive().packet_id, Some(1));
        assert_eq!(subscriber.receive_text(), "again");
    }
}

#[test]
fn the_last_message_is_kept_for_who_subscribes_later_until_it_is_taken_back() {
    for loops in LOOPS {
        let server = start(loops, &[]);
        let [mut publisher, mut live] = Client::several(&server, "client");
        live.subscribe(&[("#", 0)]);
        publisher.publish("a/b", "old", true);
        publisher.publish("a/b", "new", true);
        publisher.publish("a/b", "live only", false);
        publisher.publish("a/c", "other", true);
        for expected in ["old", "new", "live only", "other"] {
            let received = live.receive();
            assert_eq!((received.payload, received.is_retained), (expected.into(), false));
        }
        sync(&server, &mut publisher);
        let mut later = Client::several::<2>(&server, "later");
        for client in &mut later {
            // Both filters match; it comes once, with the better QoS.
            client.subscribe(&[("a/b", 0), ("+/b", 1)]);
            let received = client.receive();
            assert_eq!((&received.payload[..], received.is_retained), (&b"new"[..], true));
            assert_eq!(received.packet_id, Some(1));
            // A subscription that is made anew brings it anew.
            client.subscribe(&[("a/b", 0)]);
            assert!(client.receive().is_retained);
        }
        publisher.publish("a/b", "", true);
        for client in &mut later {
            let received = client.receive();
            assert_eq!((received.payload.len(), received.is_retained), (0, false));
            client.subscribe(&[("a/#", 0)]);
            assert_eq!(client.receive_text(), "other");
            client.subscribe(&[("a/b", 0)]);
        }
        publisher.publish("a/b", "marker", false);
        assert!(later.iter_mut().all(|client| client.receive_text() == "marker"));
    }
}

#[test]
fn a_will_is_published_unless_its_client_says_goodbye() {
    for loops in LOOPS {
        let server = start(loops, &[]);
        let [mut witness, mut other] = Client::several(&server, "witness");
        witness.subscribe(&[("will", 1)]);
        let connect =
            |name, flags| Connect { will: Some(("will", name, flags)), ..Connect::new(name) };
        let reset = connect("reset", 0x08).connect(&server);
        socket2::SockRef::from(reset.stream()).set_linger(Some(Duration::ZERO)).unwrap();
        drop(reset);
        assert_eq!(witness.receive_text(), "reset");
        drop(connect("ended", 0).connect(&server));
        assert_eq!(witness.receive_text(), "ended");
        let mut wrong = connect("wrong", 0).connect(&server);
        wrong.write(&[0xf0, 0]);
        assert_eq!(witness.receive_text(), "wrong");
        wrong.expect_end();
        let mut polite = connect("polite", 0).connect(&server);
        polite.write(&[0xe0, 0]);
        polite.expect_end();
        let silent = Connect { keep_alive: 1, ..connect("silent", 0x20) }.connect(&server);
        let received = witness.receive();
        assert_eq!((&received.payload[..], received.is_retained), (&b"silent"[..], false));
        silent.expect_end();
        // That one is kept.
        sync(&server, &mut other);
        other.subscribe(&[("will", 0)]);
        let received = other.receive();
        assert_eq!((&received.payload[..], received.is_retained), (&b"silent"[..], true));
    }
}

/// The times of four silent clients, one after the other, are more than that of one that pings.
#[test]
fn a_client_that_says_something_in_time_stays() {
    let server = start("1", &[]);
    let mut client = Connect { keep_alive: 3, ..Connect::new("pinging") }.connect(&server);
    for _ in 0..4 {
        let silent = Connect { keep_alive: 1, ..Connect::new("silent") }.connect(&server);
        silent.stream().set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let is_there = || {
            let result = silent.stream().peek(&mut [0]);
            result.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
        };
        while is_there() {
            client.write(&[0xc0, 0]);
            assert_eq!(client.read(), (PINGRESP, vec![]));
        }
    }
}

#[test]
fn a_name_belongs_to_the_client_that_came_last() {
    for loops in LOOPS {
        let server = start(loops, &[]);
        let [mut witness, mut publisher] = Client::several(&server, "other");
        witness.subscribe(&[("will", 0)]);
        let connect = Connect { will: Some(("will", "taken", 0)), ..Connect::new("name") };
        let mut last = connect.connect(&server);
        for _ in 0..5 {
            let mut next = connect.connect(&server);
            assert_eq!(witness.receive_text(), "taken");
            last.expect_end();
            next.subscribe(&[("a", 0)]);
            publisher.publish("a", "hello", false);
            assert_eq!(next.receive_text(), "hello");
            last = next;
        }
        // Who has not chosen a name takes nobody's.
        let mut nameless = Client::several::<2>(&server, "");
        nameless.iter_mut().for_each(|client| {
            client.subscribe(&[("a", 0)]);
        });
        for _ in 0..2 {
            let mut other = Connect::new("").connect(&server);
            other.publish("a", "all", false);
            assert!(nameless.iter_mut().all(|client| client.receive_text() == "all"));
        }
    }
}

#[test]
fn who_does_not_keep_to_the_protocol_is_closed() {
    let server = start("2", &[]);
    let level = |name: &str, level| [&text(name)[..], &[level, 2, 0, 0, 0, 0]].concat();
    for (name, other) in [("MQTT", 5), ("MQIsdp", 3)] {
        let mut client = Client::open(&server);
        client.write(&packet(0x10, &level(name, other)));
        assert_eq!(client.read(), (CONNACK, vec![0, 1]));
        client.expect_end();
    }
    let nameless = [&text("MQTT")[..], &[4, 0, 0, 0, 0, 0]].concat();
    for wrong_name in [packet(0x10, &nameless), Connect::new(&"x".repeat(200)).packet()] {
        let mut client = Client::open(&server);
        client.write(&wrong_name);
        assert_eq!(client.read(), (CONNACK, vec![0, 2]));
        client.expect_end();
    }
    let will = Connect { will: Some(("will", &"x".repeat(2000), 0)), ..Connect::new("long") };
    for before_connect in
        [&[0xc0, 0][..], &packet(0x30, b"\0\x01a"), b"GET / HTTP/1.1\r\n\r\n", &will.packet()]
    {
        let mut client = Client::open(&server);
        client.write(before_connect);
        client.expect_end();
    }
    let too_many = [&[0, 1][..], &b"\0\x01a\0".repeat(101)].concat();
    for wrong in [
        Connect::new("again").packet(),
        packet(0x34, b"\0\x01a\0\x01"),
        packet(0x30, b"\0\x01#"),
        packet(0x80, b"\0\x01\0\x01a\0"),
        packet(0x82, &too_many),
        vec![0x30, 0xff, 0xff, 0xff, 0xff],
        vec![0x30, 0xff, 0xff, 0x7f],
    ] {
        let mut client = Client::connect(&server, "wrong");
        client.write(&wrong);
        client.expect_end();
    }
}

#[test]
fn a_client_has_so_many_subscriptions_and_filters_that_are_wrong_fail() {
    let server = start("1", &[]);
    let mut client = Client::connect(&server, "client");
    let long = "x".repeat(2000);
    assert_eq!(client.subscribe(&[("a/#/b", 0), ("ok", 1), (&long, 0)]), [0x80, 1, 0x80]);
    let names: Vec<String> = (0..100).map(|number| format!("n/{number}")).collect();
    let filters: Vec<_> = names.iter().map(|name| (name.as_str(), 0)).collect();
    let codes = client.subscribe(&filters);
    assert_eq!((codes[98], codes[99]), (0, 0x80));
    // Those that are there can be changed.
    assert_eq!(client.subscribe(&[("n/0", 1), ("more", 0)]), [1, 0x80]);
}

/// Their messages are sent to nobody, and yet it takes long to find that out.
#[test]
fn clients_with_many_wildcards_do_not_hold_up_the_others() {
    let server = start("1", &[]);
    let _subscribers = Client::several::<10>(&server, "subscriber").map(|mut client| {
        // All those with a wildcard or none on each of the first levels, and no end in common.
        let filters: Vec<String> = (0..100)
            .map(|number| {
                let level = |at| if number >> at & 1 > 0 { "a/" } else { "+/" };
                (0..7).map(level).chain(["nobody"]).collect()
            })
            .collect();
        client.subscribe(&filters.iter().map(|filter| (filter.as_str(), 0)).collect::<Vec<_>>());
        client
    });
    let mut other = Client::connect(&server, "other");
    let mut publisher = Client::connect(&server, "publisher");
    let topic = "a/".repeat(8);
    publisher.write(&[publish(&topic, b"", None, false).repeat(3000), vec![0xc0, 0]].concat());
    other.write(&[0xc0, 0]);
    assert_eq!(other.read(), (PINGRESP, vec![]));
    publisher.stream().set_nonblocking(true).unwrap();
    assert!(publisher.try_read().is_none(), "the other client had to wait for all of them");
}

/// Every way to cut the input into two pieces, and all bytes one by one.
#[test]
fn it_does_not_matter_how_the_input_is_cut() {
    let server = start("1", &[]);
    let conversation = [
        Connect::new("cut").packet(),
        packet(0x82, b"\0\x01\0\x01t\x01"),
        publish("t", b"text", Some(5), false),
        packet(0x40, &[0, 1]),
        vec![0xc0, 0, 0xe0, 0],
    ]
    .concat();
    let replies = |pieces: &[&[u8]]| {
        let mut client = Client::open(&server);
        client.stream().set_nodelay(true).unwrap();
        let mut replies = Vec::new();
        for piece in pieces {
            client.write(piece);
        }
        while let Some(reply) = client.try_read() {
            replies.push(reply);
        }
        replies
    };
    let whole = replies(&[&conversation]);
    assert_eq!(whole.len(), 5, "{whole:x?}");
    for at in 1..conversation.len() {
        let (head, tail) = conversation.split_at(at);
        assert_eq!(replies(&[head, tail]), whole, "cut at {at}");
    }
    assert_eq!(replies(&conversation.chunks(1).collect::<Vec<_>>()), whole);
    assert!(whole.contains(&(PUBACK, vec![0, 5])) && whole.contains(&(PINGRESP, vec![])));
}

#[test]
fn limits_that_could_not_work_are_refused() {
    for (flag, value) in [("--max-packet", "1mb"), ("--max-output", "1mb")] {
        let mut command = std::process::Command::new(MQTT_BROKER);
        let output = command.args(["--port", "0", flag, value]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{flag} {value}");
    }
}
