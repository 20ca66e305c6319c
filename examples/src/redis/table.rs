//! The table of commands.

use super::call::{Call, Failure};
use super::commands::{Effect, Entry, Keys};
use super::{
    Outcome, admin, client_commands, command_info, config, connection, expiry, hashes, info, keys,
    list_ranges, lists, numbers, object, pubsub, scan, set_algebra, sets, sorted_set_algebra,
    sorted_set_ranges, sorted_sets, strings, transactions,
};

use Effect::{Grows, Reads, Writes};
use Keys::{No, One, Whole};

/// The commands that are understood, for people to read: by kinds.
pub const COMMANDS: &str = "
    strings      GET SET SETEX PSETEX SETNX GETSET GETDEL GETEX MGET MSET MSETNX APPEND STRLEN
                 GETRANGE SUBSTR SETRANGE INCR DECR INCRBY DECRBY INCRBYFLOAT
    lists        LPUSH RPUSH LPUSHX RPUSHX LPOP RPOP LLEN LINDEX LSET LMOVE RPOPLPUSH LRANGE
                 LTRIM LREM LINSERT LPOS
    sets         SADD SREM SPOP SCARD SMEMBERS SISMEMBER SMISMEMBER SRANDMEMBER SMOVE SSCAN
                 SINTER SUNION SDIFF SINTERSTORE SUNIONSTORE SDIFFSTORE SINTERCARD
    hashes       HSET HMSET HSETNX HGET HMGET HDEL HEXISTS HSTRLEN HLEN HGETALL HKEYS HVALS
                 HINCRBY HINCRBYFLOAT HRANDFIELD HSCAN
    sorted sets  ZADD ZINCRBY ZSCORE ZMSCORE ZRANK ZREVRANK ZCARD ZREM ZPOPMIN ZPOPMAX
                 ZRANDMEMBER ZSCAN ZRANGE ZREVRANGE ZRANGEBYSCORE ZREVRANGEBYSCORE ZRANGEBYLEX
                 ZREVRANGEBYLEX ZRANGESTORE ZCOUNT ZLEXCOUNT ZREMRANGEBYRANK ZREMRANGEBYSCORE
                 ZREMRANGEBYLEX ZUNION ZINTER ZDIFF ZUNIONSTORE ZINTERSTORE ZDIFFSTORE ZINTERCARD
    keys         DEL UNLINK EXISTS TOUCH TYPE KEYS SCAN RANDOMKEY RENAME RENAMENX COPY EXPIRE
                 PEXPIRE EXPIREAT PEXPIREAT PERSIST TTL PTTL EXPIRETIME PEXPIRETIME DBSIZE
                 FLUSHDB FLUSHALL OBJECT
    messages     PUBLISH SUBSCRIBE PSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE PUBSUB
    transactions MULTI EXEC DISCARD WATCH UNWATCH
    connection   PING ECHO SELECT HELLO AUTH CLIENT RESET WAKE QUIT
    server       COMMAND CONFIG INFO MEMORY TIME DEBUG BGREWRITEAOF SHUTDOWN
";

/// The longest name of a command in the table. A longer one is not worth a copy in capitals.
pub(super) const MAX_NAME_LEN: usize = 16;

/// The upper bound of commands that take any number of arguments.
const ANY: usize = usize::MAX;

/// Every argument is a key.
const EACH: Keys = Keys::Each;

/// The first two arguments are keys.
const TWO: Keys = Keys::Two;

/// The argument behind a subcommand is a key.
const SECOND: Keys = Keys::Second;

/// Every other argument is a key, from the first one on.
const PAIRS: Keys = Keys::Pairs;

/// The first argument says how many keys follow it.
const COUNTED: Keys = Keys::Counted;

/// The first argument is a key, and the second one says how many more follow.
const DESTINATION: Keys = Keys::Destination;

/// Finds a command by its name in capitals, as most clients send it.
// Inlined, as are the parts of the table: the first ones, GET and SET, cost a comparison or two.
#[inline(always)]
pub(super) fn find(name: &[u8]) -> Option<&'static Entry> {
    of_strings(name)
        .or_else(|| of_lists(name))
        .or_else(|| of_sets(name))
        .or_else(|| of_hashes(name))
        .or_else(|| of_members(name))
        .or_else(|| of_ranges(name))
        .or_else(|| of_keys(name))
        .or_else(|| of_server(name))
}

