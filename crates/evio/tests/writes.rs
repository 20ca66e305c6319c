//! What a turn writes, to many connections and in pieces of any kind, arrives in its order.

mod util;

use std::sync::Arc;

use evio::{Action, Conn, Events, Limits};

use util::{Random, bind, payload, reports, seed, start, transports};

const CONNECTIONS: usize = 5;
/// Turns in which the server writes.
const TURNS: usize = 40;
const WRITES_PER_TURN: usize = 40;
/// Up to what is copied, to more than one connection can have of the memory of a turn.
const LENGTHS: [usize; 5] = [1, 100, 6_000, 70_000, 400_000];

/// Writes a piece of some length in some way, and returns it.
fn write_anything(conn: &mut Conn<'_>, random: &mut Random) -> Vec<u8> {
    let stream = random.next();
    // Mostly short, so that much fits into a turn, and sometimes more than does.
    let class = random.up_to(LENGTHS.len() * LENGTHS.len()).isqrt();
    let piece = payload(stream, 0, random.up_to(LENGTHS[LENGTHS.len() - class]));
    match random.up_to(6) {
        1 => conn.write_owned(piece.clone()),
        2 => conn.write_shared(Arc::from(&*piece)),
        3 => conn.write_static(Box::leak(piece.clone().into_boxed_slice())),
        4 => conn.write_now(&piece),
        _ => conn.write(&piece),
    }
    piece
}

#[test]
fn pieces_of_a_turn_arrive_in_order() {
    let limits = Limits::default().max_output(1 << 30);
    for address in transports() {
        let mut random = Random::new(seed(), 0);
        let (writes, written) = reports();
        let server = start(bind(&address).limits(limits), move || {
            let mut ids = Vec::new();
            Events::new().data(move |conn, _, input| {
                if input == b"hello" {
                    ids.push(conn.id());
                    conn.write(input);
                    return Action::None;
                }
                let mut expected = vec![Vec::new(); ids.len()];
                for _ in 0..WRITES_PER_TURN {
                    let to = random.up_to(ids.len()) - 1;
                    let mut conn = conn.sibling(ids[to]).expect("it is of this loop");
                    expected[to].extend(write_anything(&mut conn, &mut random));
                    assert!(conn.output_len() <= expected[to].len());
                }
                writes.send(expected).expect("the test goes on");
                Action::None
            })
        });
        let clients = [0; CONNECTIONS].map(|_| {
            let client = server.connect();
            client.echo(b"hello");
            client
        });
        for turn in 0..TURNS {
            clients[turn % CONNECTIONS].send(b"go");
            for (client, expected) in clients.iter().zip(written.next()) {
                assert!(client.receive(expected.len()) == expected, "{address}: turn {turn}");
            }
        }
        drop(clients);
        server.stop();
    }
}
