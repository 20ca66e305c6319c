//! A list of byte strings.

use std::collections::VecDeque;
use std::ops::Range;

use super::bytes::Bytes;
use super::keyspace::allocation;
use super::value::sparse;

/// The elements, with the memory of those that are long.
#[derive(Clone, Debug, Default)]
pub(super) struct List {
    elements: VecDeque<Bytes>,
    /// Invariant: the memory that the elements take beyond themselves.
    heap: usize,
}

impl List {
    pub(super) fn len(&self) -> usize {
        self.elements.len()
    }

    pub(super) fn memory(&self) -> usize {
        // The half that a list has just grown by is no memory until something is put there.
        let places = (self.elements.len() + self.elements.capacity()) / 2;
        allocation(places * size_of::<Bytes>()) + self.heap
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator {
        self.elements.iter().map(AsRef::as_ref)
    }

    /// Iterates over the elements of a range, without a walk to where it begins.
    pub(super) fn range(&self, range: Range<usize>) -> impl Iterator<Item = &[u8]> {
        self.elements.range(range).map(AsRef::as_ref)
    }

    pub(super) fn get(&self, index: usize) -> Option<&[u8]> {
        self.elements.get(index).map(AsRef::as_ref)
    }

    /// Replaces the element at `index`.
    ///
    /// # Panics
    ///
    /// Panics if there is none.
    pub(super) fn set(&mut self, index: usize, element: &[u8]) {
        let old = &mut self.elements[index];
        self.heap -= old.memory();
        old.set(element);
        self.heap += old.memory();
    }

    /// Puts an element at `index`, before the one that is there.
    ///
    /// # Panics
    ///
    /// Panics if there are fewer.
    pub(super) fn insert(&mut self, index: usize, element: Bytes) {
        self.heap += element.memory();
        self.elements.insert(index, element);
    }

    /// Keeps the elements of a range only.
    ///
    /// # Panics
    ///
    /// Panics if there are not so many.
    pub(super) fn trim(&mut self, kept: Range<usize>) {
        let behind = self.elements.drain(kept.end..);
        self.heap -= behind.map(|element| element.memory()).sum::<usize>();
        let before = self.elements.drain(..kept.start);
        self.heap -= before.map(|element| element.memory()).sum::<usize>();
        self.shrink();
    }

    /// Removes the elements that are `element`, up to `max`, from the front or from the back;
    /// returns how many there were.
    pub(super) fn remove(&mut self, element: &[u8], max: usize, from_back: bool) -> usize {
        let found = self.elements.iter().filter(|other| ***other == *element).count();
        let (mut seen, removed) = (0, found.min(max));
        let skipped = if from_back { found - removed } else { 0 };
        let heap = &mut self.heap;
        self.elements.retain(|other| {
            if **other != *element {
                return true;
            }
            seen += 1;
            let is_kept = seen <= skipped || seen > skipped + removed;
            *heap -= if is_kept { 0 } else { other.memory() };
            is_kept
        });
        self.shrink();
        removed
    }

    pub(super) fn push_front(&mut self, element: Bytes) {
        self.heap += element.memory();
        self.elements.push_front(element);
    }

    pub(super) fn push_back(&mut self, element: Bytes) {
        self.heap += element.memory();
        self.elements.push_back(element);
    }

    pub(super) fn pop_front(&mut self) -> Option<Bytes> {
        let element = self.elements.pop_front()?;
        self.removed(&element);
        Some(element)
    }

    pub(super) fn pop_back(&mut self) -> Option<Bytes> {
        let element = self.elements.pop_back()?;
        self.removed(&element);
        Some(element)
    }

    fn removed(&mut self, element: &Bytes) {
        self.heap -= element.memory();
        self.shrink();
    }

    fn shrink(&mut self) {
        if let Some(capacity) = sparse(self.elements.len(), self.elements.capacity()) {
            self.elements.shrink_to(capacity);
        }
    }

    #[cfg(test)]
    pub(super) fn assert_consistent(&self) {
        assert_eq!(self.heap, self.elements.iter().map(Bytes::memory).sum::<usize>());
        assert_eq!(sparse(self.elements.len(), self.elements.capacity()), None);
    }
}
