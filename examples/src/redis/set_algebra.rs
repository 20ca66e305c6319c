//! Commands on several sets.

use super::call::{Call, Failure, integer};
use super::keyspace::NEVER;
use super::operand::{Difference, Operand, difference};
use super::value::{Collection, Set};

/// How sets are combined.
#[derive(Clone, Copy)]
enum Operation {
    Intersection,
    Union,
    Difference,
}

/// `SINTER key...`
pub(super) fn sinter(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    reply(call, Operation::Intersection)
}

/// `SUNION key...`
pub(super) fn sunion(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    reply(call, Operation::Union)
}

/// `SDIFF key...`
pub(super) fn sdiff(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    reply(call, Operation::Difference)
}

/// `SINTERSTORE destination key...`
pub(super) fn sinterstore(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    store(call, Operation::Intersection)
}

/// `SUNIONSTORE destination key...`
pub(super) fn sunionstore(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    store(call, Operation::Union)
}

/// `SDIFFSTORE destination key...`
pub(super) fn sdiffstore(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    store(call, Operation::Difference)
}

fn reply(call: &mut Call<'_, '_>, operation: Operation) -> Result<(), Failure> {
    let (members, work) = combined(call, 1, operation)?;
    call.work(work);
    call.reply.set(members.len());
    members.iter().for_each(|(member, ())| call.reply.bulk(member));
    Ok(())
}

fn store(call: &mut Call<'_, '_>, operation: Operation) -> Result<(), Failure> {
    let (members, work) = combined(call, 2, operation)?;
    call.work(work);
    let len = members.len();
    call.store.remove(&call.command[1]);
    if len > 0 {
        call.store.insert(&call.command[1], members.into_value(), NEVER);
    }
    call.reply.count(len);
    Ok(())
}

/// Returns the sets of the keys.
fn sets<'a>(
    call: &'a Call<'_, '_>,
    keys: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<Option<&'a Set>>, Failure> {
    keys.map(|key| call.store.peek_collection::<Set>(key)).collect()
}

/// Returns what the sets of the keys from argument `first` on combine to, and how many members were
/// looked at for it, at most.
fn combined(
    call: &Call<'_, '_>,
    first: usize,
    operation: Operation,
) -> Result<(Set, usize), Failure> {
    let sets = sets(call, call.command.iter_from(first))?;
    let mut members = Set::default();
    let work = match operation {
        Operation::Intersection => intersect(&sets, |member| {
            members.push(member, ());
            true
        }),
        Operation::Union => {
            let sets = || sets.iter().copied().flatten();
            sets().flat_map(Set::iter).for_each(|(member, ())| {
                members.insert(member);
            });
            sets().map(Set::len).sum()
        }
        Operation::Difference => {
            let operands: Vec<Operand<'_>> =
                sets.iter().map(|set| set.map_or(Operand::Missing, Operand::Set)).collect();
            let Difference { places, work } = difference(&operands);
            places.iter().for_each(|&place| members.push(operands[0].at(place).0, ()));
            work
        }
    };
    Ok((members, work))
}

/// Calls `visit` with what all sets have, until it returns false. Returns how many members were
/// looked at, at most: those of the smallest set, in each.
fn intersect(sets: &[Option<&Set>], mut visit: impl FnMut(&[u8]) -> bool) -> usize {
    let Some(mut all) = sets.iter().copied().collect::<Option<Vec<&Set>>>() else { return 0 };
    // A small set is the least likely to have a member.
    all.sort_by_key(|set| set.len());
    let Some((smallest, others)) = all.split_first() else { return 0 };
    for (member, ()) in smallest.iter() {
        if others.iter().all(|set| set.place(member).is_some()) && !visit(member) {
            break;
        }
    }
    smallest.len() * all.len()
}

/// `SINTERCARD numkeys key... [LIMIT limit]`
pub(super) fn sintercard(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let message = "ERR numkeys should be greater than 0";
    let keys = integer(&call.command[1]).ok().and_then(|keys| usize::try_from(keys).ok());
    let keys = keys.filter(|keys| *keys > 0).ok_or(Failure::text(message))?;
    if keys > call.command.len() - 2 {
        let message = "ERR Number of keys can't be greater than number of args";
        return Err(Failure::text(message));
    }
    let limit = parse_limit(call, 2 + keys)?;
    let sets = sets(call, call.command.iter_from(2).take(keys))?;
    let mut count = 0;
    let work = intersect(&sets, |_| {
        count += 1;
        count < limit
    });
    call.work(work);
    call.reply.count(count);
    Ok(())
}

/// Parses the option `LIMIT limit` of a command whose keys end at argument `first`; 0 is none.
pub(super) fn parse_limit(call: &Call<'_, '_>, first: usize) -> Result<usize, Failure> {
    let mut limit = 0;
    let mut words = call.command.iter_from(first);
    while let Some(option) = words.next() {
        let value = words.next().filter(|_| option.eq_ignore_ascii_case(b"LIMIT"));
        let value = integer(value.ok_or(Failure::SYNTAX)?).ok();
        let negative = Failure::text("ERR LIMIT can't be negative");
        limit = value.and_then(|value| usize::try_from(value).ok()).ok_or(negative)?;
    }
    Ok(if limit == 0 { usize::MAX } else { limit })
}
