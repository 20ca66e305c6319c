use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::*;
use crate::output::queue::GATHERED;

const PLAIN: SendOptions = SendOptions { before_fin: false, budget: 1 << 20 };

/// Returns one that sends whatever the socket takes.
fn outgoing() -> Outgoing {
    let mut outgoing = Outgoing::default();
    outgoing.begin_flush(usize::MAX);
    outgoing
}

fn pair() -> (Stream, UnixStream) {
    let (sender, receiver) = UnixStream::pair().unwrap();
    sender.set_nonblocking(true).unwrap();
    (sender.into(), receiver)
}

/// Writes in all ways to two connections by turns, and returns what each must receive.
fn write_both(outgoing: &mut Outgoing, unsent: &mut [Unsent; 2], number: u8) -> [Vec<u8>; 2] {
    let mut expected = [Vec::new(), Vec::new()];
    for (round, len) in [1, 10, SMALL, SMALL + 1, 70_000, 3].into_iter().enumerate() {
        for (unsent, expected) in unsent.iter_mut().zip(&mut expected) {
            let bytes = vec![number.wrapping_add(round as u8); len];
            match round % 3 {
                0 => outgoing.write(unsent, &bytes, false),
                1 => outgoing.write(unsent, &bytes, true),
                _ => outgoing.push(unsent, Chunk::Owned(bytes.clone()), false),
            }
            expected.extend(bytes);
            unsent.check();
        }
    }
    expected
}

#[test]
fn every_byte_arrives_in_order_whatever_the_way_it_was_written() {
    let mut outgoing = outgoing();
    let mut unsent = [Unsent::default(), Unsent::default()];
    let (sockets, mut peers): (Vec<_>, Vec<_>) = (0..2).map(|_| pair()).unzip();
    for turn in 0..20 {
        let expected = write_both(&mut outgoing, &mut unsent, turn);
        assert!(outgoing.is_waiting());
        let mut seen = [Vec::new(), Vec::new()];
        while seen != expected {
            outgoing.begin_flush(usize::MAX);
            for ((unsent, socket), seen) in unsent.iter_mut().zip(&sockets).zip(&mut seen) {
                assert_eq!(unsent.is_new(), seen.is_empty());
                unsent.release();
                unsent.unblock();
                outgoing.send(unsent, socket, PLAIN).unwrap();
                unsent.check();
            }
            outgoing.end_flush();
            for ((peer, seen), unsent) in peers.iter_mut().zip(&mut seen).zip(&unsent) {
                let mut buffer = [0; 100_000];
                if seen.len() + unsent.len() < expected[0].len() {
                    let len = peer.read(&mut buffer).unwrap();
                    seen.extend_from_slice(&buffer[..len]);
                }
            }
        }
        assert!(unsent.iter().all(Unsent::is_empty) && !outgoing.is_waiting());
    }
}

#[test]
fn a_full_socket_blocks_and_an_exhausted_budget_does_not() {
    let mut outgoing = outgoing();
    let (mut full, mut budgeted) = (Unsent::default(), Unsent::default());
    let (socket, _peer) = pair();
    outgoing.write(&mut full, &vec![0; 4 << 20], false);
    while !full.is_blocked() {
        assert!(outgoing.send(&mut full, &socket, PLAIN).unwrap() > 0);
    }
    assert!(full.is_queued() && !full.is_empty());
    full.unblock();
    assert!(!full.is_blocked());
    assert_eq!(outgoing.send(&mut full, &socket, PLAIN).unwrap(), 0, "nobody reads");
    assert!(full.is_blocked());
    let mut late = Unsent::default();
    outgoing.write(&mut late, b"late", false);
    assert_eq!(outgoing.send_turn(&mut late, &socket).unwrap(), 0);
    assert!(late.is_blocked() && late.len() == 4);
    let (socket, _peer) = pair();
    outgoing.push(&mut budgeted, Chunk::Owned(vec![0; 10_000]), false);
    outgoing.push(&mut budgeted, Chunk::Owned(vec![0; 10_000]), false);
    let options = SendOptions { budget: 1, ..PLAIN };
    assert!(outgoing.send(&mut budgeted, &socket, options).unwrap() >= 1);
    assert!(!budgeted.is_blocked());
}

#[test]
fn what_is_left_when_the_budget_is_spent_is_not_blocked() {
    let mut outgoing = outgoing();
    let mut unsent = Unsent::default();
    let (socket, _peer) = pair();
    let call = GATHERED * (SMALL + 1);
    for _ in 0..GATHERED + 1 {
        outgoing.push(&mut unsent, Chunk::Owned(vec![0; SMALL + 1]), false);
    }
    let options = SendOptions { budget: call, ..PLAIN };
    assert_eq!(outgoing.send(&mut unsent, &socket, options).unwrap(), call);
    assert_eq!((unsent.len(), unsent.is_blocked()), (SMALL + 1, false));
}

