//! Commands that return a collection bit by bit.
//!
//! What is there from the first call to the last is returned at least once, whatever else is added
//! and removed meanwhile: see [`Dense::scan`]. However many elements a call asks for, it returns
//! when other clients are to get their turn.

use super::batch::BATCH_WORK;
use super::call::{Call, Failure, integer};
use super::dense::{Dense, Payload};
use super::glob::{self, Pattern};
use super::sorted_set::SortedSet;
use super::value::{Collection, Hash, Set};

/// How many elements are looked at unless told otherwise.
const DEFAULT_COUNT: usize = 10;

/// How many elements of a collection are looked at between two looks at the time that it takes.
const AT_ONCE: usize = 100;

/// The options of all commands here.
struct Options {
    pattern: Option<Pattern>,
    count: usize,
    /// In lower case.
    kind: Option<Vec<u8>>,
}

impl Options {
    /// Parses the arguments from `first` on.
    fn parse(call: &Call<'_, '_>, first: usize, takes_type: bool) -> Result<Self, Failure> {
        let mut options = Self { pattern: None, count: DEFAULT_COUNT, kind: None };
        let mut words = call.command.iter_from(first);
        while let Some(word) = words.next() {
            let value = words.next().ok_or(Failure::SYNTAX)?;
            match &*word.to_ascii_uppercase() {
                b"MATCH" => options.pattern = Some(Pattern::parse(value)?),
                b"COUNT" => {
                    let count = usize::try_from(integer(value)?).ok().filter(|count| *count > 0);
                    options.count = count.ok_or(Failure::SYNTAX)?;
                }
                b"TYPE" if takes_type => options.kind = Some(value.to_ascii_lowercase()),
                _ => return Err(Failure::SYNTAX),
            }
        }
        Ok(options)
    }

    fn accept(&self, name: &[u8], steps: &mut usize) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| pattern.matches(name, steps))
    }
}

/// Parses the cursor at argument `index`, as strtoul(3) does.
fn cursor(call: &Call<'_, '_>, index: usize) -> Result<u64, Failure> {
    let text = std::str::from_utf8(&call.command[index]).ok();
    let cursor = text.and_then(|text| match text.strip_prefix('-') {
        None if text.is_empty() => Some(0),
        None => text.parse().ok(),
        Some(digits) => digits.parse().ok().map(u64::wrapping_neg),
    });
    cursor.ok_or(Failure::text("ERR invalid cursor"))
}

/// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`
pub(super) fn scan(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let mut slot = Some(usize::try_from(cursor(call, 1)?).unwrap_or(usize::MAX));
    let options = Options::parse(call, 2, true)?;
    let (mut found, mut seen) = (Vec::new(), 0);
    while let Some(from) = slot {
        let (before, mut steps) = (seen, 0);
        slot = call.store.scan(from, |key, value| {
            seen += 1;
            let is_kind = options.kind.as_ref().is_none_or(|kind| *kind == value.kind().as_bytes());
            if is_kind && options.accept(key, &mut steps) {
                found.push(key.to_vec());
            }
        });
        call.work(1 + seen - before + glob::work(steps));
        if seen >= options.count || call.errands.is_used_up() {
            break;
        }
    }
    call.reply.array(2);
    call.reply.bulk(slot.unwrap_or(0).to_string());
    call.reply.array(found.len());
    found.iter().for_each(|key| call.reply.bulk(key));
    Ok(())
}

/// `HSCAN key cursor [MATCH pattern] [COUNT count]`
pub(super) fn hscan(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    scan_collection(call, |hash: &Hash| hash, |value| Some(value.to_vec()))
}

/// `SSCAN key cursor [MATCH pattern] [COUNT count]`
pub(super) fn sscan(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    scan_collection(call, |set: &Set| set, |()| None)
}

/// `ZSCAN key cursor [MATCH pattern] [COUNT count]`
pub(super) fn zscan(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    scan_collection(call, SortedSet::members, |score| Some(score.to_exact_string().into_bytes()))
}

fn scan_collection<C: Collection, V: Payload>(
    call: &mut Call<'_, '_>,
    members: impl FnOnce(&C) -> &Dense<V>,
    value: impl Fn(&V) -> Option<Vec<u8>>,
) -> Result<(), Failure> {
    let cursor = cursor(call, 2)?;
    // As in redis, options that are wrong are noticed only where there is a collection.
    let options = Options::parse(call, 3, false);
    let Some(collection) = call.store.collection::<C>(&call.command[1])? else {
        call.reply.array(2);
        call.reply.bulk("0");
        call.reply.array(0);
        return Ok(());
    };
    let options = options?;
    call.reply.array(2);
    let members = members(collection);
    let (mut next, mut found, mut seen, mut steps) = (cursor, Vec::new(), 0, 0);
    while seen < options.count && seen + glob::work(steps) < BATCH_WORK {
        let (after, pairs) = members.scan(next, AT_ONCE.min(options.count - seen));
        seen += pairs.len();
        found.extend(pairs.filter(|(name, _)| options.accept(name, &mut steps)));
        next = after;
        if next == 0 {
            break;
        }
    }
    call.reply.bulk(next.to_string());
    let values = found.iter().filter(|(_, stored)| value(stored).is_some()).count();
    call.reply.array(found.len() + values);
    for (name, stored) in found {
        call.reply.bulk(name);
        if let Some(value) = value(stored) {
            call.reply.bulk(value);
        }
    }
    call.work(seen + glob::work(steps));
    Ok(())
}
