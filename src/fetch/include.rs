//! Fields that are added to each record of a page, as bytes: what the API wrote stays as it is, numbers to the last digit.

use std::sync::Arc;

use crate::{
    json::{Document, Kind, Node, ScanError},
    model::Page,
};

/// The page with `fields` (`"a":1,"b":null`) at the end of each of its records: of a name that is there already, the last
/// counts.
///
/// # Errors
/// If the page becomes larger than a document may be, or takes more memory than a page may.
pub(super) fn include(page: Page, fields: &[u8]) -> Result<Page, ScanError> {
    let Some(index) = page.records.filter(|_| !fields.is_empty()) else { return Ok(page) };
    let records = page.document.node(index);
    let added = usize::try_from(page.count).unwrap_or(0).saturating_mul(fields.len() + 1);
    let (size, most) = (records.raw().len().saturating_add(added), page.most());
    if size > most {
        return Err(ScanError::NoRoom);
    }
    let mut body = Vec::with_capacity(size);
    if records.kind() == Kind::Array {
        body.push(b'[');
        for (number, record) in records.items().enumerate() {
            if number > 0 {
                body.push(b',');
            }
            append(&mut body, record, fields);
        }
        body.push(b']');
    } else {
        append(&mut body, records, fields);
    }
    let parsed = Document::parse_within(body, &mut |tape| size.saturating_add(tape) <= most);
    let document = parsed.map_err(|(error, _)| error)?;
    page.hold.iter().for_each(|hold| hold.set(document.memory() as u64));
    Ok(Page { document: Arc::new(document), records: Some(0), ..page })
}

/// Bytes that a page takes while `fields` are added to its records: it is there twice.
pub(super) fn size_with(page: &Page, fields: &[u8]) -> u64 {
    let added = page.count.saturating_mul(fields.len() as u64 + 1);
    if fields.is_empty() { 0 } else { (page.document.memory() as u64).saturating_mul(2).saturating_add(added) }
}

fn append(body: &mut Vec<u8>, record: Node<'_>, fields: &[u8]) {
    let raw = record.raw();
    match raw.strip_suffix(b"}").filter(|_| record.kind() == Kind::Object) {
        Some(open) => {
            body.extend_from_slice(open);
            if record.fields().next().is_some() {
                body.push(b',');
            }
            body.extend_from_slice(fields);
            body.push(b'}');
        }
        None => body.extend_from_slice(raw),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Selector;

    fn included(text: &str, selector: &str) -> String {
        let document = Document::parse(text.into()).unwrap();
        let records = selector.parse::<Selector>().unwrap().find(document.root()).map(Node::index);
        let page = Page::new(1, Arc::new(document), records, 2);
        let page = include(page, br#""_p_id":12345678901234567890123"#).unwrap();
        let records = page.records.map(|index| page.document.node(index).raw().to_vec());
        String::from_utf8(records.unwrap_or_default()).unwrap()
    }

    #[test]
    fn each_record_gets_the_fields_and_keeps_its_own_bytes() {
        assert_eq!(
            included(r#"{"data": [{"a": 1.10}, {}, 7, { }], "x": 1}"#, "data"),
            r#"[{"a": 1.10,"_p_id":12345678901234567890123},{"_p_id":12345678901234567890123},7,{ "_p_id":12345678901234567890123}]"#
        );
        assert_eq!(included(r#"{"a":{}}"#, "$"), r#"{"a":{},"_p_id":12345678901234567890123}"#);
        assert_eq!(included(r#"{"data": []}"#, "data"), "[]");
        assert_eq!(included(r#"{"data": []}"#, "nothing"), "");
    }
}
