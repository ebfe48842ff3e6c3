//! The bytes of an answer as they come, decoded.
//!
//! reqwest decodes `br` and `zstd`. gzip is decoded here: a body that is written piece by piece may be several members, one after the
//! other (RFC 1952, section 2.2), and reqwest's decoder takes the first one for all there is. `deflate` is, since many servers
//! send the bare stream (RFC 1951) in place of the zlib format (RFC 1950) that HTTP means by it.

use std::{
    io::{self, Write},
    mem,
};

use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status, write::GzDecoder};
use reqwest::{
    Response,
    header::{CONTENT_ENCODING, HeaderMap},
};

/// How a member begins.
const MAGIC: u8 = 0x1f;

/// Bytes of room to decode a piece of `deflate` into.
const INFLATED: usize = 32 << 10;

/// Bytes that are decoded at a time: gzip makes up to a thousand times as many of them.
const PIECE: usize = 8 << 10;

/// What requests say that they can read.
pub(super) const ACCEPTED: &str = "gzip, br, zstd, deflate";

pub(super) struct Body {
    answer: Response,
    decoder: Option<Decoder>,
    /// Received bytes that are not decoded yet.
    waiting: Bytes,
}

enum Decoder {
    Gzip(Members),
    Deflate(Deflate),
}

/// Why the rest of a body cannot be read.
pub(super) enum BodyError {
    Cut(reqwest::Error),
    Decoder(io::Error),
}

impl Body {
    pub(super) fn new(answer: Response) -> Self {
        let decoder = Decoder::of(answer.headers());
        Self { answer, decoder, waiting: Bytes::new() }
    }

    /// The next bytes; `None` at the end. Safe to cancel.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        let chunk = match self.waiting.is_empty() {
            true => self.answer.chunk().await.map_err(BodyError::Cut)?,
            false => Some(mem::take(&mut self.waiting)),
        };
        let Some(mut chunk) = chunk else {
            let rest = self.decoder.take().map(Decoder::finish).transpose().map_err(BodyError::Decoder)?;
            return Ok(rest.filter(|rest| !rest.is_empty()).map(Bytes::from));
        };
        match &mut self.decoder {
            None => Ok(Some(chunk)),
            Some(decoder) => {
                self.waiting = chunk.split_off(PIECE.min(chunk.len()));
                decoder.decode(&chunk).map(|decoded| Some(decoded.into())).map_err(BodyError::Decoder)
            }
        }
    }
}

/// The body without the byte order mark that some servers begin UTF-8 with.
pub(super) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}

impl Decoder {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let encoding = headers.get(CONTENT_ENCODING)?.to_str().ok()?.trim().to_ascii_lowercase();
        match encoding.as_str() {
            "gzip" | "x-gzip" => Some(Self::Gzip(Members::default())),
            "deflate" => Some(Self::Deflate(Deflate::default())),
            _ => None,
        }
    }

    fn decode(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(members) => members.decode(bytes),
            Self::Deflate(stream) => stream.decode(bytes),
        }
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(mut members) => members.finish(),
            Self::Deflate(stream) => stream.finish(),
        }
    }
}

/// A stream of `deflate`, with or without the wrapper of zlib, which its first two bytes show.
#[derive(Default)]
struct Deflate {
    begin: Vec<u8>,
    stream: Option<Decompress>,
    is_over: bool,
}

impl Deflate {
    fn decode(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        if self.stream.is_some() {
            return self.inflate(bytes);
        }
        self.begin.extend_from_slice(bytes);
        if self.begin.len() < 2 {
            return Ok(Vec::new());
        }
        let begin = mem::take(&mut self.begin);
        self.stream = Some(Decompress::new(is_zlib(&begin)));
        self.inflate(&begin)
    }

    fn inflate(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut decoded = Vec::new();
        let Some(stream) = &mut self.stream else { return Ok(decoded) };
        let start = stream.total_in();
        while !self.is_over {
            let read = usize::try_from(stream.total_in() - start).unwrap_or(bytes.len());
            decoded.reserve(INFLATED);
            let rest = bytes.get(read..).unwrap_or_default();
            let status = stream.decompress_vec(rest, &mut decoded, FlushDecompress::None)?;
            self.is_over = status == Status::StreamEnd;
            // With room left, all that came is decoded.
            if decoded.len() < decoded.capacity() {
                break;
            }
        }
        Ok(decoded)
    }

    /// No more bytes come: an error if the stream is not over.
    fn finish(self) -> io::Result<Vec<u8>> {
        let is_nothing = self.stream.is_none() && self.begin.is_empty();
        if self.is_over || is_nothing { Ok(Vec::new()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// RFC 1950, section 2.2: the method is deflate, and both bytes together are a multiple of 31.
fn is_zlib(begin: &[u8]) -> bool {
    match begin {
        [method, flags, ..] => method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0,
        _ => false,
    }
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
    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };

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

    #[test]
    fn deflate_is_read_with_and_without_its_wrapper_wherever_chunks_part_it_and_not_when_it_is_cut() {
        let text = "the same again, ".repeat(40);
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(text.as_bytes()).unwrap();
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::best());
        bare.write_all(text.as_bytes()).unwrap();
        let inflated = |bytes: &[u8], size: usize| {
            let mut stream = Deflate::default();
            let mut read = Vec::new();
            for piece in bytes.chunks(size) {
                read.append(&mut stream.decode(piece)?);
            }
            read.append(&mut stream.finish()?);
            io::Result::Ok(read)
        };
        for bytes in [zlib.finish().unwrap(), bare.finish().unwrap()] {
            for size in 1..=bytes.len() {
                assert_eq!(inflated(&bytes, size).unwrap(), text.as_bytes(), "{size}");
            }
            for end in 1..bytes.len() {
                assert!(inflated(&bytes[..end], 7).is_err(), "{end}");
            }
        }
        assert_eq!(inflated(b"", 1).unwrap(), b"");
    }
}
