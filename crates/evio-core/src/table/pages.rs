//! Values by index, in pages that come and go.

/// The size of a page, in bytes, unless one value is larger: what costs little to allocate, and
/// little to keep for the sake of one value.
const PAGE_BYTES: usize = 8 << 10;

/// Values by index, in pages of up to 64.
///
/// Values never move, so growing copies nothing, and a page is freed with its last value: the
/// memory of a burst goes back, but for at most one page for each value that stays, the first page,
/// and 24 bytes for each page below the highest in use. The first page stays, so that a single
/// value that comes and goes allocates nothing.
#[derive(Debug)]
pub(crate) struct Pages<T> {
    pages: Vec<Page<T>>,
    len: usize,
}

type Slots<T> = Box<[Option<T>]>;

#[derive(Debug)]
struct Page<T> {
    /// `None` if it has no values and is not the first.
    slots: Option<Slots<T>>,
    len: u32,
}

impl<T> Page<T> {
    #[inline]
    fn get_mut(&mut self, slot: usize) -> Option<&mut T> {
        self.slots.as_mut()?.get_mut(slot)?.as_mut()
    }
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), len: 0 }
    }
}

impl<T> Pages<T> {
    /// The logarithm of the number of values on a page.
    const SHIFT: u32 = {
        let size = if size_of::<Option<T>>() == 0 { 1 } else { size_of::<Option<T>>() };
        let count = PAGE_BYTES / size;
        if count >= 64 {
            6
        } else if count == 0 {
            0
        } else {
            count.ilog2()
        }
    };

    fn place(index: u32) -> (usize, usize) {
        ((index >> Self::SHIFT) as usize, (index & ((1 << Self::SHIFT) - 1)) as usize)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns an index above those of all values.
    pub(crate) fn end(&self) -> u32 {
        (self.pages.len() << Self::SHIFT) as u32
    }

    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        let (page, slot) = Self::place(index);
        self.pages.get(page)?.slots.as_ref()?.get(slot)?.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        let (page, slot) = Self::place(index);
        self.pages.get_mut(page)?.get_mut(slot)
    }

    /// Returns the values at two indexes, which must not be the same.
    pub(crate) fn get_pair_mut(&mut self, one: u32, two: u32) -> (Option<&mut T>, Option<&mut T>) {
        debug_assert_ne!(one, two);
        if one > two {
            let (two, one) = self.get_pair_mut(two, one);
            return (one, two);
        }
        let ((first_page, first), (second_page, second)) = (Self::place(one), Self::place(two));
        if first_page < second_page {
            let middle = self.pages.len().min(second_page);
            let (before, behind) = self.pages.split_at_mut(middle);
            return (
                before.get_mut(first_page).and_then(|page| page.get_mut(first)),
                behind.first_mut().and_then(|page| page.get_mut(second)),
            );
        }
        let page = self.pages.get_mut(first_page).and_then(|page| page.slots.as_mut());
        let Some((before, behind)) = page.map(|slots| slots.split_at_mut(second)) else {
            return (None, None);
        };
        (before[first].as_mut(), behind[0].as_mut())
    }

