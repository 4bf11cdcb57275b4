//! Places in the list of a query plan whose nodes come first, without memory of their own.

/// Places in the list of a rotation that come first: as many replicas as most keyspaces have in a datacenter.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Preferred {
    places: [u16; Self::MOST],
    count: u8,
    /// How many of them were given.
    given: u8,
}

impl Preferred {
    const MOST: usize = 5;

    /// Adds a place behind the others, unless it is full.
    pub(super) fn push(&mut self, index: u16) {
        if let Some(place) = self.places.get_mut(usize::from(self.count)) {
            *place = index;
            self.count += 1;
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.count.into()
    }

    pub(super) fn get(&self, at: usize) -> Option<u16> {
        self.all().get(at).copied()
    }

    /// Puts them in the order of `tier`, those of one tier as they are.
    pub(super) fn sort_by_tier(&mut self, tier: impl Fn(u16) -> u8) {
        self.all_mut().sort_by_key(|index| tier(*index));
    }

    /// Puts the first `count` in an order by chance; `choose` gives a number below the one that it is given.
    pub(super) fn shuffle(&mut self, count: usize, mut choose: impl FnMut(u64) -> u64) {
        let first = self.all_mut().get_mut(..count).unwrap_or_default();
        for end in (1..first.len()).rev() {
            let other = choose(end as u64 + 1);
            first.swap(end, usize::try_from(other).unwrap_or(end).min(end));
        }
    }

    /// Puts the one at this place of the order first; those before it come behind it.
    pub(super) fn put_first(&mut self, at: usize) {
        if let Some(up_to) = self.all_mut().get_mut(..=at) {
            up_to.rotate_right(1);
        }
    }

    pub(super) fn all(&self) -> &[u16] {
        self.places.get(..usize::from(self.count)).unwrap_or_default()
    }

    fn all_mut(&mut self) -> &mut [u16] {
        self.places.get_mut(..usize::from(self.count)).unwrap_or_default()
    }

    #[inline]
    pub(super) fn contains(&self, index: u32) -> bool {
        self.all().iter().any(|place| u32::from(*place) == index)
    }

    #[inline]
    pub(super) fn next(&mut self) -> Option<usize> {
        let index = *self.all().get(usize::from(self.given))?;
        self.given += 1;
        Some(index.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_ordered_by_tier_and_one_can_be_put_first() {
        let mut preferred = Preferred::default();
        for index in [7, 2, 5, 1, 9, 3] {
            preferred.push(index);
        }
        assert_eq!(preferred.all(), [7, 2, 5, 1, 9]);
        preferred.sort_by_tier(|index| u8::from(index > 4));
        assert_eq!(preferred.all(), [2, 1, 7, 5, 9]);
        preferred.put_first(3);
        assert_eq!(preferred.all(), [5, 2, 1, 7, 9]);
        preferred.put_first(0);
        assert_eq!(preferred.all(), [5, 2, 1, 7, 9]);
        preferred.shuffle(2, |choices| choices - 2);
        assert_eq!(preferred.all(), [2, 5, 1, 7, 9]);
        assert_eq!(std::iter::from_fn(|| preferred.next()).count(), 5);
    }
}
