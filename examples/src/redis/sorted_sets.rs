//! Commands on sorted sets.

use super::call::{Call, Failure, count, integer, range};
use super::sorted_set::{Score, SortedSet};
use crate::resp::Reply;

/// `ZADD key score member [score member]...`
pub(super) fn zadd(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let pairs = || (2..call.command.len()).step_by(2);
    let score = |pair: usize| {
        Score::parse(&call.command[pair]).ok_or(Failure::text("ERR value is not a valid float"))
    };
    if call.command.len() % 2 != 0 {
        return Err(Failure::SYNTAX);
    }
    // All of them are looked at first, so that none is added if one is wrong.
    pairs().try_for_each(|pair| score(pair).map(drop))?;
    let added = call.store.change_or_new(&call.command[1], |set: &mut SortedSet| {
        let mut added = 0;
        for pair in pairs() {
            if let Ok(score) = score(pair) {
                added += usize::from(set.insert(&call.command[pair + 1], score));
            }
        }
        (true, added)
    })?;
    call.reply.count(added);
    Ok(())
}

/// `ZPOPMIN key [count]`
pub(super) fn zpopmin(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let key = &call.command[1];
    let wanted = count(&call.command)?.unwrap_or(1);
    let popped = call.store.change(key, |set: &mut SortedSet| {
        let taken = wanted.min(set.len());
        call.reply.array(2 * taken);
        for (score, member) in (0..taken).map_while(|_| set.pop_first()) {
            call.reply.bulk(member);
            reply_score(&mut call.reply, score);
        }
        (taken > 0, ())
    })?;
    if popped.is_none() {
        call.reply.array(0);
    }
    Ok(())
}

/// `ZRANGE key start stop [WITHSCORES]`
///
/// Linear in `start`, which a sorted set with ranks would find faster.
pub(super) fn zrange(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let with_scores = call.command.len() > 4;
    if !call.command.iter_from(4).all(|option| option.eq_ignore_ascii_case(b"WITHSCORES")) {
        return Err(Failure::SYNTAX);
    }
    let (start, stop) = (integer(&call.command[2])?, integer(&call.command[3])?);
    let Some(set) = call.store.collection::<SortedSet>(&call.command[1])? else {
        call.reply.array(0);
        return Ok(());
    };
    let (skip, take) = range(start, stop, set.len());
    call.reply.array(if with_scores { 2 * take } else { take });
    for (score, member) in set.iter().skip(skip).take(take) {
        call.reply.bulk(member);
        if with_scores {
            reply_score(&mut call.reply, score);
        }
    }
    Ok(())
}

/// `ZCARD key`
pub(super) fn zcard(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let len = call.store.collection(&call.command[1])?.map_or(0, SortedSet::len);
    call.reply.count(len);
    Ok(())
}

fn reply_score(reply: &mut Reply<'_>, score: Score) {
    reply.bulk(score.to_string());
}
