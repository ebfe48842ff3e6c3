//! Files go to their place before the commit that names them: what is to be moved is written down first.
//!
//! `_restlake/moves/<version>-<turn>.json` names an attempt's files and where they go. It is put if absent, so that each
//! attempt at a version has a turn of its own; the files of every turn but the first carry its number in their names. A
//! turn is not taken twice before its version is made: a clean-up that is late, or a writer that was thought dead, never
//! deletes or replaces the file of another attempt. An undisturbed run has the first turn, and so the names of plain Parquet.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::CommitError;
use crate::{
    commit::{
        StoredObject,
        attempts::delete_all,
        staging::{data_file_name, is_staged_in, reach},
    },
    environment::{Environment, FaultPoint},
    model::{StagedFile, Version},
    store::{Created, TableStore},
};

/// Where the records lie, relative to the table.
pub(super) const DIRECTORY: &str = "_restlake/moves";

/// How many attempts at one version may have come as far as to move files.
const TURNS: u64 = 10_000;

/// Objects moved or deleted at a time.
const MOVES: usize = 16;

const SUFFIX: &str = ".parquet";

/// What an attempt moves, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Moves {
    pub version: Version,
    pub turn: u64,
    /// The staging directory the files come from.
    pub attempt: String,
    pub run_id: String,
    /// Relative to the table: from where, to where.
    pub files: Vec<(String, String)>,
}

impl Moves {
    /// Writes down where the files of an attempt go.
    ///
    /// # Errors
    /// The store's, and a store whose put-if-absent is none.
    pub async fn claim(
        table: &TableStore,
        version: Version,
        attempt: &str,
        run_id: &str,
        adds: &[StagedFile],
    ) -> Result<Self, CommitError> {
        let taken = turns(table).await?;
        let last = taken.keys().filter(|(other, _)| *other == version).map(|(_, turn)| *turn).max();
        let first = last.map_or(0, |turn| turn.saturating_add(1));
        for turn in first..first.saturating_add(TURNS) {
            let files = adds.iter().map(|add| (add.staged.clone(), in_turn(&add.file.path, turn))).collect();
            let moves = Self { version, turn, attempt: attempt.to_owned(), run_id: run_id.to_owned(), files };
            if moves.put(table).await? {
                return Ok(moves);
            }
        }
        Err(CommitError::NotConditional { store: table.shown("") })
    }

    /// `false` if the turn is taken, be it by ourselves with a request that was sent twice: that turn is lost then.
    async fn put(&self, table: &TableStore) -> Result<bool, CommitError> {
        let invalid = |reason| CommitError::Invalid { table: table.shown(""), version: self.version, reason };
        let content = serde_json::to_vec_pretty(self).map_err(|error| invalid(error.to_string()))?;
        Ok(table.put_if_absent(&self.path(), Bytes::from(content)).await? == Created::Yes)
    }

    fn path(&self) -> String {
        format!("{DIRECTORY}/{:020}-{}.json", self.version, self.turn)
    }

    /// All records there are, by version and turn.
    pub async fn all(table: &TableStore) -> Result<Vec<Self>, CommitError> {
        let paths = turns(table).await?.into_values();
        let read = stream::iter(paths).map(|path| async move { Self::read(table, &path).await });
        let read: Vec<_> = read.buffered(MOVES).try_collect().await?;
        Ok(read.into_iter().flatten().collect())
    }

    /// One record, `None` if it is gone.
    async fn read(table: &TableStore, path: &str) -> Result<Option<Self>, CommitError> {
        let Some(bytes) = table.get(path).await? else { return Ok(None) };
        let corrupt = |reason| CommitError::Corrupt { object: table.shown(path), reason };
        let moves: Self = serde_json::from_slice(&bytes).map_err(|error| corrupt(error.to_string()))?;
        if moves.path() != path {
            return Err(corrupt("it says that it is another one".to_owned()));
        }
        // The paths come from a store that others may write to.
        for (from, to) in &moves.files {
            data_file_name(table, to, moves.version)?;
            if !is_staged_in(from, &moves.attempt) {
                return Err(corrupt(format!("`{from}` is not staged in {}", moves.attempt)));
            }
        }
        Ok(Some(moves))
    }

    /// Brings the files to their place.
    pub async fn carry_out(&self, table: &TableStore, environment: &Environment) -> Result<(), CommitError> {
        let moves = stream::iter(self.files.clone().into_iter().enumerate()).map(|(index, (from, to))| async move {
            if index > 0 {
                reach(environment, table, FaultPoint::BetweenMoves)?;
            }
            if table.rename(&from, &to).await? {
                return Ok(());
            }
            Err(CommitError::AttemptLost { attempt: table.shown(&from) })
        });
        moves.buffer_unordered(MOVES).try_collect().await
    }

    /// Whether all files are where they were to go.
    pub async fn are_in_place(&self, table: &TableStore) -> Result<bool, CommitError> {
        Ok(self.moved(table).await?.len() == self.files.len())
    }

    /// The files that are where they were to go.
    pub async fn moved(&self, table: &TableStore) -> Result<Vec<StoredObject>, CommitError> {
        let places = self.files.iter().map(|(_, to)| to.clone()).collect::<Vec<_>>();
        let looks = stream::iter(places).map(|path| async move {
            let size = table.size(&path).await?;
            Ok::<_, CommitError>(size.map(|bytes| StoredObject { path, bytes }))
        });
        let moved: Vec<_> = looks.buffered(MOVES).try_collect().await?;
        Ok(moved.into_iter().flatten().collect())
    }

