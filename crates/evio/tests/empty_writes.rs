//! Writing nothing is nothing: there is no output, and so no `pre_write`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use evio::{Action, Conn, Events};

use util::{Done, Driven, TCP, Transport, bind, pair, start_driven};

type Act = fn(&mut Conn<'_>);

const WAYS: [(&str, Act); 12] = [
    ("write", |conn| conn.write(b"")),
    ("write_owned", |conn| conn.write_owned(Vec::new())),
    ("write_shared", |conn| conn.write_shared(Arc::from(*b""))),
    ("write_static", |conn| conn.write_static(b"")),
    ("write_now", |conn| conn.write_now(b"")),
    ("io::Write::write", |conn| assert_eq!(Write::write(conn, b"").unwrap(), 0)),
    ("io::Write::write_all", |conn| conn.write_all(b"").unwrap()),
    ("io::Write::flush", |conn| conn.flush().unwrap()),
    ("ConnHandle::send", |conn| conn.handle().send("").unwrap()),
    ("ConnHandle::send_shared", |conn| conn.handle().send_shared(Arc::from(*b"")).unwrap()),
    ("LoopHandle::broadcast", |conn| conn.loop_handle().broadcast(*b"").unwrap()),
    ("write, then close", |conn| {
        conn.write(b"");
        conn.close();
    }),
];

fn count<T: Done>(rounds: &AtomicUsize) -> T {
    rounds.fetch_add(1, Ordering::SeqCst);
    T::done()
}

#[test]
fn an_empty_write_causes_no_pre_write() {
    let rounds = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&rounds);
    let Driven { server, driver, .. } = start_driven(bind(TCP), move || {
        Events::new()
            .data(|conn, (), input| {
                conn.write(input);
                Action::None
            })
            .pre_write(move |_| count(&counted))
    });
    let mut wrong = Vec::new();
    for (name, act) in WAYS {
        let (stream, client) = pair(Transport::Unix);
        let id = driver.adopt(stream);
        client.echo(b"something");
        let before = rounds.load(Ordering::SeqCst);
        driver.ask_of(id, act);
        driver.fence();
        let caused = rounds.load(Ordering::SeqCst) - before;
        if caused != 0 {
            wrong.push(format!("{name}: {caused}"));
        }
    }
    assert!(rounds.load(Ordering::SeqCst) >= WAYS.len(), "output does cause it");
    assert!(wrong.is_empty(), "calls of pre_write: {wrong:#?}");
    server.stop();
}
