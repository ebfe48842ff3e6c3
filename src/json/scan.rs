//! The scan of a text into its tape.

/// Containers nested deeper than this are a syntax error.
pub const MAX_DEPTH: usize = 1_000;

/// Entries that a tape has room for at first: of a large body it is unknown how many it has.
const MOST_AT_FIRST: usize = 1 << 16;

/// [`SyntaxError::message`] beyond [`MAX_DEPTH`].
const TOO_DEEP: &str = "containers are nested too deep";

pub(super) const ESCAPED: u32 = 1 << 31;

/// Start and end of a value: a byte offset for scalars (of the closing quote, for strings, with [`ESCAPED`]
/// if there is a backslash in it), the tape index of the closing bracket's own entry for containers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) start: u32,
    pub(super) end: u32,
}

/// The place at which a text stops being JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not JSON at byte {offset}: {message}")]
pub struct SyntaxError {
    pub offset: usize,
    pub message: &'static str,
    /// Set if the text ends before its value does, as that of a truncated body.
    pub is_cut: bool,
}

/// Reason why a text is not scanned to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScanError {
    Syntax(SyntaxError),
    /// There is no memory for the tape.
    NoRoom,
}

impl From<SyntaxError> for ScanError {
    fn from(error: SyntaxError) -> Self {
        Self::Syntax(error)
    }
}

impl From<ScanError> for SyntaxError {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Syntax(error) => error,
            ScanError::NoRoom => Self { offset: 0, message: "there is no memory for its index", is_cut: false },
        }
    }
}

impl SyntaxError {
    /// Returns true if the text may well be JSON, and is nested deeper than [`MAX_DEPTH`].
    pub fn is_too_deep(&self) -> bool {
        self.message == TOO_DEEP
    }
}

/// The tokens that may follow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    /// After `[`: a value, or `]` at once.
    ValueOrEnd,
    /// After `,` in an object.
    Key,
    /// After `{`: a key, or `}` at once.
    KeyOrEnd,
    /// After a value.
    CommaOrEnd,
}

