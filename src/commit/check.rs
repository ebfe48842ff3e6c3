//! What every table format makes sure of before it commits: that the commit fits its base, and that its files are there.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt;

use super::{
    CommitError, TableSnapshot, Workspace,
    owner::{Lease, STAGING, generation_of},
    staging::{data_file_name, is_staged_in},
};
use crate::model::{Commit, StagedFile};

/// Refuses a commit that contradicts itself or its base: these are mistakes of the caller, and would corrupt the table.
pub(super) fn check_fits(
    workspace: &Workspace,
    base: &TableSnapshot,
    attempt: &str,
    commit: &Commit,
) -> Result<(), CommitError> {
    let version = base.version + 1;
    let invalid = |reason: String| CommitError::Invalid { table: workspace.table.shown(""), version, reason };
    if commit.identity != workspace.identity {
        return Err(invalid("it is of another resource".into()));
    }
    let mut paths: BTreeSet<&str> = base.files.iter().map(|file| file.path.as_str()).collect();
    for path in &commit.removes {
        if !paths.remove(path.as_str()) {
            return Err(invalid(format!("`{path}` is to be removed and not there")));
        }
    }
    for add in &commit.adds {
        data_file_name(&workspace.table, &add.file.path, version)?;
        if !is_staged_in(&add.staged, attempt) {
            return Err(invalid(format!("`{}` is not staged in {attempt}", add.staged)));
        }
        if commit.removes.contains(&add.file.path) || !paths.insert(&add.file.path) {
            return Err(invalid(format!("`{}` is added twice", add.file.path)));
        }
    }
    Ok(())
}

/// Whether all is where the commit will say it is. Somebody who took us for dead may have cleaned up.
pub(super) async fn check_staged(workspace: &Workspace, lease: &Lease, adds: &[StagedFile]) -> Result<(), CommitError> {
    lease.renew_at_once().await?;
    let listed: Vec<_> = workspace.table.list(&format!("{STAGING}/{}", lease.name))?.try_collect().await?;
    let sizes: BTreeMap<_, _> = listed
        .into_iter()
        .filter_map(|object| Some((workspace.table.path_of(&object.location)?, object.size)))
        .collect();
    let is_whole = adds.iter().all(|add| sizes.get(&add.staged) == Some(&add.file.bytes));
    // Whoever took it over has put his record before he looked at ours, which we have just renewed.
    let names = sizes.keys().filter_map(|path| path.rsplit('/').next());
    let is_ours = names.filter_map(generation_of).all(|generation| generation <= lease.generation);
    if is_whole && is_ours {
        return Ok(());
    }
    Err(CommitError::AttemptLost { attempt: workspace.table.shown(&format!("{STAGING}/{}", lease.name)) })
}
