//! The handlers of the examples' servers, with nothing that differs from run to run.

use std::time::UNIX_EPOCH;

use evio_core::{Action, Conn, Handler, InputStream};
use evio_examples::http::{
    Answer, DEFAULT_MAX_BODY, Date, Exchange, Page, Reply, Request, Service,
};
use evio_examples::redis::{Batch, Client, Outcome, Server};
use evio_examples::resp;

/// Sends back what it receives.
pub(crate) struct Echo;

impl Handler for Echo {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
        conn.write(input);
        Action::None
    }
}

/// Runs redis commands.
#[derive(Default)]
pub(crate) struct Redis {
    server: Server,
    replies: Vec<u8>,
}

impl Handler for Redis {
    type Context = (Client, InputStream, resp::Parser);

    fn context(&mut self, _: &Conn<'_>) -> Self::Context {
        (Client::default(), InputStream::new(), resp::Parser::default())
    }

    fn data(
        &mut self,
        conn: &mut Conn<'_>,
        (client, stream, parser): &mut Self::Context,
        input: &[u8],
    ) -> Action {
        let Ok(mut input) = stream.begin(input) else { return Action::Close };
        let mut batch = Batch::new(&self.server, usize::MAX);
        let (bytes, mut read) = (&*input, 0);
        while let Ok(Some(command)) = parser.parse(&bytes[read..]) {
            read += command.wire_len();
            if batch.execute(client, command, &mut self.replies) != Outcome::Continue {
                return Action::Close;
            }
        }
        input.consume(read);
        let _ = batch.finish(0);
        conn.write(&self.replies);
        self.replies.clear();
        Action::None
    }
}

/// Returns `requests` commands on few keys, SET and GET in turns, and the length of the answer.
pub(crate) fn redis_batch(requests: usize) -> (Vec<u8>, usize) {
    let mut batch = Vec::new();
    let mut answer = 0;
    for pair in 0..requests / 2 {
        let key = format!("$5\r\nkey:{}\r\n", pair % 10);
        batch.extend_from_slice(format!("*3\r\n$3\r\nSET\r\n{key}$5\r\nvalue\r\n").as_bytes());
        batch.extend_from_slice(format!("*2\r\n$3\r\nGET\r\n{key}").as_bytes());
        answer += b"+OK\r\n$5\r\nvalue\r\n".len();
    }
    (batch, answer)
}

/// Answers every HTTP request with the same page.
pub(crate) struct Site(Page);

impl Site {
    pub(crate) fn new() -> Self {
        Self(Page::new("text/plain", b"Hello World!\r\n".to_vec(), &Date::new(UNIX_EPOCH)))
    }
}

impl Service for Site {
    type Pending = ();

    fn begin(&mut self, _: &Request<'_>) -> Answer<()> {
        Answer::Later(())
    }

    fn finish(&mut self, (): ()) -> Reply<'_> {
        (&self.0).into()
    }
}

/// Returns `requests` requests as a browser might send them, and the length of the answer.
pub(crate) fn http_batch(requests: usize) -> (Vec<u8>, usize) {
    let request = "GET /index.html HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: wrk/4.1.0\r\n\
                   Accept: text/html,application/xhtml+xml\r\nAccept-Language: en-US,en\r\n\r\n";
    let batch = request.repeat(requests).into_bytes();
    let mut answer = Vec::new();
    let mut exchange = Exchange::new(DEFAULT_MAX_BODY);
    let date = Date::new(UNIX_EPOCH);
    let progress = exchange.advance(&batch, &mut Site::new(), &date, &mut answer, usize::MAX);
    assert_eq!(progress.consumed, batch.len(), "every request is whole");
    (batch, answer.len())
}
