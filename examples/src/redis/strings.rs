//! Commands on strings.

use super::call::{Call, Failure, integer};
use super::expiry::{Deadline, Unit, log_expiry};
use super::keyspace::NEVER;
use super::value::Value;
use crate::resp::{Command, MAX_BULK_LEN};

const TOO_LONG: Failure = Failure::text("ERR string exceeds maximum allowed size (512MB)");

/// `GET key`
pub(super) fn get(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    match call.store.string(&call.command[1])? {
        Some(value) => call.reply.bulk(value),
        None => call.reply.null(),
    }
    Ok(())
}

/// What the words behind the value of `SET` ask for.
#[derive(Default)]
struct SetOptions<'a> {
    if_absent: bool,
    if_present: bool,
    get: bool,
    keep_expiry: bool,
    deadline: Option<Deadline<'a>>,
}

impl<'a> SetOptions<'a> {
    fn parse(command: &Command<'a>) -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut words = command.iter_from(3);
        while let Some(word) = words.next() {
            let word = word.to_ascii_uppercase();
            match &*word {
                b"NX" if !options.if_present => options.if_absent = true,
                b"XX" if !options.if_absent => options.if_present = true,
                b"GET" => options.get = true,
                b"KEEPTTL" if options.deadline.is_none() => options.keep_expiry = true,
                _ if options.deadline.is_none() && !options.keep_expiry => {
                    options.deadline = Some(Deadline::parse(&word, &mut words)?);
                }
                _ => return Err(Failure::SYNTAX),
            }
        }
        Ok(options)
    }
}

/// `SET key value [NX | XX] [GET] [EX | PX | EXAT | PXAT time | KEEPTTL]`
pub(super) fn set(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    if call.command.len() > 3 {
        return set_with_options(call);
    }
    call.store.set(&call.command[1], &call.command[2]);
    call.reply.ok();
    Ok(())
}

fn set_with_options(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let options = SetOptions::parse(&call.command)?;
    let deadline = options.deadline.map(|deadline| deadline.millis(call.store.now(), "set"));
    let deadline = deadline.transpose()?;
    let key = &call.command[1];
    if options.get {
        match call.store.string(key)? {
            Some(old) => call.reply.bulk(old),
            None => call.reply.null(),
        }
    }
    let exists = call.store.get(key).is_some();
    let is_allowed = if exists { !options.if_absent } else { !options.if_present };
    if is_allowed {
        let kept = if options.keep_expiry { call.store.expiry(key) } else { None };
        set_until(call, 2, deadline.or(kept).unwrap_or(NEVER));
    }
    match (options.get, is_allowed) {
        (true, _) => {}
        (false, true) => call.reply.ok(),
        (false, false) => call.reply.null(),
    }
    Ok(())
}

/// Gives the key of the command the value that is its argument at `value`, for ever or until then.
fn set_until(call: &mut Call<'_, '_>, value: usize, deadline: i64) {
    let key = &call.command[1];
    call.store.set(key, &call.command[value]);
    if deadline != NEVER {
        call.store.set_expiry(key, deadline);
        let command = call.command;
        match call.store.expiry(&command[1]) {
            // It was over already.
            None => call.log_instead(&[b"DEL", &command[1]]),
            Some(at) => {
                let (value, at) = (&command[value], at.to_string());
                call.log_instead(&[b"SET", &command[1], value, b"PXAT", at.as_bytes()]);
            }
        }
    }
}

/// `SETEX key seconds value`
pub(super) fn setex(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    set_for(call, Unit::Seconds, "setex")
}

/// `PSETEX key milliseconds value`
pub(super) fn psetex(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    set_for(call, Unit::Millis, "psetex")
}

fn set_for(call: &mut Call<'_, '_>, unit: Unit, name: &str) -> Result<(), Failure> {
    let deadline = Deadline::relative(unit, call.command.get(2).unwrap_or_default());
    let deadline = deadline.millis(call.store.now(), name)?;
    set_until(call, 3, deadline);
    call.reply.ok();
    Ok(())
}

/// `SETNX key value`
pub(super) fn setnx(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let is_absent = call.store.get(&call.command[1]).is_none();
    if is_absent {
        call.store.set(&call.command[1], &call.command[2]);
    }
    call.reply.count(usize::from(is_absent));
    Ok(())
}

/// `GETSET key value`
pub(super) fn getset(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    get(call)?;
    call.store.set(&call.command[1], &call.command[2]);
    Ok(())
}

/// `GETDEL key`
pub(super) fn getdel(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    get(call)?;
    call.store.remove(&call.command[1]);
    Ok(())
}

