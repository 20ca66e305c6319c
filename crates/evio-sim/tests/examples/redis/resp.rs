//! A client of a redis server, with a parser of its own.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use evio_sim::{Connection, Net};

use crate::{ADDRESS, send_in_pieces};

/// What a server has replied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Simple(String),
    Error(String),
    Integer(i64),
    /// A string, or nothing.
    Bulk(Option<Vec<u8>>),
    /// An array, or nothing.
    Array(Option<Vec<Reply>>),
}

impl Reply {
    pub(super) fn simple(text: &str) -> Self {
        Self::Simple(text.to_owned())
    }

    pub(super) fn bulk(bytes: &[u8]) -> Self {
        Self::Bulk(Some(bytes.to_vec()))
    }

    pub(super) fn count(count: usize) -> Self {
        Self::Integer(count as i64)
    }
}

/// A command, as its words.
pub(super) type Command = Vec<Vec<u8>>;

/// Makes a command of a line.
pub(super) fn command(line: &str) -> Command {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

/// Returns a command as it is sent.
pub(super) fn wire(command: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
    for word in command {
        bytes.extend(format!("${}\r\n", word.len()).bytes());
        bytes.extend(word);
        bytes.extend(b"\r\n");
    }
    bytes
}

pub(super) struct Client {
    pub(super) net: Rc<Net>,
    pub(super) conn: Connection,
}

impl Client {
    pub(super) async fn connect(net: &Rc<Net>) -> io::Result<Self> {
        Ok(Self { net: Rc::clone(net), conn: net.connect(ADDRESS).await? })
    }

    /// Sends commands without waiting for their replies.
    pub(super) async fn send(&mut self, commands: &[Command]) -> io::Result<()> {
        let bytes: Vec<u8> = commands.iter().flat_map(|command| wire(command)).collect();
        send_in_pieces(&self.net, &mut self.conn, &bytes).await
    }

    /// Sends a command and reads its reply.
    pub(super) async fn call(&mut self, line: &str) -> io::Result<Reply> {
        self.send(&[command(line)]).await?;
        self.read().await
    }

    /// Reads a reply, or a message.
    pub(super) async fn read(&mut self) -> io::Result<Reply> {
        let line = self.conn.read_line().await?;
        let Some(text) = line.strip_suffix("\r\n") else { panic!("no end of a line: {line:?}") };
        let (kind, text) = text.split_at(1);
        let number = || text.parse::<i64>().unwrap_or_else(|_| panic!("no number: {line:?}"));
        Ok(match kind {
            "+" => Reply::simple(text),
            "-" => Reply::Error(text.to_owned()),
            ":" => Reply::Integer(number()),
            "$" => match usize::try_from(number()) {
                Ok(len) => {
                    let mut bytes = self.conn.read_exact(len + 2).await?;
                    assert_eq!(bytes.split_off(len), b"\r\n");
                    Reply::Bulk(Some(bytes))
                }
                Err(_) => Reply::Bulk(None),
            },
            "*" => match usize::try_from(number()) {
                Ok(len) => {
                    let mut elements = Vec::new();
                    for _ in 0..len {
                        elements.push(Box::pin(self.read()).await?);
                    }
                    Reply::Array(Some(elements))
                }
                Err(_) => Reply::Array(None),
            },
            _ => panic!("no reply: {line:?}"),
        })
    }

    /// Asserts that the server has ended the connection, with nothing more to say.
    pub(super) async fn expect_end(&mut self) -> io::Result<()> {
        assert_eq!(self.conn.read_to_end().await?, b"");
        Ok(())
    }

    /// Waits for some time below `most`.
    pub(super) async fn rest(&self, most: Duration) {
        crate::rest_for(&self.net, most).await;
    }
}
