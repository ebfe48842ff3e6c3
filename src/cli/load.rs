//! From the config argument to a loaded config.

use std::{io::Read, path::Path};

use super::failure::{CliError, Refusal};
use crate::{
    config::{self, Loaded, Source},
    text_file,
};

/// Reads the config and fills in the environment's variables.
pub fn load(config: &Path) -> Result<Loaded, Refusal> {
    let source = source(config, &mut std::io::stdin())?;
    Ok(config::load(source, &|name| std::env::var(name).ok())?)
}

/// Reads the config of tables that are there: variables that only requests need may be unset.
pub fn load_lake(config: &Path) -> Result<Loaded, Refusal> {
    let source = source(config, &mut std::io::stdin())?;
    Ok(config::load_lake(source, &|name| std::env::var(name).ok())?)
}

fn source(config: &Path, stdin: &mut dyn Read) -> Result<Source, CliError> {
    if config != Path::new("-") {
        return Ok(Source::File(config.to_owned()));
    }
    let text = text_file::read_from(stdin, text_file::LARGEST_CONFIG).map_err(|source| CliError::Stdin { source })?;
    Ok(Source::Stdin { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dash_is_stdin_and_anything_else_a_file() {
        let read = |name: &str| source(Path::new(name), &mut "name: a".as_bytes()).unwrap();
        assert!(matches!(read("-"), Source::Stdin { text } if text == "name: a"));
        assert!(matches!(read("./-"), Source::File(path) if path == Path::new("./-")));
    }

    #[test]
    fn bytes_on_stdin_that_are_no_text_are_an_error() {
        let error = source(Path::new("-"), &mut &b"\xff\xfe"[..]).err().unwrap();
        assert!(matches!(error, CliError::Stdin { .. }));
    }
}
