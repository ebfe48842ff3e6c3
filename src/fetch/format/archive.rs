//! Bodies that are compressed files: gzip, and ZIP archives with one member to read.
//!
//! ```text
//! gzip ─► its content
//! ZIP  ─► end record ─► directory: name, method, sizes, place ─► the member's content, checked by its CRC-32
//! ```
//!
//! What an archive holds is read as a body of its own, whose format its name or its first lines show.

use flate2::{Crc, bufread::DeflateDecoder, bufread::MultiGzDecoder};

use super::{Room, Unreadable};

const END: &[u8] = b"PK\x05\x06";
const ENTRY: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";

/// Bytes of an end record, of an entry of the directory and of a member's header, without their texts.
const END_LENGTH: usize = 22;
const ENTRY_LENGTH: usize = 46;
const LOCAL_LENGTH: usize = 30;

/// Members that are named in an error.
const SHOWN: usize = 10;

/// Names whose endings say that restlake reads such files.
const KNOWN: [&str; 7] = [".csv", ".tsv", ".txt", ".json", ".ndjson", ".jsonl", ".geojson"];

/// A file in an archive.
struct Member {
    name: String,
    is_encrypted: bool,
    method: u16,
    crc: u32,
    packed: usize,
    size: u64,
    place: usize,
}

/// The content of a gzip file, as far as there is room for it.
pub(super) fn gunzip(body: &[u8], room: &Room<'_>) -> Result<Vec<u8>, Unreadable> {
    let damaged = |error| Unreadable::Cut(format!("a gzip file that is damaged or cut off: {error}"));
    room.read(body.len(), MultiGzDecoder::new(body))?.map_err(damaged)
}

/// The content of one member of a ZIP archive: of the one that is `wanted`, or else of the only one that can be read.
pub(super) fn unzip(body: &[u8], wanted: Option<&str>, room: &Room<'_>) -> Result<Vec<u8>, Unreadable> {
    let damaged = || Unreadable::Cut("a ZIP archive that is damaged or cut off".to_owned());
    let members = members(body).ok_or_else(damaged)?;
    let member = chosen(&members, wanted)?;
    if member.is_encrypted || !matches!(member.method, 0 | 8) {
        let what = if member.is_encrypted { "is encrypted" } else { "is compressed by another method than deflate" };
        return Err(Unreadable::Syntax(format!("a ZIP archive whose member `{}` {what}", member.name)));
    }
    room.take_text(body.len(), usize::try_from(member.size).unwrap_or(usize::MAX))?;
    let packed = packed(body, member).ok_or_else(damaged)?;
    let content = match member.method {
        0 => room.read(body.len(), packed)?,
        _ => room.read(body.len(), DeflateDecoder::new(packed))?,
    };
    let content = content.map_err(|_| damaged())?;
    let mut crc = Crc::new();
    crc.update(&content);
    if crc.sum() == member.crc { Ok(content) } else { Err(damaged()) }
}

/// An error that names the members of a ZIP archive which no key chooses.
pub(super) fn unchosen(body: &[u8]) -> Option<Unreadable> {
    let members = members(body)?;
    Some(Unreadable::Syntax(format!(
        "a ZIP archive with {}, and `endpoint.format` names the format of a text; set `endpoint.member` to the file to read",
        listed(&members)
    )))
}

fn chosen<'a>(members: &'a [Member], wanted: Option<&str>) -> Result<&'a Member, Unreadable> {
    if let Some(wanted) = wanted {
        let found = members.iter().find(|member| member.name == wanted);
        let missing = || {
            Unreadable::Syntax(format!(
                "a ZIP archive with {}, and without `{wanted}` (`endpoint.member`)",
                listed(members)
            ))
        };
        return found.ok_or_else(missing);
    }
    let is_known = |member: &&Member| {
        let name = member.name.to_lowercase();
        KNOWN.iter().any(|ending| name.ends_with(ending))
    };
    let known: Vec<&Member> = members.iter().filter(is_known).collect();
    match (known.as_slice(), members) {
        ([only], _) => Ok(*only),
        ([], [only]) => Ok(only),
        _ => Err(Unreadable::Syntax(format!(
            "a ZIP archive with {}; set `endpoint.member` to the one to read",
            listed(members)
        ))),
    }
}

fn listed(members: &[Member]) -> String {
    let names: Vec<_> = members.iter().take(SHOWN).map(|member| format!("`{}`", member.name)).collect();
    match (members.len(), members.len().saturating_sub(SHOWN)) {
        (0, _) => "no files".to_owned(),
        (1, _) => format!("the file {}", names.join(", ")),
        (all, 0) => format!("{all} files: {}", names.join(", ")),
        (all, more) => format!("{all} files: {} and {more} more", names.join(", ")),
    }
}

/// The files of an archive; `None` if its directory cannot be read. Directories, and what macOS adds, are left out.
fn members(body: &[u8]) -> Option<Vec<Member>> {
    let start = body.len().saturating_sub(END_LENGTH + usize::from(u16::MAX));
    let end = start + memchr::memmem::rfind(body.get(start..)?, END)?;
    let (count, mut place) = (u16_at(body, end + 10)?, u32_at(body, end + 16)? as usize);
    let mut members = Vec::new();
    for _ in 0..count {
        body.get(place..)?.strip_prefix(ENTRY)?;
        let [name, extra, comment] = [28, 30, 32].map(|at| u16_at(body, place + at).map(usize::from));
        let text = body.get(place + ENTRY_LENGTH..place + ENTRY_LENGTH + name?)?;
        let member = Member {
            name: String::from_utf8_lossy(text).into_owned(),
            is_encrypted: u16_at(body, place + 8)? & 1 == 1,
            method: u16_at(body, place + 10)?,
            crc: u32_at(body, place + 16)?,
            packed: u32_at(body, place + 20)? as usize,
            size: u32_at(body, place + 24)?.into(),
            place: u32_at(body, place + 42)? as usize,
        };
        place += ENTRY_LENGTH + name? + extra? + comment?;
        let is_file = !member.name.ends_with('/') && !member.name.starts_with("__MACOSX/");
        members.extend(Some(member).filter(|_| is_file));
    }
    Some(members)
}

fn packed<'a>(body: &'a [u8], member: &Member) -> Option<&'a [u8]> {
    body.get(member.place..)?.strip_prefix(LOCAL)?;
    let [name, extra] = [26, 28].map(|at| u16_at(body, member.place + at).map(usize::from));
    let start = member.place + LOCAL_LENGTH + name? + extra?;
    body.get(start..start.checked_add(member.packed)?)
}

fn u16_at(body: &[u8], place: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*body.get(place..)?.first_chunk()?))
}

fn u32_at(body: &[u8], place: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*body.get(place..)?.first_chunk()?))
}
