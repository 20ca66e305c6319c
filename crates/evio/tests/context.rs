//! Contexts: typed, each connection's own, and given back by value.

mod util;

use std::ops::ControlFlow;
use std::sync::Arc;

use evio::{Action, Conn, ConnId, Detached, Events, Handler};

use util::{Client, bind, reports, start, transports};

/// Not `Copy`, not `Clone`, not `Default`: it can only be handed on.
#[derive(Debug, PartialEq, Eq)]
struct Session {
    number: usize,
    received: Vec<u8>,
}

#[test]
fn a_context_is_made_once_and_returned_by_value() {
    for address in transports() {
        let (endings, ended) = reports();
        let server = start(bind(&address), move || {
            let mut next = 0;
            let make = move |_: &Conn<'_>| {
                next += 1;
                Session { number: next, received: Vec::new() }
            };
            Events::with_context(make)
                .data(|conn, session, input| {
                    session.received.extend_from_slice(input);
                    conn.write(&[session.number as u8]);
                    Action::None
                })
                .closed(move |_, session, _| {
                    endings.send(session).unwrap();
                    ControlFlow::Continue(())
                })
        });
        let clients: Vec<Client> = (1..=5u8)
            .map(|number| {
                let client = server.connect();
                client.send(&[number]);
                assert_eq!(client.receive(1), [number]);
                client
            })
            .collect();
        for (index, client) in clients.into_iter().enumerate().rev() {
            let number = index as u8 + 1;
            client.send(&[10 * number]);
            assert_eq!(client.receive(1), [number], "each has its own");
            drop(client);
            let expected = Session { number: index + 1, received: vec![number, 10 * number] };
            assert_eq!(ended.next(), expected);
        }
        server.stop();
        assert!(ended.rest().is_empty());
    }
}

#[test]
fn a_context_goes_with_a_detached_connection() {
    let (endings, ended) = reports();
    let server = start(bind(util::TCP), move || {
        Events::with_context(|_| String::from("context"))
            .data(|_, context, _| {
                context.push_str(" of mine");
                Action::Detach
            })
            .detached(move |_, _: ConnId, context, _: Detached| {
                endings.send(context).unwrap();
                ControlFlow::Continue(())
            })
    });
    server.connect().send(b"!");
    assert_eq!(ended.next(), "context of mine");
    server.stop();
}

/// Shares a counter with every context that it makes, to see when they are dropped.
struct Counted(Arc<()>);

impl Handler for Counted {
    type Context = Arc<()>;

    fn context(&mut self, _: &Conn<'_>) -> Arc<()> {
        Arc::clone(&self.0)
    }

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut Arc<()>, input: &[u8]) -> Action {
        conn.write(input);
        Action::None
    }
}

#[test]
fn no_context_outlives_the_server() {
    let counter = Arc::new(());
    let handler = Counted(Arc::clone(&counter));
    let server = start(bind(util::TCP), move || handler);
    let clients: Vec<Client> = (0..10).map(|_| server.connect()).collect();
    for client in &clients {
        client.echo(b"x");
    }
    assert_eq!(Arc::strong_count(&counter), 12, "one here, one in the handler, ten contexts");
    server.stop();
    assert_eq!(Arc::strong_count(&counter), 1);
}
