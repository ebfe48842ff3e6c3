//! Bytes that the current thread has allocated and not freed yet.
//!
//! The allocator of the program counts them, for work that has no other bound: a jq program over a record. In a program with
//! another allocator the count is always 0.

use std::cell::Cell;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// Counts bytes that this thread allocated. The allocator calls it, so it must not allocate.
#[inline]
pub fn add(bytes: usize) {
    HELD.set(HELD.get().wrapping_add(bytes));
}

/// Counts bytes that this thread freed. Another thread may have allocated them.
#[inline]
pub fn subtract(bytes: usize) {
    HELD.set(HELD.get().wrapping_sub(bytes));
}

/// The count of a thread at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Mark(usize);

impl Mark {
    /// Returns the count of the current thread.
    pub fn now() -> Self {
        Self(HELD.get())
    }

    /// Returns the bytes that this thread has allocated since then and not freed; 0 if it freed more than it allocated.
    pub fn held_since(self) -> u64 {
        let held = HELD.get().wrapping_sub(self.0).cast_signed();
        u64::try_from(held).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocations_count_from_a_mark_and_are_never_negative() {
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
