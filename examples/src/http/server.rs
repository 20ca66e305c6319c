//! A [`Service`] on the connections of an event loop.

use std::mem;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use evio::{Action, Conn, Handler, InputStream};
use evio_sys::clock;
use nix::sys::socket::{MsgFlags, recv};

use super::access_log::AccessLog;
use super::wait::{Expired, Wait};
use super::{DEFAULT_MAX_BODY, Date, Exchange, Flow, Output, Phase, Progress, Service, Timeouts};

/// How late the date of a reply may change. Asking the clock for each request would cost half a
/// percent of it.
const DATE_LAG: Duration = Duration::from_millis(20);

/// How soon a connection goes on whose loop takes no wake.
const RETRY: Duration = Duration::from_millis(1);

/// The handler of one loop: HTTP/1.1 around a service.
///
/// # Examples
///
/// ```no_run
/// use evio::{Loops, Server};
/// use evio_examples::http::{
///     Answer, HttpServer, Reply, ReplyBody, Request, Response, Service, Status,
/// };
///
/// struct Greeting;
///
/// impl Service for Greeting {
///     type Pending = ();
///
///     fn begin(&mut self, _: &Request<'_>) -> Answer<()> {
///         Answer::Later(())
///     }
///
///     fn finish(&mut self, (): ()) -> Reply<'_> {
///         Response::new(Status::OK).body(ReplyBody::Static(b"hello\n")).into()
///     }
/// }
///
/// let server = Server::bind(["tcp://127.0.0.1:8080"])?;
/// server.run_each(Loops::Exactly(2), |_| HttpServer::new(Greeting))?;
/// # Ok::<(), evio::Error>(())
/// ```
#[derive(Debug)]
pub struct HttpServer<S> {
    service: S,
    timeouts: Timeouts,
    max_body: u64,
    log: Option<AccessLog>,
    date: Date,
    /// When it is next seen to that the date is right.
    date_due: Instant,
}

/// One client.
#[derive(Debug)]
pub struct Session<P> {
    input: InputStream,
    exchange: Exchange<P>,
    wait: Wait,
    /// Whether other connections get their turn before this one goes on.
    gives_way: bool,
}

impl<S: Service> HttpServer<S> {
    /// Makes a handler with the default limits and without a log.
    pub fn new(mut service: S) -> Self {
        let date = Date::new(clock::time_of_day());
        service.set_date(&date);
        Self {
            service,
            timeouts: Timeouts::default(),
            max_body: DEFAULT_MAX_BODY,
            log: None,
            date,
            date_due: clock::now() + DATE_LAG,
        }
    }

    /// Sets how long clients may take.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets the length above which a body is refused, in bytes.
    #[must_use]
    pub fn max_body(mut self, max_body: u64) -> Self {
        self.max_body = max_body;
        self
    }

    /// Has each reply logged.
    #[must_use]
    pub fn access_log(mut self, log: Option<AccessLog>) -> Self {
        self.log = log;
        self
    }

    #[inline]
    fn update_date(&mut self, now: Instant) {
        if now >= self.date_due {
            self.date_due = now + DATE_LAG;
            let now = clock::time_of_day();
            if !self.date.is_at(now) {
                self.date = Date::new(now);
                self.service.set_date(&self.date);
            }
        }
    }
}

impl<P> Session<P> {
    /// Stops for now. `drained` goes on when there is room for output again; if there is, `woken`
    /// does when the other connections have had their turn, and what the client sends meanwhile
    /// stays in the socket.
    #[cold]
    fn block(&mut self, timeouts: &Timeouts, conn: &mut Conn<'_>) {
        self.wait.go_on(Phase::Reply, &self.exchange, timeouts, conn);
        if conn.output_room() > 0 {
            self.gives_way = true;
            conn.pause_reading();
            if conn.handle().wake().is_err() {
                self.wait.end_in(RETRY, conn);
            }
        }
    }
}

impl<S: Service> Handler for HttpServer<S> {
    type Context = Session<S::Pending>;

    fn context(&mut self, conn: &Conn<'_>) -> Self::Context {
        Session {
            input: InputStream::new(),
            exchange: Exchange::new(self.max_body),
            wait: Wait::new(conn.now()),
            gives_way: false,
        }
    }

    fn opened(&mut self, conn: &mut Conn<'_>, session: &mut Self::Context) -> Action {
        session.wait.begin(&session.exchange, &self.timeouts, conn);
        Action::None
    }

