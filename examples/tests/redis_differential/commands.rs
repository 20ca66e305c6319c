//! Random commands.
#![allow(unreachable_pub, reason = "several tests use it")]

/// The keys: so few that commands meet at them.
pub const KEYS: [&str; 7] = ["a", "b", "c", "d", "e", "{x}", "even"];

/// A source of choices (xorshift64*).
pub struct Choices(u64);

/// The commands, as their documentation has them: `{...}` is a value of a kind, one of `(a|b)` is
/// taken, what is in `[...]` may be missing, and what is before `+` comes once or more often.
const COMMANDS: &str = "
    GET {key}
    SET {key} {value} [NX|XX] [GET] [EX {secs}|PX {ms}|EXAT {at}|PXAT {at}000|KEEPTTL]
    SET {key} {value}
    SETEX {key} {secs} {value}
    PSETEX {key} {ms} {value}
    SETNX {key} {value}
    GETSET {key} {value}
    GETDEL {key}
    GETEX {key} [EX {secs}|PX {ms}|EXAT {at}|PXAT {at}000|PERSIST]
    GETRANGE {key} {index} {index}
    SUBSTR {key} {index} {index}
    SETRANGE {key} {small} {value}
    INCR {key}
    DECR {key}
    INCRBY {key} {int}
    DECRBY {key} {int}
    INCRBYFLOAT {key} {float}
    MGET {key}+
    MSET ({key} {value})+
    MSETNX ({key} {value})+
    STRLEN {key}
    APPEND {key} {value}
    LPUSH {key} {value}+
    RPUSH {key} {value}+
    RPUSH {key} {value}+
    LPUSHX {key} {value}+
    RPUSHX {key} {value}+
    LPOP {key} [{count}]
    RPOP {key} [{count}]
    LRANGE {key} {index} {index}
    LLEN {key}
    LINDEX {key} {index}
    LSET {key} {index} {value}
    LREM {key} {index} {value}
    LTRIM {key} {index} {index}
    LINSERT {key} (BEFORE|AFTER) {value} {value}
    LPOS {key} {value} [RANK {index}] [COUNT {small}] [MAXLEN {small}]
    LMOVE {key} {key} (LEFT|RIGHT) (LEFT|RIGHT)
    RPOPLPUSH {key} {key}
    HSET {key} ({value} {value})+
    HSET {key} ({value} {value})+
    HMSET {key} ({value} {value})+
    HGET {key} {value}
    HMGET {key} {value}+
    HDEL {key} {value}+
    HEXISTS {key} {value}
    HKEYS {key}
    HVALS {key}
    HGETALL {key}
    HLEN {key}
    HINCRBY {key} {value} {int}
    HINCRBYFLOAT {key} {value} {float}
    HSETNX {key} {value} {value}
    HSTRLEN {key} {value}
    HRANDFIELD {key} [{count} [WITHVALUES]]
    HSCAN {key} 0 [MATCH {glob}] [COUNT 1000]
    SADD {key} {value}+
    SADD {key} {value}+
    SREM {key} {value}+
    SISMEMBER {key} {value}
    SMISMEMBER {key} {value}+
    SCARD {key}
    SMEMBERS {key}
    SPOP {key} [{count}]
    SRANDMEMBER {key} [{count}]
    SMOVE {key} {key} {value}
    SINTER {key}+
    SUNION {key}+
    SDIFF {key}+
    SINTERSTORE {key} {key}+
    SUNIONSTORE {key} {key}+
    SDIFFSTORE {key} {key}+
    SINTERCARD 2 {key} {key} [LIMIT {small}]
    SSCAN {key} 0 [MATCH {glob}] [COUNT 1000]
    ZADD {key} [NX|XX|GT|LT|XX GT] [CH] ({score} {value})+
    ZADD {key} ({score} {value})+
    ZADD {even} (0 {value})+
    ZADD {even} (0 {value})+
    ZADD {key} [NX|XX|GT|LT] INCR {score} {value}
    ZINCRBY {key} {score} {value}
    ZSCORE {key} {value}
    ZMSCORE {key} {value}+
    ZRANK {key} {value}
    ZREVRANK {key} {value}
    ZCARD {key}
    ZCOUNT {key} {bound} {bound}
    ZLEXCOUNT {even} {lex} {lex}
    ZRANGE {key} {index} {index} [REV] [WITHSCORES]
    ZRANGE {key} {bound} {bound} BYSCORE [REV] [LIMIT {index} {index}] [WITHSCORES]
    ZRANGE {even} {lex} {lex} BYLEX [REV] [LIMIT {index} {index}]
    ZRANGESTORE {key} {key} {index} {index} [REV]
    ZRANGESTORE {key} {key} {bound} {bound} BYSCORE [REV] [LIMIT {index} {index}]
    ZRANGESTORE {key} {even} {lex} {lex} BYLEX [REV] [LIMIT {index} {index}]
    ZREVRANGE {key} {index} {index} [WITHSCORES]
    ZRANGEBYSCORE {key} {bound} {bound} [WITHSCORES] [LIMIT {index} {index}]
    ZREVRANGEBYSCORE {key} {bound} {bound} [WITHSCORES] [LIMIT {index} {index}]
    ZRANGEBYLEX {even} {lex} {lex} [LIMIT {index} {index}]
    ZREVRANGEBYLEX {even} {lex} {lex} [LIMIT {index} {index}]
    ZREM {key} {value}+
    ZREMRANGEBYRANK {key} {index} {index}
    ZREMRANGEBYSCORE {key} {bound} {bound}
    ZREMRANGEBYLEX {even} {lex} {lex}
    ZPOPMIN {key} [{count}]
    ZPOPMAX {key} [{count}]
    ZRANDMEMBER {key} [{count} [WITHSCORES]]
    ZSCAN {key} 0 [MATCH {glob}] [COUNT 1000]
    ZUNION 2 {key} {key} [WEIGHTS {score} {score}] [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]
    ZINTER 2 {key} {key} [WEIGHTS {score} {score}] [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]
    ZDIFF 2 {key} {key} [WITHSCORES]
    ZUNIONSTORE {key} 2 {key} {key} [WEIGHTS {score} {score}] [AGGREGATE (SUM|MIN|MAX)]
    ZINTERSTORE {key} 2 {key} {key} [WEIGHTS {score} {score}] [AGGREGATE (SUM|MIN|MAX)]
    ZDIFFSTORE {key} 2 {key} {key}
    ZINTERCARD 2 {key} {key} [LIMIT {small}]
    DEL {key}+
    UNLINK {key}+
    EXISTS {key}+
    TOUCH {key}+
    TYPE {key}
    EXPIRE {key} {secs} [NX|XX|GT|LT]
    PEXPIRE {key} {ms} [NX|XX|GT|LT]
    EXPIREAT {key} {at} [NX|XX|GT|LT]
    PEXPIREAT {key} {at}000 [NX|XX|GT|LT]
    TTL {key}
    PTTL {key}
    EXPIRETIME {key}
    PEXPIRETIME {key}
    PERSIST {key}
    KEYS {glob}
    SCAN 0 COUNT 1000 [MATCH {glob}] [TYPE (string|list|set|zset|hash)]
    RENAME {key} {key}
    RENAMENX {key} {key}
    COPY {key} {key} [REPLACE]
    RANDOMKEY
    DBSIZE
    PING [{value}]
    ECHO {value}
