//! Stdout: a command's result, whole, once, at the end.

use std::io::{self, Write};

use serde::Serialize;

use super::{
    console::Console,
    exit::Exit,
    visible::{visible, visible_json},
};
use crate::{run::Held, secret::Redactor};

/// What a command comes to.
#[derive(Debug)]
#[must_use]
pub struct Answer {
    pub exit: Exit,
    /// What goes to stdout, as whole lines; may hold colours.
    pub result: String,
    /// A run that has to hear that its end was told.
    pub held: Option<Held>,
}

impl Answer {
    pub fn new(exit: Exit, result: String) -> Self {
        Self { exit, result, held: None }
    }
}

/// Writes the result and gives the exit code. A reader that left early (`| head`) is no failure.
pub fn print(answer: &Answer) -> Exit {
    match write(&mut anstream::AutoStream::auto(io::stdout()).lock(), &visible(&answer.result)) {
        Ok(()) => answer.exit,
        Err(error) => {
            Console::stderr().line(&format!("error: cannot write the result to stdout: {error}"));
            if answer.exit == Exit::Done { Exit::Failed } else { answer.exit }
        }
    }
}

fn write(stdout: &mut dyn Write, result: &str) -> io::Result<()> {
    let written = stdout.write_all(result.as_bytes()).and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// One JSON document, with its newline.
pub fn json(document: &impl Serialize) -> String {
    match serde_json::to_string_pretty(document) {
        Ok(text) => visible_json(&text).into_owned() + "\n",
        // Only a type whose Serialize fails gets here; a script still gets one document to read.
        Err(error) => {
            let error = serde_json::json!({"code": "json", "message": error.to_string(), "hint": null});
            serde_json::json!({"status": "failed", "error": error}).to_string() + "\n"
        }
    }
}

/// Returns the result with secrets stripped from all of its texts.
pub fn masked_json(document: &impl Serialize, redactor: &Redactor) -> String {
    match serde_json::to_value(document) {
        Ok(document) => json(&redactor.json(document)),
        Err(_) => json(document),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_left_is_no_failure_but_a_full_disk_is() {
        assert!(write(&mut Failing(io::ErrorKind::BrokenPipe), "text").is_ok());
        assert!(write(&mut Failing(io::ErrorKind::StorageFull), "text").is_err());
    }

    #[test]
    fn a_document_ends_with_one_newline_and_reads_back() {
        let text = json(&serde_json::json!({"a": [1, null]}));
        assert!(text.ends_with("}\n"));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["a"][0], 1);
    }

    struct Unserialisable;

    impl Serialize for Unserialisable {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no form"))
        }
    }

    #[test]
    fn what_cannot_be_written_as_json_is_a_failed_document() {
        let document: serde_json::Value = serde_json::from_str(&json(&Unserialisable)).unwrap();
        assert_eq!(document["error"]["message"], "no form");
    }
}