#[test]
fn a_turn_goes_from_its_buffer_to_the_socket_and_the_rest_is_queued() {
    let mut outgoing = outgoing();
    let mut unsent = Unsent::default();
    let (socket, mut peer) = pair();
    let (mut written, mut seen) = (Vec::new(), Vec::new());
    for turn in 0.. {
        let bytes: Vec<u8> = (0..60_000u32).map(|n| (n % 251 + turn % 5) as u8).collect();
        outgoing.write(&mut unsent, &bytes, false);
        written.extend(bytes);
        assert!(unsent.is_in_turn_buffer() && unsent.is_new() && !unsent.is_queued());
        let sent = outgoing.send_turn(&mut unsent, &socket).unwrap();
        assert_eq!(unsent.len(), 60_000 - sent);
        outgoing.end_flush();
        if !unsent.is_empty() {
            break;
        }
        assert!(!unsent.is_new() && !unsent.is_queued() && !unsent.is_in_turn_buffer());
    }
    assert!(unsent.is_queued() && unsent.is_blocked() && !unsent.is_in_turn_buffer());
    let mut buffer = [0; 7_919];
    while seen.len() < written.len() {
        let count = peer.read(&mut buffer).unwrap();
        seen.extend_from_slice(&buffer[..count]);
        outgoing.send(&mut unsent, &socket, SendOptions { before_fin: true, ..PLAIN }).unwrap();
    }
    assert!(seen == written && unsent.is_empty());
}

#[test]
fn a_broken_connection_is_an_error_whatever_is_sent() {
    let (socket, _) = pair();
    let before_fin = SendOptions { before_fin: true, ..PLAIN };
    for (deferred, options) in [(false, PLAIN), (true, PLAIN), (false, before_fin)] {
        let mut outgoing = outgoing();
        let mut unsent = Unsent::default();
        outgoing.write(&mut unsent, b"abc", deferred);
        let error = outgoing.send(&mut unsent, &socket, options).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
    let (mut outgoing, mut unsent) = (outgoing(), Unsent::default());
    outgoing.write(&mut unsent, b"abc", false);
    assert!(outgoing.send_turn(&mut unsent, &socket).is_err());
}

#[test]
fn the_last_output_of_a_connection_leaves_nothing_behind() {
    let mut outgoing = outgoing();
    let mut unsent = Unsent::default();
    let (socket, _peer) = pair();
    outgoing.write(&mut unsent, b"last", true);
    assert!(unsent.is_new());
    unsent.release();
    assert!(!unsent.is_new());
    for _ in 0..2 {
        let options = SendOptions { before_fin: true, ..PLAIN };
        assert_eq!(outgoing.send(&mut unsent, &socket, options).unwrap(), 4);
        assert!(unsent.is_empty());
        outgoing.write(&mut unsent, b"more", false);
    }
}

#[test]
fn a_small_chunk_is_copied_and_a_large_one_is_kept_until_it_is_dropped() {
    let mut outgoing = outgoing();
    let mut unsent = Unsent::default();
    let small: Arc<[u8]> = vec![1; SMALL].into();
    let large: Arc<[u8]> = vec![2; SMALL + 1].into();
    outgoing.push(&mut unsent, Arc::clone(&small).into(), false);
    outgoing.push(&mut unsent, Arc::clone(&large).into(), false);
    assert_eq!((Arc::strong_count(&small), Arc::strong_count(&large)), (1, 2));
    outgoing.drop_unsent(&mut unsent);
    assert_eq!(Arc::strong_count(&large), 1);
}

#[test]
fn pre_write_is_due_after_whatever_adds_output_until_it_has_begun() {
    let mut outgoing = outgoing();
    let mut unsent = Unsent::default();
    assert!(!outgoing.is_waiting());
    let add: [fn(&mut Outgoing, &mut Unsent); 4] = [
        |outgoing, unsent| outgoing.write(unsent, b"x", false),
        |outgoing, unsent| outgoing.write(unsent, b"x", true),
        |outgoing, unsent| outgoing.push(unsent, vec![0; SMALL + 1].into(), false),
        |outgoing, _| outgoing.expect_output(),
    ];
    for add in add {
        add(&mut outgoing, &mut unsent);
        assert!(outgoing.is_waiting());
        outgoing.begin_flush(usize::MAX);
        assert!(!outgoing.is_waiting());
    }
}

#[test]
fn dropped_output_is_gone_and_its_memory_is_used_again() {
    let mut outgoing = outgoing();
    let mut unsent = Unsent::default();
    outgoing.write(&mut unsent, &[0; 100], true);
    outgoing.drop_unsent(&mut unsent);
    assert!(unsent.is_empty() && !unsent.is_new() && !unsent.is_blocked());
    // More, all turns together, than the turn buffer holds.
    for _ in 0..40 {
        outgoing.write(&mut unsent, &[0; 60_000], false);
        assert!(unsent.len() == 60_000 && unsent.is_in_turn_buffer());
        outgoing.drop_unsent(&mut unsent);
        outgoing.end_flush();
    }
}

#[test]
fn queues_send_within_the_budget_of_the_turn() {
    let mut outgoing = Outgoing::default();
    let sockets = [pair(), pair()];
    let mut unsent = [Unsent::default(), Unsent::default()];
    for unsent in &mut unsent {
        outgoing.push(unsent, Chunk::Owned(vec![0; 10_000]), false);
    }
    let mut send = |outgoing: &mut Outgoing, number: usize| {
        outgoing.send(&mut unsent[number], &sockets[number].0, PLAIN).unwrap()
    };
    outgoing.begin_flush(5_000);
    assert_eq!(send(&mut outgoing, 0), 10_000, "the last send goes beyond it");
    assert!(!outgoing.has_budget());
    assert_eq!(send(&mut outgoing, 1), 0);
    outgoing.begin_flush(5_000);
    assert_eq!(send(&mut outgoing, 1), 10_000);
}
