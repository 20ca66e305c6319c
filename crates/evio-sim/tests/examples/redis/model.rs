//! What the replies to commands on the keys of one client are to be.

use std::collections::BTreeMap;
use std::time::Duration;

use evio_sim::Net;

use super::resp::{Command, Reply, command};

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";

/// The keys of one client, as far as it can know.
pub(super) struct Model {
    prefix: String,
    keys: BTreeMap<Vec<u8>, Key>,
}

enum Key {
    /// It expires between these times, if it does.
    Is(Value, Option<(Duration, Duration)>),
    /// It may have expired when it was changed.
    Unknown,
}

#[derive(Clone, PartialEq)]
enum Value {
    String(Vec<u8>),
    List(Vec<Vec<u8>>),
}

/// What a reply is to be.
#[derive(Debug)]
pub(super) enum Expected {
    Is(Reply),
    /// An integer, from the first to the second.
    Between(i64, i64),
    Anything,
}

impl Expected {
    pub(super) fn check(&self, reply: &Reply, command: &Command) {
        let is_right = match (self, reply) {
            (Self::Is(expected), reply) => expected == reply,
            (Self::Between(least, most), Reply::Integer(number)) => {
                (*least..=*most).contains(number)
            }
            (Self::Between(..), _) => false,
            (Self::Anything, _) => true,
        };
        let words: Vec<_> = command.iter().map(|word| String::from_utf8_lossy(word)).collect();
        assert!(is_right, "{words:?} is to be {self:?}, and is {reply:?}");
    }
}

fn ok() -> Reply {
    Reply::simple("OK")
}

impl Model {
    /// Makes the model of a client that has the keys which begin with its number.
    pub(super) fn new(client: usize) -> Self {
        Self { prefix: format!("c{client}"), keys: BTreeMap::new() }
    }

    /// Draws a command.
    pub(super) fn draw(&self, net: &Net) -> Command {
        let key = format!("{}:{}", self.prefix, net.random_below(4));
        // From a moment to an hour.
        let millis = 1 + net.random_below([30, 3_000, 3_600_000][net.random_below(3)]);
        let text = |longest| net.random_bytes(net.random_below(longest));
        let (mut line, mut words) = (None, Vec::new());
        match net.random_below(16) {
            0 | 1 => words = vec![b"SET".to_vec(), key.into(), text(3_000)],
            2 => {
                words = vec![b"SET".to_vec(), key.into(), text(50), b"PX".to_vec()];
                words.push(millis.to_string().into());
            }
            3 => words = vec![b"append".to_vec(), key.into(), text(300)],
            4 | 5 => {
                words = vec![b"RPUSH".to_vec(), key.into()];
                words.extend((0..=net.random_below(40)).map(|_| text(60)));
            }
            6 => line = Some(format!("LPOP {key}")),
            7 => line = Some(format!("LLEN {key}")),
            8 => line = Some(format!("LRANGE {key} 0 -1")),
            9 => line = Some(format!("DEL {key}")),
            10 => line = Some(format!("PEXPIRE {key} {millis}")),
            11 => line = Some(format!("PERSIST {key}")),
            12 => line = Some(format!("PTTL {key}")),
            13 => line = Some(format!("EXISTS {key}")),
            _ => line = Some(format!("GET {key}")),
        }
        line.map_or(words, |line| command(&line))
    }

    /// Draws one of the commands that a redis of five has.
    pub(super) fn draw_simple(&self, net: &Net) -> Command {
        let key = format!("{}:{}", self.prefix, net.random_below(4));
        match net.random_below(5) {
            0 => vec![b"SET".to_vec(), key.into(), net.random_bytes(net.random_below(3_000))],
            1 => command(&format!("del {key}")),
            2 => command(&format!("EXPIRE {key} {}", 1 + net.random_below(20))),
            _ => command(&format!("GET {key}")),
        }
    }

