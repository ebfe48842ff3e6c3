//! The fields of an object by name. Records of one API have their keys in one order nearly always: each key is first
//! compared with the one that stood in its place before, and looked up only if that is another.

use hashbrown::HashMap;

use crate::json::{Key, Node};

/// No order is remembered beyond so many keys of an object.
const MAX_REMEMBERED: usize = 4_096;

/// Names that are wanted, and the values that the last object had for them.
pub(super) struct Keys<'a> {
    wanted: HashMap<&'a str, usize>,
    /// The key at each place of earlier objects, as written, and the index of its wanted name.
    order: Vec<(&'a [u8], Option<usize>)>,
    found: Vec<Option<Node<'a>>>,
}

impl<'a> Keys<'a> {
    /// [`found`](Self::found) has the length and the order of `names`.
    pub fn new(names: impl Iterator<Item = &'a str>) -> Self {
        let names: Vec<_> = names.collect();
        let found = vec![None; names.len()];
        let wanted = names.into_iter().enumerate().map(|(index, name)| (name, index)).collect();
        Self { wanted, order: Vec::new(), found }
    }

    /// Finds the values of all wanted names in `object`; of duplicate keys the last counts. `unknown` gets the others.
    pub fn search(&mut self, object: Node<'a>, mut unknown: impl FnMut(Key<'a>, Node<'a>)) {
        self.found.fill(None);
        for (position, (key, value)) in object.fields().enumerate() {
            match self.index_of(position, key) {
                None => unknown(key, value),
                Some(index) => {
                    if let Some(slot) = self.found.get_mut(index) {
                        *slot = Some(value);
                    }
                }
            }
        }
    }

    /// The values that the last search found, in the order of the wanted names.
    pub fn found(&self) -> &[Option<Node<'a>>] {
        &self.found
    }

    #[inline]
    fn index_of(&mut self, position: usize, key: Key<'a>) -> Option<usize> {
        match self.order.get(position) {
            // Equal bytes are the same name, escapes included.
            Some((raw, index)) if *raw == key.raw() => *index,
            _ => self.look_up(position, key),
        }
    }

    fn look_up(&mut self, position: usize, key: Key<'a>) -> Option<usize> {
        // A key that is no text is none of the names.
        let index = key.text().ok().and_then(|text| self.wanted.get(text.as_ref()).copied());
        match self.order.get_mut(position) {
            Some(place) => *place = (key.raw(), index),
            None if position < MAX_REMEMBERED => self.order.push((key.raw(), index)),
            None => {}
        }
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    /// The raw values found for `a` and `b` in each element of the array `text`, and how many keys were unknown.
    fn search(text: &str) -> Vec<(Vec<Option<String>>, usize)> {
        let document = Document::parse(text.into()).unwrap();
        let mut keys = Keys::new(["a", "b"].into_iter());
        let mut search = |object| {
            let mut unknown = 0;
            keys.search(object, |_, _| unknown += 1);
            let raw = |node: &Option<Node<'_>>| node.map(|node| String::from_utf8_lossy(node.raw()).into_owned());
            (keys.found().iter().map(raw).collect(), unknown)
        };
        document.root().items().map(&mut search).collect()
    }

    fn some(a: &str, b: &str) -> Vec<Option<String>> {
        [a, b].map(|text| (!text.is_empty()).then(|| text.to_owned())).to_vec()
    }

    #[test]
    fn keys_are_found_in_any_order_and_none_is_kept_from_the_object_before() {
        let found = search(r#"[{"a":1,"b":2},{"a":3,"b":4},{"b":5,"a":6},{"x":0,"a":7,"b":8},{"a":9},{}]"#);
        let expected = [("1", "2", 0), ("3", "4", 0), ("6", "5", 0), ("7", "8", 1), ("9", "", 0), ("", "", 0)];
        assert_eq!(found, expected.map(|(a, b, unknown)| (some(a, b), unknown)));
    }

    #[test]
    fn of_duplicate_keys_the_last_counts_and_escaped_keys_are_the_same_name() {
        assert_eq!(search(r#"[{"a":1,"\u0061":2,"a":3},{"a":4,"\u0061":5}]"#)[0].0, some("3", ""));
        assert_eq!(search(r#"[{"a":4,"\u0061":5},{"a":4,"\u0061":6}]"#)[1].0, some("6", ""));
        assert_eq!(search(r#"[{"\ud800":1,"b":2}]"#), [(some("", "2"), 1)]);
    }

    #[test]
    fn an_object_of_very_many_keys_is_searched_to_its_end() {
        let many: String = (0..2 * MAX_REMEMBERED).map(|index| format!("\"k{index}\":0,")).collect();
        let found = search(&format!("[{{{many}\"a\":1}},{{{many}\"b\":2}}]"));
        assert_eq!(found, [(some("1", ""), 2 * MAX_REMEMBERED), (some("", "2"), 2 * MAX_REMEMBERED)]);
    }
}
