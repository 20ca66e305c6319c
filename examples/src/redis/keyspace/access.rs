//! What commands on keys are made of.

use super::entry::{Entry, NEVER};
use super::times::TIME_MEMORY;
use super::view::View;
use super::watch::Dirty;
use crate::redis::bytes::Bytes;
use crate::redis::call::Failure;
use crate::redis::value::{Collection, Value};

impl View<'_> {
    /// Returns what is at `key`.
    #[inline]
    pub(in crate::redis) fn get(&mut self, key: &[u8]) -> Option<&Value> {
        let (spot, shard) = self.located(key);
        Some(&shard.find(spot, key)?.value)
    }

    /// Returns what is at `key`, whose lock must be held: that of a command on several keys, which
    /// can look at more than one so.
    pub(in crate::redis) fn peek(&self, key: &[u8]) -> Option<&Value> {
        let spot = self.store.spot(key);
        let entry = self.held(spot)?.find(spot, key)?;
        (!self.is_over(entry.expires_at)).then_some(&entry.value)
    }

    /// Returns the collection at `key` as [`peek`](Self::peek) does.
    pub(in crate::redis) fn peek_collection<C: Collection>(
        &self,
        key: &[u8],
    ) -> Result<Option<&C>, Failure> {
        self.peek(key).map(|value| C::borrow(value).ok_or(Failure::WRONG_TYPE)).transpose()
    }

    /// Returns about how many bytes `key` and what is there take.
    pub(in crate::redis) fn memory_of(&mut self, key: &[u8]) -> Option<usize> {
        let (spot, shard) = self.located(key);
        let entry = shard.find(spot, key)?;
        let time = if entry.expires_at == NEVER { 0 } else { TIME_MEMORY };
        Some(size_of::<Entry>() + entry.memory() + time)
    }

    /// Returns the string at `key`.
    // Inlined, as is `set`: they are most of what the two commonest commands do.
    #[inline(always)]
    pub(in crate::redis) fn string(&mut self, key: &[u8]) -> Result<Option<&[u8]>, Failure> {
        let (spot, shard) = self.located(key);
        match shard.find(spot, key).map(|entry| &entry.value) {
            Some(Value::String(bytes)) => Ok(Some(bytes)),
            Some(_) => Err(Failure::WRONG_TYPE),
            None => Ok(None),
        }
    }

    /// Returns the collection at `key`, to be read.
    pub(in crate::redis) fn collection<C: Collection>(
        &mut self,
        key: &[u8],
    ) -> Result<Option<&C>, Failure> {
        self.get(key).map(|value| C::borrow(value).ok_or(Failure::WRONG_TYPE)).transpose()
    }

    /// Makes `key` hold the string `bytes` for ever, whatever it held before.
    #[inline(always)]
    pub(in crate::redis) fn set(&mut self, key: &[u8], bytes: &[u8]) {
        self.changes += 1;
        // A key that has expired is overwritten like any other.
        let spot = self.store.spot(key);
        if let Some(replaced) = self.shard(spot).set(spot, key, bytes) {
            self.discard(replaced);
        }
    }

    /// Makes `key` hold `value` until a time, or for ever with [`NEVER`], whatever it held before.
    pub(in crate::redis) fn insert(&mut self, key: &[u8], value: Value, expires_at: i64) {
        self.remove(key);
        let spot = self.store.spot(key);
        let shard = self.shard(spot);
        shard.insert(spot, key, value);
        if expires_at != NEVER {
            shard.set_expiry(spot, key, expires_at);
        }
        self.changes += 1;
    }

    /// Changes the string at `key` by `change`, which returns whether it did, and what else it has
    /// to say. Without a key, nothing is done. The time at which the key expires stays.
    pub(in crate::redis) fn change_string<R>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut Bytes) -> (bool, R),
    ) -> Result<Option<R>, Failure> {
        self.change_value(key, |value| match value {
            Value::String(string) => Ok(change(string)),
            _ => Err(Failure::WRONG_TYPE),
        })
    }

    /// Changes the collection at `key` by `change`, which returns whether it did, and what else it
    /// has to say. Without a key, nothing is done; and one that is left empty is removed.
    pub(in crate::redis) fn change<C: Collection, R>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut C) -> (bool, R),
    ) -> Result<Option<R>, Failure> {
        self.change_value(key, |value| match C::borrow_mut(value) {
            Some(collection) => Ok(change(collection)),
            None => Err(Failure::WRONG_TYPE),
        })
    }

    /// As [`change`](Self::change), with an empty collection where there is no key.
    pub(in crate::redis) fn change_or_new<C: Collection, R>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut C) -> (bool, R),
    ) -> Result<R, Failure> {
        if self.get(key).is_some() {
            let changed = self.change(key, change)?;
            return Ok(changed.expect("the key is there, and locked"));
        }
        let mut collection = C::default();
        let (_, result) = change(&mut collection);
        if !collection.is_empty() {
            let spot = self.store.spot(key);
            self.shard(spot).insert(spot, key, collection.into_value());
            self.changes += 1;
        }
        Ok(result)
    }

    fn change_value<R>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut Value) -> Result<(bool, R), Failure>,
    ) -> Result<Option<R>, Failure> {
        let spot = self.locate(key);
        let shard = self.shard(spot);
        let Some(entry) = shard.find_mut(spot, key) else { return Ok(None) };
        let before = entry.value.memory();
        let (changed, result) = change(&mut entry.value)?;
        let (after, is_empty) = (entry.value.memory(), entry.value.is_empty());
        shard.account(before, after);
        if is_empty {
            shard.remove(spot, key);
        } else if changed {
            shard.watched.touch(key);
        }
        self.changes += u64::from(changed);
        Ok(Some(result))
    }

    /// Removes `key` and what it holds; tells whether there was something.
    pub(in crate::redis) fn remove(&mut self, key: &[u8]) -> bool {
        let removed = self.take(key);
        let was_there = removed.is_some();
        if let Some((value, _)) = removed {
            self.discard(value);
        }
        was_there
    }

    /// Removes `key`, and returns what it held and when that would have expired.
    pub(in crate::redis) fn take(&mut self, key: &[u8]) -> Option<(Value, i64)> {
        let spot = self.locate(key);
        let removed = self.shard(spot).remove(spot, key)?;
        self.changes += 1;
        Some(removed)
    }

    /// Returns when `key` expires, in milliseconds since 1970, or [`NEVER`]; nothing if there is no
    /// such key.
    pub(in crate::redis) fn expiry(&mut self, key: &[u8]) -> Option<i64> {
        let spot = self.locate(key);
        Some(self.shard(spot).find(spot, key)?.expires_at)
    }

    /// Makes `key` expire at a time in milliseconds since 1970, or never; tells whether there is
    /// such a key. A time that is over removes it at once.
    pub(in crate::redis) fn set_expiry(&mut self, key: &[u8], at: i64) -> bool {
        let spot = self.locate(key);
        if self.shard(spot).find(spot, key).is_none() {
            return false;
        }
        if at <= self.now() {
            return self.remove(key);
        }
        let shard = self.shard(spot);
        shard.set_expiry(spot, key, at);
        shard.watched.touch(key);
        self.changes += 1;
        true
    }

    /// Has `client` told when `key` changes.
    pub(in crate::redis) fn watch(&mut self, key: &[u8], client: &Dirty) {
        let spot = self.locate(key);
        self.shard(spot).watched.add(key, client);
    }

    /// Takes back [`watch`](Self::watch).
    pub(in crate::redis) fn unwatch(&mut self, key: &[u8], client: &Dirty) {
        let spot = self.store.spot(key);
        self.shard(spot).watched.remove(key, client);
    }
}
