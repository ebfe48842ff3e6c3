//! What is done with records before they are decoded.

use serde::Serialize;

use crate::jq::Program;

/// One step, in the order of the config.
#[derive(Clone, Debug, Serialize)]
pub struct ProcessingStep {
    /// Where the config says it: `processing_steps[0].filter`.
    pub place: String,
    pub operation: StepOperation,
    pub program: Program,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOperation {
    /// Keeps the records for which the program's first output is neither false nor null.
    Filter,
    /// The program's first output takes the record's place; without one, or if it is null, the record goes.
    Map,
    /// Every output of the program is a record.
    YieldMap,
}
