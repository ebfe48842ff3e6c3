//! The check of the fuzz target for programs, see [`crate::fuzzing`].
//!
//! ```text
//! map(.a) | add      up to the first NUL or the end of the text: a program
//! {"a": 1}           after it: a record; `null` where there is none
//! ```
//!
//! | compared | with | where |
//! |---|---|---|
//! | outputs | those of a second run | always: a program depends on its record alone |
//! | output `.` | the record | serde_json takes it |
//! | outputs as JSON | serde_json | always: what is written can be read |

use serde_json::Value as Json;

use super::{
    Program, RunError, Value,
    budget::{Budget, on_own_stack},
};

/// Steps of a run: what takes longer in a test takes too long.
const STEPS: u64 = 3_000;

/// Outputs that are looked at.
const MOST_OUTPUTS: usize = 50;

/// Checks a program over a record.
pub fn jq(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let text = parts.next().and_then(|text| std::str::from_utf8(text).ok());
    let record = parts.next().unwrap_or(b"null");
    let Some(text) = text else { return };
    let program = match text.parse::<Program>() {
        Ok(program) => program,
        Err(error) => {
            assert!(text.is_char_boundary(error.offset) && !error.message.is_empty(), "{error:?}");
            return;
        }
    };
    let _ = on_own_stack(|| {
        let outputs = run(&program, record);
        assert_eq!(outputs, run(&program, record), "{text}");
        if let (Some(Ok(outputs)), ".") = (&outputs, text) {
            assert_eq!(outputs.len(), 1);
        }
    });
}

/// `None` if the record cannot be read.
fn run(program: &Program, record: &[u8]) -> Option<Result<Vec<String>, RunError>> {
    let input = Value::parse(record).ok()?;
    let mut outputs = Vec::new();
    let budget = Budget::new(STEPS, record.len() as u64, &|| None);
    let ended = program.run_within(&budget, input, |output| {
        outputs.push(output);
        outputs.len() < MOST_OUTPUTS
    });
    Some(ended.and_then(|()| outputs.into_iter().map(|output| written(&output)).collect()))
}

fn written(output: &Value) -> Result<String, RunError> {
    let mut text = Vec::new();
    output.write(&mut text)?;
    assert!(serde_json::from_slice::<Json>(&text).is_ok() || is_beyond_serde(&text), "{output:?}");
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Numbers that are no doubles, and depth.
fn is_beyond_serde(text: &[u8]) -> bool {
    crate::json::Document::parse(text.to_vec()).is_ok()
}
