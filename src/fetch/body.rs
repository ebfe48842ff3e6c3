//! The bytes of an answer as they come, decoded.
//!
//! reqwest decodes `br`, `deflate` and `zstd`. gzip is decoded here: what is written piece by piece may be several members, one
//! behind the other (RFC 1952, section 2.2), and reqwest's decoder takes the first one for all there is.

use std::{
    io::{self, Write},
    mem,
};

use bytes::Bytes;
use flate2::write::GzDecoder;
use reqwest::{
    Response,
    header::{CONTENT_ENCODING, HeaderMap},
};

/// How a member begins.
const MAGIC: u8 = 0x1f;

/// What requests say that they can read.
pub(super) const ACCEPTED: &str = "gzip, br, zstd, deflate";

pub(super) struct Body {
    answer: Response,
    gzip: Option<Members>,
}

/// Why the rest of a body cannot be read.
pub(super) enum BodyError {
    Cut(reqwest::Error),
    Gzip(io::Error),
}

impl Body {
    pub(super) fn new(answer: Response) -> Self {
        let gzip = is_gzip(answer.headers()).then(Members::default);
        Self { answer, gzip }
    }

    /// The next bytes; `None` at the end. Safe to cancel.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        let Some(chunk) = self.answer.chunk().await.map_err(BodyError::Cut)? else {
            let rest = self.gzip.take().map(|mut members| members.finish()).transpose().map_err(BodyError::Gzip)?;
            return Ok(rest.filter(|rest| !rest.is_empty()).map(Bytes::from));
        };
        match &mut self.gzip {
            None => Ok(Some(chunk)),
            Some(members) => members.decode(&chunk).map(|decoded| Some(decoded.into())).map_err(BodyError::Gzip),
        }
    }
}

fn is_gzip(headers: &HeaderMap) -> bool {
    let encoding = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    encoding.is_some_and(|encoding| ["gzip", "x-gzip"].iter().any(|name| encoding.trim().eq_ignore_ascii_case(name)))
}

/// gzip's members, of which any chunk may hold the end of one and the beginning of the next.
#[derive(Default)]
struct Members {
    /// The one that is being read; none before the first byte, and behind the last one.
    member: Option<GzDecoder<Vec<u8>>>,
    /// What follows the last member is padding.
    is_over: bool,
}

impl Members {
    fn decode(&mut self, mut bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut decoded = Vec::new();
        while !bytes.is_empty() && !self.is_over {
            let member = self.member.get_or_insert_with(|| GzDecoder::new(Vec::new()));
            let read = member.write(bytes)?;
            decoded.append(member.get_mut());
            bytes = bytes.get(read..).unwrap_or_default();
            if read == 0 {
                decoded.append(&mut self.finish()?);
                self.is_over = bytes.first() != Some(&MAGIC);
            }
        }
        Ok(decoded)
    }

    /// No more bytes of the member come: the rest of it, or an error if it is not over.
    fn finish(&mut self) -> io::Result<Vec<u8>> {
        let Some(mut member) = self.member.take() else { return Ok(Vec::new()) };
        member.try_finish()?;
        Ok(mem::take(member.get_mut()))
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn member(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// Decoded from pieces of a size.
    fn decoded(bytes: &[u8], size: usize) -> io::Result<Vec<u8>> {
        let mut members = Members::default();
        let mut text = Vec::new();
        for piece in bytes.chunks(size) {
            text.append(&mut members.decode(piece)?);
        }
        text.extend(members.finish()?);
        Ok(text)
    }

    #[test]
    fn members_are_read_to_the_last_one_wherever_chunks_part_them() {
        let bytes = [member(b"one, "), member(b""), member(b"two")].concat();
        for size in 1..=bytes.len() {
            assert_eq!(decoded(&bytes, size).unwrap(), b"one, two", "{size}");
        }
    }

    #[test]
    fn what_is_cut_off_or_broken_is_an_error_and_padding_is_not() {
        let bytes = [member(b"one, "), member(b"two")].concat();
        for end in 1..bytes.len() {
            let is_whole = end == member(b"one, ").len();
            assert_eq!(decoded(&bytes[..end], 7).is_ok(), is_whole, "{end}");
        }
        assert!(decoded(b"this is no gzip", 4).is_err());
        assert_eq!(decoded(&[bytes, vec![0; 9]].concat(), 5).unwrap(), b"one, two");
        assert_eq!(decoded(b"", 1).unwrap(), b"");
    }
}