    /// Brings the files back to where they were staged; those that are gone stay gone. The record stays.
    pub async fn take_back(&self, table: &TableStore) -> Result<(), CommitError> {
        let moves = stream::iter(self.files.clone()).map(|(from, to)| async move { table.rename(&to, &from).await });
        Ok(moves.buffer_unordered(MOVES).map_ok(drop).try_collect().await?)
    }

    /// Deletes the files: the attempt that staged them is gone. The record stays.
    pub async fn delete(&self, table: &TableStore) -> Result<(), CommitError> {
        let paths: Vec<String> = self.files.iter().map(|(_, to)| to.clone()).collect();
        delete_all(table, paths).await
    }

    /// Deletes the record: its version is made, and so its turn will not be taken again.
    pub async fn forget(&self, table: &TableStore) -> Result<(), CommitError> {
        Ok(table.delete(&self.path()).await?)
    }
}

/// The records' paths by version and turn.
async fn turns(table: &TableStore) -> Result<BTreeMap<(Version, u64), String>, CommitError> {
    let mut listed = table.list(DIRECTORY)?;
    let mut turns = BTreeMap::new();
    while let Some(object) = listed.try_next().await? {
        if let Some((turn, path)) = object.location.filename().and_then(turn_of).zip(table.path_of(&object.location)) {
            turns.insert(turn, path);
        }
    }
    Ok(turns)
}

/// Whether restlake gives a record of moves this name.
pub(super) fn is_record(name: &str) -> bool {
    turn_of(name).is_some()
}

fn turn_of(name: &str) -> Option<(Version, u64)> {
    let (version, turn) = name.strip_suffix(".json")?.split_once('-')?;
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (version.len() == 20 && is_number(version) && is_number(turn))
        .then(|| version.parse().ok().zip(turn.parse().ok()))?
}

/// A data file's path in a turn.
pub(super) fn in_turn(path: &str, turn: u64) -> String {
    match path.strip_suffix(SUFFIX).filter(|_| turn > 0) {
        Some(stem) => format!("{stem}-{turn}{SUFFIX}"),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;
    use crate::{model::DataFile, store::Store};

    const PATH: &str = "a=1/part-0000000002-00000-00000.parquet";
    const STAGED: &str = "_restlake/staging/x/part-0000000002-00000-00000.parquet.staged";

    fn table() -> TableStore {
        Store::new(Arc::new(InMemory::new()), "lake".into(), "memory://lake").table("t").unwrap()
    }

    fn add() -> StagedFile {
        let (path, sha256) = (PATH.to_owned(), String::new());
        let file = DataFile { path, rows: 1, bytes: 4, sha256, partition: Vec::new(), keys: Vec::new() };
        StagedFile { file, staged: STAGED.to_owned() }
    }

    #[test]
    fn the_first_turn_has_the_names_of_plain_parquet() {
        assert_eq!(in_turn(PATH, 0), PATH);
        assert_eq!(in_turn(PATH, 12), "a=1/part-0000000002-00000-00000-12.parquet");
        assert_eq!(turn_of("00000000000000000002-12.json"), Some((2, 12)));
        for other in
            ["2-12.json", "00000000000000000002-.json", "00000000000000000002-+1.json", "00000000000000000002-1"]
        {
            assert!(!is_record(other), "{other}");
        }
    }

    #[tokio::test]
    async fn a_turn_is_taken_once_and_is_free_again_when_its_record_is_gone() {
        let table = table();
        let claim = async || Moves::claim(&table, 2, "x", "run", &[add()]).await.unwrap();
        let (first, second) = (claim().await, claim().await);
        assert_eq!((first.turn, second.turn), (0, 1));
        assert_eq!(second.files, [(STAGED.to_owned(), in_turn(PATH, 1))]);
        assert_eq!(Moves::all(&table).await.unwrap(), [first.clone(), second.clone()]);
        first.forget(&table).await.unwrap();
        assert_eq!(claim().await.turn, 2, "a turn behind a taken one could be taken by two");
        assert_eq!(Moves::claim(&table, 3, "x", "run", &[add()]).await.unwrap().turn, 0);
    }

    #[tokio::test]
    async fn files_go_to_their_place_and_back_and_a_lost_one_is_told() {
        let table = table();
        table.put(STAGED, Bytes::from_static(b"rows")).await.unwrap();
        let moves = Moves::claim(&table, 2, "x", "run", &[add()]).await.unwrap();
        moves.carry_out(&table, &Environment::real()).await.unwrap();
        assert_eq!((table.size(STAGED).await.unwrap(), table.size(PATH).await.unwrap()), (None, Some(4)));
        for _ in 0..2 {
            moves.take_back(&table).await.unwrap();
            assert_eq!((table.size(STAGED).await.unwrap(), table.size(PATH).await.unwrap()), (Some(4), None));
        }
        table.delete(STAGED).await.unwrap();
        let lost = moves.carry_out(&table, &Environment::real()).await;
        assert!(matches!(lost, Err(CommitError::AttemptLost { .. })), "{lost:?}");
    }

    #[tokio::test]
    async fn a_record_that_names_files_of_others_is_corrupt() {
        let table = table();
        for (from, to) in
            [("_restlake/staging/y/a.parquet.staged", PATH), (STAGED, "_delta_log/a.parquet"), (STAGED, "../a.parquet")]
        {
            let files = vec![(from.to_owned(), to.to_owned())];
            let (attempt, run_id) = ("x".to_owned(), "run".to_owned());
            let moves = Moves { version: 2, turn: 0, attempt, run_id, files };
            table.put(&moves.path(), serde_json::to_vec(&moves).unwrap().into()).await.unwrap();
            assert!(Moves::all(&table).await.is_err(), "{from} to {to}");
        }
    }
}