/// `GETEX key [EX | PX | EXAT | PXAT time | PERSIST]`
pub(super) fn getex(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let mut words = call.command.iter_from(2);
    let (mut is_persist, mut deadline) = (false, None);
    while let Some(option) = words.next() {
        match &*option.to_ascii_uppercase() {
            _ if deadline.is_some() => return Err(Failure::SYNTAX),
            b"PERSIST" => is_persist = true,
            _ if is_persist => return Err(Failure::SYNTAX),
            option => deadline = Some(Deadline::parse(option, &mut words)?),
        }
    }
    let command = call.command;
    let key = &command[1];
    if call.store.string(key)?.is_none() {
        call.reply.null();
        return Ok(());
    }
    // As in redis, a time that is wrong is noticed only where there is a key.
    let now = call.store.now();
    let deadline = deadline.map(|deadline| deadline.millis(now, "getex")).transpose()?;
    get(call)?;
    let expires = call.store.expiry(key).is_some_and(|expiry| expiry != NEVER);
    match deadline {
        Some(deadline) => drop(call.store.set_expiry(key, deadline)),
        None if is_persist && expires => drop(call.store.set_expiry(key, NEVER)),
        None => return Ok(()),
    }
    log_expiry(call);
    Ok(())
}

/// `GETRANGE key start end`
pub(super) fn getrange(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let (start, end) = (integer(&call.command[2])?, integer(&call.command[3])?);
    let value = call.store.string(&call.command[1])?.unwrap_or_default();
    let len = value.len() as i64;
    if start < 0 && end < 0 && start > end {
        call.reply.bulk("");
        return Ok(());
    }
    // Unlike those of other ranges, an end before the beginning is the beginning.
    let place = |index: i64| if index < 0 { index.saturating_add(len).max(0) } else { index };
    let (start, end) = (place(start), place(end).min(len - 1));
    let range = if start <= end { start as usize..end as usize + 1 } else { 0..0 };
    call.reply.bulk(&value[range]);
    Ok(())
}

/// How many zeros are written in the time that a unit of work takes.
const ZEROS_PER_WORK: usize = 64;

/// `SETRANGE key offset value`
pub(super) fn setrange(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let (key, part) = (&call.command[1], &call.command[3]);
    let offset = usize::try_from(integer(&call.command[2])?)
        .map_err(|_| Failure::text("ERR offset is out of range"))?;
    let old_len = call.store.string(key)?.map_or(0, <[u8]>::len);
    if part.is_empty() {
        call.reply.count(old_len);
        return Ok(());
    }
    let end = offset.saturating_add(part.len());
    if end > MAX_BULK_LEN {
        return Err(TOO_LONG);
    }
    let changed = call.store.change_string(key, |string| {
        string.write_at(offset, part);
        (true, ())
    })?;
    if changed.is_none() {
        // The system has pages of zeros, so these need not be written.
        let mut string = vec![0; end];
        string[offset..].copy_from_slice(part);
        call.store.insert(key, Value::String(string.into()), NEVER);
    }
    call.work(end.saturating_sub(old_len) / ZEROS_PER_WORK);
    call.reply.count(old_len.max(end));
    Ok(())
}

/// `MGET key...`
pub(super) fn mget(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let keys = call.command.iter_from(1);
    call.reply.array(keys.len());
    for key in keys {
        // As in redis, a key that holds no string is as good as none.
        match call.store.string(key) {
            Ok(Some(value)) => call.reply.bulk(value),
            _ => call.reply.null(),
        }
    }
    Ok(())
}

/// `MSET key value [key value]...`
pub(super) fn mset(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    set_pairs(call, "mset")?;
    call.reply.ok();
    Ok(())
}

/// `MSETNX key value [key value]...`: all or none.
pub(super) fn msetnx(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let mut keys = call.command.iter_from(1).step_by(2);
    let is_allowed = call.command.len() % 2 == 0 || keys.all(|key| call.store.get(key).is_none());
    if is_allowed {
        set_pairs(call, "msetnx")?;
    }
    call.reply.count(usize::from(is_allowed));
    Ok(())
}

fn set_pairs(call: &mut Call<'_, '_>, name: &str) -> Result<(), Failure> {
    if call.command.len() % 2 == 0 {
        return Err(Failure::arity(name));
    }
    for pair in (1..call.command.len()).step_by(2) {
        call.store.set(&call.command[pair], &call.command[pair + 1]);
    }
    Ok(())
}

/// `APPEND key value`
pub(super) fn append(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let (key, tail) = (&call.command[1], &call.command[2]);
    let appended = call.store.change_string(key, |string| {
        if string.len() + tail.len() > MAX_BULK_LEN {
            return (false, Err(TOO_LONG));
        }
        string.append(tail);
        (true, Ok(string.len()))
    })?;
    let len = match appended {
        Some(len) => len?,
        None => {
            call.store.set(key, tail);
            tail.len()
        }
    };
    call.reply.count(len);
    Ok(())
}

/// `STRLEN key`
pub(super) fn strlen(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let len = call.store.string(&call.command[1])?.map_or(0, <[u8]>::len);
    call.reply.count(len);
    Ok(())
}