    /// Carries out a command that was sent and whose reply was read at these times.
    pub(super) fn run(&mut self, command: &Command, sent: Duration, read: Duration) -> Expected {
        let name = String::from_utf8_lossy(&command[0]).to_ascii_uppercase();
        let key = &command[1];
        let was = self.take(key, sent, read);
        let is_certain = !matches!(was, Some(Key::Unknown));
        let (expected, key_is) = match (name.as_str(), was) {
            ("SET", _) => {
                let life = command.get(4).map(|millis| interval(millis, 1, sent, read));
                (Expected::Is(ok()), Some(Key::Is(Value::String(command[2].clone()), life)))
            }
            ("DEL", was) if is_certain => (Expected::Is(Reply::count(was.iter().count())), None),
            ("DEL", _) => (Expected::Between(0, 1), None),
            (_, Some(Key::Unknown)) => (Expected::Anything, Some(Key::Unknown)),
            (_, None) => Self::run_without_key(&name, command),
            (_, Some(Key::Is(value, life))) => match name.as_str() {
                "PEXPIRE" | "EXPIRE" => {
                    let unit = if name == "EXPIRE" { 1_000 } else { 1 };
                    let life = interval(&command[2], unit, sent, read);
                    (Expected::Is(Reply::Integer(1)), Some(Key::Is(value, Some(life))))
                }
                "PERSIST" => {
                    let had = usize::from(life.is_some());
                    (Expected::Is(Reply::count(had)), Some(Key::Is(value, None)))
                }
                "PTTL" => (left(life, sent, read), Some(Key::Is(value, life))),
                "EXISTS" => (Expected::Is(Reply::Integer(1)), Some(Key::Is(value, life))),
                _ => {
                    let (reply, value) = Self::run_on_value(&name, command, value);
                    (Expected::Is(reply), value.map(|value| Key::Is(value, life)))
                }
            },
        };
        if let Some(key_is) = key_is {
            self.keys.insert(key.clone(), key_is);
        }
        expected
    }

    /// Takes a key out, unless it has expired.
    fn take(&mut self, key: &[u8], sent: Duration, read: Duration) -> Option<Key> {
        match self.keys.remove(key)? {
            Key::Is(_, Some((_, last))) if sent >= last => None,
            Key::Is(_, Some((first, _))) if read >= first => Some(Key::Unknown),
            key => Some(key),
        }
    }

    fn run_without_key(name: &str, command: &Command) -> (Expected, Option<Key>) {
        let nothing = match name {
            "GET" | "LPOP" => Reply::Bulk(None),
            "LRANGE" => Reply::Array(Some(Vec::new())),
            "PTTL" => Reply::Integer(-2),
            _ => Reply::Integer(0),
        };
        let value = match name {
            "APPEND" => Value::String(Vec::new()),
            "RPUSH" => Value::List(Vec::new()),
            _ => return (Expected::Is(nothing), None),
        };
        let (reply, value) = Self::run_on_value(name, command, value);
        (Expected::Is(reply), value.map(|value| Key::Is(value, None)))
    }

    fn run_on_value(name: &str, command: &Command, value: Value) -> (Reply, Option<Value>) {
        match (name, value) {
            ("GET", Value::String(text)) => (Reply::bulk(&text), Some(Value::String(text))),
            ("APPEND", Value::String(mut text)) => {
                text.extend(&command[2]);
                (Reply::count(text.len()), Some(Value::String(text)))
            }
            ("RPUSH", Value::List(mut list)) => {
                list.extend_from_slice(&command[2..]);
                (Reply::count(list.len()), Some(Value::List(list)))
            }
            ("LPOP", Value::List(mut list)) => {
                let first = list.remove(0);
                (Reply::bulk(&first), Some(list).filter(|list| !list.is_empty()).map(Value::List))
            }
            ("LLEN", Value::List(list)) => (Reply::count(list.len()), Some(Value::List(list))),
            ("LRANGE", Value::List(list)) => {
                let all = list.iter().map(|element| Reply::bulk(element)).collect();
                (Reply::Array(Some(all)), Some(Value::List(list)))
            }
            (_, value) => (Reply::Error(WRONG_TYPE.to_owned()), Some(value)),
        }
    }
}

/// Returns when a key expires at the earliest, and at the latest, that lives for so many units of
/// milliseconds, which a server counts as a whole.
fn interval(units: &[u8], unit: u64, sent: Duration, read: Duration) -> (Duration, Duration) {
    let units: u64 = std::str::from_utf8(units).unwrap().parse().unwrap();
    let life = Duration::from_millis(units * unit);
    let step = Duration::from_millis(1);
    ((sent + life).saturating_sub(step), read + life + step)
}

/// Returns how long a key has to live, between these times.
fn left(life: Option<(Duration, Duration)>, sent: Duration, read: Duration) -> Expected {
    let Some((first, last)) = life else { return Expected::Is(Reply::Integer(-1)) };
    let millis = |time: Duration| time.as_millis() as i64;
    Expected::Between(millis(first.saturating_sub(read)) - 1, millis(last.saturating_sub(sent)) + 1)
}
