use proptest::prelude::*;

use super::*;
use crate::mqtt::encode;

/// Behind it, packets are too large.
const MAX_LEN: usize = 200;

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    match u8::try_from(body.len()) {
        Ok(len) if len < 0x80 => packet.push(len),
        _ => packet.extend([(body.len() % 128) as u8 | 0x80, (body.len() / 128) as u8]),
    }
    packet.extend(body);
    packet
}

/// The variable header of a CONNECT with these flags, and what follows it.
fn connect_body(flags: u8, payload: &[u8]) -> Vec<u8> {
    [b"\0\x04MQTT\x04".as_slice(), &[flags, 0, 60], payload].concat()
}

fn refused(input: &[u8]) -> &'static str {
    match parse(input, MAX_LEN) {
        Err(End(reason)) => reason,
        other => panic!("{input:x?} is {other:?}"),
    }
}

/// Every packet that a client sends, and what it means.
fn packets() -> Vec<(Vec<u8>, Packet<'static>)> {
    let will = Publish {
        topic: "w",
        payload: b"gone",
        qos: Qos::AtLeastOnce,
        retain: true,
        packet_id: None,
    };
    let connect = |client_id, clean_session, will| {
        Packet::Connect(Connect { client_id, clean_session, keep_alive: 60, will })
    };
    let publish = |payload, qos, retain, packet_id| {
        Packet::Publish(Publish { topic: "a/b", payload, qos, retain, packet_id })
    };
    let everything = b"\0\x01c\0\x01w\0\x04gone\0\x04user\0\x06secret";
    let long = [b"\0\x03a/b".as_slice(), &[7; 150]].concat();
    let filters = vec![("a/+", Qos::AtMostOnce), ("#", Qos::AtLeastOnce)];
    vec![
        (packet(0x10, &connect_body(2, b"\0\0")), connect("", true, None)),
        (packet(0x10, &connect_body(0, b"\0\x01c")), connect("c", false, None)),
        (packet(0x10, &connect_body(0xec | 2, everything)), connect("c", true, Some(will))),
        (packet(0x10, b"\0\x04MQTT\x05and whatever it has"), Packet::ConnectOtherLevel),
        (packet(0x10, b"\0\x06MQIsdp\x03\x02\0\x3c\0\0"), Packet::ConnectOtherLevel),
        (packet(0x30, b"\0\x03a/b"), publish(b"", Qos::AtMostOnce, false, None)),
        (packet(0x31, b"\0\x03a/bhi"), publish(b"hi", Qos::AtMostOnce, true, None)),
        (packet(0x3a, b"\0\x03a/b\x01\x02hi"), publish(b"hi", Qos::AtLeastOnce, false, Some(258))),
        (packet(0x30, &long), publish(&[7; 150], Qos::AtMostOnce, false, None)),
        (packet(0x40, &[1, 0]), Packet::PubAck(256)),
        (packet(0x82, b"\0\x07\0\x03a/+\0\0\x01#\x02"), Packet::Subscribe(7, filters)),
        (packet(0xa2, b"\0\x07\0\x01a\0\x02b/"), Packet::Unsubscribe(7, vec!["a", "b/"])),
        (packet(0xc0, b""), Packet::PingReq),
        (packet(0xe0, b""), Packet::Disconnect),
    ]
}

#[test]
fn every_packet_is_read_when_it_is_whole_and_not_before() {
    for (bytes, expected) in packets() {
        for end in 0..bytes.len() {
            assert_eq!(parse(&bytes[..end], MAX_LEN), Ok(None), "{end} bytes of {expected:?}");
        }
        let len = bytes.len();
        assert_eq!(parse(&bytes, MAX_LEN).as_ref(), Ok(&Some((expected, len))));
        let followed = [bytes.as_slice(), b"and more"].concat();
        assert_eq!(parse(&followed, MAX_LEN).map(|read| read.map(|(_, len)| len)), Ok(Some(len)));
    }
}

#[test]
fn a_body_that_ends_early_or_late_is_refused() {
    for (bytes, expected) in packets() {
        let is_free = matches!(expected, Packet::Publish(_) | Packet::ConnectOtherLevel);
        let body = &bytes[if bytes[1] < 0x80 { 2 } else { 3 }..];
        if !is_free {
            assert!(parse(&packet(bytes[0], &[body, b"x"].concat()), MAX_LEN).is_err());
        }
        for end in 0..body.len() {
            let cut = packet(bytes[0], &body[..end]);
            match parse(&cut, MAX_LEN) {
                Err(_) => {}
                // Shorter, but a packet: less payload, or fewer filters.
                Ok(Some((_, len))) => assert_eq!(len, cut.len()),
                Ok(None) => panic!("{expected:?}, cut at {end}, waits for more"),
            }
        }
    }
    assert_eq!(refused(&packet(0x40, &[1])), "the packet is cut");
    assert_eq!(refused(&packet(0x82, b"\0\x01")), "the packet is cut", "no filter");
    assert_eq!(refused(&packet(0xa2, b"\0\x01")), "the packet is cut", "no filter");
}

