//! The page of the examples' `http-server` as hyper's users serve it: one task per connection, on
//! tokio's current-thread runtime.

use std::io;

use clap::Parser;
use evio_benchmarks::server::{Args, READ_BUFFER, announce};
use http_body_util::{BodyExt, Full};
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

#[derive(Debug, Parser)]
struct HyperArgs {
    #[command(flatten)]
    common: Args,
    /// Send each reply by itself. Otherwise hyper sends nothing to a client whose requests never
    /// come to an end
    #[arg(long)]
    flush_each: bool,
}

fn main() -> io::Result<()> {
    let args = HyperArgs::parse();
    Builder::new_current_thread().enable_io().build()?.block_on(serve(args))
}

async fn serve(args: HyperArgs) -> io::Result<()> {
    let listener = TcpListener::bind(args.common.address()).await?;
    announce(listener.local_addr())?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            // A connection that fails is over; the others go on.
            let _ = converse(stream, !args.flush_each).await;
        });
    }
}

/// Answers the requests of one connection. Replies to requests that came together leave together
/// if `flush_together`, which hyper must be asked for.
async fn converse(stream: TcpStream, flush_together: bool) -> hyper::Result<()> {
    http1::Builder::new()
        .pipeline_flush(flush_together)
        .max_buf_size(READ_BUFFER)
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .await
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    // The others read what is sent with a request before they answer, too.
    let mut body = request.into_body();
    while let Some(part) = body.frame().await {
        part?;
    }
    let mut response = Response::new(Full::new(Bytes::from_static(PAGE)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(response)
}
