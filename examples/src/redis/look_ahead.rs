//! Finding the keys of many commands at once.

use super::View;
use crate::resp::Parser;

/// How many commands are looked at: about as many reads as a processor has under way at once.
const COMMANDS: usize = 16;

/// Up to so many keys, the store stays in the cache: its table has about half a megabyte.
const CACHED_KEYS: usize = 4096;

/// Has what the commands at the start of `input` will look for brought into the cache, and returns
/// how many commands can be run before it is worth calling this again.
///
/// It changes nothing but the time that a pipeline of commands takes on a large store. Whatever the
/// first argument of a command is, it is taken for a key.
// Not inlined: it runs once for many commands, and would take registers from what runs for each.
#[inline(never)]
pub fn look_ahead(parser: &mut Parser, input: &[u8], store: &mut View<'_>) -> usize {
    if !store.can_touch(CACHED_KEYS) {
        return usize::MAX;
    }
    let ahead = parser.parse_ahead(input, COMMANDS);
    let commands = ahead.len();
    if commands == 1 {
        // It has nothing to wait for together with.
        return commands;
    }
    let mut hashes = [0; COMMANDS];
    let keys = ahead.filter_map(|command| command.get(1));
    let mut found = 0;
    for (hash, key) in hashes.iter_mut().zip(keys) {
        *hash = store.hash(key);
        found += 1;
    }
    if found == 0 {
        // Commands of a pipeline are mostly alike: without keys, long, or inline.
        return usize::MAX;
    }
    store.touch::<COMMANDS>(&hashes[..found]);
    commands
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::Store;

    fn store_of(keys: usize) -> Store {
        let store = Store::default();
        for number in 0..keys {
            store.view().set(format!("key:{number}").as_bytes(), b"value");
        }
        store
    }

    fn large_store() -> Store {
        store_of(CACHED_KEYS + 1)
    }

    fn ahead(input: &str, store: &Store) -> usize {
        look_ahead(&mut Parser::default(), input.as_bytes(), &mut store.view())
    }

    #[test]
    fn commands_that_are_whole_are_counted() {
        let store = large_store();
        let get = "*2\r\n$3\r\nGET\r\n$5\r\nkey:1\r\n";
        let cases = [
            (get.to_owned(), 1),
            (format!("{get}*1\r\n$4\r\nPING\r\n{get}*2\r\n$3\r\nGET"), 3),
            (format!("{get}GET key:1\r\n{get}"), 1),
            (format!("{get}*wrong\r\n{get}"), 1),
            (get.repeat(COMMANDS + 1), COMMANDS),
            // There is no such key.
            ("*2\r\n$3\r\nGET\r\n$5\r\nother\r\n".repeat(3), 3),
        ];
        for (input, commands) in cases {
            assert_eq!(ahead(&input, &store), commands, "{input:?}");
        }
    }

    #[test]
    fn a_small_store_is_not_waited_for() {
        let gets = "*2\r\n$3\r\nGET\r\n$5\r\nkey:1\r\n".repeat(2);
        assert_eq!(ahead(&gets, &store_of(CACHED_KEYS)), usize::MAX);
        assert_eq!(ahead(&gets, &store_of(CACHED_KEYS + 1)), 2);
    }

    #[test]
    fn there_is_no_next_time_where_nothing_is_to_be_gained() {
        let store = large_store();
        assert_eq!(ahead("PING\r\nPING\r\n", &store), usize::MAX);
        assert_eq!(ahead(&"*1\r\n$4\r\nPING\r\n".repeat(2), &store), usize::MAX);
        assert_eq!(ahead("*wrong\r\n", &store), usize::MAX);
    }
}
