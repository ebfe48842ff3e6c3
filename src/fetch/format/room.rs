//! The memory that a body may take until it is a document.

use std::{
    cell::Cell,
    io::{self, Read},
};

use super::Unreadable;
use crate::{
    json::{Document, ScanError, SyntaxError},
    memory::Hold,
};

/// Bytes that are taken from the hold at a time.
const AT_ONCE: u64 = 256 << 10;

/// Limits of one body: no more bytes as JSON than `max_body_size`, and no more memory than its page.
pub(in crate::fetch) struct Room<'a> {
    max_body: u64,
    hold: Option<&'a Hold>,
    /// Bytes for which the hold is large enough.
    taken: Cell<u64>,
}

impl<'a> Room<'a> {
    pub(in crate::fetch) fn new(max_body: u64, hold: Option<&'a Hold>) -> Self {
        Self { max_body, hold, taken: Cell::new(0) }
    }

    /// Takes memory for `text` bytes of JSON, beside `body` bytes of what it is made of.
    pub(super) fn take_text(&self, body: usize, text: usize) -> Result<(), Unreadable> {
        if text as u64 > self.max_body {
            return Err(Unreadable::TooLarge);
        }
        self.take(body.saturating_add(text))
    }

    /// Reads all of a text, beside `body` bytes of what it is made of.
    pub(super) fn read(&self, body: usize, mut reader: impl Read) -> Result<io::Result<Vec<u8>>, Unreadable> {
        let mut text = Vec::new();
        loop {
            // Before the bytes are read: a growing buffer has a copy beside it.
            self.take_text(body, text.len())?;
            match reader.by_ref().take(AT_ONCE).read_to_end(&mut text) {
                Ok(0) => return Ok(Ok(text)),
                Ok(_) => {}
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    fn take(&self, bytes: usize) -> Result<(), Unreadable> {
        let bytes = bytes as u64;
        let Some(hold) = self.hold.filter(|_| bytes > self.taken.get()) else { return Ok(()) };
        let rounded = bytes.next_multiple_of(AT_ONCE);
        let bytes = if rounded > hold.most() { bytes } else { rounded };
        hold.grow(bytes).map_err(Unreadable::NoRoom)?;
        self.taken.set(bytes);
        Ok(())
    }

    /// Scans a text, beside `body` bytes of what it was made of.
    pub(super) fn parse(
        &self,
        text: Vec<u8>,
        body: usize,
    ) -> Result<Result<Document, (SyntaxError, Vec<u8>)>, Unreadable> {
        let (mut refused, held) = (None, body.saturating_add(text.len()));
        let scanned = Document::parse_within(text, &mut |tape| {
            refused = self.take(held.saturating_add(tape)).err();
            refused.is_none()
        });
        match (scanned, refused) {
            (Err(_), Some(refused)) => Err(refused),
            (Ok(document), _) => Ok(Ok(document)),
            (Err((ScanError::Syntax(error), text)), None) => Ok(Err((error, text))),
            (Err((error @ ScanError::NoRoom, text)), None) => Ok(Err((error.into(), text))),
        }
    }
}
