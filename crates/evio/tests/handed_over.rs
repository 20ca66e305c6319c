//! A connection that one loop accepts and another one is chosen for: it waits neither for what was
//! sent to that loop before, nor for callbacks of the loop that accepts it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use evio::{Action, Events, LoopHandle};

use util::{Client, Held, TCP, bind, hold, reports, start_each};

/// Holds up a loop, which goes on when the result is released.
fn hold_up(event_loop: &LoopHandle) -> Held {
    let (hold, held) = hold();
    event_loop.post(move |_| hold.wait()).unwrap();
    held.wait();
    held
}

#[test]
fn a_connection_overtakes_what_was_sent_to_its_loop_before() {
    const MESSAGES: usize = 30_000;
    // What a loop carries out in two turns.
    const MOST: usize = 2_048;
    let (places, placed) = reports();
    let server = bind(TCP).place_with(move |_, _| {
        places.send(()).unwrap();
        1
    });
    let (handles, handle) = reports();
    let (opens, opened) = reports();
    let carried_out = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&carried_out);
    let server = start_each(server, 2, move |loop_id| {
        let (handles, opens, count) = (handles.clone(), opens.clone(), Arc::clone(&count));
        Events::new()
            .serving(move |event_loop, _| {
                handles.send(event_loop.handle()).unwrap();
                ControlFlow::Continue(())
            })
            .opened(move |_, ()| {
                opens.send((loop_id, count.load(Ordering::SeqCst))).unwrap();
                Action::None
            })
    });
    let accepting = handle.next();
    let busy = accepting.of_loop(1).unwrap();
    // Somebody whom the broadcasts are written to.
    let first = server.connect();
    placed.next();
    assert_eq!(opened.next(), (1, 0));

    let held = hold_up(&busy);
    for _ in 0..MESSAGES {
        busy.broadcast(*b".").unwrap();
        let carried_out = Arc::clone(&carried_out);
        busy.post(move |_| _ = carried_out.fetch_add(1, Ordering::SeqCst)).unwrap();
    }
    let second = server.connect();
    placed.next();
    // The accepting loop has handed it over when it takes something else up.
    hold_up(&accepting).release();
    held.release();
    let (loop_id, before) = opened.next();
    assert_eq!(loop_id, 1);
    assert!(before <= MOST, "{before} tasks of {MESSAGES} were carried out before");
    drop((first, second));
    server.stop();
}

/// Many connections wait for a loop that accepts them, and one `opened` of its own blocks: those of
/// the other loop are opened meanwhile, also those that were accepted together with that one.
#[test]
fn a_connection_does_not_wait_for_a_callback_of_another_loop() {
    const EACH: usize = 32;
    // A loop accepts one, then 2, 4, 8, 16 in a turn: of those 16 it is one in the middle.
    const BLOCKED: usize = 12;
    let number = AtomicUsize::new(0);
    let server = bind(TCP).place_with(move |_, _| number.fetch_add(1, Ordering::SeqCst) % 2);
    let (handles, handle) = reports();
    let (opens, opened) = reports();
    let (blocks, blocked) = hold();
    let blocks = Arc::new(Mutex::new(Some(blocks)));
    let server = start_each(server, 2, move |loop_id| {
        let (handles, opens) = (handles.clone(), opens.clone());
        let blocks = if loop_id == 0 { blocks.lock().unwrap().take() } else { None };
        let mut own = 0;
        Events::new()
            .serving(move |event_loop, _| {
                handles.send(event_loop.handle()).unwrap();
                ControlFlow::Continue(())
            })
            .opened(move |_, ()| {
                own += 1;
                match &blocks {
                    Some(blocks) if own == BLOCKED => {
                        blocks.wait();
                        opens.send("the other loop goes on").unwrap();
                    }
                    Some(_) => {}
                    None => opens.send("opened").unwrap(),
                }
                Action::None
            })
    });
    let accepting = handle.next();
    let other = hold_up(&accepting.of_loop(1).unwrap());
    let held = hold_up(&accepting);
    let clients: Vec<Client> = (0..2 * EACH).map(|_| server.connect()).collect();
    held.release();
    blocked.wait();
    other.release();
    for _ in 0..EACH {
        assert_eq!(opened.next(), "opened");
    }
    blocked.release();
    drop(clients);
    server.stop();
}

#[test]
fn a_loop_accepts_before_it_makes_callbacks() {
    let (happens, happened) = reports();
    let (placed, count) = (happens.clone(), AtomicUsize::new(0));
    let server = bind(TCP).place_with(move |_, _| {
        placed.send("accepted").unwrap();
        count.fetch_add(1, Ordering::SeqCst)
    });
    let (handles, handle) = reports();
    let server = start_each(server, 2, move |_| {
        let (handles, happens) = (handles.clone(), happens.clone());
        Events::new()
            .serving(move |event_loop, _| {
                handles.send(event_loop.handle()).unwrap();
                ControlFlow::Continue(())
            })
            .data(move |_, (), _| {
                happens.send("data").unwrap();
                Action::None
            })
    });
    let accepting = handle.next();
    let client = server.connect();
    assert_eq!(happened.next(), "accepted");
    // It is open when its loop takes something else up, twice: another one may have accepted it.
    hold_up(&accepting.of_loop(1).unwrap()).release();
    hold_up(&accepting).release();
    let other = hold_up(&accepting.of_loop(1).unwrap());
    let held = hold_up(&accepting);
    client.send(b"?");
    let second = server.connect();
    held.release();
    assert_eq!([happened.next(), happened.next()], ["accepted", "data"]);
    other.release();
    drop((client, second));
    server.stop();
}
