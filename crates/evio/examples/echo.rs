//! The smallest server: `cargo run -p evio --example echo`, then `nc localhost 5000`.

struct Echo;
impl evio::Handler for Echo {
    type Context = ();
    fn context(&mut self, _: &evio::Conn<'_>) {}
    fn data(&mut self, conn: &mut evio::Conn<'_>, _: &mut (), input: &[u8]) -> evio::Action {
        conn.write(input);
        evio::Action::None
    }
}
fn main() -> Result<(), evio::Error> {
    evio::serve(Echo, ["tcp://localhost:5000"])
}
