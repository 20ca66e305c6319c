//! The tree beside a vector.

use super::*;
use crate::redis::tests::session::Choices;

/// Checks what is below `node`; returns its depth.
fn check<T: Copy>(node: &Node<T>, is_root: bool, nodes: &mut NodeCount) -> usize {
    match node {
        Node::Leaf(elements) => {
            nodes.leaves += 1;
            assert!(is_root || !elements.is_empty());
            assert!(elements.len() <= MAX_LEAF);
            1
        }
        Node::Inner(children) => {
            nodes.inner += 1;
            assert!(children.len() <= MAX_INNER && children.len() > usize::from(is_root));
            let below = children.iter().map(|child| {
                assert_eq!(child.len, child.node.len());
                check(&child.node, false, nodes)
            });
            let depths: Vec<usize> = below.collect();
            assert!(depths.iter().all(|depth| *depth == depths[0]));
            depths[0] + 1
        }
    }
}

fn assert_same(ranks: &Ranks<u64>, model: &[u64]) {
    let mut nodes = NodeCount::default();
    check(&ranks.root, true, &mut nodes);
    assert_eq!(
        (ranks.len(), nodes.leaves, nodes.inner),
        (model.len(), ranks.nodes.leaves, ranks.nodes.inner)
    );
    assert!(ranks.walk(0..model.len(), false).eq(model.iter().copied()));
    assert!(ranks.walk(0..usize::MAX, true).eq(model.iter().rev().copied()));
    for rank in (0..=model.len()).step_by(1 + model.len() / 50) {
        assert_eq!(ranks.walk(rank..rank + 1, false).next(), model.get(rank).copied());
        if let Some(element) = model.get(rank) {
            assert_eq!(ranks.position(|other| other < element), rank);
            let end = rank + 70;
            assert!(ranks.walk(rank..end, false).eq(model.iter().skip(rank).take(70).copied()));
        }
    }
}

#[test]
fn it_is_a_sorted_vector() {
    let mut choices = Choices::new();
    for round in 0..12 {
        let (mut ranks, mut model) = (Ranks::default(), Vec::<u64>::new());
        // It grows, then it shrinks; it is added to in places, at the end, or at the beginning.
        for step in 0..6_000 {
            let grows = choices.below(100) < if step < 3_000 { 90 } else { 5 };
            if grows || model.is_empty() {
                let element = match (round % 3, &*model) {
                    (1, [.., last]) => last + 1,
                    (2, [first, ..]) => first - 1,
                    _ => (1 << 32) + choices.below(1 << 32) as u64,
                };
                let rank = ranks.position(|other| *other < element);
                assert_eq!(rank, model.partition_point(|other| *other < element));
                if model.get(rank) != Some(&element) {
                    ranks.insert(rank, element);
                    model.insert(rank, element);
                }
            } else {
                let rank = choices.below(model.len());
                assert_eq!(ranks.remove(rank), model.remove(rank));
            }
            if step % 500 == 0 {
                assert_same(&ranks, &model);
            }
        }
        while !model.is_empty() {
            let rank = choices.below(model.len());
            assert_eq!(ranks.remove(rank), model.remove(rank));
        }
        assert_same(&ranks, &model);
    }
}

#[test]
fn an_element_that_is_replaced_is_found_as_the_new_one() {
    let mut ranks = Ranks::default();
    for number in 0..1_000 {
        ranks.insert(number, 10 * number);
    }
    for number in 0..1_000 {
        ranks.set(number, 10 * number + 5);
        assert_eq!(ranks.position(|other| *other <= 10 * number), number);
        assert_eq!(ranks.position(|other| *other <= 10 * number + 5), number + 1);
    }
}

#[test]
fn ascending_elements_fill_their_nodes() {
    let mut ranks = Ranks::default();
    for number in 0..64_000_u64 {
        ranks.insert(number as usize, number);
    }
    assert!(ranks.memory() < 64_000 * 8 * 5 / 4, "{}", ranks.memory());
}
