//! The vocabulary: for every object of a config a table of its keys, in dlt's words.
//!
//! Written by hand and read by three: the check of what the user wrote ([`super::check`]), the defaults that the typed view
//! falls back to ([`super::view`]), and the JSON Schema ([`super::json_schema`]).

mod answer;
mod auth;
mod client;
mod destination;
mod incremental;
mod paginator;
mod request;
mod resource;
mod root;
mod schema;
mod write_disposition;

pub use incremental::INCREMENTAL_PARAM;
pub use paginator::PAGINATOR;
pub use root::ROOT;
pub use schema::SCHEMA;

/// The keys of one kind of object.
#[derive(Debug)]
pub struct Table {
    /// Names the table in the JSON Schema and in tests.
    pub name: &'static str,
    pub doc: &'static str,
    pub fields: &'static [Field],
    /// Keys that begin so are accepted, and have no effect.
    pub ignored_prefix: Option<&'static str>,
    /// Returns the object that a text such as `5/s` means, in the config's words, for hints.
    pub reads_text: Option<fn(&str) -> Option<String>>,
}

/// One key.
#[derive(Debug)]
pub struct Field {
    pub key: &'static str,
    pub doc: &'static str,
    pub shape: Shape,
    /// In the words of the config.
    pub default: Option<&'static str>,
    pub required: bool,
    pub status: Status,
}

/// Whether a key (or a word among several) does what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Supported,
    /// dlt has it, or a later version of this crate will; refused by name.
    NotYet,
    /// dlt has it, and it means nothing here: accepted with this note.
    Ignored(&'static str),
}

