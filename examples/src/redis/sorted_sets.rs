//! Commands on the members of single sorted sets.

use super::call::{Call, Failure};
use super::dense::random_places;
use super::hashes::random_count;
use super::score::Score;
use super::sorted_set::SortedSet;
use crate::resp::{Command, parse_integer};

/// What the words before the scores of `ZADD` ask for.
#[derive(Default)]
struct AddOptions {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
    count_changed: bool,
    increment: bool,
}

/// What has become of a member.
enum Added {
    New(Score),
    Changed(Score),
    Same(Score),
    /// The options did not allow it.
    Refused,
}

impl AddOptions {
    /// Returns the options, and which argument is the first score.
    fn parse(command: &Command<'_>) -> Result<(Self, usize), Failure> {
        let mut options = Self::default();
        let mut first = 2;
        for word in command.iter_from(2) {
            match &*word.to_ascii_uppercase() {
                b"NX" => options.nx = true,
                b"XX" => options.xx = true,
                b"GT" => options.gt = true,
                b"LT" => options.lt = true,
                b"CH" => options.count_changed = true,
                b"INCR" => options.increment = true,
                _ => break,
            }
            first += 1;
        }
        Ok((options, first))
    }

    fn check(&self, arguments: usize) -> Result<(), Failure> {
        let message = match self {
            _ if arguments == 0 || arguments % 2 != 0 => return Err(Failure::SYNTAX),
            Self { nx: true, xx: true, .. } => {
                "ERR XX and NX options at the same time are not compatible"
            }
            Self { nx: true, gt: true, .. }
            | Self { nx: true, lt: true, .. }
            | Self { gt: true, lt: true, .. } => {
                "ERR GT, LT, and/or NX options at the same time are not compatible"
            }
            Self { increment: true, .. } if arguments > 2 => {
                "ERR INCR option supports a single increment-element pair"
            }
            _ => return Ok(()),
        };
        Err(Failure::text(message))
    }

    fn add(&self, set: &mut SortedSet, member: &[u8], score: Score) -> Result<Added, Failure> {
        let Some(old) = set.score(member) else {
            if self.xx {
                return Ok(Added::Refused);
            }
            set.insert(member, score);
            return Ok(Added::New(score));
        };
        if self.nx {
            return Ok(Added::Refused);
        }
        let new = match self.increment {
            true => Score::new(old.get() + score.get()).ok_or(NOT_A_NUMBER)?,
            false => score,
        };
        if (self.lt && new >= old) || (self.gt && new <= old) {
            return Ok(Added::Refused);
        }
        set.insert(member, new);
        Ok(if new == old { Added::Same(new) } else { Added::Changed(new) })
    }
}

const NOT_A_NUMBER: Failure = Failure::text("ERR resulting score is not a number (NaN)");

/// `ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member]...`
pub(super) fn zadd(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let (options, first) = AddOptions::parse(&call.command)?;
    options.check(call.command.len() - first)?;
    add(call, &options, first)
}

/// `ZINCRBY key increment member`
pub(super) fn zincrby(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let options = AddOptions { increment: true, ..AddOptions::default() };
    add(call, &options, 2)
}

fn add(call: &mut Call<'_, '_>, options: &AddOptions, first: usize) -> Result<(), Failure> {
    // All scores are looked at first, so that no member is added if one is wrong.
    let scores = call.command.iter_from(first).step_by(2).map(Score::parse);
    let scores: Option<Vec<Score>> = scores.collect();
    let scores = scores.ok_or(Failure::NOT_A_FLOAT)?;
    let members = call.command.iter_from(first + 1).step_by(2);
    let (mut new, mut changed, mut last) = (0, 0, None);
    call.store.change_or_new(&call.command[1], |set: &mut SortedSet| {
        for (member, score) in members.zip(scores) {
            last = match options.add(set, member, score) {
                Ok(Added::New(score)) => {
                    new += 1;
                    Some(score)
                }
                Ok(Added::Changed(score)) => {
                    changed += 1;
                    Some(score)
                }
                Ok(Added::Same(score)) => Some(score),
                Ok(Added::Refused) => None,
                Err(failure) => return (new + changed > 0, Err(failure)),
            };
        }
        (new + changed > 0, Ok(()))
    })??;
    match (options.increment, last) {
        (true, Some(score)) => call.reply.double(score.to_string()),
        (true, None) => call.reply.null(),
        (false, _) if options.count_changed => call.reply.count(new + changed),
        (false, _) => call.reply.count(new),
    }
    Ok(())
}

