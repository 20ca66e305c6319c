//! Commands on lists.

use super::bytes::Bytes;
use super::call::{Call, Failure, count, integer, range};
use super::list::List;

/// An end of a list.
#[derive(Clone, Copy)]
enum End {
    Left,
    Right,
}

impl End {
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

/// `LPOP key [count]`
pub(super) fn lpop(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    pop(call, End::Left)
}

/// `RPOP key [count]`
pub(super) fn rpop(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    pop(call, End::Right)
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

fn pop(call: &mut Call<'_, '_>, end: End) -> Result<(), Failure> {
    let key = &call.command[1];
    let wanted = count(&call.command)?;
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

/// `LRANGE key start stop`
pub(super) fn lrange(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let (start, stop) = (integer(&call.command[2])?, integer(&call.command[3])?);
    let Some(list) = call.store.collection::<List>(&call.command[1])? else {
        call.reply.array(0);
        return Ok(());
    };
    let (skip, take) = range(start, stop, list.len());
    call.reply.array(take);
    for element in list.iter().skip(skip).take(take) {
        call.reply.bulk(element);
    }
    Ok(())
}

/// `LLEN key`
pub(super) fn llen(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let len = call.store.collection(&call.command[1])?.map_or(0, List::len);
    call.reply.count(len);
    Ok(())
}
