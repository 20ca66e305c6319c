//! Commands on several sets.

use super::call::{Call, Failure, integer};
use super::keyspace::NEVER;
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

/// Returns the sets of the keys from argument `first` on.
fn sets<'a>(call: &'a Call<'_, '_>, first: usize) -> Result<Vec<Option<&'a Set>>, Failure> {
    let sets = call.command.iter_from(first).map(|key| call.store.peek_collection::<Set>(key));
    sets.collect()
}

/// Returns the combined set, and how many members were looked at for it.
fn combined(
    call: &Call<'_, '_>,
    first: usize,
    operation: Operation,
) -> Result<(Set, usize), Failure> {
    let sets = sets(call, first)?;
    let lens = || sets.iter().map(|set| set.map_or(0, Set::len));
    let work = match operation {
        Operation::Intersection => lens().min().unwrap_or(0),
        Operation::Union => lens().sum(),
        Operation::Difference => lens().next().unwrap_or(0),
    };
    let mut members = Set::default();
    match operation {
        Operation::Intersection => intersect(&sets, |member| {
            members.push(member, ());
            true
        }),
        Operation::Union => {
            for (member, ()) in sets.into_iter().flatten().flat_map(Set::iter) {
                members.insert(member);
            }
        }
        Operation::Difference => {
            let (first, others) = sets.split_first().expect("a command has a key");
            let is_other =
                |member: &[u8]| others.iter().flatten().any(|other| other.place(member).is_some());
            for (member, ()) in first.iter().flat_map(|set| set.iter()) {
                if !is_other(member) {
                    members.push(member, ());
                }
            }
        }
    }
    Ok((members, work * call.command.len()))
}

/// Calls `visit` with what all sets have, until it returns false. The work is that of the smallest.
fn intersect(sets: &[Option<&Set>], mut visit: impl FnMut(&[u8]) -> bool) {
    let Some(all) = sets.iter().copied().collect::<Option<Vec<&Set>>>() else { return };
    let Some(smallest) = all.iter().min_by_key(|set| set.len()) else { return };
    for (member, ()) in smallest.iter() {
        if all.iter().all(|set| set.place(member).is_some()) && !visit(member) {
            return;
        }
    }
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
    let sets = call.command.iter_from(2).take(keys);
    let sets = sets.map(|key| call.store.peek_collection::<Set>(key));
    let sets = sets.collect::<Result<Vec<_>, _>>()?;
    let work = sets.iter().map(|set| set.map_or(0, Set::len)).min().unwrap_or(0);
    let mut count = 0;
    intersect(&sets, |_| {
        count += 1;
        count < limit
    });
    call.work(work * keys);
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