/// Commands on strings.
#[inline(always)]
#[rustfmt::skip]
fn of_strings(name: &[u8]) -> Option<&'static Entry> {
    Some(match name {
        b"GET"         => &(2..=2,   Reads,  One,   strings::get),
        b"SET"         => &(3..=ANY, Grows,  One,   strings::set),
        b"SETEX"       => &(4..=4,   Grows,  One,   strings::setex),
        b"PSETEX"      => &(4..=4,   Grows,  One,   strings::psetex),
        b"SETNX"       => &(3..=3,   Grows,  One,   strings::setnx),
        b"GETSET"      => &(3..=3,   Grows,  One,   strings::getset),
        b"GETDEL"      => &(2..=2,   Writes, One,   strings::getdel),
        b"GETEX"       => &(2..=ANY, Writes, One,   strings::getex),
        b"MGET"        => &(2..=ANY, Reads,  EACH,  strings::mget),
        b"MSET"        => &(3..=ANY, Grows,  PAIRS, strings::mset),
        b"MSETNX"      => &(3..=ANY, Grows,  PAIRS, strings::msetnx),
        b"APPEND"      => &(3..=3,   Grows,  One,   strings::append),
        b"STRLEN"      => &(2..=2,   Reads,  One,   strings::strlen),
        b"GETRANGE"    => &(4..=4,   Reads,  One,   strings::getrange),
        b"SUBSTR"      => &(4..=4,   Reads,  One,   strings::getrange),
        b"SETRANGE"    => &(4..=4,   Grows,  One,   strings::setrange),
        b"INCR"        => &(2..=2,   Grows,  One,   numbers::incr),
        b"DECR"        => &(2..=2,   Grows,  One,   numbers::decr),
        b"INCRBY"      => &(3..=3,   Grows,  One,   numbers::incrby),
        b"DECRBY"      => &(3..=3,   Grows,  One,   numbers::decrby),
        b"INCRBYFLOAT" => &(3..=3,   Grows,  One,   numbers::incrbyfloat),
        _ => return None,
    })
}

/// Commands on lists.
#[inline(always)]
#[rustfmt::skip]
fn of_lists(name: &[u8]) -> Option<&'static Entry> {
    Some(match name {
        b"LPUSH"     => &(3..=ANY, Grows,  One,   lists::lpush),
        b"RPUSH"     => &(3..=ANY, Grows,  One,   lists::rpush),
        b"LPUSHX"    => &(3..=ANY, Grows,  One,   lists::lpushx),
        b"RPUSHX"    => &(3..=ANY, Grows,  One,   lists::rpushx),
        b"LPOP"      => &(2..=3,   Writes, One,   lists::lpop),
        b"RPOP"      => &(2..=3,   Writes, One,   lists::rpop),
        b"LLEN"      => &(2..=2,   Reads,  One,   lists::llen),
        b"LINDEX"    => &(3..=3,   Reads,  One,   lists::lindex),
        b"LSET"      => &(4..=4,   Grows,  One,   lists::lset),
        b"LMOVE"     => &(5..=5,   Grows,  TWO,   lists::lmove),
        b"RPOPLPUSH" => &(3..=3,   Grows,  TWO,   lists::rpoplpush),
        b"LRANGE"    => &(4..=4,   Reads,  One,   list_ranges::lrange),
        b"LTRIM"     => &(4..=4,   Writes, One,   list_ranges::ltrim),
        b"LREM"      => &(4..=4,   Writes, One,   list_ranges::lrem),
        b"LINSERT"   => &(5..=5,   Grows,  One,   list_ranges::linsert),
        b"LPOS"      => &(3..=ANY, Reads,  One,   list_ranges::lpos),
        _ => return None,
    })
}

