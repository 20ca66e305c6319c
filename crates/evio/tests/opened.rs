//! `opened`: once, before any other callback of the connection, and its output goes out first.

mod util;

use evio::{Action, Events};

use util::{Call, Client, Reason, bind, recorder, start, transports};

/// The client has sent its request before the connection is accepted.
#[test]
fn opened_comes_first_and_its_output_goes_out_first() {
    for address in transports() {
        let (recorder, calls) = recorder();
        let server = bind(&address);
        let client = Client::connect(server.local_addrs()[0].addr());
        client.send(b"request");
        let server = start(server, move || {
            recorder.wrap(
                Events::new()
                    .opened(|conn, _| {
                        conn.write(b"welcome ");
                        Action::None
                    })
                    .data(|conn, _, input| {
                        conn.write(input);
                        Action::Close
                    }),
            )
        });
        assert_eq!(client.receive_to_end(), b"welcome request");
        drop(client);
        let expected = [Call::Opened, Call::Data, Call::Closed(Reason::Closed)];
        assert_eq!(calls.until_ending(), expected, "{address}");
        server.stop();
        assert!(calls.rest().is_empty());
    }
}

#[test]
fn opened_may_write_and_close() {
    for address in transports() {
        let (recorder, calls) = recorder();
        let server = start(bind(&address), move || {
            recorder.wrap(Events::new().opened(|conn, _| {
                conn.write(b"no room for you");
                Action::Close
            }))
        });
        let client = server.connect();
        client.send(b"never looked at");
        assert_eq!(client.receive_to_end(), b"no room for you");
        drop(client);
        let expected = [Call::Opened, Call::Closed(Reason::Closed)];
        assert_eq!(calls.until_ending(), expected, "{address}");
        server.stop();
    }
}

#[test]
fn a_peer_that_is_gone_before_it_is_accepted_is_opened_and_closed() {
    for address in transports() {
        let (recorder, calls) = recorder();
        let server = bind(&address);
        for number in 0..3 {
            let client = Client::connect(server.local_addrs()[0].addr());
            match (number, &client) {
                (0, Client::Tcp(_)) => client.reset(),
                (1, _) => client.send(b"last words"),
                _ => {}
            }
        }
        let server = start(server, move || recorder.wrap(Events::new()));
        for _ in 0..3 {
            let (_, call) = calls.ending();
            assert!(matches!(call, Call::Closed(_)), "{call:?}");
        }
        server.stop();
    }
}
