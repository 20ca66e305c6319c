//! Requests in, replies out.

use super::body::Sending;
use super::{
    Answer, Body, Date, Output, Page, Parser, Persistence, Reply, ReplyBody, Request, Response,
    Service, Status, Step,
};

/// The reply to `Expect: 100-continue`.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The room in bytes that a response takes besides its output, since a service makes it for one
/// request: it may have looked for a file. With 256 KiB of room, a call makes 64 of them at most.
const RESPONSE_COST: usize = 4 << 10;

/// The state of one connection: where its input stands, and which reply is due.
///
/// `P` is what the [`Service`] keeps of a request whose body is on its way; there is an example
/// there.
#[derive(Debug)]
pub struct Exchange<P> {
    parser: Parser,
    /// What shapes the reply to the request that is being read.
    due: Due,
    /// Invariant: there while a body is read, from its head to its end.
    pending: Option<Result<P, Box<Response>>>,
    /// The body of the last reply, if not all of it is in the output yet.
    sending: Option<Box<Sending>>,
    /// The line of the request that is being read, if there is a log.
    request_line: Option<Box<str>>,
    /// Whether the connection closes when what was asked is answered.
    is_ending: bool,
    /// How many requests have come in whole; it begins anew at the end of its range.
    requests: u32,
    /// How much of the body of the present request has come.
    body_len: u64,
}

/// What shapes the reply to a request.
#[derive(Clone, Copy, Debug)]
struct Due {
    head_only: bool,
    persistence: Persistence,
}

/// How far a call of [`Exchange::advance`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Progress {
    /// How many bytes of the input are done with. The caller keeps the others and shows them again.
    pub consumed: usize,
    /// What the connection does next.
    pub flow: Flow,
}

/// What a connection does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on as soon as more input arrives.
    Continue,
    /// Go on with the rest of the input, and of the last reply, as soon as there is room for output
    /// again; at once, but after other connections, if there is.
    Blocked,
    /// Close as for `Close`, unless there is input that the caller has not read yet:
    /// [`Exchange::finish`] was called, and all that was asked is answered.
    Finished,
    /// Deliver what was written, then close. Further input is read and dropped, since a connection
    /// that is closed before is reset, and the peer may lose the reply: RFC 9112, section 9.6.
    Close,
    /// Close without delivering what was written: the body of a reply cannot be completed.
    Abort,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing: no request has begun.
    Idle,
    /// Waiting for the rest of a head.
    Head,
    /// Waiting for the rest of a body.
    Body,
    /// Waiting for the peer to take the reply.
    Reply,
}

impl<P> Exchange<P> {
    /// Creates the state of a new connection, which refuses bodies longer than `max_body`.
    #[must_use]
    pub fn new(max_body: u64) -> Self {
        Self {
            parser: Parser::new(max_body),
            due: Due { head_only: false, persistence: Persistence::Implied },
            pending: None,
            sending: None,
            request_line: None,
            is_ending: false,
            requests: 0,
            body_len: 0,
        }
    }

