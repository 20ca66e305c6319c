//! Connections that leave their loop, and come back.

use std::io::{self, ErrorKind, Read, Write};
use std::ops::ControlFlow;

use evio::{Action, Conn, ConnId, Detached, Handler, Loop, Origin, Server};
use evio_sim::for_each_seed;

const ADDRESSES: [&str; 2] = ["10.0.0.1:7", "unix:///run/x.sock"];
const SEEDS: u64 = 500;

/// Detaches each connection at its first bytes, sends some of them back by itself, and has the loop
/// adopt what is left, which it sends back as an echo server does.
struct Detaching;

/// Sends back the first byte; if that is even, all that is there. Returns what had no room.
fn serve(socket: &mut Detached) -> io::Result<Vec<u8>> {
    let mut buffer = [0; 1_000];
    let mut len = socket.read(&mut buffer[..1])?;
    while len > 0 {
        let mut bytes = &buffer[..len];
        while !bytes.is_empty() {
            match socket.write(bytes) {
                Err(error) if would_wait(&error) => return Ok(bytes.to_vec()),
                sent => bytes = &bytes[sent?..],
            }
        }
        if buffer[0] % 2 == 1 {
            break;
        }
        len = match socket.read(&mut buffer) {
            Err(error) if would_wait(&error) => break,
            result => result?,
        };
    }
    Ok(Vec::new())
}

fn would_wait(error: &io::Error) -> bool {
    error.kind() == ErrorKind::Unsupported
}

impl Handler for Detaching {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, conn: &mut Conn<'_>, (): &mut (), input: &[u8]) -> Action {
        if let Origin::Adopted(_) = conn.origin() {
            conn.write(input);
            return Action::None;
        }
        conn.put_back(input);
        Action::Detach
    }

    fn detached(
        &mut self,
        event_loop: &mut Loop<'_>,
        _: ConnId,
        (): (),
        mut socket: Detached,
    ) -> ControlFlow<()> {
        // What fails was cut by chance, and the client finds the end.
        if let Ok(rest) = serve(&mut socket) {
            let adopted = event_loop.adopt(socket, 0).ok();
            if let Some(mut conn) = adopted.and_then(|id| event_loop.conn(id)) {
                conn.write(&rest);
            }
        }
        ControlFlow::Continue(())
    }
}

#[test]
fn what_is_read_outside_and_inside_is_all_there_is() {
    for_each_seed(SEEDS, |sim| {
        let addresses = [format!("tcp://{}", ADDRESSES[0]), ADDRESSES[1].to_owned()];
        sim.serve(Server::bind(&addresses)?, Detaching)?;
        for _ in 0..4 {
            sim.client(|net| async move {
                let mut conn = net.connect(ADDRESSES[net.random_below(2)]).await?;
                for _ in 0..3 {
                    let message = net.random_bytes(1 + net.random_below(300));
                    conn.write_all(&message).await?;
                    assert_eq!(conn.read_exact(message.len()).await?, message);
                }
                Ok(())
            });
        }
        Ok(())
    });
}