";

impl Choices {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    /// Returns a command; one in fifteen has a word that is wrong, missing, or there twice.
    pub fn command(&mut self) -> Vec<Vec<u8>> {
        let templates: Vec<_> = COMMANDS.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        let template = self.one_of(&templates);
        let text = self.expand(template);
        let mut words: Vec<_> = text.split_whitespace().map(|w| w.as_bytes().to_vec()).collect();
        let at = 1 + self.below(words.len());
        match self.below(45) {
            0 if at < words.len() => drop(words.remove(at)),
            1 => {
                let wrong =
                    self.one_of(&["x", "-1", "0", "1.5", "", "NX", "(", "9999999999999999999"]);
                words.insert(at, wrong.into());
            }
            2 if at < words.len() => words.insert(at, words[at].clone()),
            _ => {}
        }
        words
    }

    /// Replaces all of the notation by choices.
    fn expand(&mut self, template: &str) -> String {
        let mut expanded = String::new();
        let mut rest = template;
        while let Some(start) = rest.find(['{', '(', '[']) {
            expanded += &rest[..start];
            let (end, inside) = group(&rest[start..]);
            let opening = rest.as_bytes()[start];
            rest = &rest[start + end..];
            let mut times = 1;
            if let Some(after) = rest.strip_prefix('+') {
                rest = after;
                times += self.below(3);
            }
            if opening == b'[' && self.below(2) == 0 {
                times = 0;
            }
            for _ in 0..times {
                expanded += &match opening {
                    b'{' => self.value(inside).to_owned(),
                    _ => {
                        let chosen = self.one_of(&alternatives(inside));
                        self.expand(chosen)
                    }
                };
                if times > 1 {
                    expanded.push(' ');
                }
            }
        }
        expanded + rest
    }

