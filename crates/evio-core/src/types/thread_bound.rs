//! A marker that keeps a view on the thread of its loop.

use std::marker::PhantomData;

/// Keeps a type from other threads, even from scoped ones: only the thread of a loop may touch what
/// belongs to it.
pub(crate) type ThreadBound = PhantomData<*const ()>;
