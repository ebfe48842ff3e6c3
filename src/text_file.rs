//! Text files of limited size: a file that is named by mistake, such as `/dev/zero` or a dump, must not fill the memory.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    string::FromUtf8Error,
};

/// Configs, schema files, and files that configs name.
pub const LARGEST_CONFIG: u64 = 16_000_000;

/// Files that programs write, such as the description of an API or a pipeline's state.
pub const LARGEST_DOCUMENT: u64 = 64_000_000;

/// Reads a file of at most `largest` bytes.
///
/// # Errors
/// [`io::ErrorKind::FileTooLarge`] for a larger one, without having read more of it, [`io::ErrorKind::InvalidData`] for one that is
/// not UTF-8, and [`io::ErrorKind::Unsupported`] for a named pipe.
pub fn read(path: &Path, largest: u64) -> io::Result<String> {
    if is_named_pipe(path)? {
        let message = "it is a pipe: write its content to a file, or use `<(…)` of the shell";
        return Err(io::Error::new(io::ErrorKind::Unsupported, message));
    }
    read_from(&mut File::open(path)?, largest)
}

/// Returns true for a named pipe, which may have no writer. Pipes that a shell passes as `/dev/fd/63` have one.
#[cfg(unix)]
fn is_named_pipe(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::FileTypeExt;
    let is_passed = ["/dev", "/proc"].iter().any(|directory| path.starts_with(directory));
    Ok(!is_passed && path.metadata()?.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_named_pipe(_path: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Reads all of a stream of at most `largest` bytes.
///
/// # Errors
/// As [`read`].
pub fn read_from(stream: &mut dyn Read, largest: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    stream.take(largest.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > largest {
        let message = format!("it is larger than {} MB", largest / 1_000_000);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, not_utf8(&error)))
}

/// Says in which charset the text seems to be, or where it stops being UTF-8.
fn not_utf8(error: &FromUtf8Error) -> String {
    let (bytes, at) = (error.as_bytes(), error.utf8_error().valid_up_to());
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return "it is UTF-16: save it as UTF-8".to_owned();
    }
    let line = 1 + memchr::memchr_iter(b'\n', bytes.get(..at).unwrap_or_default()).count();
    format!("line {line} is not UTF-8: save it as UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_stream_is_read_up_to_the_limit() {
        let error = read_from(&mut io::repeat(b'x'), 3_000_000).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (io::ErrorKind::FileTooLarge, "it is larger than 3 MB"));
        assert_eq!(read_from(&mut &b"abc"[..], 3).unwrap(), "abc");
        assert_eq!(read_from(&mut &b"\xff"[..], 3).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[cfg(unix)]
    #[test]
    fn a_named_pipe_is_refused_and_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert_eq!(read(&path, 10).unwrap_err().kind(), io::ErrorKind::Unsupported);
    }

    #[test]
    fn a_text_in_another_charset_is_told() {
        let told = |bytes: &[u8]| read_from(&mut &*bytes, 100).unwrap_err().to_string();
        assert_eq!(told(b"\xff\xfea\0"), "it is UTF-16: save it as UTF-8");
        assert_eq!(told(b"a: b\nc: caf\xe9\n"), "line 2 is not UTF-8: save it as UTF-8");
    }
}
