//! The memory of pages: bodies that are being read, documents that wait for their turn or are decoded.
//!
//! ```text
//! request ──► Hold: expected size ──► grows with body and index ──► size of the document ──► dropped with the page
//!                    └── PageMemory: all holds of one source, within its share ──┘
//!                              └── PageLimits: one source of a run at a time may go beyond its share, by one page
//! ```
//!
//! Pages that are requested ahead stay within the share. Where one of them does not fit, its body is dropped, and it is
//! requested again once there is room or once it is its turn. The page whose turn it is may go beyond the share, after the
//! pages before it are written, and up to the limit of a single page: so the first page in order always makes progress.
//!
//! Each form of a page is bounded by the same limit, a third of `memory_limit`: what steps or parents' fields make of it, its
//! rows, its rejects. They replace one another on their way, so that no more than two of them are there at a time. Rows count
//! in the hold until they are written. Keys and kept fields of parents are held until the end and have shares of their own
//! (`run/pipeline.rs`, `run/rows.rs`). Not counted: the state of the encoder of each column of an open file, which is of a
//! fixed size, and copies that a checkpoint makes of keys since the one before.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::sync::Notify;

/// Part of the old estimate that a smaller page takes off: the estimate follows the largest of the last few pages.
const DECAY: u64 = 8;

/// The limits that the sources of a run share.
#[derive(Debug)]
pub struct PageLimits {
    /// Bytes of the largest page, with its index.
    most: u64,
    /// True if a source holds more than its share.
    is_overdrawn: AtomicBool,
    changed: Notify,
}

impl PageLimits {
    /// Limits under which a single page may take `most` bytes, e.g. a third of `memory_limit`.
    pub fn new(most: u64) -> Arc<Self> {
        Arc::new(Self { most, is_overdrawn: AtomicBool::new(false), changed: Notify::new() })
    }

    fn overdraw(&self) -> bool {
        !self.is_overdrawn.swap(true, Ordering::Relaxed)
    }
}

/// The pages of one source.
#[derive(Debug)]
pub struct PageMemory {
    limits: Arc<PageLimits>,
    share: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    used: u64,
    /// Pages that were passed on and are not written yet.
    draining: usize,
    /// Bytes of the largest of the last few pages.
    expected: u64,
    has_overdrawn: bool,
}

/// Reason why a page gets no more memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Other pages take the memory for now; the hold wants so many bytes.
    ForNow(u64),
    /// The page is larger than any page may be, which is so many bytes.
    ForGood { limit: u64 },
}

