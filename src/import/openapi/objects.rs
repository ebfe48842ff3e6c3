//! What a schema says of an object: its fields, with those of all that it is made of (`allOf`) or may be (`oneOf`, `anyOf`).
//!
//! One walk serves lists, pages and columns, so that none of them sees fields that another does not. It ends: a reference is
//! not entered again below itself, and no walk sees more than [`MOST_FIELDS`] fields.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::document::Document;

/// Fields within one column, at all depths; a column with more is `json`. Nobody reads a type that fills pages, and schemas that
/// name each other would grow without end.
const MOST_FIELDS: usize = 500;

/// Keys without which a schema leaves everything open.
const SAYS_TYPE: [&str; 10] =
    ["type", "$ref", "properties", "allOf", "oneOf", "anyOf", "enum", "const", "items", "additionalProperties"];

/// The fields of an object.
#[derive(Default)]
pub(super) struct Object<'a> {
    pub(super) properties: Vec<Property<'a>>,
    pub(super) required: Vec<&'a str>,
    /// Where each of the properties stands.
    places: HashMap<&'a str, usize>,
}

/// A field, and all that is said of it: several things if the object may be one of several.
pub(super) struct Property<'a> {
    pub(super) name: &'a str,
    pub(super) schemas: Vec<&'a Value>,
}

impl<'a> Object<'a> {
    /// What comes later says more, unless it says nothing of the type: then both count.
    fn add(&mut self, name: &'a str, schema: &'a Value) {
        match self.known(name) {
            Some(known) if says_type(schema) => known.schemas = vec![schema],
            Some(known) => known.schemas.push(schema),
            None => self.push(Property { name, schemas: vec![schema] }),
        }
    }

    fn known(&mut self, name: &str) -> Option<&mut Property<'a>> {
        self.places.get(name).and_then(|place| self.properties.get_mut(*place))
    }

    fn push(&mut self, property: Property<'a>) {
        self.places.insert(property.name, self.properties.len());
        self.properties.push(property);
    }

    /// What may be one thing or the other has the fields of both, and none that both do not have for sure.
    fn or(mut self, other: Self) -> Self {
        self.required.retain(|name| other.required.contains(name));
        self.join(other.properties);
        self
    }

    fn join(&mut self, properties: Vec<Property<'a>>) {
        for property in properties {
            match self.known(property.name) {
                Some(known) => known.schemas.extend(property.schemas),
                None => self.push(property),
            }
        }
    }
}

/// The fields of an object.
pub(super) fn object<'a>(document: &'a Document, schema: &'a Value) -> Object<'a> {
    Walk::new(document).object(schema)
}

/// The schema of the items, if it is one of an array.
pub(super) fn items<'a>(document: &'a Document, schema: &'a Value) -> Option<&'a Value> {
    Walk::new(document).items(schema)
}

/// Whether all that the schema allows are objects.
pub(super) fn is_object(document: &Document, schema: &Value) -> bool {
    Walk::new(document).is_object(schema)
}

/// The one type that a schema tells, whatever it is made of.
pub(super) fn type_of<'a>(document: &'a Document, schema: &'a Value) -> Option<&'a str> {
    Walk::new(document).type_of(schema)
}

/// Whether anything is said of the type.
pub(super) fn says_type(schema: &Value) -> bool {
    SAYS_TYPE.iter().any(|key| schema.get(key).is_some())
}

/// `oneOf` and `anyOf`, null aside.
pub(super) fn alternatives(schema: &Value) -> impl Iterator<Item = &Value> {
    let all = ["oneOf", "anyOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    all.filter(|one| one.get("type") != Some(&json!("null")))
}

/// `oneOf` and `anyOf` of one thing and null.
pub(super) fn only_alternative(schema: &Value) -> Option<&Value> {
    let mut all = alternatives(schema);
    all.next().filter(|_| all.next().is_none())
}

/// What a schema is made of.
pub(super) fn parts(schema: &Value) -> impl Iterator<Item = &Value> {
    schema.get("allOf").and_then(Value::as_array).into_iter().flatten()
}

/// The one type of a schema, `null` aside; `None` if it may be several.
pub(super) fn kind(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) => {
            let mut kinds = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
            kinds.next().filter(|_| kinds.next().is_none())
        }
        _ => None,
    }
}

/// A way down into a schema.
pub(super) struct Walk<'a> {
    document: &'a Document,
    /// The references that lead here: what comes again leads to itself.
    path: Vec<&'a str>,
    /// Fields that there may be yet.
    left: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(document: &'a Document) -> Self {
        Self { document, path: Vec::new(), left: MOST_FIELDS }
    }

    /// Whether more came than anybody reads.
    pub(super) fn is_spent(&self) -> bool {
        self.left == 0
    }

    pub(super) fn spend(&mut self, fields: usize) {
        self.left = self.left.saturating_sub(fields);
    }

    /// What `look` makes of a schema, which is not entered again below itself; `None` if that would be.
    pub(super) fn within<T>(&mut self, schema: &'a Value, look: impl FnOnce(&mut Self, &'a Value) -> T) -> Option<T> {
        let before = self.path.len();
        let path = &mut self.path;
        let followed = self.document.follow_by(schema, |reference| {
            let is_new = !path.contains(&reference);
            path.push(reference);
            is_new
        });
        let looked = followed.filter(|_| self.left > 0).map(|schema| look(self, schema));
        self.path.truncate(before);
        looked
    }

    fn object(&mut self, schema: &'a Value) -> Object<'a> {
        self.within(schema, Self::object_of).unwrap_or_default()
    }

    /// Of a schema that was entered.
    pub(super) fn object_of(&mut self, schema: &'a Value) -> Object<'a> {
        let mut object = Object::default();
        self.add_parts(schema, &mut object);
        object
    }

    fn add_parts(&mut self, schema: &'a Value, object: &mut Object<'a>) {
        for part in parts(schema) {
            self.spend(1);
            self.within(part, |walk, part| walk.add_parts(part, object));
        }
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::iter) {
            object.add(name, property);
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        object.required.extend(required.filter_map(Value::as_str));
        if let Some(joined) = self.joined(schema) {
            object.required.extend(joined.required);
            object.join(joined.properties);
        }
    }

    /// The fields of all alternatives.
    fn joined(&mut self, schema: &'a Value) -> Option<Object<'a>> {
        let one = |one| {
            self.spend(1);
            self.object(one)
        };
        alternatives(schema).map(one).reduce(Object::or)
    }

    fn items(&mut self, schema: &'a Value) -> Option<&'a Value> {
        self.spend(1);
        self.within(schema, |walk, schema| match schema.get("items") {
            Some(items) => Some(items),
            None => parts(schema).chain(only_alternative(schema)).find_map(|part| walk.items(part)),
        })?
    }

    fn type_of(&mut self, schema: &'a Value) -> Option<&'a str> {
        self.spend(1);
        self.within(schema, |walk, schema| match schema.get("properties") {
            Some(_) => Some("object"),
            None => kind(schema).or_else(|| {
                let mut within = parts(schema).chain(only_alternative(schema));
                within.find_map(|part| walk.type_of(part))
            }),
        })?
    }

    fn is_object(&mut self, schema: &'a Value) -> bool {
        self.spend(1);
        let found = self.within(schema, |walk, schema| match kind(schema) {
            Some(kind) => kind == "object",
            None if schema.get("properties").is_some() => true,
            None => {
                let mut all = alternatives(schema).peekable();
                let may_be = all.peek().is_some() && all.all(|one| walk.is_object(one));
                may_be || parts(schema).any(|part| walk.is_object(part))
            }
        });
        found.unwrap_or_default()
    }
}
