//! The checks of fuzz targets that read answers, see [`crate::fuzzing`].

mod bodies;
mod headers;

pub use bodies::csv;
pub use headers::headers;