/// Commands on sets.
#[inline(always)]
#[rustfmt::skip]
fn of_sets(name: &[u8]) -> Option<&'static Entry> {
    Some(match name {
        b"SADD"        => &(3..=ANY, Grows,  One,         sets::sadd),
        b"SREM"        => &(3..=ANY, Writes, One,         sets::srem),
        b"SPOP"        => &(2..=ANY, Writes, One,         sets::spop),
        b"SCARD"       => &(2..=2,   Reads,  One,         sets::scard),
        b"SMEMBERS"    => &(2..=2,   Reads,  One,         sets::smembers),
        b"SISMEMBER"   => &(3..=3,   Reads,  One,         sets::sismember),
        b"SMISMEMBER"  => &(3..=ANY, Reads,  One,         sets::smismember),
        b"SRANDMEMBER" => &(2..=ANY, Reads,  One,         sets::srandmember),
        b"SMOVE"       => &(4..=4,   Writes, TWO,         sets::smove),
        b"SSCAN"       => &(3..=ANY, Reads,  One,         scan::sscan),
        b"SINTER"      => &(2..=ANY, Reads,  EACH,        set_algebra::sinter),
        b"SUNION"      => &(2..=ANY, Reads,  EACH,        set_algebra::sunion),
        b"SDIFF"       => &(2..=ANY, Reads,  EACH,        set_algebra::sdiff),
        b"SINTERSTORE" => &(3..=ANY, Grows,  EACH,        set_algebra::sinterstore),
        b"SUNIONSTORE" => &(3..=ANY, Grows,  EACH,        set_algebra::sunionstore),
        b"SDIFFSTORE"  => &(3..=ANY, Grows,  EACH,        set_algebra::sdiffstore),
        b"SINTERCARD"  => &(3..=ANY, Reads,  COUNTED,     set_algebra::sintercard),
        _ => return None,
    })
}

/// Commands on hashes.
#[inline(always)]
#[rustfmt::skip]
fn of_hashes(name: &[u8]) -> Option<&'static Entry> {
    Some(match name {
        b"HSET"         => &(4..=ANY, Grows,  One,   hashes::hset),
        b"HMSET"        => &(4..=ANY, Grows,  One,   hashes::hmset),
        b"HSETNX"       => &(4..=4,   Grows,  One,   hashes::hsetnx),
        b"HGET"         => &(3..=3,   Reads,  One,   hashes::hget),
        b"HMGET"        => &(3..=ANY, Reads,  One,   hashes::hmget),
        b"HDEL"         => &(3..=ANY, Writes, One,   hashes::hdel),
        b"HEXISTS"      => &(3..=3,   Reads,  One,   hashes::hexists),
        b"HSTRLEN"      => &(3..=3,   Reads,  One,   hashes::hstrlen),
        b"HLEN"         => &(2..=2,   Reads,  One,   hashes::hlen),
        b"HGETALL"      => &(2..=2,   Reads,  One,   hashes::hgetall),
        b"HKEYS"        => &(2..=2,   Reads,  One,   hashes::hkeys),
        b"HVALS"        => &(2..=2,   Reads,  One,   hashes::hvals),
        b"HINCRBY"      => &(4..=4,   Grows,  One,   hashes::hincrby),
        b"HINCRBYFLOAT" => &(4..=4,   Grows,  One,   hashes::hincrbyfloat),
        b"HRANDFIELD"   => &(2..=ANY, Reads,  One,   hashes::hrandfield),
        b"HSCAN"        => &(3..=ANY, Reads,  One,   scan::hscan),
        _ => return None,
    })
}

/// Commands on the members of sorted sets.
#[inline(always)]
#[rustfmt::skip]
fn of_members(name: &[u8]) -> Option<&'static Entry> {
    Some(match name {
        b"ZADD"        => &(4..=ANY, Grows,  One,         sorted_sets::zadd),
        b"ZINCRBY"     => &(4..=4,   Grows,  One,         sorted_sets::zincrby),
        b"ZSCORE"      => &(3..=3,   Reads,  One,         sorted_sets::zscore),
        b"ZMSCORE"     => &(3..=ANY, Reads,  One,         sorted_sets::zmscore),
        b"ZRANK"       => &(3..=3,   Reads,  One,         sorted_sets::zrank),
        b"ZREVRANK"    => &(3..=3,   Reads,  One,         sorted_sets::zrevrank),
        b"ZCARD"       => &(2..=2,   Reads,  One,         sorted_sets::zcard),
        b"ZREM"        => &(3..=ANY, Writes, One,         sorted_sets::zrem),
        b"ZPOPMIN"     => &(2..=ANY, Writes, One,         sorted_sets::zpopmin),
        b"ZPOPMAX"     => &(2..=ANY, Writes, One,         sorted_sets::zpopmax),
        b"ZRANDMEMBER" => &(2..=ANY, Reads,  One,         sorted_sets::zrandmember),
        b"ZSCAN"       => &(3..=ANY, Reads,  One,         scan::zscan),
        _ => return None,
    })
}

