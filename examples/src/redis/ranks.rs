//! A sequence whose elements are found by rank.

#[cfg(test)]
mod tests;

use std::ops::Range;

/// The most elements of a leaf: 1 KiB of those that a sorted set has, which are moved in no time.
const MAX_LEAF: usize = 64;

/// The most children of an inner node. A million elements are four inner nodes deep.
const MAX_INNER: usize = 32;

/// A sequence of elements that are found, added and removed by rank, in logarithmic time.
///
/// It is a B-tree whose inner nodes count what is below each child. Whoever keeps the elements in
/// some order finds the rank of one by [`position`](Self::position).
#[derive(Clone, Debug)]
pub(super) struct Ranks<T> {
    root: Node<T>,
    len: usize,
    nodes: NodeCount,
}

/// How many nodes there are.
#[derive(Clone, Debug, Default)]
struct NodeCount {
    leaves: usize,
    inner: usize,
}

impl NodeCount {
    /// Counts a node that is removed, and not what was below it.
    fn forget<T>(&mut self, node: &Node<T>) {
        match node {
            Node::Leaf(_) => self.leaves -= 1,
            Node::Inner(_) => self.inner -= 1,
        }
    }
}

/// Invariant: all leaves are equally deep, and only a root can be empty.
#[derive(Clone, Debug)]
enum Node<T> {
    Leaf(Vec<T>),
    Inner(Vec<Child<T>>),
}

#[derive(Clone, Debug)]
struct Child<T> {
    /// The first element below.
    first: T,
    /// How many elements are below.
    len: usize,
    node: Node<T>,
}

impl<T> Default for Ranks<T> {
    fn default() -> Self {
        let nodes = NodeCount { leaves: 1, inner: 0 };
        Self { root: Node::Leaf(Vec::new()), len: 0, nodes }
    }
}

impl<T: Copy> Ranks<T> {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns the bytes of all allocations, within those of one node.
    pub(super) fn memory(&self) -> usize {
        match &self.root {
            Node::Leaf(elements) => elements.capacity() * size_of::<T>(),
            Node::Inner(_) => {
                let leaf = MAX_LEAF * size_of::<T>();
                let inner = MAX_INNER * size_of::<Child<T>>();
                self.nodes.leaves * leaf + self.nodes.inner * inner
            }
        }
    }

    /// Returns the number of elements that are `before` something: the rank of the first that is
    /// not. Elements that are before it must come before those that are not.
    pub(super) fn position(&self, before: impl Fn(&T) -> bool) -> usize {
        let (mut node, mut rank) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(elements) => return rank + elements.partition_point(&before),
                Node::Inner(children) => {
                    let after = children.partition_point(|child| before(&child.first));
                    let Some(last) = after.checked_sub(1) else { return rank };
                    rank += children[..last].iter().map(|child| child.len).sum::<usize>();
                    node = &children[last].node;
                }
            }
        }
    }

    /// Returns the leaf that holds the element at `rank`, and the rank of its first one.
    fn leaf(&self, rank: usize) -> Option<(&[T], usize)> {
        if rank >= self.len {
            return None;
        }
        let (mut node, mut within) = (&self.root, rank);
        loop {
            match node {
                Node::Leaf(elements) => return Some((elements, rank - within)),
                Node::Inner(children) => {
                    let index;
                    (index, within) = holder(children, within);
                    node = &children[index].node;
                }
            }
        }
    }

    /// Iterates over the elements with the ranks of `range`, if asked for from the last to the
    /// first, in constant time for each and logarithmic time for every 64.
    pub(super) fn walk(&self, range: Range<usize>, reverse: bool) -> impl Iterator<Item = T> + '_ {
        let range = range.start..range.end.min(self.len);
        let (mut leaf, mut first): (&[T], usize) = (&[], 0);
        let (last, count) = (range.end.saturating_sub(1), range.len());
        (0..count).map_while(move |step| {
            let rank = if reverse { last - step } else { range.start + step };
            if rank < first || rank >= first + leaf.len() {
                (leaf, first) = self.leaf(rank)?;
            }
            Some(leaf[rank - first])
        })
    }

    /// Puts `element` at `rank`, before the one that is there.
    ///
    /// # Panics
    ///
    /// Panics if there are fewer elements.
    pub(super) fn insert(&mut self, rank: usize, element: T) {
        assert!(rank <= self.len, "rank {rank} of {}", self.len);
        if let Some(right) = self.root.insert(rank, element, &mut self.nodes) {
            let left = std::mem::replace(&mut self.root, Node::Inner(Vec::new()));
            let mut children = Vec::with_capacity(MAX_INNER);
            children.extend([Child::new(left), Child::new(right)]);
            self.root = Node::Inner(children);
            self.nodes.inner += 1;
        }
        self.len += 1;
    }

    /// Removes and returns the element at `rank`.
    ///
    /// # Panics
    ///
    /// Panics if there is none.
    pub(super) fn remove(&mut self, rank: usize) -> T {
        assert!(rank < self.len, "rank {rank} of {}", self.len);
        let removed = self.root.remove(rank, &mut self.nodes);
        self.len -= 1;
        while let Node::Inner(children) = &mut self.root {
            match children.pop() {
                None => *self = Self::default(),
                Some(only) if children.is_empty() => {
                    self.root = only.node;
                    self.nodes.inner -= 1;
                }
                Some(last) => {
                    children.push(last);
                    break;
                }
            }
        }
        removed
    }

    /// Replaces the element at `rank`.
    ///
    /// # Panics
    ///
    /// Panics if there is none.
    pub(super) fn set(&mut self, rank: usize, element: T) {
        assert!(rank < self.len, "rank {rank} of {}", self.len);
        let (mut node, mut rank) = (&mut self.root, rank);
        loop {
            match node {
                Node::Leaf(elements) => {
                    elements[rank] = element;
                    return;
                }
                Node::Inner(children) => {
                    let (index, within) = holder(children, rank);
                    let child = &mut children[index];
                    if within == 0 {
                        child.first = element;
                    }
                    (node, rank) = (&mut child.node, within);
                }
            }
        }
    }
}