#[test]
fn flags_are_those_of_the_packet() {
    for (bytes, _) in packets().iter().filter(|(bytes, _)| bytes[0] >> 4 != 3) {
        for flags in (0..16).filter(|flags| *flags != bytes[0] & 0x0f) {
            let wrong = [&[bytes[0] & 0xf0 | flags], &bytes[1..]].concat();
            assert_eq!(refused(&wrong), "wrong flags", "{wrong:x?}");
        }
    }
    assert_eq!(refused(&packet(0x38, b"\0\x01a")), "wrong flags", "repeated at QoS 0");
    assert_eq!(refused(&packet(0x36, b"\0\x01a\0\x01")), "wrong flags", "QoS 3");
    for no_qos_2 in [packet(0x34, b"\0\x01a\0\x01"), packet(0x62, &[0, 1])] {
        assert_eq!(refused(&no_qos_2), "there is no QoS 2");
    }
    // Reserved; a password without a name; the QoS, and retaining, of no will.
    for flags in [1, 0x40, 0x08, 0x20] {
        assert_eq!(refused(&packet(0x10, &connect_body(flags, b"\0\x01c"))), "wrong flags");
    }
    let will = packet(0x10, &connect_body(0x1c, b"\0\x01c\0\x01w\0\0"));
    assert_eq!(refused(&will), "wrong QoS");
    assert_eq!(refused(&packet(0x82, b"\0\x01\0\x01a\x03")), "wrong QoS");
    for server_only in [0x00, 0x20, 0x90, 0xb0, 0xd0, 0xf0] {
        assert_eq!(refused(&packet(server_only, &[0, 0])), "no packet of a client");
    }
}

#[test]
fn a_length_that_does_not_end_or_is_too_much_is_refused_at_once() {
    assert_eq!(parse(&[0x30, 0xff, 0xff, 0xff], MAX_LEN), Ok(None));
    assert_eq!(refused(&[0x30, 0xff, 0xff, 0xff, 0xff]), "the remaining length does not end");
    assert_eq!(refused(&[0x30, 0xff, 0xff, 0xff, 0x7f]), "the packet is too large");
    assert_eq!(refused(&[0x30, 201, 1]), "the packet is too large");
    assert_eq!(parse(&[0x30, 200, 1], MAX_LEN), Ok(None));
}

#[test]
fn texts_are_utf_8_and_topics_are_topics() {
    let no_text = "a text that is no UTF-8, or has a null character";
    for text in [b"\xff".as_slice(), b"\0", b"\xed\xa0\x80", b"\xc0\x80"] {
        let with_len = [&[0, text.len() as u8], text].concat();
        assert_eq!(refused(&packet(0x30, &with_len)), no_text);
        assert_eq!(refused(&packet(0x10, &connect_body(2, &with_len))), no_text);
        assert_eq!(refused(&packet(0xa2, &[b"\0\x01".as_slice(), &with_len].concat())), no_text);
    }
    for topic in [b"\0\0".as_slice(), b"\0\x01#", b"\0\x03a/+", b"\0\x02a+"] {
        assert_eq!(refused(&packet(0x30, topic)), "wrong topic");
    }
    for zero in [packet(0x32, b"\0\x01a\0\0"), packet(0x40, &[0, 0]), packet(0x82, &[0, 0])] {
        assert_eq!(refused(&zero), "a packet id of zero");
    }
    assert_eq!(refused(&packet(0x10, b"\0\x04MQTX\x04")), "another protocol");
}

#[test]
fn what_the_broker_publishes_reads_as_what_was_published() {
    for payload_len in [0, 1, 118, 119, 120, 16_374, 16_375, 2_097_143, 2_097_144] {
        for (packet_id, retain) in [(None, false), (Some(700), true)] {
            let mut bytes = Vec::new();
            encode::publish_head("a/b", payload_len, packet_id, retain, &mut bytes);
            bytes.resize(bytes.len() + payload_len, 1);
            let Ok(Some((Packet::Publish(publish), len))) = parse(&bytes, usize::MAX) else {
                panic!("{payload_len} bytes are no packet");
            };
            let qos = packet_id.map_or(Qos::AtMostOnce, |_| Qos::AtLeastOnce);
            let payload = vec![1; payload_len];
            let expected = Publish { topic: "a/b", payload: &payload, qos, retain, packet_id };
            assert_eq!((publish, len), (expected, bytes.len()));
        }
    }
    assert_eq!(encode::suback(258, &[0, 1, 0x80]), [0x90, 5, 1, 2, 0, 1, 0x80]);
    assert_eq!(encode::connack(encode::ConnectCode::WrongLevel), [0x20, 2, 0, 1]);
}

proptest! {
    #[test]
    fn no_input_is_a_panic_or_a_packet_beyond_its_end(
        first: u8,
        input in proptest::collection::vec(any::<u8>(), 0..40),
        whole: bool,
    ) {
        let bytes = match whole {
            true => packet(first, &input),
            false => [&[first], input.as_slice()].concat(),
        };
        if let Ok(Some((_, len))) = parse(&bytes, MAX_LEN) {
            prop_assert!((2..=bytes.len()).contains(&len));
        }
    }
}