    fn value(&mut self, kind: &str) -> &'static str {
        match kind {
            "key" => self.one_of(&KEYS[..6]),
            // All members of this one have the same score, without which names are in no order.
            "even" => KEYS[6],
            "value" => {
                let rare =
                    ["10", "-3", "1.5", "abc", "9223372036854775807", "3.0e3", "\u{fc}", "a*"];
                let common = ["a", "b", "c", "d", "e", "f", "1", "2"];
                if self.below(4) == 0 { self.one_of(&rare) } else { self.one_of(&common) }
            }
            "int" => {
                self.one_of(&["1", "-1", "5", "100", "9223372036854775807", "-9223372036854775808"])
            }
            "float" => {
                self.one_of(&["1", "0.1", "-2.5", "1e3", "3.0000000000000001", "inf", "1e-7"])
            }
            "small" => self.one_of(&["0", "1", "2", "3", "5", "40"]),
            "count" => self.one_of(&["0", "1", "2", "3", "100", "-1", "-3"]),
            "index" => {
                self.one_of(&["0", "0", "-1", "-1", "1", "2", "3", "-2", "-3", "100", "-100"])
            }
            "score" => {
                let rare = ["inf", "-inf", "1e400", "nan", "0x10", "1e20", "-0.000001", "1e17"];
                let common = ["0", "1", "2", "3", "-1", "1.5", "0.1", "10"];
                if self.below(5) == 0 { self.one_of(&rare) } else { self.one_of(&common) }
            }
            "bound" => {
                self.one_of(&["-inf", "+inf", "0", "1", "2", "(1", "(2", "1.5", "(0.1", "10", "(x"])
            }
            "lex" => self.one_of(&["-", "+", "[a", "[b", "[d", "(a", "(c", "(", "[", "a"]),
            "secs" => self.one_of(&["100", "5000", "100000", "0", "-1", "9223372036854775807"]),
            "ms" => self.one_of(&["100000", "5000000", "0", "-1", "9223372036854775807"]),
            "at" => self.one_of(&["4000000000", "5000000000", "1", "-1", "0"]),
            "glob" => self
                .one_of(&["*", "?", "[a-c]", "[^a]", "a*", "*b*", "\\*", "{*", "[c-a]", "**1", ""]),
            other => panic!("no such kind of value: {other}"),
        }
    }
}

/// Returns the length of the bracket that `text` begins with, and what is in it.
fn group(text: &str) -> (usize, &str) {
    let mut depth = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (at + 1, &text[1..at]);
        }
    }
    panic!("not closed: {text}");
}

/// Splits at those bars that are not in brackets.
fn alternatives(text: &str) -> Vec<&str> {
    let (mut depth, mut start) = (0, 0);
    let mut found = Vec::new();
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => depth -= 1,
            b'|' if depth == 0 => {
                found.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&text[start..]);
    found
}
