//! A list of byte strings.

use std::collections::VecDeque;

use super::bytes::Bytes;
use super::keyspace::allocation;
use super::value::sparse;

/// The elements, with the memory of those that are long.
#[derive(Debug, Default)]
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
        allocation(self.elements.capacity() * size_of::<Bytes>()) + self.heap
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator {
        self.elements.iter().map(AsRef::as_ref)
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
