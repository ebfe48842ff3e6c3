//! The rows of each list, where a list may be read again after later lists.

/// The first row of each list, in order of arrival.
#[derive(Debug, Default)]
pub(super) struct ListStarts {
    /// The id of the first row, and the number of the list.
    pub(super) starts: Vec<(u64, u64)>,
    /// The highest number of a list so far.
    newest: u64,
}

impl ListStarts {
    /// The rows from `id` on are those of `list`.
    pub(super) fn begin(&mut self, id: u64, list: u64) {
        if self.current() != Some(list) {
            self.starts.push((id, list));
        }
        self.newest = self.newest.max(list);
    }

    /// Adds what another run has seen.
    pub(super) fn restore(&mut self, starts: Vec<(u64, u64)>) {
        starts.into_iter().for_each(|(id, list)| self.begin(id, list));
    }

    /// Returns true if a row belongs to a list that comes after the one at hand, which is read again then.
    pub(super) fn is_of_later_list(&self, id: u64) -> bool {
        // Lists arrive in order but for those that are read again: then each row is looked up.
        let Some(current) = self.current().filter(|current| *current < self.newest) else { return false };
        let before = self.starts.partition_point(|(first, _)| *first <= id);
        before.checked_sub(1).and_then(|index| self.starts.get(index)).is_some_and(|(_, list)| *list > current)
    }

    pub(super) fn memory(&self) -> usize {
        self.starts.capacity() * size_of::<(u64, u64)>()
    }

    fn current(&self) -> Option<u64> {
        self.starts.last().map(|(_, list)| *list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_later_lists_are_known_once_an_earlier_one_is_read_again() {
        let mut lists = ListStarts::default();
        [(0, 1), (10, 2), (15, 2), (20, 3)].into_iter().for_each(|(id, list)| lists.begin(id, list));
        assert_eq!(lists.starts, [(0, 1), (10, 2), (20, 3)]);
        assert!((0..30).all(|id| !lists.is_of_later_list(id)));
        lists.begin(30, 2);
        let later: Vec<u64> = (0..40).filter(|id| lists.is_of_later_list(*id)).collect();
        assert_eq!(later, (20..30).collect::<Vec<_>>());
    }
}
