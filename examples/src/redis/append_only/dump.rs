//! Writing a keyspace as the commands that make it.

use std::io::{self, Write};

use crate::redis::Server;
use crate::redis::change_log::{is_short, write_to};
use crate::redis::keyspace::NEVER;
use crate::redis::value::Value;

/// Writes commands that make all keys of `server`, also those whose time is over.
///
/// # Errors
///
/// Fails when `out` does.
pub(super) fn dump(server: &Server, out: &mut impl Write) -> io::Result<()> {
    let mut view = server.store.view();
    view.stop_time();
    let mut next = Some(0);
    while let Some(slot) = next {
        let (mut keys, mut written) = (Vec::new(), Ok(()));
        next = view.scan(slot, |key, value| {
            if written.is_ok() {
                written = write_value(out, key, value);
                keys.push(key.to_vec());
            }
        });
        written?;
        for key in keys {
            if let Some(at) = view.expiry(&key).filter(|&at| at != NEVER) {
                let at = at.to_string();
                write_to(out, 3, [b"PEXPIREAT".as_slice(), &key, at.as_bytes()].into_iter())?;
            }
        }
    }
    Ok(())
}

fn write_value(out: &mut impl Write, key: &[u8], value: &Value) -> io::Result<()> {
    let mut pieces = Pieces { out, key, command: b"", words: Vec::new(), count: 0 };
    match value {
        Value::String(bytes) => {
            return write_to(pieces.out, 3, [b"SET".as_slice(), key, bytes].into_iter());
        }
        Value::List(list) => {
            pieces.command = b"RPUSH";
            list.iter().try_for_each(|element| pieces.add([element]))?;
        }
        Value::Set(set) => {
            pieces.command = b"SADD";
            set.iter().try_for_each(|(member, ())| pieces.add([member]))?;
        }
        Value::Hash(hash) => {
            pieces.command = b"HSET";
            hash.iter().try_for_each(|(field, value)| pieces.add([field, value]))?;
        }
        Value::SortedSet(set) => {
            pieces.command = b"ZADD";
            for (member, score) in set.walk(0..set.len(), false) {
                pieces.add([score.to_string().as_bytes(), member])?;
            }
        }
    }
    pieces.finish()
}

/// The elements of a collection, in commands that are short enough to be read again.
struct Pieces<'a, W> {
    out: &'a mut W,
    key: &'a [u8],
    command: &'static [u8],
    /// The arguments behind the key, as they are written.
    words: Vec<u8>,
    count: usize,
}

