//! Where the files of an import go: never onto the file that is read, and never onto the schemas of another config.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::import::{Imported, Note};

/// The name of a file without its extension.
pub(super) fn stem(file: &Path) -> String {
    file.file_stem().map_or_else(|| "export".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// The config's file, in `directory` and under the name of what was read; its schemas are told their places.
pub(super) fn place(imported: &mut Imported, directory: &Path, read: &Path) -> PathBuf {
    let name = stem(read);
    let mut config = directory.join(format!("{name}.yaml"));
    if is_same(&config, read) {
        config = directory.join(format!("{name}.restlake.yaml"));
        let message = format!("`{}` is what was read, and stays as it is", read.display());
        imported.notes.push(Note::new(config.display().to_string(), message));
    }
    place_schemas(imported, directory, &config, read, &name);
    config
}

fn place_schemas(imported: &mut Imported, directory: &Path, config: &Path, read: &Path, name: &str) {
    let own = format!("schemas/{name}");
    let mut files = imported.schemas.iter().map(|(path, _)| directory.join(path));
    // Of a new config, no schema can be there already.
    let is_others = |file: PathBuf| is_same(&file, read) || !config.exists() && file.exists();
    if directory.join(&own).is_dir() || files.any(is_others) {
        imported.put_schemas_into(&own);
        let message = format!("the schemas went into `{own}`: in `schemas` are those of another config");
        imported.notes.push(Note::new(config.display().to_string(), message));
    }
}

/// Whether both name one file, by links or not.
fn is_same(one: &Path, other: &Path) -> bool {
    let of = |file: &Path| fs::canonicalize(file).ok();
    of(one).is_some_and(|one| of(other) == Some(one))
}
