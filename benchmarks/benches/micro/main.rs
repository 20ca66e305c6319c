//! The parts of a request one by one: `cargo bench -p evio-benchmarks --bench micro`.

mod input_stream;
mod mailbox;
mod parsers;
mod request_path;
mod running;

use criterion::{criterion_group, criterion_main};

criterion_group!(benches, input_stream::bench, parsers::bench, request_path::bench, mailbox::bench);
criterion_main!(benches);