    /// Answers all requests in `input`.
    ///
    /// `input` starts with the bytes that the last call did not consume. Once `room` bytes are
    /// written no more is, because a page of small requests can ask for any amount of output; the
    /// last piece of a body, or a reply that comes in one piece, may exceed `room`. A
    /// [`Response`] takes 4 KiB of it besides, its own [cost](Response::cost), and for HEAD as much
    /// as its body would: it may have taken the service long.
    pub fn advance<S: Service<Pending = P>>(
        &mut self,
        input: &[u8],
        service: &mut S,
        date: &Date,
        output: &mut impl Output,
        room: usize,
    ) -> Progress {
        let (mut rest, mut room) = (input, room);
        let flow = loop {
            if self.sending.is_some() {
                match self.go_on(output, &mut room) {
                    Flow::Continue if room == 0 => break Flow::Blocked,
                    Flow::Continue => {}
                    flow => break flow,
                }
            }
            let before = rest;
            match self.parser.step(&mut rest) {
                Step::NeedMore if self.is_ending && rest.is_empty() && self.pending.is_none() => {
                    break Flow::Finished;
                }
                Step::NeedMore => break Flow::Continue,
                Step::Request(request) => {
                    let answer = self.begin(&request, service, output);
                    if request.body != Body::Empty {
                        match self.await_body(answer, &request, &mut room, date, output) {
                            Flow::Continue => continue,
                            flow => break flow,
                        }
                    }
                    // Its end follows; to ask the parser for it, and to keep what is pending until
                    // then, would take three percent of a small request.
                    self.parser.end();
                    let reply = match answer {
                        Answer::Later(pending) => service.finish(pending),
                        Answer::Now(response) => response.into(),
                    };
                    if let Some(flow) = self.reply(reply, rest.is_empty(), &mut room, date, output)
                    {
                        break flow;
                    }
                }
                Step::Body(piece) => {
                    if let Err(status) = self.take_body(piece, service) {
                        break self.refuse(status, date, output);
                    }
                }
                Step::End => {
                    let pending = self.pending.take();
                    let reply = match pending.expect("the end of a body follows its head") {
                        Ok(pending) => service.finish(pending),
                        Err(response) => (*response).into(),
                    };
                    if let Some(flow) = self.reply(reply, rest.is_empty(), &mut room, date, output)
                    {
                        break flow;
                    }
                }
                Step::Error(status) => {
                    if self.pending.is_none() {
                        self.due.head_only = asks_for_head(before);
                    }
                    break self.refuse(status, date, output);
                }
            }
        };
        let left = if matches!(flow, Flow::Close | Flow::Abort) { 0 } else { rest.len() };
        Progress { consumed: input.len() - left, flow }
    }

    /// Shows the head of a request to the service.
    #[inline]
    fn begin<S: Service<Pending = P>>(
        &mut self,
        request: &Request<'_>,
        service: &mut S,
        output: &impl Output,
    ) -> Answer<P> {
        let head_only = request.method == "HEAD";
        self.due = Due { head_only, persistence: request.persistence };
        if output.logs() {
            self.request_line = Some(request.line().into());
        }
        service.begin(request)
    }

    /// Keeps what is pending until the body is there, and tells the client to send it, or answers
    /// at once if the client waits for that.
    #[cold]
    fn await_body(
        &mut self,
        answer: Answer<P>,
        request: &Request<'_>,
        room: &mut usize,
        date: &Date,
        output: &mut impl Output,
    ) -> Flow {
        self.body_len = 0;
        self.pending = Some(match answer {
            Answer::Now(response) if request.expects_continue => {
                self.due.persistence = Persistence::Close;
                self.respond(response, date, output);
                return if self.sending.is_some() { Flow::Continue } else { Flow::Close };
            }
            Answer::Now(response) => Err(Box::new(response)),
            Answer::Later(pending) => Ok(pending),
        });
        if request.expects_continue {
            output.write_static(CONTINUE);
            *room = room.saturating_sub(CONTINUE.len());
        }
        Flow::Continue
    }

    /// Shows a piece of a body to the service, unless that has answered already.
    fn take_body<S: Service<Pending = P>>(
        &mut self,
        piece: &[u8],
        service: &mut S,
    ) -> Result<(), Status> {
        self.body_len += piece.len() as u64;
        match &mut self.pending {
            Some(Ok(pending)) => service.body(pending, piece),
            _ => Ok(()),
        }
    }

    /// Answers a request that is whole, as far as the reply goes into the output at once. Returns
    /// what the connection does next, unless it goes on; `is_all` says that there is no more input.
    #[inline(always)]
    fn reply(
        &mut self,
        reply: Reply<'_>,
        is_all: bool,
        room: &mut usize,
        date: &Date,
        output: &mut impl Output,
    ) -> Option<Flow> {
        self.requests = self.requests.wrapping_add(1);
        if self.is_ending && is_all {
            self.due.persistence = Persistence::Close;
        }
        let written = match reply {
            Reply::Page(page) => self.write_page(page, output),
            Reply::Response(response) => self.respond(response, date, output),
        };
        *room = room.saturating_sub(written);
        if self.sending.is_some() {
            return None;
        }
        match self.due.persistence {
            Persistence::Close => Some(Flow::Close),
            _ if *room == 0 => Some(Flow::Blocked),
            _ => None,
        }
    }

