//! How much the thread at work has allocated and not freed again.
//!
//! Counted by the program's allocator, for work that no other measure bounds: a program of the config over a record. Where
//! the allocator does not count, as in a library's user, it is always 0.

use std::cell::Cell;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// Counts bytes that were allocated on this thread. Called by the allocator, and so allocates nothing itself.
#[inline]
pub fn add(bytes: usize) {
    HELD.set(HELD.get().wrapping_add(bytes));
}

/// Counts bytes that were freed on this thread, by whichever thread they were allocated.
#[inline]
pub fn subtract(bytes: usize) {
    HELD.set(HELD.get().wrapping_sub(bytes));
}

/// Where a thread stands.
#[derive(Clone, Copy, Debug)]
pub struct Mark(usize);

impl Mark {
    /// This moment of this thread.
    pub fn now() -> Self {
        Self(HELD.get())
    }

    /// Bytes more that this thread holds than it did then; 0 if it holds less.
    pub fn held_since(self) -> u64 {
        let held = HELD.get().wrapping_sub(self.0).cast_signed();
        u64::try_from(held).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_thread_holds_counts_from_a_mark_and_is_not_less_than_nothing() {
        add(100);
        let mark = Mark::now();
        add(50);
        subtract(20);
        assert_eq!(mark.held_since(), 30);
        subtract(80);
        assert_eq!(mark.held_since(), 0);
        std::thread::spawn(|| assert_eq!(Mark::now().held_since(), 0)).join().unwrap();
    }
}
