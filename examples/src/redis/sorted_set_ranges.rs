//! Commands on ranges of sorted sets.

use std::ops::Range;

use super::call::{Call, Failure, integer, range};
use super::keyspace::NEVER;
use super::score::Score;
use super::sorted_set::SortedSet;
use super::value::Collection;

/// What bounds a range.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Name,
}

/// The bounds of a range, parsed.
enum Bounds<'a> {
    Ranks(i64, i64),
    Scores([ScoreBound; 2]),
    Names([NameBound<'a>; 2]),
}

struct ScoreBound {
    score: Score,
    is_exclusive: bool,
}

enum NameBound<'a> {
    Lowest,
    Highest,
    At { name: &'a [u8], is_exclusive: bool },
}

impl ScoreBound {
    fn parse(text: &[u8]) -> Option<Self> {
        let inclusive = text.strip_prefix(b"(");
        let score = Score::parse_bound(inclusive.unwrap_or(text))?;
        Some(Self { score, is_exclusive: inclusive.is_some() })
    }
}

impl<'a> NameBound<'a> {
    fn parse(text: &'a [u8]) -> Option<Self> {
        match text {
            b"-" => Some(Self::Lowest),
            b"+" => Some(Self::Highest),
            [b'(', name @ ..] => Some(Self::At { name, is_exclusive: true }),
            [b'[', name @ ..] => Some(Self::At { name, is_exclusive: false }),
            _ => None,
        }
    }

    /// Returns the rank where a range begins with this lower bound, or ends with this upper one.
    fn rank(&self, set: &SortedSet, is_upper: bool) -> usize {
        match *self {
            Self::Lowest => 0,
            Self::Highest => set.len(),
            Self::At { name, is_exclusive } => set.count_before(name, is_exclusive != is_upper),
        }
    }
}

impl<'a> Bounds<'a> {
    fn parse(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Self, Failure> {
        let both = [min, max];
        match by {
            By::Rank => Ok(Self::Ranks(integer(min)?, integer(max)?)),
            By::Score => match both.map(ScoreBound::parse) {
                [Some(min), Some(max)] => Ok(Self::Scores([min, max])),
                _ => Err(Failure::text("ERR min or max is not a float")),
            },
            By::Name => match both.map(NameBound::parse) {
                [Some(min), Some(max)] => Ok(Self::Names([min, max])),
                _ => Err(Failure::text("ERR min or max not valid string range item")),
            },
        }
    }

    /// Returns the ranks that are within the bounds, counted from the last one if in `reverse`.
    fn ranks(&self, set: &SortedSet, reverse: bool) -> Range<usize> {
        let len = set.len();
        let ranks = match self {
            Self::Ranks(start, stop) => {
                let (skip, take) = range(*start, *stop, len);
                return skip..skip + take;
            }
            Self::Scores([min, max]) => {
                set.count_below(min.score, min.is_exclusive)
                    ..set.count_below(max.score, !max.is_exclusive)
            }
            Self::Names([min, max]) => min.rank(set, false)..max.rank(set, true),
        };
        // The bounds may have nothing between them, and be the wrong way round.
        let ranks = ranks.start..ranks.end.max(ranks.start);
        if reverse { len - ranks.end..len - ranks.start } else { ranks }
    }
}

/// A query: what `ZRANGE` and its older relatives ask for.
struct Query<'a> {
    bounds: Bounds<'a>,
    reverse: bool,
    with_scores: bool,
    offset: i64,
    limit: i64,
}

impl<'a> Query<'a> {
    /// Parses the arguments from `first` on: two bounds, and options. `by` and `reverse` are what
    /// the name of the command says; if that is nothing, there are options for it.
    fn parse(
        call: &Call<'a, '_>,
        first: usize,
        by: Option<By>,
        reverse: Option<bool>,
        stores: bool,
    ) -> Result<Self, Failure> {
        let (mut chosen_by, mut chosen_reverse) = (by, reverse);
        let (mut with_scores, mut offset, mut limit) = (false, 0, -1);
        let mut words = call.command.iter_from(first + 2);
        while let Some(word) = words.next() {
            match &*word.to_ascii_uppercase() {
                b"WITHSCORES" if !stores => with_scores = true,
                b"LIMIT" if words.len() >= 2 => {
                    offset = integer(words.next().unwrap_or_default())?;
                    limit = integer(words.next().unwrap_or_default())?;
                }
                b"REV" if chosen_reverse.is_none() => chosen_reverse = Some(true),
                b"BYLEX" if chosen_by.is_none() => chosen_by = Some(By::Name),
                b"BYSCORE" if chosen_by.is_none() => chosen_by = Some(By::Score),
                _ => return Err(Failure::SYNTAX),
            }
        }
        let (by, reverse) = (chosen_by.unwrap_or(By::Rank), chosen_reverse.unwrap_or(false));
        if limit != -1 && by == By::Rank {
            return Err(Failure::text(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or \
                 BYLEX",
            ));
        }
        if with_scores && by == By::Name {
            return Err(Failure::text(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        let bound = |index| call.command.get(index).unwrap_or_default();
        let (mut min, mut max) = (bound(first), bound(first + 1));
        if reverse && by != By::Rank {
            (min, max) = (max, min);
        }
        let bounds = Bounds::parse(by, min, max)?;
        Ok(Self { bounds, reverse, with_scores, offset, limit })
    }

    /// Returns the ranks that are asked for, in ascending order.
    fn ranks(&self, set: &SortedSet) -> Range<usize> {
        let ranks = self.bounds.ranks(set, self.reverse);
        // A negative offset skips all, a negative limit is none.
        let skipped = usize::try_from(self.offset).unwrap_or(usize::MAX).min(ranks.len());
        let taken = usize::try_from(self.limit).unwrap_or(usize::MAX).min(ranks.len() - skipped);
        let start = ranks.start + skipped;
        match self.reverse {
            true => set.len() - start - taken..set.len() - start,
            false => start..start + taken,
        }
    }
}

/// `ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]`
pub(super) fn zrange(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    reply_range(call, None, None)
}

/// `ZREVRANGE key start stop [WITHSCORES]`
pub(super) fn zrevrange(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    reply_range(call, Some(By::Rank), Some(true))
}

/// `ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]`
pub(super) fn zrangebyscore(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    reply_range(call, Some(By::Score), Some(false))
}

/// `ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]`
pub(super) fn zrevrangebyscore(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    reply_range(call, Some(By::Score), Some(true))
}

/// `ZRANGEBYLEX key min max [LIMIT offset count]`
pub(super) fn zrangebylex(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    reply_range(call, Some(By::Name), Some(false))
}

/// `ZREVRANGEBYLEX key max min [LIMIT offset count]`
pub(super) fn zrevrangebylex(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    reply_range(call, Some(By::Name), Some(true))
}

fn reply_range(
    call: &mut Call<'_, '_>,
    by: Option<By>,
    reverse: Option<bool>,
) -> Result<(), Failure> {
    let query = Query::parse(call, 2, by, reverse, false)?;
    let Some(set) = call.store.collection::<SortedSet>(&call.command[1])? else {
        call.reply.array(0);
        return Ok(());
    };
    let ranks = query.ranks(set);
    call.reply.pairs(ranks.len(), query.with_scores);
    for (member, score) in set.walk(ranks, query.reverse) {
        call.reply.pair(query.with_scores);
        call.reply.bulk(member);
        if query.with_scores {
            call.reply.double(score.to_string());
        }
    }
    Ok(())
}

/// `ZRANGESTORE destination source start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count]`
pub(super) fn zrangestore(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let query = Query::parse(call, 3, None, None, true)?;
    let mut stored = SortedSet::default();
    if let Some(set) = call.store.peek_collection::<SortedSet>(&call.command[2])? {
        for (member, score) in set.walk(query.ranks(set), query.reverse) {
            stored.insert(member, score);
        }
    }
    store(call, stored);
    Ok(())
}

/// Makes the first key of the command hold `set`, and replies with how many members that has.
pub(super) fn store(call: &mut Call<'_, '_>, set: SortedSet) {
    let len = set.len();
    call.work(len);
    call.store.remove(&call.command[1]);
    if len > 0 {
        call.store.insert(&call.command[1], set.into_value(), NEVER);
    }
    call.reply.count(len);
}

/// `ZCOUNT key min max`
pub(super) fn zcount(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    reply_count(call, By::Score)
}

/// `ZLEXCOUNT key min max`
pub(super) fn zlexcount(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    reply_count(call, By::Name)
}

fn reply_count(call: &mut Call<'_, '_>, by: By) -> Result<(), Failure> {
    let bounds = Bounds::parse(by, &call.command[2], &call.command[3])?;
    let set = call.store.collection::<SortedSet>(&call.command[1])?;
    call.reply.count(set.map_or(0, |set| bounds.ranks(set, false).len()));
    Ok(())
}

/// `ZREMRANGEBYRANK key start stop`
pub(super) fn zremrangebyrank(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    remove_range(call, By::Rank)
}

/// `ZREMRANGEBYSCORE key min max`
pub(super) fn zremrangebyscore(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    remove_range(call, By::Score)
}

/// `ZREMRANGEBYLEX key min max`
pub(super) fn zremrangebylex(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    remove_range(call, By::Name)
}

fn remove_range(call: &mut Call<'_, '_>, by: By) -> Result<(), Failure> {
    let bounds = Bounds::parse(by, &call.command[2], &call.command[3])?;
    let removed = call.store.change(&call.command[1], |set: &mut SortedSet| {
        let ranks = bounds.ranks(set, false);
        for rank in ranks.clone().rev() {
            set.remove_at(rank);
        }
        (!ranks.is_empty(), ranks.len())
    })?;
    call.work(removed.unwrap_or(0));
    call.reply.count(removed.unwrap_or(0));
    Ok(())
}
