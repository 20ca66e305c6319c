//! What a key can hold.

use super::bytes::Bytes;
use super::dense::Dense;
use super::keyspace::allocation;
use super::list::List;
use super::sorted_set::SortedSet;

/// The members, in no order.
pub(super) type Set = Dense<()>;

/// The fields and their values, in no order.
pub(super) type Hash = Dense<Bytes>;

/// What a key holds. The collections are boxed to keep the entries of the keyspace small.
#[derive(Clone, Debug)]
pub(super) enum Value {
    String(Bytes),
    List(Box<List>),
    Set(Box<Set>),
    Hash(Box<Hash>),
    SortedSet(Box<SortedSet>),
}

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

    /// Returns how much memory the value takes beyond itself, in constant time.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::String(bytes) => bytes.memory(),
            Self::List(list) => boxed(&**list),
            Self::Set(set) => boxed(&**set),
            Self::Hash(hash) => boxed(&**hash),
            Self::SortedSet(set) => boxed(&**set),
        }
    }

    /// Tells whether the value is a collection that has no elements, and so is not to be kept.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::String(_) => false,
            Self::List(list) => list.is_empty(),
            Self::Set(set) => set.is_empty(),
            Self::Hash(hash) => hash.is_empty(),
            Self::SortedSet(set) => set.is_empty(),
        }
    }

    /// Asserts that the memory which a collection keeps count of is that of what is in it.
    #[cfg(test)]
    pub(super) fn assert_consistent(&self) {
        match self {
            Self::String(_) => {}
            Self::List(list) => list.assert_consistent(),
            Self::Set(set) => set.assert_consistent(),
            Self::Hash(hash) => hash.assert_consistent(),
            Self::SortedSet(set) => set.assert_consistent(),
        }
    }
}

/// Returns the memory of a collection in a box.
fn boxed<C: Collection>(collection: &C) -> usize {
    allocation(size_of::<C>()) + collection.memory()
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
    /// Tells whether there are no elements.
    fn is_empty(&self) -> bool;

    /// Returns how much memory the elements take, in constant time: the allocations of the
    /// collection, and those of its elements, of which it keeps count.
    fn memory(&self) -> usize;

    fn borrow(value: &Value) -> Option<&Self>;
    fn borrow_mut(value: &mut Value) -> Option<&mut Self>;
    fn into_value(self) -> Value;
}

/// Ties a type to the variant of [`Value`] that holds it.
macro_rules! collection {
    ($kind:ident, $variant:ident) => {
        impl Collection for $kind {
            fn is_empty(&self) -> bool {
                self.len() == 0
            }

            fn memory(&self) -> usize {
                self.memory()
            }

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
