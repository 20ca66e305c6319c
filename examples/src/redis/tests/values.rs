//! The commands on values against the replies of redis.

use super::conversation::{NOT_A_COUNT, NOT_AN_INTEGER, SYNTAX, WRONG_TYPE, check};

#[test]
fn strings() {
    check(&[
        ("GET k", "$-1"),
        ("SET k v", "+OK"),
        ("GET k", "$1\r\nv"),
        ("get k", "$1\r\nv"),
        ("SET k ''", "+OK"),
        ("GET k", "$0\r\n"),
        ("SET k 'a value that is longer than the one before'", "+OK"),
        ("GET k", "$42\r\na value that is longer than the one before"),
        ("STRLEN k", ":42"),
        ("STRLEN none", ":0"),
        ("APPEND a 123", ":3"),
        ("APPEND a 45", ":5"),
        ("GET a", "$5\r\n12345"),
        ("MSET a 1 b 2 a 3", "+OK"),
        ("MGET a none b", "*3\r\n$1\r\n3\r\n$-1\r\n$1\r\n2"),
        ("MSET a 1 b", "-ERR wrong number of arguments for 'mset' command"),
        ("RPUSH l x", ":1"),
        ("MGET l a", "*2\r\n$-1\r\n$1\r\n3"),
        ("GET l", WRONG_TYPE),
        ("APPEND l x", WRONG_TYPE),
        ("STRLEN l", WRONG_TYPE),
        ("SET l v", "+OK"),
        ("GET l", "$1\r\nv"),
    ]);
}

#[test]
fn set_has_conditions() {
    check(&[
        ("SET k 1 XX", "$-1"),
        ("GET k", "$-1"),
        ("SET k 1 NX", "+OK"),
        ("SET k 2 nx", "$-1"),
        ("GET k", "$1\r\n1"),
        ("SET k 2 XX", "+OK"),
        ("SET k 3 GET", "$1\r\n2"),
        ("SET k 4 XX GET", "$1\r\n3"),
        ("SET k 5 NX GET", "$1\r\n4"),
        ("GET k", "$1\r\n4"),
        ("SET new 1 GET NX", "$-1"),
        ("GET new", "$1\r\n1"),
        ("SET k v NX XX", SYNTAX),
        ("SET k v EX", SYNTAX),
        ("SET k v what", SYNTAX),
        ("RPUSH l x", ":1"),
        ("SET l v GET", WRONG_TYPE),
        ("LLEN l", ":1"),
        ("SET l v NX", "$-1"),
    ]);
    check(&[
        ("SET k v EX 100", "+OK"),
        ("TTL k", ":100"),
        ("SET k w KEEPTTL", "+OK"),
        ("TTL k", ":100"),
        ("SET k x", "+OK"),
        ("TTL k", ":-1"),
        ("SET k v EX 100 KEEPTTL", SYNTAX),
        ("SET k v EX 0", "-ERR invalid expire time in 'set' command"),
        ("SET k v PXAT 1", "+OK"),
        ("GET k", "$-1"),
    ]);
}

#[test]
fn numbers() {
    check(&[
        ("INCR n", ":1"),
        ("INCR n", ":2"),
        ("DECR n", ":1"),
        ("INCRBY n 9", ":10"),
        ("INCRBY n -20", ":-10"),
        ("GET n", "$3\r\n-10"),
        ("INCRBY n x", NOT_AN_INTEGER),
        ("INCRBY n 1.0", NOT_AN_INTEGER),
        ("SET n 9223372036854775807", "+OK"),
        ("INCR n", "-ERR increment or decrement would overflow"),
        ("GET n", "$19\r\n9223372036854775807"),
        ("SET n -9223372036854775808", "+OK"),
        ("DECR n", "-ERR increment or decrement would overflow"),
        ("SET n 01", "+OK"),
        ("INCR n", NOT_AN_INTEGER),
        ("SET n ''", "+OK"),
        ("INCR n", NOT_AN_INTEGER),
        ("RPUSH l x", ":1"),
        ("INCR l", WRONG_TYPE),
    ]);
}

#[test]
fn lists() {
    check(&[
        ("RPUSH l a b", ":2"),
        ("LPUSH l c d", ":4"),
        ("LRANGE l 0 -1", "*4\r\n$1\r\nd\r\n$1\r\nc\r\n$1\r\na\r\n$1\r\nb"),
        ("LRANGE l 1 2", "*2\r\n$1\r\nc\r\n$1\r\na"),
        ("LRANGE l -1 100", "*1\r\n$1\r\nb"),
        ("LRANGE l 2 1", "*0"),
        ("LRANGE l 4 9", "*0"),
        ("LRANGE none 0 -1", "*0"),
        ("LRANGE l 0 x", NOT_AN_INTEGER),
        ("LRANGE none x 0", NOT_AN_INTEGER),
        ("LLEN l", ":4"),
        ("LLEN none", ":0"),
        ("LPOP l", "$1\r\nd"),
        ("RPOP l", "$1\r\nb"),
        ("LPOP l 0", "*0"),
        ("LPOP l 5", "*2\r\n$1\r\nc\r\n$1\r\na"),
        ("EXISTS l", ":0"),
        ("LPOP l", "$-1"),
        ("LPOP l 1", "*-1"),
        ("RPOP l 0", "*-1"),
        ("LPOP l -1", NOT_A_COUNT),
        ("LPOP l x", NOT_A_COUNT),
        ("LPOP l 1 2", "-ERR wrong number of arguments for 'lpop' command"),
        ("SET s v", "+OK"),
        ("LPUSH s x", WRONG_TYPE),
        ("RPOP s", WRONG_TYPE),
        ("RPOP s x", NOT_A_COUNT),
        ("LRANGE s 0 0", WRONG_TYPE),
        ("LLEN s", WRONG_TYPE),
    ]);
}