/// What a value may look like.
#[derive(Debug)]
pub enum Shape {
    Text,
    /// Text that is never shown.
    Secret,
    /// The path of a file, which is read: its content takes the path's place.
    File,
    Bool,
    /// A whole number within these bounds.
    Count {
        min: u64,
        max: u64,
    },
    /// Text, a number or a bool; taken as text.
    Scalar,
    /// Whatever can be written, null included.
    Any,
    /// Text in a form of its own.
    Parsed(&'static Grammar),
    Choice(&'static [Word]),
    Object(&'static Table),
    /// An object whose keys depend on the word under `type`; the word alone stands for the object of nothing else.
    Tagged(&'static Union),
    List(&'static Shape),
    /// A list, or its only item.
    OneOrMany(&'static Shape),
    /// Keys of the user's own.
    Map(&'static Shape),
    /// The same, or a list of objects that say under `name` which key they would stand under.
    Keyed(&'static Shape),
    /// The first of these that takes values of such a kind.
    Either(&'static [Shape]),
}

/// A form of text, such as a duration.
#[derive(Debug)]
pub struct Grammar {
    /// What it is, with an example: "a duration such as `10s`".
    pub what: &'static str,
    /// Says what is wrong, and at which byte.
    pub check: fn(&str) -> Result<(), (String, usize)>,
}

/// One word of a choice.
#[derive(Debug)]
pub struct Word {
    pub word: &'static str,
    pub status: Status,
}

/// The objects that may stand in one place.
#[derive(Debug)]
pub struct Union {
    /// What they all are: "an auth".
    pub what: &'static str,
    /// The type of an object that names none.
    pub default: Option<&'static str>,
    pub variants: &'static [Variant],
}

#[derive(Debug)]
pub struct Variant {
    pub word: &'static str,
    pub status: Status,
    pub table: &'static Table,
}

impl Table {
    pub fn field(&self, key: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.key == key)
    }

    fn holds_secret(&self) -> bool {
        self.fields.iter().any(|field| field.shape.holds_secret())
    }

    /// The keys that can be written with effect.
    pub fn supported(&self) -> impl Iterator<Item = &'static Field> + Clone + use<> {
        self.fields.iter().filter(|field| field.status == Status::Supported)
    }
}

impl Shape {
    /// The table of the objects that this allows somewhere.
    pub fn table(&'static self) -> Option<&'static Table> {
        match self {
            Self::Object(table) => Some(table),
            Self::List(item) | Self::OneOrMany(item) | Self::Map(item) | Self::Keyed(item) => item.table(),
            Self::Either(shapes) => shapes.iter().find_map(Shape::table),
            _ => None,
        }
    }

    /// Whether a secret may stand somewhere in such a value, under a key that the tables know.
    pub fn holds_secret(&self) -> bool {
        match self {
            Self::Secret => true,
            Self::Object(table) => table.holds_secret(),
            Self::Tagged(union) => union.holds_secret(),
            Self::List(item) | Self::OneOrMany(item) | Self::Map(item) | Self::Keyed(item) => item.holds_secret(),
            Self::Either(shapes) => shapes.iter().any(Self::holds_secret),
            _ => false,
        }
    }

    pub fn union(&'static self) -> Option<&'static Union> {
        match self {
            Self::Tagged(union) => Some(union),
            Self::List(item) | Self::OneOrMany(item) | Self::Map(item) => item.union(),
            Self::Either(shapes) => shapes.iter().find_map(Shape::union),
            _ => None,
        }
    }
}

impl Union {
    pub fn holds_secret(&self) -> bool {
        self.variants.iter().any(|variant| variant.table.holds_secret())
    }

    pub fn variant(&self, word: &str) -> Option<&'static Variant> {
        self.variants.iter().find(|variant| variant.word == word)
    }
}

const fn table(name: &'static str, doc: &'static str, fields: &'static [Field]) -> Table {
    Table { name, doc, fields, ignored_prefix: None, reads_text: None }
}

const fn field(key: &'static str, shape: Shape, doc: &'static str) -> Field {
    Field { key, doc, shape, default: None, required: false, status: Status::Supported }
}

/// A key that a later version brings; `doc` goes on after "it is for".
const fn later(key: &'static str, doc: &'static str) -> Field {
    Field { key, doc, shape: Shape::Scalar, default: None, required: false, status: Status::NotYet }
}

/// A key of dlt's that has no meaning here.
const fn ignored(key: &'static str, note: &'static str) -> Field {
    Field { key, doc: note, shape: Shape::Scalar, default: None, required: false, status: Status::Ignored(note) }
}

impl Field {
    const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

const fn word(word: &'static str) -> Word {
    Word { word, status: Status::Supported }
}

/// A word of dlt's that stands for nothing here.
const fn ignored_word(word: &'static str, note: &'static str) -> Word {
    Word { word, status: Status::Ignored(note) }
}

const fn later_word(word: &'static str) -> Word {
    Word { word, status: Status::NotYet }
}

const fn variant(word: &'static str, table: &'static Table) -> Variant {
    Variant { word, status: Status::Supported, table }
}

/// The key by which a [`Union`] tells its objects apart.
pub const TYPE: &str = "type";

/// The key by which the items of a [`Shape::Keyed`] list name themselves.
pub const NAME: &str = "name";

const COUNT: Shape = Shape::Count { min: 0, max: u64::MAX };
const POSITIVE: Shape = Shape::Count { min: 1, max: u32::MAX as u64 };

const DURATION: Shape = Shape::Parsed(&Grammar {
    what: "a duration such as `50ms`, `10s`, `5m`, `2h` or `7d`",
    check: |text| known(super::quantity::duration(text)),
});

const SIZE: Shape = Shape::Parsed(&Grammar {
    what: "a size such as `300KB`, `256MB` or `1GiB`",
    check: |text| known(super::quantity::size(text).filter(|size| *size > 0)),
});

const SELECTOR: Shape = Shape::Parsed(&Grammar {
    what: "a path such as `data`, `data.items`, `$['odd.key']` or `items[*].rows[?@.id > 3]`",
    check: |text| match text.parse::<crate::json::Selector>() {
        Ok(_) => Ok(()),
        Err(error) => Err((error.message, error.offset)),
    },
});

/// For forms that are right or wrong as a whole.
fn known<T>(value: Option<T>) -> Result<(), (String, usize)> {
    value.map(|_| ()).ok_or_else(|| (String::new(), 0))
}
