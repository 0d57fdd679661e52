//! A list in pages: growing neither copies it nor leaves half of the room unused, and a clone shares
//! them, so that what is to be written at leisure costs nothing now. A page that is shared is copied
//! when it changes.

use std::ops::{Index, IndexMut};
use std::sync::Arc;

/// See the module's description. A page has `1 << BITS` items.
#[derive(Clone, Debug)]
pub(crate) struct Pages<T, const BITS: u32> {
    pages: Vec<Arc<[T]>>,
    len: usize,
}

impl<T, const BITS: u32> Default for Pages<T, BITS> {
    fn default() -> Pages<T, BITS> {
        Pages { pages: Vec::new(), len: 0 }
    }
}

impl<T: Copy, const BITS: u32> Pages<T, BITS> {
    /// Items of a page.
    pub(crate) const SIZE: usize = 1 << BITS;

    /// The list in these pages, each of [`Pages::SIZE`] items; `None` where it does not fill them.
    pub(crate) fn of(pages: Vec<Arc<[T]>>, len: usize) -> Option<Pages<T, BITS>> {
        let is_whole = pages.iter().all(|page| page.len() == Self::SIZE);
        (is_whole && pages.len() == len.div_ceil(Self::SIZE)).then_some(Pages { pages, len })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, at: usize) -> Option<&T> {
        (at < self.len).then(|| &self[at])
    }

    /// The page of an item.
    pub(crate) fn page_of(at: usize) -> usize {
        at >> BITS
    }

    /// Its place there.
    pub(crate) fn within_page(at: usize) -> usize {
        at & (Self::SIZE - 1)
    }

    /// To take a page once for several of its items: each time other cores are asked whether nobody
    /// else holds it.
    pub(crate) fn page_mut(&mut self, page: usize) -> &mut [T] {
        Arc::make_mut(&mut self.pages[page])
    }

    pub(crate) fn push(&mut self, item: T) {
        if self.len == self.pages.len() << BITS {
            // What fills it up is never looked at.
            self.pages.push(vec![item; Self::SIZE].into());
        } else {
            let at = self.len;
            self[at] = item;
        }
        self.len += 1;
    }

    /// Takes out an item; the last one moves to where it was.
    pub(crate) fn swap_remove(&mut self, at: usize) {
        self[at] = self[self.len - 1];
        self.len -= 1;
        self.pages.truncate(self.len.div_ceil(Self::SIZE));
    }

    /// Appends items that are to stand in one page, fewer than one has; where they begin.
    pub(crate) fn push_together(&mut self, items: &[T]) -> usize {
        let Some(&first) = items.first() else { return self.len };
        if Self::within_page(self.len) + items.len() > Self::SIZE {
            self.len = self.pages.len() << BITS;
        }
        let begins = self.len;
        self.push(first);
        let within = Self::within_page(begins);
        self.page_mut(Self::page_of(begins))[within..][..items.len()].copy_from_slice(items);
        self.len = begins + items.len();
        begins
    }

    /// Appends another list, on a page of its own; where it begins.
    pub(crate) fn append(&mut self, other: Pages<T, BITS>) -> usize {
        let begins = self.pages.len() << BITS;
        if other.len > 0 {
            self.len = begins + other.len;
            self.pages.extend(other.pages);
        }
        begins
    }

    /// An item and what stands behind it in its page.
    pub(crate) fn from(&self, at: usize) -> &[T] {
        &self.pages[Self::page_of(at)][Self::within_page(at)..]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.used().flatten()
    }

    /// The pages, the last one as far as it is used.
    pub(crate) fn used(&self) -> impl Iterator<Item = &[T]> {
        let before = (0..).step_by(Self::SIZE);
        self.pages
            .iter()
            .zip(before)
            .map(|(page, before)| &page[..(self.len - before).min(Self::SIZE)])
    }
}

impl<T: Copy, const BITS: u32> Index<usize> for Pages<T, BITS> {
    type Output = T;

    fn index(&self, at: usize) -> &T {
        &self.pages[Self::page_of(at)][Self::within_page(at)]
    }
}

impl<T: Copy, const BITS: u32> IndexMut<usize> for Pages<T, BITS> {
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.page_mut(Self::page_of(at))[Self::within_page(at)]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Push(u8),
        Change(usize, u8),
        SwapRemove(usize),
        Clone,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => any::<u8>().prop_map(Step::Push),
            2 => (any::<usize>(), any::<u8>()).prop_map(|(at, item)| Step::Change(at, item)),
            2 => any::<usize>().prop_map(Step::SwapRemove),
            1 => Just(Step::Clone),
        ]
    }

    fn held(pages: &Pages<u8, 2>) -> Vec<u8> {
        pages.iter().copied().collect()
    }

    proptest! {
        /// It is a `Vec`, and so is each clone, whatever becomes of the others.
        #[test]
        fn a_list_in_pages_is_a_list(steps in proptest::collection::vec(step(), 0..60)) {
            let mut lists = vec![(Pages::<u8, 2>::default(), Vec::new())];
            for step in steps {
                let (pages, list) = lists.last_mut().expect("there is one");
                match step {
                    Step::Push(item) => {
                        pages.push(item);
                        list.push(item);
                    }
                    Step::Change(at, item) if !list.is_empty() => {
                        let at = at % list.len();
                        pages[at] = item;
                        list[at] = item;
                    }
                    Step::SwapRemove(at) if !list.is_empty() => {
                        let at = at % list.len();
                        pages.swap_remove(at);
                        list.swap_remove(at);
                    }
                    Step::Clone => {
                        let both = (pages.clone(), list.clone());
                        lists.push(both);
                    }
                    _ => {}
                }
            }
            for (pages, list) in &lists {
                prop_assert_eq!(&held(pages), list);
                prop_assert_eq!(pages.len(), list.len());
                prop_assert_eq!(pages.get(list.len()), None);
                let again = Pages::of(pages.pages.clone(), pages.len());
                prop_assert_eq!(again.map(|again| held(&again)), Some(list.clone()));
            }
        }

        #[test]
        fn what_is_to_stand_together_does(
            first in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..4), 0..12),
            second in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..4), 0..12),
        ) {
            let (mut pages, mut other) = (Pages::<u8, 2>::default(), Pages::<u8, 2>::default());
            let mut put: Vec<(usize, &Vec<u8>)> =
                first.iter().map(|items| (pages.push_together(items), items)).collect();
            let others: Vec<(usize, &Vec<u8>)> =
                second.iter().map(|items| (other.push_together(items), items)).collect();
            let begins = pages.append(other);
            put.extend(others.into_iter().map(|(at, items)| (begins + at, items)));
            let last = vec![7, 7];
            put.push((pages.push_together(&last), &last));
            for (at, items) in put {
                prop_assert!(pages.from(at).starts_with(items));
            }
        }
    }

    #[test]
    fn pages_that_are_not_whole_are_no_list() {
        let page = |len: usize| Arc::from(vec![0u8; len]);
        assert!(Pages::<u8, 2>::of(vec![page(4), page(3)], 7).is_none());
        assert!(Pages::<u8, 2>::of(vec![page(4), page(4)], 4).is_none());
        assert!(Pages::<u8, 2>::of(vec![page(4)], 5).is_none());
    }
}
