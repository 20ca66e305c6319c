//! An echo server on the loop alone, without the facade:
//! `cargo run -p evio-core --example core_echo`.

use std::io;

use evio_core::net::{ListenOptions, Listener};
use evio_core::{Action, Config, Conn, EventLoop, Handler};

struct Echo;

impl Handler for Echo {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
        conn.write(input);
        Action::None
    }
}

fn main() -> io::Result<()> {
    let listener = Listener::tcp(([127, 0, 0, 1], 5000).into(), &ListenOptions::default())?;
    eprintln!("listening on tcp://{}", listener.local_addr()?);
    let mut event_loop = EventLoop::new(Config::default())?;
    event_loop.listen(0, listener)?;
    event_loop.run(Echo)
}
