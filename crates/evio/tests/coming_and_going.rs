//! Connections that come, send a byte and go, while others send without end: they leave as fast as
//! they come.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use evio::{Action, Events, Loop};

use util::{Client, Driven, Hold, after_turns, bind, hold, reports, start_driven, transports};

/// Connections that send without end.
const ENDLESS: usize = 4;

/// So many come at once, so many times.
const CROWD: usize = 100;
const CROWDS: usize = 40;

/// Turns that the loop has for each crowd.
const TURNS: usize = 4;

/// More than these are never open at once.
const MOST: usize = 4 * CROWD;

/// Holds up the loop while a crowd comes, and again after some turns.
fn admit(event_loop: &mut Loop<'_>, hold: Hold, crowds: usize) {
    hold.wait();
    if crowds > 1 {
        after_turns(event_loop, TURNS, move |event_loop| admit(event_loop, hold, crowds - 1));
    }
}

/// Returns how many connections were open at most.
fn most_open(address: &str) -> usize {
    let most = Arc::new(AtomicUsize::new(0));
    let (closes, closed) = reports();
    let counted = Arc::clone(&most);
    let Driven { server, driver, .. } = start_driven(bind(address), move || {
        let open = Arc::new(AtomicUsize::new(0));
        let ended = Arc::clone(&open);
        Events::new()
            .opened(move |_, ()| {
                let open = open.fetch_add(1, Ordering::SeqCst) + 1;
                counted.fetch_max(open, Ordering::SeqCst);
                Action::None
            })
            .data(|_, (), _| Action::None)
            .closed(move |_, (), _| {
                ended.fetch_sub(1, Ordering::SeqCst);
                closes.send(()).unwrap();
                ControlFlow::Continue(())
            })
    });
    let endless: Vec<Client> = (0..ENDLESS).map(|_| server.connect()).collect();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for client in &endless {
            let is_over = &is_over;
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    (&mut &*client).write_all(&[b'.'; 128 << 10]).unwrap();
                }
            });
        }
        let (hold, held) = hold();
        driver.handle().post(|event_loop| admit(event_loop, hold, CROWDS)).unwrap();
        for _ in 0..CROWDS {
            held.wait();
            (0..CROWD).for_each(|_| server.connect().send(b"?"));
            held.release();
        }
        for _ in 0..CROWD * CROWDS {
            closed.next();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    drop(endless);
    server.stop();
    most.load(Ordering::SeqCst)
}

#[test]
fn connections_that_come_and_go_do_not_pile_up() {
    for address in transports() {
        let most = most_open(&address);
        assert!(most <= MOST, "{address}: {most} connections were open at once");
    }
}
