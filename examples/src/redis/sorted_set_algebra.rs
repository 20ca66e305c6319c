//! Commands on several sorted sets.

use super::call::{Call, Failure, integer};
use super::operand::{Operand, difference};
use super::score::Score;
use super::set_algebra::parse_limit;
use super::sorted_set::SortedSet;
use super::sorted_set_ranges::store;

/// How sets are combined.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// What becomes of the scores that a member has in several sets.
#[derive(Clone, Copy)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn parse(word: &[u8]) -> Result<Self, Failure> {
        match &*word.to_ascii_uppercase() {
            b"SUM" => Ok(Self::Sum),
            b"MIN" => Ok(Self::Min),
            b"MAX" => Ok(Self::Max),
            _ => Err(Failure::SYNTAX),
        }
    }

    fn apply(self, one: Score, two: Score) -> Score {
        match self {
            // As in redis, infinities of both signs make 0.
            Self::Sum => Score::new(one.get() + two.get()).unwrap_or_default(),
            Self::Min => one.min(two),
            Self::Max => one.max(two),
        }
    }
}

/// The arguments of these commands.
struct Combination<'a> {
    operands: Vec<(Operand<'a>, f64)>,
    aggregate: Aggregate,
    with_scores: bool,
}

/// Returns how many keys follow the argument at `first`, which says so.
fn count_of_keys(call: &Call<'_, '_>, first: usize, name: &str) -> Result<usize, Failure> {
    let keys = integer(&call.command[first])?;
    let keys = usize::try_from(keys).ok().filter(|keys| *keys > 0);
    let keys = keys.ok_or(Failure::needs_keys(name))?;
    if keys > call.command.len() - first - 1 {
        return Err(Failure::SYNTAX);
    }
    Ok(keys)
}

fn operands<'a>(
    call: &'a Call<'_, '_>,
    first: usize,
    keys: usize,
) -> Result<Vec<(Operand<'a>, f64)>, Failure> {
    let keys = call.command.iter_from(first + 1).take(keys);
    keys.map(|key| Ok((Operand::find(call, key)?, 1.0))).collect()
}

impl<'a> Combination<'a> {
    fn parse(
        call: &'a Call<'_, '_>,
        first: usize,
        operation: Operation,
        name: &str,
    ) -> Result<Self, Failure> {
        let keys = count_of_keys(call, first, name)?;
        let operands = operands(call, first, keys)?;
        let mut parsed = Self { operands, aggregate: Aggregate::Sum, with_scores: false };
        let mut words = call.command.iter_from(first + 1 + keys);
        let is_sum = operation != Operation::Difference;
        while let Some(word) = words.next() {
            match &*word.to_ascii_uppercase() {
                b"WEIGHTS" if is_sum && words.len() >= keys => {
                    for (_, weight) in &mut parsed.operands {
                        let given = words.next().and_then(Score::parse);
                        let message = "ERR weight value is not a float";
                        *weight = given.ok_or(Failure::text(message))?.get();
                    }
                }
                b"AGGREGATE" if is_sum && words.len() > 0 => {
                    parsed.aggregate = Aggregate::parse(words.next().unwrap_or_default())?;
                }
                b"WITHSCORES" if first == 1 => parsed.with_scores = true,
                _ => return Err(Failure::SYNTAX),
            }
        }
        Ok(parsed)
    }

    /// Returns about how many members are looked at: those of all sets, which is too much for some.
    fn work(&self) -> usize {
        self.operands.iter().map(|(operand, _)| operand.len()).sum()
    }

    fn result(mut self, operation: Operation) -> SortedSet {
        let mut result = SortedSet::default();
        let weighted =
            |score: Score, weight: f64| Score::new(score.get() * weight).unwrap_or_default();
        if operation == Operation::Difference {
            let operands: Vec<Operand<'_>> =
                self.operands.iter().map(|operand| operand.0).collect();
            for place in difference(&operands).places {
                let (member, score) = operands[0].at(place);
                result.insert(member, score);
            }
            return result;
        }
        // The work of an intersection is that of the smallest.
        self.operands.sort_by_key(|(operand, _)| operand.len());
        if operation == Operation::Union {
            for (operand, weight) in self.operands {
                operand.for_each(|member, score| {
                    let score = weighted(score, weight);
                    let sum = result.score(member).map(|sum| self.aggregate.apply(sum, score));
                    result.insert(member, sum.unwrap_or(score));
                    true
                });
            }
            return result;
        }
        let (first, others) = self.operands.split_first().expect("there is a key");
        first.0.for_each(|member, score| {
            let sum = others.iter().try_fold(weighted(score, first.1), |sum, (other, weight)| {
                let score = weighted(other.score(member)?, *weight);
                Some(self.aggregate.apply(sum, score))
            });
            if let Some(sum) = sum {
                result.insert(member, sum);
            }
            true
        });
        result
    }
}

/// `ZUNION numkeys key... [WEIGHTS weight...] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]`
pub(super) fn zunion(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    reply(call, Operation::Union, "zunion")
}

/// `ZINTER numkeys key... [WEIGHTS weight...] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]`
pub(super) fn zinter(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    reply(call, Operation::Intersection, "zinter")
}

/// `ZDIFF numkeys key... [WITHSCORES]`
pub(super) fn zdiff(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    reply(call, Operation::Difference, "zdiff")
}

fn reply(call: &mut Call<'_, '_>, operation: Operation, name: &str) -> Result<(), Failure> {
    let combination = Combination::parse(call, 1, operation, name)?;
    let (with_scores, work) = (combination.with_scores, combination.work());
    let result = combination.result(operation);
    call.work(work);
    call.reply.pairs(result.len(), with_scores);
    for (member, score) in result.walk(0..result.len(), false) {
        call.reply.pair(with_scores);
        call.reply.bulk(member);
        if with_scores {
            call.reply.double(score.to_string());
        }
    }
    Ok(())
}

fn store_result(call: &mut Call<'_, '_>, operation: Operation, name: &str) -> Result<(), Failure> {
    let combination = Combination::parse(call, 2, operation, name)?;
    let work = combination.work();
    let result = combination.result(operation);
    call.work(work);
    store(call, result);
    Ok(())
}

/// `ZUNIONSTORE destination numkeys key... [WEIGHTS weight...] [AGGREGATE SUM | MIN | MAX]`
pub(super) fn zunionstore(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    store_result(call, Operation::Union, "zunionstore")
}

/// `ZINTERSTORE destination numkeys key... [WEIGHTS weight...] [AGGREGATE SUM | MIN | MAX]`
pub(super) fn zinterstore(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    store_result(call, Operation::Intersection, "zinterstore")
}

/// `ZDIFFSTORE destination numkeys key...`
pub(super) fn zdiffstore(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    store_result(call, Operation::Difference, "zdiffstore")
}

/// `ZINTERCARD numkeys key... [LIMIT limit]`
pub(super) fn zintercard(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let keys = count_of_keys(call, 1, "zintercard")?;
    let mut operands = operands(call, 1, keys)?;
    let limit = parse_limit(call, 2 + keys)?;
    operands.sort_by_key(|(operand, _)| operand.len());
    let (first, others) = operands.split_first().expect("there is a key");
    let (mut count, work) = (0, first.0.len());
    first.0.for_each(|member, _| {
        count += usize::from(others.iter().all(|(other, _)| other.score(member).is_some()));
        count < limit
    });
    call.work(work * keys);
    call.reply.count(count);
    Ok(())
}
