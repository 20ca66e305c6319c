//! Commands on strings that are numbers.

use super::call::{Call, Failure, integer};
use super::long_double::LongDouble;
use crate::resp::parse_integer;

const OVERFLOW: Failure = Failure::text("ERR increment or decrement would overflow");
const NOT_FINITE: Failure = Failure::text("ERR increment would produce NaN or Infinity");

/// `INCR key`
pub(super) fn incr(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    add(call, 1)
}

/// `DECR key`
pub(super) fn decr(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    add(call, -1)
}

/// `INCRBY key increment`
pub(super) fn incrby(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let increment = integer(&call.command[2])?;
    add(call, increment)
}

/// `DECRBY key decrement`
pub(super) fn decrby(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let decrement = integer(&call.command[2])?.checked_neg();
    add(call, decrement.ok_or(Failure::text("ERR decrement would overflow"))?)
}

fn add(call: &mut Call<'_, '_>, increment: i64) -> Result<(), Failure> {
    let key = &call.command[1];
    let added = call.store.change_string(key, |text| {
        match parse_integer(text).ok_or(Failure::NOT_AN_INTEGER).and_then(|n| sum(n, increment)) {
            Ok(sum) => {
                text.set(itoa::Buffer::new().format(sum).as_bytes());
                (true, Ok(sum))
            }
            Err(failure) => (false, Err(failure)),
        }
    })?;
    let sum = match added {
        Some(sum) => sum?,
        None => {
            call.store.set(key, itoa::Buffer::new().format(increment).as_bytes());
            increment
        }
    };
    call.reply.integer(sum);
    Ok(())
}

/// Adds two integers.
pub(super) fn sum(number: i64, increment: i64) -> Result<i64, Failure> {
    number.checked_add(increment).ok_or(OVERFLOW)
}

/// `INCRBYFLOAT key increment`
pub(super) fn incrbyfloat(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let key = &call.command[1];
    let old = call.store.string(key)?.unwrap_or(b"0");
    let old = LongDouble::parse(old).ok_or(Failure::NOT_A_FLOAT)?;
    let sum = float_sum(&old, &call.command[2])?;
    let changed = call.store.change_string(key, |text| {
        text.set(sum.as_bytes());
        (true, ())
    })?;
    if changed.is_none() {
        call.store.set(key, sum.as_bytes());
    }
    call.reply.bulk(sum);
    Ok(())
}

/// Adds two numbers with fractions, and returns the sum as it is printed.
pub(super) fn float_sum(number: &LongDouble, increment: &[u8]) -> Result<String, Failure> {
    let increment = LongDouble::parse(increment).ok_or(Failure::NOT_A_FLOAT)?;
    Ok(number.plus(&increment).ok_or(NOT_FINITE)?.to_string())
}