/// A state machine over the bytes, with the open containers on a stack of its own: depth costs no call stack.
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    room: &'a mut dyn FnMut(usize) -> bool,
    at: usize,
    tape: Vec<Entry>,
    /// Tape indexes of the open containers.
    open: Vec<u32>,
    has_escaped_names: bool,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8], room: &'a mut dyn FnMut(usize) -> bool) -> Self {
        let at = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        Self { bytes, room, at, tape: Vec::new(), open: Vec::new(), has_escaped_names: false }
    }

    /// Returns the tape, and `true` if a field name has an escape.
    pub(super) fn scan(mut self) -> Result<(Vec<Entry>, bool), ScanError> {
        self.grow()?;
        let mut expect = Expect::Value;
        loop {
            self.skip_space();
            let Some(&byte) = self.bytes.get(self.at) else {
                return Err(self.error("the text ends too early").into());
            };
            expect = match expect {
                Expect::Key | Expect::KeyOrEnd => match byte {
                    b'"' => self.key()?,
                    b'}' if expect == Expect::KeyOrEnd => self.close(b'{')?,
                    _ => return Err(self.error("a key in quotes was expected").into()),
                },
                Expect::Value | Expect::ValueOrEnd => match byte {
                    b'{' => self.open(Expect::KeyOrEnd)?,
                    b'[' => self.open(Expect::ValueOrEnd)?,
                    b'"' => self.string()?,
                    b']' if expect == Expect::ValueOrEnd => self.close(b'[')?,
                    _ => self.word()?,
                },
                Expect::CommaOrEnd => match byte {
                    b',' => self.comma(),
                    b'}' => self.close(b'{')?,
                    b']' => self.close(b'[')?,
                    _ => return Err(self.error("a comma or a closing bracket was expected").into()),
                },
            };
            if self.open.is_empty() && expect == Expect::CommaOrEnd {
                return self.finish();
            }
        }
    }

    fn finish(mut self) -> Result<(Vec<Entry>, bool), ScanError> {
        self.skip_space();
        if self.at < self.bytes.len() {
            return Err(self.error("there is text after the value").into());
        }
        Ok((self.tape, self.has_escaped_names))
    }

    #[inline]
    fn push(&mut self, start: usize, end: u32) -> Result<(), ScanError> {
        if self.tape.len() == self.tape.capacity() {
            self.grow()?;
        }
        // `parse` bounds the body to 31 bits.
        self.tape.push(Entry { start: start as u32, end });
        Ok(())
    }

    #[cold]
    fn grow(&mut self) -> Result<(), ScanError> {
        let entries = match self.tape.len() {
            // Records of real APIs have an entry every 12 to 20 bytes.
            0 => (self.bytes.len() / 14 + 1).min(MOST_AT_FIRST),
            entries => entries + entries / 2 + 1,
        };
        if !(self.room)(entries * size_of::<Entry>()) {
            return Err(ScanError::NoRoom);
        }
        self.tape.reserve_exact(entries - self.tape.len());
        Ok(())
    }

    fn open(&mut self, expect: Expect) -> Result<Expect, ScanError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.error(TOO_DEEP).into());
        }
        self.open.push(self.tape.len() as u32);
        self.push(self.at, 0)?;
        self.at += 1;
        Ok(expect)
    }

    fn close(&mut self, opening: u8) -> Result<Expect, ScanError> {
        match self.open.pop() {
            Some(index) if self.bytes[self.tape[index as usize].start as usize] == opening => {
                self.tape[index as usize].end = self.tape.len() as u32;
                self.push(self.at, 0)?;
                self.at += 1;
                Ok(Expect::CommaOrEnd)
            }
            _ => Err(self.error("this bracket closes nothing").into()),
        }
    }

    fn comma(&mut self) -> Expect {
        self.at += 1;
        // A comma is looked for inside containers only: `scan` returns as soon as none is open.
        let opening = self.open.last().map(|&index| self.bytes[self.tape[index as usize].start as usize]);
        if opening == Some(b'{') { Expect::Key } else { Expect::Value }
    }

    fn key(&mut self) -> Result<Expect, ScanError> {
        self.string()?;
        self.has_escaped_names |= self.tape.last().is_some_and(|name| name.end & ESCAPED != 0);
        self.skip_space();
        if self.bytes.get(self.at) != Some(&b':') {
            return Err(self.error("a colon was expected").into());
        }
        self.at += 1;
        Ok(Expect::Value)
    }

    fn string(&mut self) -> Result<Expect, ScanError> {
        let start = self.at;
        let mut escaped = 0;
        let mut at = start + 1;
        loop {
            match memchr::memchr2(b'"', b'\\', &self.bytes[at.min(self.bytes.len())..]) {
                None => {
                    let message = "this string is never closed";
                    return Err(SyntaxError { offset: start, message, is_cut: true }.into());
                }
                Some(offset) if self.bytes[at + offset] == b'"' => {
                    let end = at + offset;
                    self.push(start, end as u32 | escaped)?;
                    self.at = end + 1;
                    return Ok(Expect::CommaOrEnd);
                }
                Some(offset) => {
                    escaped = ESCAPED;
                    at += offset + 2;
                }
            }
        }
    }

    /// A number, `true`, `false`, `null`, or a bare word that starts like one and that its reader will refuse.
    fn word(&mut self) -> Result<Expect, ScanError> {
        let start = self.at;
        let word = self.bytes[start..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
        let length = word.count();
        if length == 0 || !(b"-0123456789tfnNI".contains(&self.bytes[start])) {
            return Err(self.error("a value was expected").into());
        }
        self.at += length;
        self.push(start, self.at as u32)?;
        Ok(Expect::CommaOrEnd)
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn error(&self, message: &'static str) -> SyntaxError {
        SyntaxError { offset: self.at, message, is_cut: self.at >= self.bytes.len() }
    }
}