/// Commands on ranges of sorted sets, and on several of them.
#[inline(always)]
#[rustfmt::skip]
fn of_ranges(name: &[u8]) -> Option<&'static Entry> {
    Some(match name {
        b"ZRANGE"           => &(4..=ANY, Reads,  One,         sorted_set_ranges::zrange),
        b"ZREVRANGE"        => &(4..=ANY, Reads,  One,         sorted_set_ranges::zrevrange),
        b"ZRANGEBYSCORE"    => &(4..=ANY, Reads,  One,         sorted_set_ranges::zrangebyscore),
        b"ZREVRANGEBYSCORE" => &(4..=ANY, Reads,  One,         sorted_set_ranges::zrevrangebyscore),
        b"ZRANGEBYLEX"      => &(4..=ANY, Reads,  One,         sorted_set_ranges::zrangebylex),
        b"ZREVRANGEBYLEX"   => &(4..=ANY, Reads,  One,         sorted_set_ranges::zrevrangebylex),
        b"ZRANGESTORE"      => &(5..=ANY, Grows,  TWO,         sorted_set_ranges::zrangestore),
        b"ZCOUNT"           => &(4..=4,   Reads,  One,         sorted_set_ranges::zcount),
        b"ZLEXCOUNT"        => &(4..=4,   Reads,  One,         sorted_set_ranges::zlexcount),
        b"ZREMRANGEBYRANK"  => &(4..=4,   Writes, One,         sorted_set_ranges::zremrangebyrank),
        b"ZREMRANGEBYSCORE" => &(4..=4,   Writes, One,         sorted_set_ranges::zremrangebyscore),
        b"ZREMRANGEBYLEX"   => &(4..=4,   Writes, One,         sorted_set_ranges::zremrangebylex),
        b"ZUNION"           => &(3..=ANY, Reads,  COUNTED,     sorted_set_algebra::zunion),
        b"ZINTER"           => &(3..=ANY, Reads,  COUNTED,     sorted_set_algebra::zinter),
        b"ZDIFF"            => &(3..=ANY, Reads,  COUNTED,     sorted_set_algebra::zdiff),
        b"ZUNIONSTORE"      => &(4..=ANY, Grows,  DESTINATION, sorted_set_algebra::zunionstore),
        b"ZINTERSTORE"      => &(4..=ANY, Grows,  DESTINATION, sorted_set_algebra::zinterstore),
        b"ZDIFFSTORE"       => &(4..=ANY, Grows,  DESTINATION, sorted_set_algebra::zdiffstore),
        b"ZINTERCARD"       => &(3..=ANY, Reads,  COUNTED,     sorted_set_algebra::zintercard),
        _ => return None,
    })
}

/// Commands on keys, whatever they hold.
#[inline(always)]
#[rustfmt::skip]
fn of_keys(name: &[u8]) -> Option<&'static Entry> {
    Some(match name {
        b"DEL"         => &(2..=ANY, Writes, EACH,        keys::del),
        b"UNLINK"      => &(2..=ANY, Writes, EACH,        keys::del),
        b"EXISTS"      => &(2..=ANY, Reads,  EACH,        keys::exists),
        b"TOUCH"       => &(2..=ANY, Reads,  EACH,        keys::exists),
        b"TYPE"        => &(2..=2,   Reads,  One,         keys::kind),
        b"KEYS"        => &(2..=2,   Reads,  Whole,       keys::keys),
        b"SCAN"        => &(2..=ANY, Reads,  Whole,       scan::scan),
        b"RANDOMKEY"   => &(1..=1,   Reads,  Whole,       keys::randomkey),
        b"RENAME"      => &(3..=3,   Writes, TWO,         keys::rename),
        b"RENAMENX"    => &(3..=3,   Writes, TWO,         keys::renamenx),
        b"COPY"        => &(3..=ANY, Grows,  TWO,         keys::copy),
        b"EXPIRE"      => &(3..=ANY, Writes, One,         expiry::expire),
        b"PEXPIRE"     => &(3..=ANY, Writes, One,         expiry::pexpire),
        b"EXPIREAT"    => &(3..=ANY, Writes, One,         expiry::expireat),
        b"PEXPIREAT"   => &(3..=ANY, Writes, One,         expiry::pexpireat),
        b"PERSIST"     => &(2..=2,   Writes, One,         expiry::persist),
        b"TTL"         => &(2..=2,   Reads,  One,         expiry::ttl),
        b"PTTL"        => &(2..=2,   Reads,  One,         expiry::pttl),
        b"EXPIRETIME"  => &(2..=2,   Reads,  One,         expiry::expiretime),
        b"PEXPIRETIME" => &(2..=2,   Reads,  One,         expiry::pexpiretime),
        b"DBSIZE"      => &(1..=1,   Reads,  Whole,       keys::dbsize),
        b"FLUSHDB"     => &(1..=ANY, Writes, Whole,       keys::flush),
        b"FLUSHALL"    => &(1..=ANY, Writes, Whole,       keys::flush),
        b"OBJECT"      => &(2..=ANY, Reads,  SECOND,      object::object),
        _ => return None,
    })
}

