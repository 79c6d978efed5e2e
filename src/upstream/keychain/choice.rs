/// The smooth weighted choice: over time each has its share, and in the short run those of great weight do not come in a row.
#[derive(Debug)]
pub(super) struct Choice {
    weights: Vec<i64>,
    /// How much each has been passed over.
    due: Vec<i64>,
}

impl Choice {
    pub(super) fn new(weights: impl Iterator<Item = u32>) -> Self {
        let weights: Vec<i64> = weights.map(i64::from).collect();
        Self {
            due: vec![0; weights.len()],
            weights,
        }
    }

    /// Whose turn it is among those that `may`; `None` where nobody does.
    pub(super) fn next(&mut self, may: impl Fn(usize) -> bool) -> Option<usize> {
        let mut total = 0;
        let mut best: Option<(usize, i64)> = None;
        for (at, (due, weight)) in self.due.iter_mut().zip(&self.weights).enumerate() {
            if !may(at) {
                continue;
            }
            *due += weight;
            total += weight;
            if best.is_none_or(|(_, most)| *due > most) {
                best = Some((at, *due));
            }
        }
        let (best, _) = best?;
        if let Some(due) = self.due.get_mut(best) {
            *due -= total;
        }
        Some(best)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_great_weight_does_not_come_in_a_row() {
        let mut choice = Choice::new([5, 1, 1].into_iter());
        let chosen: Vec<_> = (0..7).filter_map(|_| choice.next(|_| true)).collect();
        assert_eq!(chosen, [0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn whoever_may_not_is_not_chosen_and_is_owed_nothing() {
        let mut choice = Choice::new([1, 1].into_iter());
        for _ in 0..100 {
            assert_eq!(choice.next(|at| at == 1), Some(1));
        }
        let chosen: Vec<_> = (0..4).filter_map(|_| choice.next(|_| true)).collect();
        assert_eq!(chosen, [0, 1, 0, 1]);
        assert_eq!(choice.next(|_| false), None);
    }

    proptest! {
        #[test]
        fn each_has_its_share(weights in prop::collection::vec(1..50_u32, 1..64)) {
            let total: u32 = weights.iter().sum();
            let mut choice = Choice::new(weights.iter().copied());
            let mut counts = vec![0; weights.len()];
            for _ in 0..3 * total {
                counts[choice.next(|_| true).unwrap()] += 1;
            }
            let expected: Vec<u32> = weights.iter().map(|weight| 3 * weight).collect();
            prop_assert_eq!(counts, expected);
        }
    }
}
