//! Trees that are linked and cut, with the question which tree a node is in: what keeps loops out of threads.
//!
//! A node may become the parent of another unless it is below it. Walking up to see that takes as long as the thread is
//! deep, and messages are deep in threads and refer to ten thousand others. These are the link-cut trees of Sleator and
//! Tarjan: each path of a tree lies in a splay tree, so that linking, cutting and finding the root take logarithmic time on
//! average, whatever the shape.

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Node {
    /// The parent in the thread.
    parent: u32,
    /// How many have it as parent.
    children: u32,
    /// Above in the splay tree; at its root, the node that the path hangs from.
    above: u32,
    /// Below in the splay tree: nearer to the root of the thread, and farther from it.
    below: [u32; 2],
}

/// A forest of nodes that are called by numbers from 0.
#[derive(Debug, Default)]
pub(super) struct Forest {
    nodes: Vec<Node>,
}

impl Forest {
    /// A new node, alone.
    pub(super) fn add(&mut self) -> u32 {
        self.nodes.push(Node { parent: NONE, children: 0, above: NONE, below: [NONE; 2] });
        (self.nodes.len() - 1) as u32
    }

    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The parent of a node.
    pub(super) fn parent(&self, node: u32) -> Option<u32> {
        Some(self.at(node).parent).filter(|parent| *parent != NONE)
    }

    /// Makes `node`, which has no parent, a child of `parent`, unless `parent` is the node itself or below it.
    pub(super) fn link(&mut self, node: u32, parent: u32) {
        // A root is above all nodes of its tree; one without children is above none.
        let is_loop = node == parent || (self.at(node).children > 0 && self.root(parent) == node);
        if is_loop {
            return;
        }
        self.expose(node);
        self.at_mut(node).above = parent;
        self.at_mut(node).parent = parent;
        self.at_mut(parent).children += 1;
    }

    /// Takes a node from its parent, if it has one.
    pub(super) fn cut(&mut self, node: u32) {
        let Some(parent) = self.parent(node) else { return };
        self.expose(node);
        let upper = std::mem::replace(&mut self.at_mut(node).below[0], NONE);
        self.at_mut(upper).above = NONE;
        self.at_mut(node).parent = NONE;
        self.at_mut(parent).children -= 1;
    }

    /// The root of the tree that a node is in.
    fn root(&mut self, node: u32) -> u32 {
        self.expose(node);
        let mut root = node;
        while self.at(root).below[0] != NONE {
            root = self.at(root).below[0];
        }
        // Pays for the way.
        self.splay(root);
        root
    }

    fn at(&self, node: u32) -> &Node {
        &self.nodes[node as usize]
    }

    fn at_mut(&mut self, node: u32) -> &mut Node {
        &mut self.nodes[node as usize]
    }

    /// On which side of the node above it a node is; `None` at the root of a splay tree.
    fn side(&self, node: u32) -> Option<usize> {
        let above = self.at(node).above;
        if above == NONE {
            return None;
        }
        self.at(above).below.iter().position(|below| *below == node)
    }

    /// Brings a node one up in its splay tree.
    fn rotate(&mut self, node: u32) {
        let Some(side) = self.side(node) else { return };
        let above = self.at(node).above;
        let top = self.at(above).above;
        let side_above = self.side(above);
        let inner = self.at(node).below[1 - side];
        self.at_mut(above).below[side] = inner;
        if inner != NONE {
            self.at_mut(inner).above = above;
        }
        self.at_mut(node).below[1 - side] = above;
        self.at_mut(above).above = node;
        self.at_mut(node).above = top;
        if let Some(side) = side_above {
            self.at_mut(top).below[side] = node;
        }
    }

    /// Brings a node to the top of its splay tree.
    fn splay(&mut self, node: u32) {
        while let Some(side) = self.side(node) {
            let above = self.at(node).above;
            match self.side(above) {
                Some(other) if other == side => self.rotate(above),
                Some(_) => self.rotate(node),
                None => {}
            }
            self.rotate(node);
        }
    }

    /// Makes the path from the root to a node one splay tree, with the node on top and last.
    fn expose(&mut self, node: u32) {
        let (mut at, mut lower) = (node, NONE);
        while at != NONE {
            self.splay(at);
            self.at_mut(at).below[1] = lower;
            lower = at;
            at = self.at(at).above;
        }
        self.splay(node);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against walking up.
        #[test]
        fn no_link_makes_a_loop(steps in prop::collection::vec((any::<bool>(), 0u32..12, 0u32..12), 0..120)) {
            let mut forest = Forest::default();
            for _ in 0..12 {
                forest.add();
            }
            let mut parents = [None::<u32>; 12];
            for (cut, node, parent) in steps {
                let above = |node: u32| std::iter::successors(Some(node), |node| parents[*node as usize]);
                if cut {
                    forest.cut(node);
                    parents[node as usize] = None;
                } else if parents[node as usize].is_none() {
                    let is_loop = above(parent).any(|above| above == node);
                    forest.link(node, parent);
                    parents[node as usize] = (!is_loop).then_some(parent);
                }
                for node in 0..12 {
                    prop_assert_eq!(forest.parent(node), parents[node as usize]);
                }
            }
        }
    }
}
