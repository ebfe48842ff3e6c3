//! How far a program may go: steps, and depth of the stack.

use std::{cell::Cell, marker::PhantomData, thread};

use jaq_core::{DataT, Error, Lut, box_iter::box_once, data::HasLut, native};
use jaq_json::Val;

use super::RunError;

/// Steps that every record has. Some hundred thousand take a moment, so this is seconds.
const STEPS: u64 = 1_000_000;

/// Steps more for each byte of a record: large ones have more to go through.
const STEPS_PER_BYTE: u64 = 100;

/// The steps that a record of so many bytes has.
pub(super) fn steps_for(bytes: u64) -> u64 {
    STEPS.saturating_add(bytes.saturating_mul(STEPS_PER_BYTE))
}

/// Address space, and memory only as far as it is used.
const STACK: usize = 256 << 20;

/// Where a program has to stop: the rest is for what is between two ticks.
const DEEPEST: usize = STACK / 2;

/// The native that every tick calls; no program can name it so.
pub(super) const TICK: &str = "!tick";

/// Runs `work` on a stack that is deep enough for programs which call themselves; nothing if there is no such thread.
pub fn on_own_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    thread::scope(|scope| thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).ok()?.join().ok())
}

/// What one run may take, and has taken.
pub(super) struct Budget {
    left: Cell<u64>,
    all: u64,
    /// An address on the stack at which the run began.
    top: usize,
    is_too_deep: Cell<bool>,
}

impl Budget {
    pub(super) fn new(all: u64) -> Self {
        Self { left: Cell::new(all), all, top: here(), is_too_deep: Cell::new(false) }
    }

    /// Takes a step, if there is one.
    pub(super) fn step(&self) -> Result<(), RunError> {
        self.left.set(self.left.get().saturating_sub(1));
        if self.top.abs_diff(here()) > DEEPEST {
            self.is_too_deep.set(true);
        }
        self.check()
    }

    pub(super) fn check(&self) -> Result<(), RunError> {
        match (self.is_too_deep.get(), self.left.get()) {
            (true, _) => Err(RunError::Depth),
            (false, 0) => Err(RunError::Steps(self.all)),
            _ => Ok(()),
        }
    }
}

/// An address on the stack of this moment.
#[inline(never)]
fn here() -> usize {
    let marker = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&marker)).addr()
}

/// What jaq runs our programs with.
pub(super) struct Kind(PhantomData<()>);

impl DataT for Kind {
    type V<'a> = Val;
    type Data<'a> = Data<'a>;
}

#[derive(Clone)]
pub(super) struct Data<'a> {
    lut: &'a Lut<Kind>,
    budget: &'a Budget,
}

impl<'a> Data<'a> {
    pub(super) fn new(lut: &'a Lut<Kind>, budget: &'a Budget) -> Self {
        Self { lut, budget }
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
