//! The parts of a request one by one: `cargo bench -p evio-benchmarks --bench micro`.

mod input_stream;
mod mailbox;
mod parsers;
mod request_path;
mod running;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    input_stream::bench(&mut criterion);
    parsers::bench(&mut criterion);
    request_path::bench(&mut criterion);
    mailbox::bench(&mut criterion);
    criterion.final_summary();
}
