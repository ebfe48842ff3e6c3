//! The check of the fuzz target for what a run writes down of itself, see [`crate::fuzzing`].

use crate::commit::fuzzing::round_trip;

use super::{checkpoint, cursor::Progress, evolving::Eras, outcome::Counters, pipeline};

/// Checks a text as each of the documents, and as the state of the thread that writes.
pub(crate) fn documents(bytes: &[u8]) {
    round_trip::<Counters>(bytes);
    round_trip::<Progress>(bytes);
    round_trip::<Eras>(bytes);
    checkpoint::check_payload(bytes);
    pipeline::check_state(bytes);
}
