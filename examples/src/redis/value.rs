//! What a key can hold.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::bytes::Bytes;
use super::set::Set;
use super::sorted_set::SortedSet;

pub(super) type List = VecDeque<Bytes>;
pub(super) type Hash = HashMap<Bytes, Bytes>;

/// What a key holds. The collections are boxed to keep the entries of the keyspace small.
#[derive(Debug)]
pub(super) enum Value {
    String(Bytes),
    List(Box<List>),
    Set(Box<Set>),
    Hash(Box<Hash>),
    SortedSet(Box<SortedSet>),
}

/// What an element of a collection, or a key, costs beyond its bytes.
///
/// Roughly what the tables, the pointers and the allocator add.
pub(super) const ELEMENT_OVERHEAD: usize = 64;

/// The capacity up to which a collection keeps the room it has; shrinking would gain little.
const MIN_SPARSE_CAPACITY: usize = 64;

impl Value {
    /// Returns the name that `TYPE` tells.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "string",
            Self::List(_) => "list",
            Self::Set(_) => "set",
            Self::Hash(_) => "hash",
            Self::SortedSet(_) => "zset",
        }
    }

    /// Returns what the value is charged for. Linear in the number of its elements.
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::String(bytes) => bytes.len(),
            Self::List(list) => list.iter().map(|element| element_cost(element)).sum(),
            Self::Set(set) => set.iter().map(element_cost).sum(),
            Self::Hash(hash) => hash.iter().map(|(field, value)| pair_cost(field, value)).sum(),
            Self::SortedSet(set) => set.iter().map(|(_, member)| pair_cost(member, member)).sum(),
        }
    }
}

/// Returns what an element with these bytes is charged for.
pub(super) fn element_cost(bytes: &[u8]) -> usize {
    ELEMENT_OVERHEAD + bytes.len()
}

/// Returns what an element of two parts is charged for: a field and its value, or the two copies
/// that a sorted set has of each member.
pub(super) fn pair_cost(first: &[u8], second: &[u8]) -> usize {
    2 * ELEMENT_OVERHEAD + first.len() + second.len()
}

/// Returns the capacity to shrink to, if most of `capacity` has become unused.
///
/// Without shrinking, memory that is no longer charged for would stay with a collection that was
/// large once. Shrinking from an eighth of the room used to at most a half of it keeps the cost of
/// it constant per removal.
pub(super) fn sparse(len: usize, capacity: usize) -> Option<usize> {
    (capacity > MIN_SPARSE_CAPACITY && len < capacity / 8).then_some(2 * len)
}

/// A kind of value that has elements, and that is gone when the last of them is.
pub(super) trait Collection: Default {
    fn borrow(value: &Value) -> Option<&Self>;
    fn borrow_mut(value: &mut Value) -> Option<&mut Self>;
    fn into_value(self) -> Value;
}

/// Ties a type to the variant of [`Value`] that holds it.
macro_rules! collection {
    ($kind:ident, $variant:ident) => {
        impl Collection for $kind {
            fn borrow(value: &Value) -> Option<&Self> {
                if let Value::$variant(collection) = value { Some(collection) } else { None }
            }

            fn borrow_mut(value: &mut Value) -> Option<&mut Self> {
                if let Value::$variant(collection) = value { Some(collection) } else { None }
            }

            fn into_value(self) -> Value {
                Value::$variant(Box::new(self))
            }
        }
    };
}

collection!(List, List);
collection!(Set, Set);
collection!(Hash, Hash);
collection!(SortedSet, SortedSet);