    /// Puts a value at an index that has none.
    pub(crate) fn insert(&mut self, index: u32, value: T) {
        let (page, slot) = Self::place(index);
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || Page { slots: None, len: 0 });
        }
        let page = &mut self.pages[page];
        let new_page = || (0..1 << Self::SHIFT).map(|_| None).collect();
        let slots = page.slots.get_or_insert_with(new_page);
        debug_assert!(slots[slot].is_none(), "the index is in use");
        slots[slot] = Some(value);
        page.len += 1;
        self.len += 1;
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<T> {
        let (number, slot) = Self::place(index);
        let page = self.pages.get_mut(number)?;
        let value = page.slots.as_mut()?.get_mut(slot)?.take()?;
        page.len -= 1;
        self.len -= 1;
        if page.len == 0 && number > 0 {
            page.slots = None;
            self.trim();
        }
        Some(value)
    }

    /// Forgets the pages above the last one with values.
    fn trim(&mut self) {
        let used = self.pages.iter().rposition(|page| page.len > 0).map_or(1, |last| last + 1);
        self.pages.truncate(used);
        if self.pages.capacity() > 4 * used.max(16) {
            self.pages.shrink_to(2 * used.max(16));
        }
    }

    /// Returns the indexes that have a value from `start` on, in ascending order.
    pub(crate) fn indexes(&self, start: u32) -> impl Iterator<Item = u32> + '_ {
        let (first, _) = Self::place(start);
        let pages = self.pages.iter().enumerate().skip(first);
        let used = pages.filter_map(|(number, page)| Some((number, page.slots.as_ref()?)));
        used.flat_map(|(number, slots)| {
            let base = (number << Self::SHIFT) as u32;
            let taken = slots.iter().enumerate().filter(|(_, slot)| slot.is_some());
            taken.map(move |(slot, _)| base + slot as u32)
        })
        .filter(move |&index| index >= start)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        let slots = self.pages.iter().filter_map(|page| page.slots.as_ref());
        slots.flat_map(|slots| slots.iter().flatten())
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        let slots = self.pages.iter_mut().filter_map(|page| page.slots.as_mut());
        slots.flat_map(|slots| slots.iter_mut().flatten())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn page_count<T>(pages: &Pages<T>) -> usize {
        pages.pages.iter().filter(|page| page.slots.is_some()).count()
    }

    #[test]
    fn it_does_what_a_map_does() {
        let (mut pages, mut map) = (Pages::default(), BTreeMap::new());
        let mut state = 1u32;
        for step in 0..20_000u32 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let index = (state >> 16) % 1_000;
            if map.insert(index, step).is_none() {
                pages.insert(index, step);
            } else {
                map.remove(&index);
                assert!(pages.remove(index).is_some());
            }
            assert_eq!(pages.get(index), map.get(&index));
            assert_eq!(pages.len(), map.len());
        }
        assert!(pages.indexes(0).eq(map.keys().copied()));
        assert!(pages.indexes(500).eq(map.range(500..).map(|(&index, _)| index)));
        assert!(pages.values_mut().map(|value| *value).eq(map.values().copied()));
        assert!(pages.indexes(0).all(|index| index < pages.end()));
        assert_eq!(pages.remove(5_000), None);
    }

    #[test]
    fn pages_go_with_their_last_value_also_when_others_stay() {
        let mut pages = Pages::default();
        for index in 0..6_400 {
            pages.insert(index, index);
        }
        assert_eq!(page_count(&pages), 100);
        for index in (0..6_400).filter(|&index| index != 5_000) {
            assert_eq!(pages.remove(index), Some(index));
        }
        assert_eq!((pages.len(), page_count(&pages)), (1, 2));
        assert!(!pages.is_empty());
        assert_eq!(pages.remove(5_000), Some(5_000));
        assert!(pages.is_empty() && pages.end() == 64);
        assert_eq!(page_count(&pages), 1, "the first page stays");
        assert!((32..=64).contains(&pages.pages.capacity()), "{}", pages.pages.capacity());
    }

    #[test]
    fn pages_that_come_and_go_keep_their_places() {
        let mut pages = Pages::default();
        pages.insert(63 * 64, 1);
        let places = pages.pages.capacity();
        assert!(pages.remove(63 * 64).is_some() && pages.end() == 64);
        assert_eq!(pages.pages.capacity(), places);
    }

    #[test]
    fn large_values_have_small_pages_and_small_ones_no_more_than_64() {
        assert_eq!(Pages::<()>::SHIFT, 6);
        assert_eq!(Pages::<[u8; 100]>::SHIFT, 6);
        assert_eq!(Pages::<[u8; 1_000]>::SHIFT, 3);
        assert_eq!(Pages::<[u8; 8_192]>::SHIFT, 0);
        let mut pages = Pages::default();
        pages.insert(3, [7u8; 10_000]);
        assert_eq!(pages.get_mut(3).map(|value| value[9_999]), Some(7));
        assert!(pages.get(2).is_none() && pages.get(4).is_none());
    }
}