    fn data(&mut self, conn: &mut Conn<'_>, session: &mut Self::Context, input: &[u8]) -> Action {
        self.update_date(conn.now());
        let Session { input: stream, exchange, wait, .. } = session;
        // Fails for no client: a head, a chunk line and a trailer section are shorter than that.
        let Ok(mut input) = stream.begin(input) else { return Action::Close };
        let room = conn.output_room();
        let mut output = LoggedConn { conn, log: self.log.as_ref(), date: &self.date };
        let Progress { consumed, flow } =
            exchange.advance(&input, &mut self.service, &self.date, &mut output, room);
        input.consume(consumed);
        match flow {
            Flow::Continue => {
                let phase = exchange.phase(flow, input.len());
                wait.go_on(phase, exchange, &self.timeouts, conn);
                Action::None
            }
            Flow::Blocked => {
                drop(input);
                session.block(&self.timeouts, conn);
                Action::None
            }
            // It is read now that there is room for the reply.
            Flow::Finished if has_input(conn) => {
                wait.go_on(Phase::Idle, exchange, &self.timeouts, conn);
                Action::None
            }
            Flow::Finished | Flow::Close => Action::Close,
            Flow::Abort => {
                conn.abort();
                Action::None
            }
        }
    }

    /// Goes on with what was left when too much output waited: the rest of a body, and requests.
    fn drained(&mut self, conn: &mut Conn<'_>, session: &mut Self::Context) -> Action {
        self.data(conn, session, &[])
    }

    /// Goes on with requests that took too long to be answered all at once.
    fn woken(&mut self, conn: &mut Conn<'_>, session: &mut Self::Context) -> Action {
        if !mem::take(&mut session.gives_way) {
            return Action::None;
        }
        conn.resume_reading();
        self.data(conn, session, &[])
    }

    fn timer(&mut self, conn: &mut Conn<'_>, session: &mut Self::Context) -> Action {
        self.update_date(conn.now());
        match session.wait.timer(&session.exchange, &self.timeouts, conn) {
            None => self.woken(conn, session),
            // The client has not taken the last reply yet; its write timeout is for that.
            Some(Expired::Connection) if conn.output_len() > 0 => {
                session.wait.begin_anew(&session.exchange, &self.timeouts, conn);
                Action::None
            }
            // RFC 9112, section 9.5: a connection that nothing was asked on is just closed. So does
            // nginx; a 408 there would be taken for the reply to a request that is on its way.
            Some(Expired::Connection) => Action::Close,
            Some(Expired::Request) => {
                let mut output = LoggedConn { conn, log: self.log.as_ref(), date: &self.date };
                // Never fails, as in `data`.
                let Ok(unread) = session.input.begin(&[]) else { return Action::Close };
                session.exchange.time_out(&unread, &self.date, &mut output);
                Action::Close
            }
        }
    }

    /// Closes, unless there is something to answer first; the last reply then says that it is.
    fn stopping(&mut self, conn: &mut Conn<'_>, session: &mut Self::Context) -> Action {
        session.exchange.finish();
        if session.wait.phase() == Phase::Idle && !has_input(conn) {
            return Action::Close;
        }
        Action::None
    }
}

/// Returns whether there is input that has not been read yet: a request that came just before the
/// server was told to end.
fn has_input(conn: &Conn<'_>) -> bool {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    recv(conn.as_fd().as_raw_fd(), &mut [0], flags).is_ok_and(|len| len > 0)
}

/// A connection, and the log of what is sent on it.
struct LoggedConn<'a, 'c> {
    conn: &'a mut Conn<'c>,
    log: Option<&'a AccessLog>,
    date: &'a Date,
}

impl Output for LoggedConn<'_, '_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.conn.write(bytes);
    }

    fn write_owned(&mut self, bytes: Vec<u8>) {
        self.conn.write_owned(bytes);
    }

    fn write_shared(&mut self, bytes: Arc<[u8]>) {
        self.conn.write_shared(bytes);
    }

    fn write_static(&mut self, bytes: &'static [u8]) {
        self.conn.write_static(bytes);
    }

    #[inline]
    fn logs(&self) -> bool {
        self.log.is_some()
    }

    fn log(&mut self, request_line: &str, code: u16, length: u64) {
        if let Some(log) = self.log {
            log.write(self.conn, self.date, request_line, code, length);
        }
    }
}