impl PageMemory {
    /// `share`: bytes of pages that are held at the same time, where each of them is smaller than that.
    pub fn new(limits: Arc<PageLimits>, share: u64) -> Arc<Self> {
        Arc::new(Self { limits, share, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that the next page is expected to take.
    pub fn expected(&self) -> u64 {
        self.state().expected
    }

    /// Returns `true` if a further page of the expected size fits into the share.
    pub fn has_room(&self) -> bool {
        let state = self.state();
        state.used.saturating_add(state.expected) <= self.share
    }

    /// A hold for the next page; of the expected size, or empty if that is more than there is room for.
    pub fn hold(self: &Arc<Self>, sequence: &Arc<Turn>) -> Arc<Hold> {
        let mut state = self.state();
        let free = self.share.saturating_sub(state.used);
        let bytes = if state.expected <= free { state.expected } else { 0 };
        state.used += bytes;
        drop(state);
        Arc::new(Hold { memory: Arc::clone(self), bytes: AtomicU64::new(bytes), turn: Turn::within(sequence) })
    }

    /// Gives a page sequence or a page its turn: it may go beyond the share from now on.
    pub fn give_turn(&self, turn: &Turn) {
        if !turn.has_come.swap(true, Ordering::Relaxed) {
            self.limits.changed.notify_waiters();
        }
    }

    /// Learns the size of a page.
    fn learn(&self, bytes: u64) {
        let mut state = self.state();
        let decayed = state.expected - state.expected / DECAY + bytes / DECAY;
        state.expected = bytes.max(decayed);
    }

    /// Gives up the overdraft once it is no longer needed.
    fn settle(&self, state: &mut State) {
        if state.has_overdrawn && state.used <= self.share {
            state.has_overdrawn = false;
            self.limits.is_overdrawn.store(false, Ordering::Relaxed);
        }
    }
}

/// The turn of a page sequence, or of a page in it: its own, and that of the sequence around it.
#[derive(Debug)]
pub struct Turn {
    has_come: AtomicBool,
    around: Option<Arc<Self>>,
}

impl Turn {
    /// The turn of a source: its own alone.
    pub fn new(has_come: bool) -> Arc<Self> {
        Arc::new(Self { has_come: AtomicBool::new(has_come), around: None })
    }

    /// A turn that comes after the one around it.
    pub fn within(around: &Arc<Self>) -> Arc<Self> {
        Arc::new(Self { has_come: AtomicBool::new(false), around: Some(Arc::clone(around)) })
    }

    fn is_now(&self) -> bool {
        self.has_come.load(Ordering::Relaxed) && self.around.as_ref().is_none_or(|around| around.is_now())
    }
}

/// The turn of a source that waits for it.
#[derive(Debug)]
pub struct PendingTurn {
    memory: Arc<PageMemory>,
    turn: Arc<Turn>,
}

impl PendingTurn {
    pub fn new(memory: &Arc<PageMemory>, turn: &Arc<Turn>) -> Self {
        Self { memory: Arc::clone(memory), turn: Arc::clone(turn) }
    }

    pub fn give(&self) {
        self.memory.give_turn(&self.turn);
    }
}

/// The memory of one page. Given back on drop.
#[derive(Debug)]
pub struct Hold {
    memory: Arc<PageMemory>,
    bytes: AtomicU64,
    turn: Arc<Turn>,
}

impl Hold {
    /// A hold for a second document of the same page.
    pub fn beside(&self) -> Arc<Self> {
        let (memory, turn) = (Arc::clone(&self.memory), Arc::clone(&self.turn));
        Arc::new(Self { memory, bytes: AtomicU64::new(0), turn })
    }

    pub fn has_turn(&self) -> bool {
        self.turn.is_now()
    }

    /// Marks the page as the first one of its sequence.
    pub fn take_turn(&self) {
        self.memory.give_turn(&self.turn);
    }

    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes that a single page may take.
    pub fn most(&self) -> u64 {
        self.memory.limits.most
    }

    /// Raises the hold to `bytes`, without waiting.
    ///
    /// # Errors
    /// [`Refused`] if that is more than the limits allow now or ever. The hold stays as it was.
    pub fn grow(&self, bytes: u64) -> Result<(), Refused> {
        if bytes <= self.bytes() {
            return Ok(());
        }
        let memory = &self.memory;
        let limit = memory.limits.most;
        if bytes > limit {
            return Err(Refused::ForGood { limit });
        }
        let mut state = memory.state();
        let used = (state.used - self.bytes()).saturating_add(bytes);
        if used > memory.share {
            if !self.has_turn() || state.draining > 0 {
                return Err(Refused::ForNow(bytes));
            }
            if !state.has_overdrawn && !memory.limits.overdraw() {
                return Err(Refused::ForNow(bytes));
            }
            state.has_overdrawn = true;
        }
        state.used = used;
        self.bytes.store(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Raises the hold to `bytes` as soon as that is possible. A page that does not have its turn yet may wait for it.
    ///
    /// # Errors
    /// [`Refused::ForGood`].
    pub async fn wait(&self, bytes: u64) -> Result<(), Refused> {
        loop {
            let mut changed = pin!(self.memory.limits.changed.notified());
            // Before the attempt: a change between the two must not be missed.
            changed.as_mut().enable();
            match self.grow(bytes) {
                Err(Refused::ForNow(_)) => changed.await,
                outcome => return outcome,
            }
        }
    }

    /// Sets the hold to what the page has come to.
    pub fn set(&self, bytes: u64) {
        let memory = &self.memory;
        let mut state = memory.state();
        state.used = (state.used - self.bytes()).saturating_add(bytes);
        let has_shrunk = bytes < self.bytes();
        self.bytes.store(bytes, Ordering::Relaxed);
        memory.settle(&mut state);
        drop(state);
        if has_shrunk {
            memory.limits.changed.notify_waiters();
        }
    }

    /// Sets the hold to the size of the whole page, and lets later pages expect as much.
    pub fn finish(&self, bytes: u64) {
        self.memory.learn(bytes);
        self.set(bytes);
    }

    /// Marks the page as passed on until its rows are written.
    pub fn drain(self: &Arc<Self>) -> Draining {
        self.memory.state().draining += 1;
        Draining(Arc::clone(self))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// A page whose rows are decoded and written.
#[derive(Debug)]
pub struct Draining(Arc<Hold>);

impl Drop for Draining {
    fn drop(&mut self) {
        let memory = &self.0.memory;
        memory.state().draining -= 1;
        memory.limits.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(share: u64, most: u64) -> Arc<PageMemory> {
        PageMemory::new(PageLimits::new(most), share)
    }

    fn first() -> Arc<Turn> {
        Turn::new(true)
    }

    #[test]
    fn a_page_ahead_stays_within_the_share_and_the_first_one_may_take_as_much_as_a_page_may() {
        let memory = memory(100, 1_000);
        let (head, ahead) = (memory.hold(&first()), memory.hold(&first()));
        head.take_turn();
        assert_eq!((head.grow(60), ahead.grow(60)), (Ok(()), Err(Refused::ForNow(60))));
        assert_eq!((ahead.grow(40), head.grow(900)), (Ok(()), Ok(())));
        assert_eq!(head.grow(1_001), Err(Refused::ForGood { limit: 1_000 }));
        drop(head);
        let state = memory.state();
        assert_eq!((state.used, state.has_overdrawn), (40, false));
    }

    #[test]
    fn the_first_page_goes_beyond_the_share_only_after_the_pages_before_it_are_written() {
        let memory = memory(100, 1_000);
        let (before, head) = (memory.hold(&first()), memory.hold(&first()));
        before.set(50);
        head.take_turn();
        let draining = before.drain();
        drop(before);
        assert_eq!((head.grow(50), head.grow(60)), (Ok(()), Err(Refused::ForNow(60))));
        drop(draining);
        assert_eq!(head.grow(60), Ok(()));
    }

    #[test]
    fn one_source_of_a_run_at_a_time_goes_beyond_its_share() {
        let limits = PageLimits::new(1_000);
        let holds = [(); 2].map(|()| PageMemory::new(Arc::clone(&limits), 100).hold(&first()));
        holds.iter().for_each(|hold| hold.take_turn());
        let [one, two] = holds;
        assert_eq!((one.grow(200), two.grow(200)), (Ok(()), Err(Refused::ForNow(200))));
        drop(one);
        assert_eq!(two.grow(200), Ok(()));
    }

    #[tokio::test]
    async fn a_page_that_waits_goes_on_once_there_is_room_or_once_it_is_its_turn() {
        let memory = memory(100, 1_000);
        let sequence = Turn::new(false);
        let (other, waiting) = (memory.hold(&first()), memory.hold(&sequence));
        other.set(90);
        let task = tokio::spawn({
            let waiting = Arc::clone(&waiting);
            async move { (waiting.wait(50).await, waiting.wait(200).await) }
        });
        tokio::task::yield_now().await;
        assert_eq!(waiting.bytes(), 0);
        other.set(10);
        tokio::task::yield_now().await;
        assert_eq!(waiting.bytes(), 50);
        waiting.take_turn();
        memory.give_turn(&sequence);
        assert_eq!((task.await.unwrap(), waiting.bytes()), ((Ok(()), Ok(())), 200));
    }

    #[test]
    fn the_next_page_is_expected_to_be_as_large_as_the_largest_of_the_last_ones() {
        let memory = memory(1_000, 1_000);
        let learn = |sizes: &[u64]| {
            sizes.iter().for_each(|size| memory.hold(&first()).finish(*size));
            memory.expected()
        };
        assert_eq!(learn(&[10, 20, 10]), 19);
        assert_eq!(learn(&[800]), 800);
        assert!((10..40).contains(&learn(&[10; 40])));
    }
}