#[test]
fn sets() {
    check(&[
        ("SADD s a", ":1"),
        ("SADD s a", ":0"),
        ("SMEMBERS s", "*1\r\n$1\r\na"),
        ("SADD s a b b c", ":2"),
        ("SCARD s", ":3"),
        ("SPOP s 0", "*0"),
        ("SPOP s -1", NOT_A_COUNT),
        ("SPOP s 1 2", SYNTAX),
        ("DEL s", ":1"),
        ("SADD s a", ":1"),
        ("SPOP s", "$1\r\na"),
        ("SPOP s", "$-1"),
        ("SPOP s 2", "*0"),
        ("SCARD s", ":0"),
        ("SMEMBERS s", "*0"),
        ("SADD s x", ":1"),
        ("SPOP s 9", "*1\r\n$1\r\nx"),
        ("EXISTS s", ":0"),
        ("SET k v", "+OK"),
        ("SADD k x", WRONG_TYPE),
        ("SPOP k", WRONG_TYPE),
        ("SCARD k", WRONG_TYPE),
        ("SMEMBERS k", WRONG_TYPE),
    ]);
}

#[test]
fn hashes() {
    check(&[
        ("HSET h a 1", ":1"),
        ("HGETALL h", "*2\r\n$1\r\na\r\n$1\r\n1"),
        ("HSET h a 22 b 3", ":1"),
        ("HGET h a", "$2\r\n22"),
        ("HGET h none", "$-1"),
        ("HGET none a", "$-1"),
        ("HLEN h", ":2"),
        ("HLEN none", ":0"),
        ("HGETALL none", "*0"),
        ("HSET h a", "-ERR wrong number of arguments for 'hset' command"),
        ("HSET h a 1 b", "-ERR wrong number of arguments for 'hset' command"),
        ("DEL h", ":1"),
        ("SET k v", "+OK"),
        ("HSET k a 1", WRONG_TYPE),
        ("HGET k a", WRONG_TYPE),
        ("HGETALL k", WRONG_TYPE),
        ("HLEN k", WRONG_TYPE),
    ]);
}

#[test]
fn sorted_sets() {
    const NOT_A_FLOAT: &str = "-ERR value is not a valid float";
    check(&[
        ("ZADD z 2 b 1 a 2 aa", ":3"),
        ("ZADD z 3 a", ":0"),
        ("ZADD z 4 c 4 c", ":1"),
        ("ZCARD z", ":4"),
        ("ZCARD none", ":0"),
        ("ZRANGE z 0 -1", "*4\r\n$2\r\naa\r\n$1\r\nb\r\n$1\r\na\r\n$1\r\nc"),
        ("ZRANGE z 1 2 withscores", "*4\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\na\r\n$1\r\n3"),
        ("ZRANGE z 5 1", "*0"),
        ("ZRANGE none 0 -1", "*0"),
        ("ZRANGE z 0 x", NOT_AN_INTEGER),
        ("ZRANGE z 0 -1 what", SYNTAX),
        ("ZPOPMIN z", "*2\r\n$2\r\naa\r\n$1\r\n2"),
        ("ZPOPMIN z 0", "*0"),
        ("ZPOPMIN z -1", NOT_A_COUNT),
        ("ZPOPMIN z x", NOT_A_COUNT),
        ("ZPOPMIN z x 2", SYNTAX),
        ("ZADD z 1.5 b -inf c", ":0"),
        (
            "ZPOPMIN z 9",
            "*6\r\n$1\r\nc\r\n$4\r\n-inf\r\n$1\r\nb\r\n$3\r\n1.5\r\n$1\r\na\r\n$1\r\n3",
        ),
        ("EXISTS z", ":0"),
        ("ZPOPMIN z", "*0"),
        ("ZADD z 1 a 2", SYNTAX),
        ("ZADD z 1 a x b", NOT_A_FLOAT),
        ("ZADD z nan a", NOT_A_FLOAT),
        ("EXISTS z", ":0"),
        ("ZADD z 1", "-ERR wrong number of arguments for 'zadd' command"),
        ("SET k v", "+OK"),
        ("ZADD k 1 a", WRONG_TYPE),
        ("ZPOPMIN k", WRONG_TYPE),
        ("ZCARD k", WRONG_TYPE),
        ("ZRANGE k 0 0", WRONG_TYPE),
    ]);
}
