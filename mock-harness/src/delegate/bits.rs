//! Sets of delegates by number: one bit each, so that ten thousand are a few hundred words.

const BITS: usize = u64::BITS as usize;

/// A set of numbers below a length that all sets of a snapshot share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    /// None of `len` numbers.
    pub(super) fn none(len: usize) -> Self {
        Self(vec![0; len.div_ceil(BITS)])
    }

    pub(super) fn insert(&mut self, number: usize) {
        if let Some(word) = self.0.get_mut(number / BITS) {
            *word |= 1 << (number % BITS);
        }
    }

    pub(super) fn contains(&self, number: usize) -> bool {
        self.0.get(number / BITS).is_some_and(|word| word >> (number % BITS) & 1 == 1)
    }

    pub(super) fn union(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }

    pub(super) fn retain(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= other);
    }

    /// Keeps what is among `numbers`.
    pub(super) fn retain_few(&mut self, numbers: &[usize]) {
        let mut kept = Self(vec![0; self.0.len()]);
        numbers.iter().filter(|number| self.contains(**number)).for_each(|number| kept.insert(*number));
        *self = kept;
    }

    pub(super) fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(word, other)| word & other != 0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The `n`-th of its numbers, counted from 0 upwards.
    pub(super) fn nth(&self, mut n: usize) -> Option<usize> {
        for (at, word) in self.0.iter().enumerate() {
            let here = word.count_ones() as usize;
            if n < here {
                return (0..BITS).filter(|bit| word >> bit & 1 == 1).nth(n).map(|bit| at * BITS + bit);
            }
            n -= here;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(numbers: &[usize]) -> Bits {
        let mut bits = Bits::none(300);
        numbers.iter().for_each(|number| bits.insert(*number));
        bits
    }

    proptest! {
        #[test]
        fn bits_are_sets(a in proptest::collection::btree_set(0usize..300, 0..40),
                         b in proptest::collection::btree_set(0usize..300, 0..40)) {
            let (left, right): (Vec<_>, Vec<_>) = (a.iter().copied().collect(), b.iter().copied().collect());
            let all = |bits: &Bits| (0..bits.len()).filter_map(|n| bits.nth(n)).collect::<Vec<_>>();
            prop_assert_eq!(all(&of(&left)), left.clone());
            prop_assert_eq!(of(&left).nth(left.len()), None);
            prop_assert_eq!(of(&left).is_empty(), left.is_empty());
            let both: Vec<_> = a.intersection(&b).copied().collect();
            prop_assert_eq!(of(&left).meets(&of(&right)), !both.is_empty());
            let mut kept = of(&left);
            kept.retain(&of(&right));
            prop_assert_eq!(all(&kept), both.clone());
            let mut few = of(&left);
            few.retain_few(&right);
            prop_assert_eq!(all(&few), both);
            let mut either = of(&left);
            either.union(&of(&right));
            prop_assert_eq!(all(&either), a.union(&b).copied().collect::<Vec<_>>());
        }
    }
}
