//! What wins when a callback asks for several things at once.

mod util;

use evio::{Action, Conn, Events, Limits};

use util::{Call, Reason, bind, recorder, reports, start, transports};

/// What is done to the connection before the callback returns.
type Before = fn(&mut Conn<'_>);

fn nothing(_: &mut Conn<'_>) {}
fn close(conn: &mut Conn<'_>) {
    conn.close();
}
fn abort(conn: &mut Conn<'_>) {
    conn.abort();
}
fn close_then_abort(conn: &mut Conn<'_>) {
    conn.close();
    conn.abort();
}
fn write_too_much_then_abort(conn: &mut Conn<'_>) {
    conn.write_owned(vec![0; Limits::default().max_output + 1]);
    conn.abort();
}
fn abort_then_close(conn: &mut Conn<'_>) {
    conn.abort();
    conn.close();
}

const CLOSED: Call = Call::Closed(Reason::Closed);
const ABORTED: Call = Call::Closed(Reason::Aborted);
const OUTPUT_LIMIT: Call = Call::Closed(Reason::OutputLimit);
const SHUTDOWN: Call = Call::Closed(Reason::Shutdown);

/// The first ending that was asked for stays, except that an abort waits for nothing; and a
/// shutdown does not change why a connection is already ending.
const CASES: [(&str, Before, Action, Call); 19] = [
    ("nothing", nothing, Action::Close, CLOSED),
    ("nothing", nothing, Action::Detach, Call::Detached),
    ("nothing", nothing, Action::Shutdown, SHUTDOWN),
    ("close", close, Action::None, CLOSED),
    ("close", close, Action::Close, CLOSED),
    ("close", close, Action::Detach, CLOSED),
    ("close", close, Action::Shutdown, CLOSED),
    ("abort", abort, Action::None, ABORTED),
    ("abort", abort, Action::Close, ABORTED),
    ("abort", abort, Action::Detach, ABORTED),
    ("abort", abort, Action::Shutdown, ABORTED),
    ("close and abort", close_then_abort, Action::None, ABORTED),
    ("close and abort", close_then_abort, Action::Close, ABORTED),
    ("close and abort", close_then_abort, Action::Detach, ABORTED),
    ("too much and abort", write_too_much_then_abort, Action::None, OUTPUT_LIMIT),
    ("too much and abort", write_too_much_then_abort, Action::Shutdown, OUTPUT_LIMIT),
    ("abort and close", abort_then_close, Action::None, ABORTED),
    ("abort and close", abort_then_close, Action::Detach, ABORTED),
    ("abort and close", abort_then_close, Action::Shutdown, ABORTED),
];

#[test]
fn the_first_ending_stays_and_an_abort_waits_for_nothing() {
    for address in transports() {
        for (name, before, action, expected) in CASES {
            let (recorder, calls) = recorder();
            let server = start(bind(&address), move || {
                recorder.wrap(Events::new().data(move |conn, _, _| {
                    before(conn);
                    action
                }))
            });
            let client = server.connect();
            client.send(b"!");
            let _ = client.receive_to_any_end();
            drop(client);
            let case = format!("{address}: {name}, then {action:?}");
            assert_eq!(calls.until_ending(), [Call::Opened, Call::Data, expected], "{case}");
            if action == Action::Shutdown {
                server.wait();
            } else {
                server.stop();
            }
            assert!(calls.rest().is_empty(), "{case}: there is one ending");
        }
    }
}

/// Endings that are asked for while one is under way, by a handle.
#[test]
fn an_ending_that_is_under_way_goes_on() {
    /// What the callback returns, what the handle asks for afterwards, and what comes of it.
    const CASES: [(Action, &str, Call); 4] = [
        (Action::Close, "close", CLOSED),
        (Action::Close, "abort", ABORTED),
        (Action::Detach, "close", Call::Detached),
        (Action::Detach, "abort", ABORTED),
    ];
    const LARGE: usize = 32 << 20;
    for address in transports() {
        for (action, then, expected) in CASES {
            let (recorder, calls) = recorder();
            let (handles, handle) = reports();
            let server = start(bind(&address), move || {
                recorder.wrap(Events::new().opened(move |conn, _| {
                    // More than the socket takes, so that the ending has to wait.
                    conn.write_owned(vec![0; LARGE]);
                    handles.send(conn.handle()).unwrap();
                    action
                }))
            });
            let client = server.connect();
            let handle = handle.next();
            let case = format!("{address}: {action:?}, then {then}");
            match then {
                "close" => {
                    handle.close().unwrap();
                    assert_eq!(client.receive(LARGE), vec![0; LARGE], "{case}");
                    assert!(client.receive_to_end().is_empty(), "{case}");
                }
                _ => {
                    handle.abort().unwrap();
                    let received = client.receive_to_any_end();
                    assert!(received.map_or(true, |len| len < LARGE), "{case}");
                }
            }
            drop(client);
            assert_eq!(calls.until_ending(), [Call::Opened, expected], "{case}");
            server.stop();
        }
    }
}
