//! When keys expire: the commands, and the options of others.

use super::call::{Call, Failure, integer};
use super::keyspace::NEVER;

/// What a time is given in.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    Seconds,
    Millis,
}

/// A time at which a key is to expire, as a client gives it.
#[derive(Clone, Copy)]
pub(super) struct Deadline<'a> {
    unit: Unit,
    is_absolute: bool,
    time: &'a [u8],
}

impl<'a> Deadline<'a> {
    pub(super) fn relative(unit: Unit, time: &'a [u8]) -> Self {
        Self { unit, is_absolute: false, time }
    }

    /// Parses an option in capitals, `EX`, `PX`, `EXAT` or `PXAT`, with its time.
    pub(super) fn parse(
        option: &[u8],
        words: &mut impl Iterator<Item = &'a [u8]>,
    ) -> Result<Self, Failure> {
        let (unit, is_absolute) = match option {
            b"EX" => (Unit::Seconds, false),
            b"PX" => (Unit::Millis, false),
            b"EXAT" => (Unit::Seconds, true),
            b"PXAT" => (Unit::Millis, true),
            _ => return Err(Failure::SYNTAX),
        };
        let time = words.next().ok_or(Failure::SYNTAX)?;
        Ok(Self { unit, is_absolute, time })
    }

    /// Returns the time in milliseconds since 1970. `name` is the command that has been given it.
    pub(super) fn millis(self, now: i64, name: &str) -> Result<i64, Failure> {
        match integer(self.time)? {
            1.. => self.any_millis(now, name),
            _ => Err(Failure::invalid_expiry(name)),
        }
    }

    /// As [`millis`](Self::millis), of a time that may be over.
    fn any_millis(self, now: i64, name: &str) -> Result<i64, Failure> {
        let time = integer(self.time)?;
        let millis = match self.unit {
            Unit::Seconds => time.checked_mul(1000),
            Unit::Millis => Some(time),
        };
        let base = if self.is_absolute { 0 } else { now };
        let millis = millis.and_then(|millis| millis.checked_add(base));
        // The last one means that there is no time.
        millis.filter(|&millis| millis < NEVER).ok_or(Failure::invalid_expiry(name))
    }
}

/// `EXPIRE key seconds [NX | XX | GT | LT]`
pub(super) fn expire(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    set_expiry(call, Unit::Seconds, false, "expire")
}

/// `PEXPIRE key milliseconds [NX | XX | GT | LT]`
pub(super) fn pexpire(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    set_expiry(call, Unit::Millis, false, "pexpire")
}

/// `EXPIREAT key seconds [NX | XX | GT | LT]`
pub(super) fn expireat(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    set_expiry(call, Unit::Seconds, true, "expireat")
}

/// `PEXPIREAT key milliseconds [NX | XX | GT | LT]`
pub(super) fn pexpireat(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    set_expiry(call, Unit::Millis, true, "pexpireat")
}

/// On what a new time for a key depends.
#[derive(Default)]
struct Conditions {
    /// The key does not expire yet.
    nx: bool,
    /// The key expires already.
    xx: bool,
    /// The new time is later; that of a key that does not expire is the last of all.
    gt: bool,
    /// The new time is earlier.
    lt: bool,
}

impl Conditions {
    fn parse(call: &Call<'_, '_>) -> Result<Self, Failure> {
        let mut conditions = Self::default();
        for word in call.command.iter_from(3) {
            match &*word.to_ascii_uppercase() {
                b"NX" => conditions.nx = true,
                b"XX" => conditions.xx = true,
                b"GT" => conditions.gt = true,
                b"LT" => conditions.lt = true,
                _ => return Err(Failure::unsupported_option(word)),
            }
        }
        let Self { nx, xx, gt, lt } = conditions;
        if nx && (xx || gt || lt) {
            let message = "ERR NX and XX, GT or LT options at the same time are not compatible";
            return Err(Failure::text(message));
        }
        if gt && lt {
            let message = "ERR GT and LT options at the same time are not compatible";
            return Err(Failure::text(message));
        }
        Ok(conditions)
    }

    fn allow(&self, old: i64, new: i64) -> bool {
        (!self.nx || old == NEVER)
            && (!self.xx || old != NEVER)
            && (!self.gt || new > old)
            && (!self.lt || new < old)
    }
}

fn set_expiry(
    call: &mut Call<'_, '_>,
    unit: Unit,
    is_absolute: bool,
    name: &str,
) -> Result<(), Failure> {
    let conditions = Conditions::parse(call)?;
    let deadline = Deadline { unit, is_absolute, time: &call.command[2] };
    let deadline = deadline.any_millis(call.store.now(), name)?;
    let key = &call.command[1];
    let is_allowed = call.store.expiry(key).is_some_and(|old| conditions.allow(old, deadline));
    let is_set = is_allowed && call.store.set_expiry(key, deadline);
    call.reply.count(usize::from(is_set));
    log_expiry(call);
    Ok(())
}

/// Has logged when the key of the command expires, and not how long that is from now.
pub(super) fn log_expiry(call: &mut Call<'_, '_>) {
    let command = call.command;
    let key = &command[1];
    match call.store.expiry(key) {
        None => call.log_instead(&[b"DEL", key]),
        Some(NEVER) => call.log_instead(&[b"PERSIST", key]),
        Some(at) => call.log_instead(&[b"PEXPIREAT", key, at.to_string().as_bytes()]),
    }
}

/// `PERSIST key`
pub(super) fn persist(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let key = &call.command[1];
    let expires = call.store.expiry(key).is_some_and(|expiry| expiry != NEVER);
    if expires {
        call.store.set_expiry(key, NEVER);
    }
    call.reply.count(usize::from(expires));
    Ok(())
}

/// `TTL key`
pub(super) fn ttl(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    // As redis does, to the nearest second.
    reply_time(call, |expiry, now| (expiry - now + 500) / 1000)
}

/// `PTTL key`
pub(super) fn pttl(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    reply_time(call, |expiry, now| expiry - now)
}

/// `EXPIRETIME key`
pub(super) fn expiretime(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    reply_time(call, |expiry, _| expiry.saturating_add(500) / 1000)
}

/// `PEXPIRETIME key`
pub(super) fn pexpiretime(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    reply_time(call, |expiry, _| expiry)
}

/// Replies with a time, -1 if the key does not expire, or -2 if there is none.
fn reply_time(call: &mut Call<'_, '_>, time: fn(i64, i64) -> i64) -> Result<(), Failure> {
    let now = call.store.now();
    call.reply.integer(match call.store.expiry(&call.command[1]) {
        None => -2,
        Some(NEVER) => -1,
        Some(expiry) => time(expiry, now).max(0),
    });
    Ok(())
}
