//! The smallest server again, with closures: `cargo run -p evio --example echo_closures`.
use evio::{Action, Events};

fn main() -> Result<(), evio::Error> {
    let echo = Events::new().data(|conn, _, input| {
        conn.write(input);
        Action::None
    });
    echo.serve(["tcp://localhost:5000"])
}
