//! The budget of a program: steps, stack depth, size of values, and time.

use std::{
    cell::{Cell, RefCell},
    marker::PhantomData,
    thread,
};

use jaq_core::{DataT, Error, Lut, box_iter::box_once, data::HasLut, native};
use jaq_json::Val;

use super::{RunError, Watch};
use crate::allocation::Mark;

/// Steps that every record has. Some hundred thousand take a moment, so this is seconds.
const STEPS: u64 = 1_000_000;

/// Steps more for each byte of a record: large ones have more to go through.
const STEPS_PER_BYTE: u64 = 100;

/// The steps that a record of so many bytes has.
pub(super) fn steps_for(bytes: u64) -> u64 {
    STEPS.saturating_add(bytes.saturating_mul(STEPS_PER_BYTE))
}

/// Bytes that one value may have at least, and all that are made for a record, in sum. A gigabyte takes a second, which is too
/// long for one of a fuzzer's millions of runs.
const LARGEST: u64 = if cfg!(fuzzing) { 64 << 10 } else { 64 << 20 };
const ROOM: u64 = if cfg!(fuzzing) { 1 << 20 } else { 1 << 30 };

/// Additional bytes for each byte of a record.
const LARGEST_PER_BYTE: u64 = 4;
const ROOM_PER_BYTE: u64 = 64;

/// Steps between two looks at the clock.
const STEPS_PER_LOOK: u64 = 256;

/// Address space, and memory only as far as it is used.
const STACK: usize = 256 << 20;

/// Stack that a program may use. The rest is for the calls between two ticks.
const DEEPEST: usize = STACK / 2;

/// The native that every tick calls; no program can name it so.
pub(super) const TICK: &str = "!tick";

/// Runs `work` on a stack that is deep enough for programs which call themselves, and for parsers; nothing if there is no such thread.
///
/// Under fuzzing the work is done in place: most of the time would go to threads. The fuzzer's own stack is as deep, see
/// `tests/fuzz/README.md`.
pub fn on_own_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    if cfg!(fuzzing) {
        return Some(work());
    }
    thread::scope(|scope| thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).ok()?.join().ok())
}

/// The limits of one run and its use so far.
pub(super) struct Budget<'a> {
    left: Cell<u64>,
    all: u64,
    /// Bytes that one value may have.
    largest: u64,
    /// Bytes that may still be made.
    room: Cell<u64>,
    /// The memory of this thread at the start, and the bytes that the run may allocate beyond it.
    began: Mark,
    most: u64,
    /// An address on the stack at which the run began.
    top: usize,
    watch: Watch<'a>,
    /// The limit that was exceeded. It is kept, since a program may catch the error.
    end: RefCell<Option<RunError>>,
}

impl<'a> Budget<'a> {
    /// For a record of so many bytes.
    pub(super) fn new(steps: u64, bytes: u64, watch: Watch<'a>) -> Self {
        Self {
            left: Cell::new(steps),
            all: steps,
            largest: LARGEST.max(bytes.saturating_mul(LARGEST_PER_BYTE)),
            room: Cell::new(ROOM.saturating_add(bytes.saturating_mul(ROOM_PER_BYTE))),
            began: Mark::now(),
            most: u64::MAX,
            top: here(),
            watch,
            end: RefCell::default(),
        }
    }

    /// Limits each value, and all values that exist at the same time, to `memory` bytes.
    pub(super) fn within(self, memory: u64) -> Self {
        Self { largest: self.largest.min(memory), most: memory, ..self }
    }

    /// Takes a step, if there is one.
    pub(super) fn step(&self) -> Result<(), RunError> {
        let left = self.left.get().saturating_sub(1);
        self.left.set(left);
        if left == 0 {
            return self.ended(RunError::Steps(self.all));
        }
        if self.top.abs_diff(here()) > DEEPEST {
            return self.ended(RunError::Depth);
        }
        if self.began.held_since() > self.most {
            return self.ended(RunError::Size(self.largest >> 20));
        }
        if left.is_multiple_of(STEPS_PER_LOOK) {
            self.look()?;
        }
        self.check()
    }

    /// Checks for a reason to stop outside of the program.
    pub(super) fn look(&self) -> Result<(), RunError> {
        (self.watch)().map_or(Ok(()), |reason| self.ended(reason))
    }

    /// Makes a value of so many bytes, so many of them anew, if there is room.
    pub(super) fn make(&self, size: u64, anew: u64) -> Result<(), RunError> {
        let room = self.room.get();
        if size > self.largest || anew > room {
            return self.ended(RunError::Size(self.largest >> 20));
        }
        self.room.set(room - anew);
        self.check()
    }

    /// More than a value may have: who counts need not go on.
    pub(super) fn too_large(&self) -> u64 {
        self.largest.saturating_add(1)
    }

    fn ended(&self, reason: RunError) -> Result<(), RunError> {
        self.end.borrow_mut().get_or_insert(reason);
        self.check()
    }

    pub(super) fn check(&self) -> Result<(), RunError> {
        self.end.borrow().clone().map_or(Ok(()), Err)
    }
}

/// An address on the stack of this moment.
#[inline(never)]
fn here() -> usize {
    let marker = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&marker)).addr()
}

/// The types that jaq runs programs with.
pub(super) struct Kind(PhantomData<()>);

impl DataT for Kind {
    type V<'a> = Val;
    type Data<'a> = Data<'a>;
}

#[derive(Clone)]
pub(super) struct Data<'a> {
    lut: &'a Lut<Kind>,
    budget: &'a Budget<'a>,
}

impl<'a> Data<'a> {
    pub(super) fn new(lut: &'a Lut<Kind>, budget: &'a Budget<'a>) -> Self {
        Self { lut, budget }
    }

    pub(super) fn budget(&self) -> &'a Budget<'a> {
        self.budget
    }
}

impl<'a> HasLut<'a, Kind> for Data<'a> {
    fn lut(&self) -> &'a Lut<Kind> {
        self.lut
    }
}

/// True, as long as there are steps.
pub(super) fn tick() -> native::Fun<Kind> {
    native::run::<Kind>((TICK, native::v(0), |(context, _)| {
        let ticked = context.data().budget.step();
        box_once(ticked.map(|()| Val::from(true)).map_err(|error| Error::str(error).into()))
    }))
}
