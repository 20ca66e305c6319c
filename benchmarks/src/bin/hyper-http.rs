//! The page of the examples' `http-server` as hyper's users serve it: one task per connection, on
//! tokio's current-thread runtime.

use std::convert::Infallible;
use std::io;

use clap::Parser;
use evio_benchmarks::server::{Args, READ_BUFFER, announce};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

/// What the examples' server answers; hyper adds the same length and date.
const PAGE: &[u8] = b"Hello World!\r\n";

fn main() -> io::Result<()> {
    let args = Args::parse();
    Builder::new_current_thread().enable_io().build()?.block_on(serve(args))
}

async fn serve(args: Args) -> io::Result<()> {
    let listener = TcpListener::bind(args.address()).await?;
    announce(listener.local_addr())?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            // A connection that fails is over; the others go on.
            let _ = converse(stream).await;
        });
    }
}

/// Answers the requests of one connection. Replies to requests that came together leave together,
/// which hyper must be asked for.
async fn converse(stream: TcpStream) -> hyper::Result<()> {
    http1::Builder::new()
        .pipeline_flush(true)
        .max_buf_size(READ_BUFFER)
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .await
}

async fn answer(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(PAGE)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(response)
}
