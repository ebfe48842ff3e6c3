//! Detection of binary bodies: archives, compressed files, documents, images.
//!
//! Almost any byte sequence parses as CSV, a ZIP archive too: its first bytes would become the name of a column.

/// Bytes of a body without a known signature that are examined.
const SAMPLE: usize = 8 << 10;

/// One in this many bytes of a text may be a control character.
const CONTROLS: usize = 10;

/// The first bytes of binary files, and the names of their formats.
const SIGNATURES: [(&[u8], &str); 19] = [
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"PK\x07\x08", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"\xfd7zXZ\0", "an xz file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"%PDF-", "a PDF document"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document such as XLS"),
    (b"Obj\x01", "an Avro file"),
    (b"ARROW1\0\0", "an Arrow file"),
    (b"SQLite format 3\0", "a SQLite database"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
];

/// Returns the file format that the first bytes of a body show, e.g. `a ZIP archive`. No signature is the beginning of JSON.
pub(super) fn signature(body: &[u8]) -> Option<&'static str> {
    let (_, what) = SIGNATURES.iter().find(|(start, _)| body.starts_with(start)).or_else(|| by_more(body))?;
    Some(if *what == "a ZIP archive" { zip(body) } else { what })
}

/// Formats whose first bytes are letters and could be the name of a column: more of the body has to match.
fn by_more(body: &[u8]) -> Option<&'static (&'static [u8], &'static str)> {
    const PARQUET: (&[u8], &str) = (b"PAR1", "a Parquet file");
    const BZIP2: (&[u8], &str) = (b"BZh", "a bzip2 file");
    const WEBP: (&[u8], &str) = (b"RIFF", "a WebP image");
    let is_at = |at: usize, part: &[u8]| body.get(at..).is_some_and(|rest| rest.starts_with(part));
    if body.starts_with(PARQUET.0) && body.len() > 8 && body.ends_with(PARQUET.0) {
        return Some(&PARQUET);
    }
    if body.starts_with(BZIP2.0) && is_at(4, b"\x31\x41\x59\x26\x53\x59") {
        return Some(&BZIP2);
    }
    (body.starts_with(WEBP.0) && is_at(8, b"WEBP")).then_some(&WEBP)
}

/// Returns the name of a format that is packed as a ZIP archive, such as XLSX.
fn zip(body: &[u8]) -> &'static str {
    let begin = body.get(..SAMPLE.min(body.len())).unwrap_or_default();
    let has = |part: &[u8]| memchr::memmem::find(begin, part).is_some();
    match () {
        () if has(b"xl/") => "an Excel workbook (XLSX)",
        () if has(b"[Content_Types].xml") => "an Office document (DOCX, XLSX or PPTX)",
        () => "a ZIP archive",
    }
}

const WIDE_LITTLE: &str = "UTF-16LE text without a declared charset";
const WIDE_BIG: &str = "UTF-16BE text without a declared charset";

/// Returns the value of `encoding` for a description that [`no_text`] returned.
pub(in crate::fetch) fn encoding(what: &str) -> Option<&'static str> {
    match what {
        WIDE_LITTLE => Some("utf-16le"),
        WIDE_BIG => Some("utf-16be"),
        _ => None,
    }
}

/// Returns what a decoded body is that is not text: UTF-16 without a declared charset, or binary data.
pub(super) fn no_text(body: &[u8]) -> Option<&'static str> {
    let wide = [(b"\xff\xfe", WIDE_LITTLE), (b"\xfe\xff", WIDE_BIG)];
    let wide = wide.into_iter().find_map(|(mark, what)| body.starts_with(mark).then_some(what));
    wide.or_else(|| is_no_text(body).then_some("binary data"))
}

/// Returns `true` for bytes with a NUL byte or with many control characters.
fn is_no_text(body: &[u8]) -> bool {
    let begin = body.get(..SAMPLE.min(body.len())).unwrap_or_default();
    let is_control = |byte: &&u8| matches!(byte, 0x01..=0x08 | 0x0e..=0x1a | 0x1c..=0x1f);
    memchr::memchr(0, begin).is_some() || begin.iter().filter(is_control).count() > begin.len() / CONTROLS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_first_bytes() {
        for (body, what) in [
            (&b"PK\x03\x04\x14\0\0\0a.csvid,s\n1,a\n"[..], "a ZIP archive"),
            (b"PK\x03\x04\x14\0[Content_Types].xml xl/workbook.xml", "an Excel workbook (XLSX)"),
            (b"\x1f\x8b\x08\0", "a gzip file"),
            (b"%PDF-1.7\n%", "a PDF document"),
            (b"PAR1\x15\0\x15 PAR1", "a Parquet file"),
            (b"BZh91AY&SY", "a bzip2 file"),
            (b"RIFF\x24\0\0\0WEBPVP8 ", "a WebP image"),
            (b"\x89PNG\r\n\x1a\n\0", "a PNG image"),
        ] {
            assert_eq!(signature(body), Some(what));
        }
    }

    #[test]
    fn wide_text_is_told_with_its_encoding() {
        for (body, wanted) in [(b"\xff\xfei\0", "utf-16le"), (b"\xfe\xff\0i", "utf-16be")] {
            assert_eq!(encoding(no_text(body).unwrap()), Some(wanted));
        }
        assert_eq!(encoding("binary data"), None);
    }

    #[test]
    fn text_that_begins_like_a_file_is_text() {
        for text in [&b"PK,name\n1,a\n"[..], b"PAR1,PAR2\n1,2\n", b"BZh9,n\n", b"RIFF,a\n", b"GIF,PNG\n", b"", b"[]"] {
            assert_eq!((signature(text), is_no_text(text)), (None, false));
        }
        assert!(is_no_text(b"id,n\n1,\0\n") && is_no_text(&[1, 2, 3, 200, 201]));
        assert!(!is_no_text("id\tname\r\n1\tcafé\n".as_bytes()) && !is_no_text(b"caf\xe9\x1b[0m\n"));
    }
}
