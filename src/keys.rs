//! Keys of rows: the set of those that a run brought, and the bounds of those that a file holds.
//!
//! ```text
//! batches ──► KeySet (a slot each) ──► find: which rows of another batch have a known key
//!                  └─► columns: the values of one key column in order ──► may a file of this KeyRange hold one of them?
//! ```
//!
//! [`set`](KeySet) tells keys apart exactly: a hash finds the candidate, the whole key decides. A range only rules files out:
//! one that is missing, or wider than it need be, costs time and never a row.

mod column;
mod normal;
mod range;
mod set;

use arrow::{
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
};

pub use self::{
    column::{KeyColumn, Values},
    normal::normal,
    range::{RangeBuilder, exact_range, range_between},
    set::{KeySegment, KeySet},
};
use crate::error::{ErrorKind, Failure};

/// Why rows could not be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    #[error("the column `{column}` of type {data_type} cannot be {role}")]
    Type { column: String, data_type: DataType, role: &'static str },
    #[error("the rows have no column {index}, which the plan names")]
    NoColumn { index: usize },
    #[error("there are more than {} keys, which is more than one run can tell apart", u32::MAX)]
    TooManyKeys,
    #[error("what a checkpoint holds of the keys does not fit together")]
    Segment,
    #[error("the keys of a batch could not be read")]
    Arrow(#[from] ArrowError),
}

impl Failure for KeyError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Type { .. } | Self::TooManyKeys => ErrorKind::User,
            Self::NoColumn { .. } | Self::Arrow(_) | Self::Segment => ErrorKind::Bug,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Type { .. } => "key_type",
            Self::TooManyKeys => "too_many_keys",
            Self::Segment => "key_segment",
            Self::NoColumn { .. } | Self::Arrow(_) => "key_internal",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Type { .. } => Some("name a column that holds one plain value per row".to_owned()),
            Self::TooManyKeys => Some("export the source in parts, or set `dedup: false`".to_owned()),
            Self::Segment => Some("run again with --no-resume".to_owned()),
            Self::NoColumn { .. } | Self::Arrow(_) => None,
        }
    }
}

/// The type of a column, or why it cannot play its role.
///
/// # Errors
/// [`KeyError::Type`] for nested columns, whose values have no order, [`KeyError::NoColumn`].
pub fn comparable(schema: &SchemaRef, index: usize, role: &'static str) -> Result<DataType, KeyError> {
    let field = schema.fields().get(index).ok_or(KeyError::NoColumn { index })?;
    let data_type = field.data_type().clone();
    if data_type.is_nested() {
        return Err(KeyError::Type { column: field.name().clone(), data_type, role });
    }
    Ok(data_type)
}