/// Commands on connections and the server.
#[inline(always)]
#[rustfmt::skip]
fn of_server(name: &[u8]) -> Option<&'static Entry> {
    Some(match name {
        b"PUBLISH"      => &(3..=3,   Reads,  No,    pubsub::publish),
        b"SUBSCRIBE"    => &(2..=ANY, Reads,  No,    pubsub::subscribe),
        b"PSUBSCRIBE"   => &(2..=ANY, Reads,  No,    pubsub::psubscribe),
        b"UNSUBSCRIBE"  => &(1..=ANY, Reads,  No,    pubsub::unsubscribe),
        b"PUNSUBSCRIBE" => &(1..=ANY, Reads,  No,    pubsub::punsubscribe),
        b"PUBSUB"       => &(2..=ANY, Reads,  No,    pubsub::pubsub),

        b"MULTI"        => &(1..=1,   Reads,  No,    transactions::multi),
        b"EXEC"         => &(1..=1,   Reads,  No,    transactions::exec),
        b"DISCARD"      => &(1..=1,   Reads,  No,    transactions::discard),
        b"WATCH"        => &(2..=ANY, Reads,  EACH,  transactions::watch),
        b"UNWATCH"      => &(1..=1,   Reads,  No,    transactions::unwatch),

        b"PING"         => &(1..=2,   Reads,  No,    connection::ping),
        b"ECHO"         => &(2..=2,   Reads,  No,    connection::echo),
        b"SELECT"       => &(2..=2,   Reads,  No,    connection::select),
        b"HELLO"        => &(1..=ANY, Reads,  No,    connection::hello),
        b"AUTH"         => &(2..=ANY, Reads,  No,    connection::auth),
        b"CLIENT"       => &(2..=ANY, Reads,  No,    client_commands::client),
        b"RESET"        => &(1..=1,   Reads,  No,    connection::reset),
        b"WAKE"         => &(1..=1,   Reads,  No,    connection::wake),
        b"QUIT"         => &(1..=ANY, Reads,  No,    connection::quit),

        b"COMMAND"      => &(1..=ANY, Reads,  No,    command_info::command),
        b"CONFIG"       => &(2..=ANY, Reads,  No,    config::config),
        b"INFO"         => &(1..=ANY, Reads,  Whole, info::info),
        b"MEMORY"       => &(2..=ANY, Reads,  SECOND, object::memory),
        b"TIME"         => &(1..=1,   Reads,  No,    admin::time),
        b"DEBUG"        => &(2..=ANY, Reads,  No,    admin::debug),
        b"BGREWRITEAOF" => &(1..=1,   Reads,  No,    admin::bgrewriteaof),
        b"SHUTDOWN"     => &(1..=ANY, Reads,  No,    admin::shutdown),

        // Lines of an HTTP request: a browser was led to send it here by a page that wants its
        // body to be run as commands. So nothing behind it is.
        b"POST" | b"HOST:" => &(1..=ANY, Reads, No, disconnect),
        _ => return None,
    })
}

fn disconnect(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    call.outcome = Outcome::Close;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the table, in its order, read off the text of this file.
    fn names_of_the_table() -> Vec<&'static str> {
        let table = include_str!("table.rs").split_once("#[cfg(test)]").unwrap().0;
        let name = |line: &'static str| {
            let (name, rest) = line.trim().strip_prefix("b\"")?.split_once('"')?;
            // Not the lines of an HTTP request, which are no commands.
            rest.trim_start().starts_with("=>").then_some(name)
        };
        table.lines().filter_map(name).collect()
    }

    #[test]
    fn the_list_of_commands_is_the_table() {
        let listed =
            COMMANDS.split_whitespace().filter(|word| word.starts_with(char::is_uppercase));
        let names = names_of_the_table();
        assert_eq!(listed.collect::<Vec<_>>(), names);
        assert_eq!(names.iter().map(|name| name.len()).max(), Some(MAX_NAME_LEN));
    }

    #[test]
    fn the_list_of_commands_is_in_the_readme() {
        assert!(include_str!("../../README.md").contains(COMMANDS), "it wants:\n{COMMANDS}");
    }
}