impl<W: Write> Pieces<'_, W> {
    /// Adds an element, which is so many arguments. One that is long has a command of its own.
    fn add<const N: usize>(&mut self, words: [&[u8]; N]) -> io::Result<()> {
        let len: usize = words.iter().map(|word| word.len()).sum();
        if !is_short(self.key, self.count + 2 + N, self.words.len() + len) {
            self.finish()?;
        }
        for word in words {
            write!(self.words, "${}\r\n", word.len())?;
            self.words.extend_from_slice(word);
            self.words.extend_from_slice(b"\r\n");
        }
        self.count += N;
        Ok(())
    }

    /// Writes the command that has been begun.
    fn finish(&mut self) -> io::Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        write!(self.out, "*{}\r\n", self.count + 2)?;
        for word in [self.command, self.key] {
            write!(self.out, "${}\r\n", word.len())?;
            self.out.write_all(word)?;
            self.out.write_all(b"\r\n")?;
        }
        self.out.write_all(&self.words)?;
        self.words.clear();
        self.count = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::Client;
    use crate::redis::append_only::replay::replay;
    use crate::redis::change_log::{MAX_ARGUMENTS, MAX_BYTES};
    use crate::redis::tests::run;

    fn dumped(server: &Server) -> Vec<u8> {
        let mut commands = Vec::new();
        dump(server, &mut commands).unwrap();
        commands
    }

    #[test]
    fn a_dump_makes_the_same_keys_of_every_type() {
        let server = Server::default();
        let mut client = Client::default();
        let many = |words: fn(usize) -> String| (0..5000).map(words).collect::<String>();
        let requests = [
            "SET string value",
            "SET empty ''",
            "SET soon v PXAT 1",
            "SET later v PXAT 99999999999999",
            "RPUSH list a b a",
            "HSET hash f v g ''",
            "SADD set 1 2",
            "ZADD zset 1.5 a -inf b 1e300 c",
            "SET binary \"\\x00\\r\\n\\xff\"",
        ];
        let large = [
            format!("RPUSH long{}", many(|n| format!(" {n}"))),
            format!("SADD numbers{}", many(|n| format!(" {n}"))),
            format!("HSET fields{}", many(|n| format!(" {n} x{n}"))),
            format!("ZADD scores{}", many(|n| format!(" 0.{n} {n}"))),
        ];
        server.store.view().stop_time();
        for request in requests.into_iter().chain(large.iter().map(String::as_str)) {
            let (reply, _) = run(&server, &mut client, request);
            assert!(!reply.starts_with('-'), "{reply}");
        }
        let commands = dumped(&server);
        let binary = b"$6\r\nbinary\r\n$4\r\n\x00\r\n\xff\r\n";
        assert!(commands.windows(binary.len()).any(|part| part == binary));
        let again = Server::default();
        let found = replay(&again, &*commands).unwrap();
        assert_eq!((found.len, found.torn), (commands.len() as u64, 0));
        again.store.assert_consistent();
        let mut client = Client::default();
        for question in [
            "GET string",
            "GET empty",
            "STRLEN binary",
            "PEXPIRETIME later",
            "PEXPIRETIME string",
            "LRANGE list 0 -1",
            "LRANGE long 0 -1",
            "HGET hash g",
            "HLEN hash",
            "HLEN fields",
            "HGET fields 4321",
            "SCARD set",
            "SCARD numbers",
            "SISMEMBER numbers 4999",
            "ZRANGE zset 0 -1 WITHSCORES",
            "ZRANGE scores 0 -1 WITHSCORES",
            "DBSIZE",
        ] {
            let (expected, _) = run(&server, &mut client, question);
            assert_eq!(run(&again, &mut client, question).0, expected, "{question}");
        }
    }

    /// Many, so that some tables have several; once, for a list would be longer otherwise.
    #[test]
    fn a_dump_has_each_of_many_keys_once() {
        const KEYS: usize = 5_000;
        let server = Server::default();
        let mut client = Client::default();
        for key in 0..KEYS {
            let _ = run(&server, &mut client, &format!("RPUSH list{key} {key}"));
        }
        let again = Server::default();
        replay(&again, &*dumped(&server)).unwrap();
        assert_eq!(run(&again, &mut client, "DBSIZE").0, format!(":{KEYS}\r\n"));
        for key in 0..KEYS {
            let (list, _) = run(&again, &mut client, &format!("LRANGE list{key} 0 -1"));
            let text = key.to_string();
            assert_eq!(list, format!("*1\r\n${}\r\n{text}\r\n", text.len()));
        }
    }

    #[test]
    fn commands_are_short_enough_to_be_read_again() {
        let server = Server::default();
        let mut view = server.store.view();
        let large = vec![b'x'; MAX_BYTES];
        let small = b"x".as_slice();
        let lists = [("many", small, 3 * MAX_ARGUMENTS), ("large", small, 2), ("large", &large, 3)];
        for (key, element, count) in lists {
            for _ in 0..count {
                view.change_or_new(key.as_bytes(), |list: &mut crate::redis::list::List| {
                    list.push_back(element.into());
                    (true, ())
                })
                .unwrap();
            }
        }
        drop(view);
        let commands = dumped(&server);
        let mut parser = crate::resp::Parser::default();
        let mut rest = &*commands;
        let mut lengths = Vec::new();
        while let Some(command) = parser.parse(rest).unwrap() {
            lengths.push(command.len());
            rest = &rest[command.wire_len()..];
        }
        lengths.sort_unstable();
        assert_eq!(lengths, [3, 3, 3, 4, 8, 1024, 1024, 1024]);
    }

    #[test]
    fn a_long_key_is_not_repeated_for_few_elements() {
        let server = Server::default();
        let key = vec![b'k'; 50_000];
        let push = |list: &mut crate::redis::list::List| {
            (0..20_000).for_each(|_| list.push_back(b"0123456789".as_slice().into()));
            (true, ())
        };
        server.store.view().change_or_new(&key, push).unwrap();
        let commands = dumped(&server);
        assert!(commands.len() < 4 * (20_000 * 10 + key.len()), "{} bytes", commands.len());
    }
}
