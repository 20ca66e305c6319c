//! The commands that one connection has sent.

use evio::InputStream;

use super::Outcome;
use super::batch::Batch;
use super::client::Client;
use super::look_ahead::look_ahead;
use crate::resp;

/// What is known of one client between two callbacks.
#[derive(Debug)]
pub struct Session {
    pub(super) client: Client,
    pub(super) input: InputStream,
    parser: resp::Parser,
    /// A command that takes more than one turn.
    unfinished: Option<resp::OwnedCommand>,
    /// Whether commands are left that could be run: too many at once, or too long replies.
    pub(super) has_more: bool,
    /// Whether the time for a command runs.
    pub(super) is_timed: bool,
    /// Whether the connection has the limits of a subscriber.
    pub(super) is_subscriber: bool,
    /// Whether the server is about to end.
    pub(super) is_stopping: bool,
    /// Whether the client has asked for it that the connection is woken.
    pub(super) is_woken: bool,
}

/// Why a session has stopped to run commands.
#[derive(Debug)]
pub(super) enum Stop {
    /// No command is whole.
    Input,
    /// Enough replies wait to be sent. `drained` goes on.
    Room,
    /// Other clients are to get their turn. `woken` goes on.
    Turn,
    Close,
    Shutdown,
}

impl Session {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            input: InputStream::with_max_len(resp::MAX_COMMAND_LEN),
            parser: resp::Parser::default(),
            unfinished: None,
            has_more: false,
            is_timed: true,
            is_subscriber: false,
            is_stopping: false,
            is_woken: false,
        }
    }

    /// Runs the commands that are whole, until it is to stop. Returns how many it has run, too.
    pub(super) fn run_commands(
        &mut self,
        batch: &mut Batch<'_>,
        input: &[u8],
        replies: &mut Vec<u8>,
        room: usize,
    ) -> (Stop, usize) {
        let Self { client, input: stream, parser, .. } = self;
        let Ok(mut input) = stream.begin(input) else { return (Stop::Close, 0) };
        let bytes = &*input;
        let (mut read, mut ran, mut ahead) = (0, 0, 0);
        if let Some(command) = self.unfinished.take() {
            if batch.resume(client, &command, replies) == Outcome::Again {
                self.unfinished = Some(command);
                return (Stop::Turn, 0);
            }
        }
        let stop = loop {
            if replies.len() >= room {
                break Stop::Room;
            }
            if batch.is_used_up() {
                break Stop::Turn;
            }
            if ahead == 0 {
                ahead = look_ahead(parser, &bytes[read..], batch.store());
            }
            let command = match parser.parse(&bytes[read..]) {
                Ok(Some(command)) => command,
                Ok(None) => break Stop::Input,
                Err(error) => {
                    resp::Reply::new(replies).protocol_error(&error);
                    break Stop::Close;
                }
            };
            read += command.wire_len();
            ran += 1;
            ahead = ahead.saturating_sub(1);
            match batch.execute(client, command, replies) {
                Outcome::Continue => {}
                Outcome::Wake => self.is_woken = true,
                Outcome::Again => {
                    self.unfinished = Some(command.into());
                    break Stop::Turn;
                }
                Outcome::Close => break Stop::Close,
                Outcome::Shutdown => break Stop::Shutdown,
            }
        };
        input.consume(read);
        (stop, ran)
    }
}
