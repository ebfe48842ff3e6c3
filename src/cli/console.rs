//! Stderr: the one way to it, so that lines and progress bars never mix.

use std::{
    fmt,
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use indicatif::{MultiProgress, ProgressDrawTarget};

use super::visible::visible;

/// Writes whole texts above the progress bars, if there are any. Clones share both.
#[derive(Clone)]
pub struct Console {
    bars: MultiProgress,
    sink: Arc<Mutex<dyn Write + Send>>,
}

impl Console {
    /// The process's stderr; colours are taken out where it does not show them.
    pub fn stderr() -> Self {
        Self::to(Arc::new(Mutex::new(anstream::AutoStream::auto(io::stderr()))))
    }

    pub fn to(sink: Arc<Mutex<dyn Write + Send>>) -> Self {
        Self { bars: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()), sink }
    }

    /// Where bars are drawn; hidden until it gets a draw target.
    pub fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    pub fn line(&self, text: &str) {
        self.write(&format!("{text}\n"));
    }

    /// Writes a text of whole lines. A failure has nowhere to be told and is ignored: a run does not end because nobody
    /// listens to stderr any more.
    pub fn write(&self, text: &str) {
        self.bars.suspend(|| {
            let _ = self.write_below(&visible(text));
        });
    }

    /// Writes without moving the bars out of the way: for the bars themselves.
    pub fn write_below(&self, text: &str) -> io::Result<()> {
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        sink.write_all(text.as_bytes())?;
        sink.flush()
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Console")
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// What was written to a console, for tests.
    #[derive(Clone, Default)]
    pub struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        pub fn console(&self) -> Console {
            Console::to(self.0.clone())
        }

        pub fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    #[test]
    fn clones_write_whole_lines_to_the_same_place() {
        let written = Written::default();
        let console = written.console();
        console.line("one");
        console.clone().line("two");
        assert_eq!(written.text(), "one\ntwo\n");
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn a_closed_stderr_ends_nothing() {
        let console = Console::to(Arc::new(Mutex::new(Closed)));
        console.line("nobody hears this");
        assert!(console.write_below("nor this").is_err());
    }
}
