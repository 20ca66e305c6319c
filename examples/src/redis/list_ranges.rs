//! Commands on elements of lists that are found by walking there.

use super::call::{Call, Failure, integer, range};
use super::list::List;

/// `LRANGE key start stop`
pub(super) fn lrange(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let (start, stop) = (integer(&call.command[2])?, integer(&call.command[3])?);
    let Some(list) = call.store.collection::<List>(&call.command[1])? else {
        call.reply.array(0);
        return Ok(());
    };
    let (skip, take) = range(start, stop, list.len());
    call.reply.array(take);
    for element in list.range(skip..skip + take) {
        call.reply.bulk(element);
    }
    Ok(())
}

/// `LTRIM key start stop`
pub(super) fn ltrim(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let (start, stop) = (integer(&call.command[2])?, integer(&call.command[3])?);
    call.store.change(&call.command[1], |list: &mut List| {
        let (skip, take) = range(start, stop, list.len());
        let is_shorter = take < list.len();
        list.trim(skip..skip + take);
        (is_shorter, ())
    })?;
    call.reply.ok();
    Ok(())
}

/// `LREM key count element`
pub(super) fn lrem(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let count = integer(&call.command[2])?;
    let max = match count {
        0 => usize::MAX,
        count => usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX),
    };
    let removed = call.store.change(&call.command[1], |list: &mut List| {
        let (work, removed) = (list.len(), list.remove(&call.command[3], max, count < 0));
        (removed > 0, (work, removed))
    })?;
    let (work, removed) = removed.unwrap_or_default();
    call.work(work);
    call.reply.count(removed);
    Ok(())
}

/// `LINSERT key BEFORE | AFTER pivot element`
pub(super) fn linsert(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let distance = match &*call.command[2].to_ascii_uppercase() {
        b"BEFORE" => 0,
        b"AFTER" => 1,
        _ => return Err(Failure::SYNTAX),
    };
    let mut work = 0;
    let inserted = call.store.change(&call.command[1], |list: &mut List| {
        work = list.len();
        let Some(pivot) = list.iter().position(|element| *element == call.command[3]) else {
            return (false, None);
        };
        list.insert(pivot + distance, call.command[4].into());
        (true, Some(list.len()))
    })?;
    call.work(work);
    match inserted {
        None => call.reply.integer(0),
        Some(None) => call.reply.integer(-1),
        Some(Some(len)) => call.reply.count(len),
    }
    Ok(())
}

/// What the words behind the element of `LPOS` ask for.
struct PosOptions {
    /// Which of the elements found is the first to be returned: from the end, if negative.
    rank: i64,
    /// How many are returned, as an array; 0 are all. Without it the first one is, alone.
    count: Option<usize>,
    /// How many elements are looked at.
    max_len: usize,
}

impl PosOptions {
    fn parse(call: &Call<'_, '_>) -> Result<Self, Failure> {
        let mut options = Self { rank: 1, count: None, max_len: usize::MAX };
        let mut words = call.command.iter_from(3);
        while let Some(option) = words.next() {
            let value = words.next().ok_or(Failure::SYNTAX)?;
            let number = |message| {
                let number = integer(value).ok().and_then(|number| usize::try_from(number).ok());
                number.ok_or(Failure::text(message))
            };
            match &*option.to_ascii_uppercase() {
                b"RANK" => options.rank = Self::parse_rank(value)?,
                b"COUNT" => options.count = Some(number("ERR COUNT can't be negative")?),
                b"MAXLEN" => {
                    let len = number("ERR MAXLEN can't be negative")?;
                    options.max_len = if len == 0 { usize::MAX } else { len };
                }
                _ => return Err(Failure::SYNTAX),
            }
        }
        Ok(options)
    }

    fn parse_rank(value: &[u8]) -> Result<i64, Failure> {
        match integer(value)? {
            0 => Err(Failure::text(
                "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second \
                 ... or use negative to start from the end of the list",
            )),
            i64::MIN => Err(Failure::text("ERR value is out of range")),
            rank => Ok(rank),
        }
    }
}

/// `LPOS key element [RANK rank] [COUNT count] [MAXLEN len]`
pub(super) fn lpos(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let options = PosOptions::parse(call)?;
    let wanted = match options.count {
        None => 1,
        Some(0) => usize::MAX,
        Some(count) => count,
    };
    let skipped = usize::try_from(options.rank.unsigned_abs()).unwrap_or(usize::MAX) - 1;
    let (mut found, mut work) = (Vec::new(), 0);
    if let Some(list) = call.store.collection::<List>(&call.command[1])? {
        work = list.len().min(options.max_len);
        let is_wanted = |element: &[u8]| *element == call.command[2];
        let (len, elements) = (list.len(), list.iter());
        found = if options.rank > 0 {
            let places = elements.enumerate().take(options.max_len);
            let places = places.filter(|(_, element)| is_wanted(element));
            places.map(|(place, _)| place).skip(skipped).take(wanted).collect()
        } else {
            let places = elements.rev().enumerate().take(options.max_len);
            let places = places.filter(|(_, element)| is_wanted(element));
            places.map(|(place, _)| len - 1 - place).skip(skipped).take(wanted).collect()
        };
    }
    call.work(work);
    match (options.count, found.first()) {
        (None, None) => call.reply.null(),
        (None, Some(&place)) => call.reply.count(place),
        (Some(_), _) => {
            call.reply.array(found.len());
            found.iter().for_each(|&place| call.reply.count(place));
        }
    }
    Ok(())
}