/// `ZSCORE key member`
pub(super) fn zscore(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let set = call.store.collection::<SortedSet>(&call.command[1])?;
    match set.and_then(|set| set.score(&call.command[2])) {
        Some(score) => call.reply.double(score.to_string()),
        None => call.reply.null(),
    }
    Ok(())
}

/// `ZMSCORE key member...`
pub(super) fn zmscore(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let set = call.store.collection::<SortedSet>(&call.command[1])?;
    let members = call.command.iter_from(2);
    call.reply.array(members.len());
    for member in members {
        match set.and_then(|set| set.score(member)) {
            Some(score) => call.reply.double(score.to_string()),
            None => call.reply.null(),
        }
    }
    Ok(())
}

/// `ZRANK key member`
pub(super) fn zrank(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    reply_rank(call, |rank, _| rank)
}

/// `ZREVRANK key member`
pub(super) fn zrevrank(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    reply_rank(call, |rank, len| len - 1 - rank)
}

fn reply_rank(call: &mut Call<'_, '_>, rank: fn(usize, usize) -> usize) -> Result<(), Failure> {
    let set = call.store.collection::<SortedSet>(&call.command[1])?;
    match set.and_then(|set| Some(rank(set.rank(&call.command[2])?, set.len()))) {
        Some(rank) => call.reply.count(rank),
        None => call.reply.null(),
    }
    Ok(())
}

/// `ZCARD key`
pub(super) fn zcard(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let len = call.store.collection(&call.command[1])?.map_or(0, SortedSet::len);
    call.reply.count(len);
    Ok(())
}

/// `ZREM key member...`
pub(super) fn zrem(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let removed = call.store.change(&call.command[1], |set: &mut SortedSet| {
        let members = call.command.iter_from(2);
        let removed = members.filter(|member| set.remove(member).is_some()).count();
        (removed > 0, removed)
    })?;
    call.reply.count(removed.unwrap_or(0));
    Ok(())
}

/// `ZPOPMIN key [count]`
pub(super) fn zpopmin(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    pop(call, |_| 0)
}

/// `ZPOPMAX key [count]`
pub(super) fn zpopmax(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    pop(call, |len| len - 1)
}

fn pop(call: &mut Call<'_, '_>, rank: fn(usize) -> usize) -> Result<(), Failure> {
    let wanted = match (call.command.get(2), call.command.len()) {
        (None, _) => None,
        (Some(count), 3) => {
            let count = parse_integer(count).and_then(|count| usize::try_from(count).ok());
            Some(count.ok_or(Failure::NOT_A_COUNT)?)
        }
        _ => return Err(Failure::SYNTAX),
    };
    let popped = call.store.change(&call.command[1], |set: &mut SortedSet| {
        let taken = wanted.unwrap_or(1).min(set.len());
        // Without a count, RESP3 has no pair in the array either.
        match wanted {
            Some(_) => call.reply.pairs(taken, true),
            None => call.reply.array(2),
        }
        for _ in 0..taken {
            let (member, score) = set.remove_at(rank(set.len()));
            call.reply.pair(wanted.is_some());
            call.reply.bulk(member);
            call.reply.double(score.to_string());
        }
        (taken > 0, ())
    })?;
    if popped.is_none() {
        call.reply.array(0);
    }
    Ok(())
}

/// `ZRANDMEMBER key [count [WITHSCORES]]`
pub(super) fn zrandmember(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let with_scores = call.command.len() > 3;
    let count = call.command.get(2).map(|count| random_count(count, with_scores)).transpose()?;
    match (call.command.get(3), call.command.len()) {
        (Some(option), 4) if option.eq_ignore_ascii_case(b"WITHSCORES") => {}
        (None, _) => {}
        _ => return Err(Failure::SYNTAX),
    }
    let set = call.store.collection::<SortedSet>(&call.command[1])?.map(SortedSet::members);
    match (set, count) {
        (None, None) => call.reply.null(),
        (None, Some(_)) => call.reply.array(0),
        (Some(set), None) => call.reply.bulk(set.at(set.random_place().unwrap_or_default()).0),
        (Some(set), Some(count)) => {
            let places = random_places(set.len(), count).ok_or(Failure::OUT_OF_RANGE)?;
            call.reply.pairs(places.len(), with_scores);
            for place in places {
                let (member, score) = set.at(place);
                call.reply.pair(with_scores);
                call.reply.bulk(member);
                if with_scores {
                    call.reply.double(score.to_string());
                }
            }
        }
    }
    Ok(())
}
