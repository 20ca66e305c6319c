//! Commands on the ends of lists.

use super::bytes::Bytes;
use super::call::{Call, Failure, integer};
use super::list::List;
use crate::resp::parse_integer;

/// An end of a list.
#[derive(Clone, Copy)]
enum End {
    Left,
    Right,
}

impl End {
    fn parse(word: &[u8]) -> Result<Self, Failure> {
        match &*word.to_ascii_uppercase() {
            b"LEFT" => Ok(Self::Left),
            b"RIGHT" => Ok(Self::Right),
            _ => Err(Failure::SYNTAX),
        }
    }

    fn push(self, list: &mut List, element: Bytes) {
        match self {
            Self::Left => list.push_front(element),
            Self::Right => list.push_back(element),
        }
    }

    fn pop(self, list: &mut List) -> Option<Bytes> {
        match self {
            Self::Left => list.pop_front(),
            Self::Right => list.pop_back(),
        }
    }
}

/// `LPUSH key element...`
pub(super) fn lpush(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    push(call, End::Left)
}

/// `RPUSH key element...`
pub(super) fn rpush(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    push(call, End::Right)
}

/// `LPUSHX key element...`
pub(super) fn lpushx(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    push_if_present(call, End::Left)
}

/// `RPUSHX key element...`
pub(super) fn rpushx(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    push_if_present(call, End::Right)
}

fn push(call: &mut Call<'_, '_>, end: End) -> Result<(), Failure> {
    let len = call.store.change_or_new(&call.command[1], |list: &mut List| {
        for element in call.command.iter_from(2) {
            end.push(list, element.into());
        }
        (true, list.len())
    })?;
    call.reply.count(len);
    Ok(())
}

fn push_if_present(call: &mut Call<'_, '_>, end: End) -> Result<(), Failure> {
    if call.store.collection::<List>(&call.command[1])?.is_some() {
        return push(call, end);
    }
    call.reply.count(0);
    Ok(())
}

/// `LPOP key [count]`
pub(super) fn lpop(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    pop(call, End::Left)
}

/// `RPOP key [count]`
pub(super) fn rpop(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    pop(call, End::Right)
}

fn pop(call: &mut Call<'_, '_>, end: End) -> Result<(), Failure> {
    let key = &call.command[1];
    let wanted = match call.command.get(2) {
        None => None,
        Some(count) => {
            let count = parse_integer(count).and_then(|count| usize::try_from(count).ok());
            Some(count.ok_or(Failure::NOT_A_COUNT)?)
        }
    };
    let popped = call.store.change(key, |list: &mut List| {
        let taken = wanted.unwrap_or(1).min(list.len());
        if wanted.is_some() {
            call.reply.array(taken);
        }
        for element in (0..taken).map_while(|_| end.pop(list)) {
            call.reply.bulk(element);
        }
        (taken > 0, ())
    })?;
    match (popped, wanted) {
        (Some(()), _) => {}
        (None, Some(_)) => call.reply.null_array(),
        (None, None) => call.reply.null(),
    }
    Ok(())
}

/// `LMOVE source destination LEFT | RIGHT LEFT | RIGHT`
pub(super) fn lmove(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let (from, to) = (End::parse(&call.command[3])?, End::parse(&call.command[4])?);
    move_element(call, from, to)
}

/// `RPOPLPUSH source destination`
pub(super) fn rpoplpush(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    move_element(call, End::Right, End::Left)
}

fn move_element(call: &mut Call<'_, '_>, from: End, to: End) -> Result<(), Failure> {
    let (source, destination) = (&call.command[1], &call.command[2]);
    if call.store.collection::<List>(source)?.is_none() {
        call.reply.null();
        return Ok(());
    }
    if source == destination {
        // It must not go while it has no other element.
        call.store.change(source, |list: &mut List| {
            if let Some(element) = from.pop(list) {
                call.reply.bulk(&element);
                to.push(list, element);
            }
            (true, ())
        })?;
        return Ok(());
    }
    // The type of the destination is looked at before anything is taken.
    call.store.collection::<List>(destination)?;
    let popped = call.store.change(source, |list: &mut List| (true, from.pop(list)))?;
    if let Some(element) = popped.flatten() {
        call.reply.bulk(&element);
        call.store.change_or_new(destination, |list: &mut List| {
            to.push(list, element);
            (true, ())
        })?;
    }
    Ok(())
}

/// `LLEN key`
pub(super) fn llen(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let len = call.store.collection(&call.command[1])?.map_or(0, List::len);
    call.reply.count(len);
    Ok(())
}

/// Resolves an index that counts from the end if it is negative.
fn resolve(index: i64, len: usize) -> Option<usize> {
    let index = if index < 0 { index.checked_add(len as i64)? } else { index };
    usize::try_from(index).ok().filter(|&index| index < len)
}

/// `LINDEX key index`
pub(super) fn lindex(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let list = call.store.collection::<List>(&call.command[1])?;
    let index = match list {
        Some(list) => resolve(integer(&call.command[2])?, list.len()),
        None => None,
    };
    match list.zip(index).and_then(|(list, index)| list.get(index)) {
        Some(element) => call.reply.bulk(element),
        None => call.reply.null(),
    }
    Ok(())
}

/// `LSET key index element`
pub(super) fn lset(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let set = call.store.change(&call.command[1], |list: &mut List| {
        let index = integer(&call.command[2]).map(|index| resolve(index, list.len()));
        match index {
            Ok(Some(index)) => {
                list.set(index, &call.command[3]);
                (true, Ok(()))
            }
            Ok(None) => (false, Err(Failure::text("ERR index out of range"))),
            Err(failure) => (false, Err(failure)),
        }
    })?;
    set.ok_or(Failure::text("ERR no such key"))??;
    call.reply.ok();
    Ok(())
}
