//! Programs in jq over single records. The only module that knows the `jaq` crates.
//!
//! ```text
//! text ──parse──► terms ──ticks put in──► compiled, with the definitions of jq
//!                                              │
//! a record's JSON ──► value ──run, counted──► outputs ──► JSON again
//! ```
//!
//! A program sees its record and nothing else: there is no `env`, no `input`, no clock, no file and no `halt`. It is counted:
//! every call of a definition, every step of a pipe and every element that is collected takes one of its steps, so that a
//! program that would go on for ever fails, at the same place on every machine; so is the size of what it makes. What takes
//! long all the same ends by the clock. Numbers that pass through unchanged keep their digits.

mod budget;
mod compile;
mod dates;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod growth;
mod limits;
mod looks;
mod regex;
mod ticks;
mod value;

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

pub use self::{budget::on_own_stack, value::Value};
use self::{
    budget::{Budget, Data, Kind},
    compile::Filter,
};

/// A compiled program. Serialises as its text.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Program {
    text: Arc<str>,
    filter: Arc<Filter>,
}

/// The reason why a text is not a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProgramError {
    pub message: String,
    /// Byte offset into the program's text.
    pub offset: usize,
}

/// The reason why a program returns no further output.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// In jq's own words.
    #[error("{0}")]
    Failed(String),
    #[error("the program takes more than {0} steps for this record")]
    Steps(u64),
    #[error("the program calls itself too deep")]
    Depth,
    #[error("its result {0} is no JSON")]
    NoJson(String),
    #[error("the program makes values that are too large (one of more than {0} MiB, or too many)")]
    Size(u64),
    #[error("the program takes longer than {0:?} for this record")]
    Time(Duration),
    #[error("stopped on request while a program ran")]
    Stopped,
}

/// Looked at now and then while a program runs: why it has to stop, if it has.
pub type Watch<'a> = &'a dyn Fn() -> Option<RunError>;

impl Program {
    /// Runs the program on one value, and gives `take` each of its outputs until that says no. No value may have more than
    /// `memory` bytes. To be called within [`on_own_stack`].
    ///
    /// # Errors
    /// The first error that the program does not handle itself, and what `watch` says.
    pub fn run(
        &self,
        input: Value,
        memory: usize,
        watch: Watch<'_>,
        take: impl FnMut(Value) -> bool,
    ) -> Result<(), RunError> {
        let bytes = value::weight(&input.0);
        let budget = Budget::new(budget::steps_for(bytes), bytes, watch).within(memory as u64);
        self.run_within(&budget, input, take)
    }

    fn run_within(
        &self,
        budget: &Budget<'_>,
        input: Value,
        mut take: impl FnMut(Value) -> bool,
    ) -> Result<(), RunError> {
        budget.look()?;
        let context = jaq_core::Ctx::<Kind>::new(Data::new(&self.filter.lut, budget), jaq_core::Vars::new([]));
        for output in self.filter.id.run((context, input.0)) {
            let output = output.map_err(jaq_core::Exn::get_err);
            // What ran out of steps may have caught the error, and gone on with half of its data.
            budget.check()?;
            match output {
                Ok(output) => {
                    if !take(Value(output)) {
                        return Ok(());
                    }
                    budget.step()?;
                }
                Err(Ok(error)) => return Err(RunError::Failed(value::shortened(&error.to_string()))),
                Err(Err(_)) => return Err(RunError::Failed("it breaks out of nothing".to_owned())),
            }
        }
        budget.check()
    }
}

impl FromStr for Program {
    type Err = ProgramError;

    fn from_str(text: &str) -> Result<Self, ProgramError> {
        Ok(Self { text: text.into(), filter: Arc::new(compile::compile(text)?) })
    }
}

impl TryFrom<String> for Program {
    type Error = ProgramError;

    fn try_from(text: String) -> Result<Self, ProgramError> {
        text.parse()
    }
}

impl From<Program> for String {
    fn from(program: Program) -> Self {
        program.text.to_string()
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Program({})", self.text)
    }
}

#[cfg(test)]
mod tests;
