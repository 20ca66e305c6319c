//! A client of an HTTP server, whose parser of replies is `httparse`.

use std::io;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use evio_examples::http::Date;
use evio_sim::{Connection, Net};

use crate::{ADDRESS, send_in_pieces};

/// The time of day when a simulation begins.
const START: Duration = Duration::from_secs(1_000_000_000);

/// How late the date of a reply may be, with the time that a reply takes to be sent.
const DATE_LAG: Duration = Duration::from_millis(100);

/// A reply; what is interim was left out.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    fields: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Response {
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    pub(super) fn length(&self) -> usize {
        self.field("content-length").expect("each has a length").parse().expect("a number")
    }

    pub(super) fn says_close(&self) -> bool {
        self.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

pub(super) struct Client {
    pub(super) net: Rc<Net>,
    pub(super) conn: Connection,
}

impl Client {
    pub(super) async fn connect(net: &Rc<Net>) -> io::Result<Self> {
        Ok(Self { net: Rc::clone(net), conn: net.connect(ADDRESS).await? })
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        send_in_pieces(&self.net, &mut self.conn, bytes).await
    }

    /// Reads the head of a reply.
    pub(super) async fn read_head(&mut self) -> io::Result<Response> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            head += &self.conn.read_line().await?;
        }
        let mut fields = [httparse::EMPTY_HEADER; 20];
        let mut response = httparse::Response::new(&mut fields);
        let parsed = response.parse(head.as_bytes());
        assert_eq!(parsed, Ok(httparse::Status::Complete(head.len())), "{head}");
        let text = |value: &[u8]| String::from_utf8(value.to_vec()).expect("text");
        let status = response.code.expect("it is whole");
        let fields =
            response.headers.iter().map(|field| (field.name.to_owned(), text(field.value)));
        Ok(Response { status, fields: fields.collect(), body: Vec::new() })
    }

    /// Reads the reply to a request that was sent at this time.
    pub(super) async fn read(&mut self, head_only: bool, sent: Duration) -> io::Result<Response> {
        let mut response = self.read_head().await?;
        while response.status == 100 {
            response = self.read_head().await?;
        }
        self.check_date(&response, sent);
        if !head_only && response.status != 204 {
            response.body = self.conn.read_exact(response.length()).await?;
        }
        Ok(response)
    }

    fn check_date(&self, response: &Response, sent: Duration) {
        let date = response.field("date").expect("each has a date");
        let (first, last) = (sent.saturating_sub(DATE_LAG).as_secs(), self.net.now().as_secs());
        let is_right = |second| {
            let time = UNIX_EPOCH + START + Duration::from_secs(second);
            Date::new(time).as_str() == date
        };
        assert!((first..=last).any(is_right), "{date}, {first} to {last} s after the beginning");
    }

    /// Asserts that the server has ended the connection, with nothing more to say.
    pub(super) async fn expect_end(&mut self) -> io::Result<()> {
        let rest = self.conn.read_to_end().await?;
        assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
        Ok(())
    }

    /// Waits for some time below `most`.
    pub(super) async fn rest(&self, most: Duration) {
        crate::rest_for(&self.net, most).await;
    }
}