    #[inline(always)]
    fn write_page(&mut self, page: &Page, output: &mut impl Output) -> usize {
        let Due { head_only, persistence } = self.due;
        if output.logs() {
            self.log(Status::OK, if head_only { 0 } else { page.body_len() }, output);
        }
        let (len, body) = page.write(persistence, head_only, output);
        if let Some(body) = body {
            self.send(ReplyBody::Shared(body.clone()), output);
        }
        len
    }

    /// Writes a response, as far as it goes into the output at once. Returns how much room it
    /// takes.
    #[cold]
    fn respond(&mut self, response: Response, date: &Date, output: &mut impl Output) -> usize {
        let Due { head_only, persistence } = self.due;
        let (status, length) = (response.status(), response.content_length());
        let cost = RESPONSE_COST.saturating_add(response.own_cost());
        let (head_len, body) = response.write_head(persistence, head_only, date, output);
        self.log(status, body.len(), output);
        self.send(body, output);
        // What is still to be sent is counted when it is; what is left out for HEAD, here.
        let is_whole = self.sending.is_none();
        let body_cost = if is_whole { usize::try_from(length).unwrap_or(usize::MAX) } else { 0 };
        head_len.saturating_add(cost).saturating_add(body_cost)
    }

    #[cold]
    fn send(&mut self, body: ReplyBody, output: &mut impl Output) {
        self.sending = Sending::begin(body, output).map(Box::new);
    }

    #[cold]
    fn log(&mut self, status: Status, body_len: u64, output: &mut impl Output) {
        if output.logs() {
            output.log(self.request_line.take().as_deref().unwrap_or("-"), status.code(), body_len);
        }
    }

    /// Writes more of the body of the last reply.
    #[cold]
    fn go_on(&mut self, output: &mut impl Output, room: &mut usize) -> Flow {
        let Some(sending) = &mut self.sending else { return Flow::Continue };
        while !sending.is_done() {
            if *room == 0 {
                return Flow::Blocked;
            }
            match sending.write_piece(output) {
                Ok(len) => *room = room.saturating_sub(len),
                Err(_) => return Flow::Abort,
            }
        }
        self.sending = None;
        if self.due.persistence == Persistence::Close { Flow::Close } else { Flow::Continue }
    }

    /// Answers what is not an acceptable request, and ends the connection.
    #[cold]
    fn refuse(&mut self, status: Status, date: &Date, output: &mut impl Output) -> Flow {
        self.due.persistence = Persistence::Close;
        self.pending = None;
        self.respond(Response::error(status), date, output);
        Flow::Close
    }

    /// Answers that the request took too long, RFC 9110, section 15.5.9; `unread` is the input that
    /// was left by the last call of [`advance`](Self::advance). The connection has to be closed.
    ///
    /// As the reply to HEAD, it has no body, section 9.3.2. A request of which not even the method
    /// is there may be any, so it gets one.
    pub fn time_out(&mut self, unread: &[u8], date: &Date, output: &mut impl Output) {
        if self.pending.is_none() {
            self.due.head_only = asks_for_head(unread);
        }
        self.refuse(Status::REQUEST_TIMEOUT, date, output);
    }

    /// Closes the connection when everything that was asked is answered. The last reply says so, if
    /// it has not begun.
    pub fn finish(&mut self) {
        self.is_ending = true;
    }

    /// Returns what the connection is doing, `unread` being how many bytes of input were left by
    /// the last call of [`advance`](Self::advance), whose outcome was `flow`.
    #[inline]
    #[must_use]
    pub fn phase(&self, flow: Flow, unread: usize) -> Phase {
        if flow == Flow::Blocked {
            Phase::Reply
        } else if !self.parser.is_between_requests() {
            Phase::Body
        } else if unread > 0 {
            Phase::Head
        } else {
            Phase::Idle
        }
    }

    /// Returns how many requests have come in whole; it begins anew at the end of its range.
    #[must_use]
    pub fn requests(&self) -> u32 {
        self.requests
    }

    /// Returns how much of the body of the present request has come, in bytes.
    #[must_use]
    pub fn body_len(&self) -> u64 {
        self.body_len
    }
}

/// Tells whether a head that is refused, or not whole, is that of a HEAD request: its reply has no
/// body.
fn asks_for_head(mut input: &[u8]) -> bool {
    while let Some(rest) = input.strip_prefix(b"\r\n") {
        input = rest;
    }
    input.starts_with(b"HEAD ")
}