impl<T: Copy> Child<T> {
    fn new(node: Node<T>) -> Self {
        Self { first: node.first(), len: node.len(), node }
    }
}

/// Returns which of the children has the element at `rank`, and the rank it has there.
fn holder<T>(children: &[Child<T>], mut rank: usize) -> (usize, usize) {
    for (index, child) in children.iter().enumerate() {
        if rank < child.len {
            return (index, rank);
        }
        rank -= child.len;
    }
    // Behind them all, which is where an element can be added.
    let last = children.len() - 1;
    (last, children[last].len + rank)
}

impl<T: Copy> Node<T> {
    fn first(&self) -> T {
        match self {
            Self::Leaf(elements) => elements[0],
            Self::Inner(children) => children[0].first,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Leaf(elements) => elements.len(),
            Self::Inner(children) => children.iter().map(|child| child.len).sum(),
        }
    }

    /// Tells whether less than a half of the node is used.
    fn is_sparse(&self) -> bool {
        match self {
            Self::Leaf(elements) => elements.len() < MAX_LEAF / 2,
            Self::Inner(children) => children.len() < MAX_INNER / 2,
        }
    }

    /// Adds an element; returns the right half of the node if it had to be split.
    fn insert(&mut self, rank: usize, element: T, nodes: &mut NodeCount) -> Option<Self> {
        match self {
            Self::Leaf(elements) => {
                let right = insert_or_split(elements, rank, element, MAX_LEAF)?;
                nodes.leaves += 1;
                Some(Self::Leaf(right))
            }
            Self::Inner(children) => {
                let (index, within) = holder(children, rank);
                let child = &mut children[index];
                let right = child.node.insert(within, element, nodes);
                child.first = child.node.first();
                child.len += 1;
                let right = Child::new(right?);
                child.len -= right.len;
                let right = insert_or_split(children, index + 1, right, MAX_INNER)?;
                nodes.inner += 1;
                Some(Self::Inner(right))
            }
        }
    }

    fn remove(&mut self, rank: usize, nodes: &mut NodeCount) -> T {
        match self {
            Self::Leaf(elements) => elements.remove(rank),
            Self::Inner(children) => {
                let (index, within) = holder(children, rank);
                let child = &mut children[index];
                let removed = child.node.remove(within, nodes);
                child.len -= 1;
                if child.len == 0 {
                    nodes.forget(&children.remove(index).node);
                    return removed;
                }
                child.first = child.node.first();
                if child.node.is_sparse() {
                    // With the one behind it, or else with the one before it.
                    let merged = merge(children, index, nodes);
                    if !merged && index > 0 {
                        merge(children, index - 1, nodes);
                    }
                }
                removed
            }
        }
    }

    /// Appends what `right` has, if both fit into three quarters of a node: one that was just
    /// merged is not about to be split.
    fn try_append(&mut self, right: &mut Self) -> bool {
        fn append<E>(left: &mut Vec<E>, right: &mut Vec<E>, max: usize) -> bool {
            let fits = left.len() + right.len() <= max / 4 * 3;
            if fits {
                left.append(right);
            }
            fits
        }
        match (self, right) {
            (Self::Leaf(left), Self::Leaf(right)) => append(left, right, MAX_LEAF),
            (Self::Inner(left), Self::Inner(right)) => append(left, right, MAX_INNER),
            _ => unreachable!("all leaves are equally deep"),
        }
    }
}

/// Adds an element at `index` and returns what is split off if that makes more than `max`.
fn insert_or_split<E>(all: &mut Vec<E>, index: usize, element: E, max: usize) -> Option<Vec<E>> {
    if all.len() < max {
        all.insert(index, element);
        return None;
    }
    // What grows at its end leaves full nodes behind, and not half of each.
    let half = if index == max { max } else { max / 2 };
    let mut right = Vec::with_capacity(max);
    right.extend(all.drain(half..));
    if index < half {
        all.insert(index, element);
    } else {
        right.insert(index - half, element);
    }
    Some(right)
}

/// Puts the child behind `index` into the one at `index`, if there is one and they are small
/// enough; tells whether it did.
fn merge<T: Copy>(children: &mut Vec<Child<T>>, index: usize, nodes: &mut NodeCount) -> bool {
    let [left, right] = match children.get_mut(index..index + 2) {
        Some([left, right]) => [left, right],
        _ => return false,
    };
    if !left.node.try_append(&mut right.node) {
        return false;
    }
    left.len += right.len;
    nodes.forget(&children.remove(index + 1).node);
    true
}
