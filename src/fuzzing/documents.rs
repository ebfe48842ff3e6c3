//! Documents that restlake writes and reads: commits, checkpoints, records of runs, states of pipelines, schemas.
//!
//! | checked | how |
//! |---|---|
//! | every JSON document | what can be read can be written, and reads back as itself |
//! | a commit | its totals are those of its files |
//! | a column's type, a pattern of strftime | its text reads back as itself |
//! | the state of dedup and merge in a checkpoint | a key set takes it in, or says that it is another's; it is written down as it came |

use crate::{
    commit, fetch, maintain, run,
    schema::{ColumnType, TableSchema},
};

/// Checks bytes as each of the documents.
pub fn documents(data: &[u8]) {
    commit::fuzzing::documents(data);
    run::fuzzing::documents(data);
    commit::fuzzing::round_trip::<fetch::Position>(data);
    commit::fuzzing::round_trip::<TableSchema>(data);
    if let Ok(state) = maintain::PipelineState::parse(data, "f") {
        let text = serde_json::to_vec(&state);
        assert!(text.is_ok_and(|text| maintain::PipelineState::parse(&text, "f").is_ok_and(|again| again == state)));
    }
    if let Ok(text) = std::str::from_utf8(data) {
        check_type(text);
    }
}

fn check_type(text: &str) {
    match text.parse::<ColumnType>() {
        Ok(data_type) => {
            let again = data_type.to_string().parse();
            assert_eq!(again.as_ref(), Ok(&data_type), "{data_type}");
        }
        Err(error) => assert!(text.is_char_boundary(error.offset), "{error:?}"),
    }
}
