//! One suite for every table format on every kind of store. The `given_` parts run against servers such as moto and azurite.

mod checkpoints;
mod crash;
mod decorators;
pub mod fixture;
mod held;
mod history;
mod landing;
mod living;
mod owners;
mod quirks;
mod races;
mod rebase;
mod suite;

use fixture::{Lake, PARQUET, World, assert_whole, files, write};
use proptest::prelude::*;
use restlake::model::Operation;

/// Runs each of the suite's functions on each kind of store, in a table format.
macro_rules! on_every_store {
    ($format:expr; $($module:ident => $name:ident),* $(,)?) => {
        mod memory { $(
            #[tokio::test]
            async fn $name() { use super::super::*; $module::$name(Lake::memory($format).await).await; }
        )* }
        mod local { $(
            #[tokio::test]
            async fn $name() { use super::super::*; $module::$name(Lake::local($format).await).await; }
        )* }
        mod s3 { $(
            #[tokio::test]
            async fn $name() { use super::super::*; $module::$name(Lake::s3($format).await).await; }
        )* }
        mod given_s3 { $(
            #[tokio::test]
            #[ignore = "wants an S3 server at RESTLAKE_TEST_S3_ENDPOINT"]
            async fn $name() { use super::super::*; $module::$name(Lake::given_s3($format).await).await; }
        )* }
        mod given_azure { $(
            #[tokio::test]
            #[ignore = "wants a server of Azure's protocol at RESTLAKE_TEST_AZURE_ENDPOINT"]
            async fn $name() { use super::super::*; $module::$name(Lake::given_azure($format).await).await; }
        )* }
    };
}

/// What every table format does.
macro_rules! conformance {
    ($format:expr) => {
        on_every_store! {
            $format;
            suite => of_32_tasks_that_commit_the_same_version_exactly_one_wins,
            suite => an_append_adds_and_a_replace_leaves_only_its_own,
            suite => an_empty_commit_moves_the_state_on_and_leaves_the_files,
            suite => files_of_others_are_refused_and_left_alone,
            suite => a_newest_commit_that_is_lost_or_emptied_is_an_error_and_no_step_back,
            suite => a_table_of_another_pipeline_or_resource_is_refused,
            suite => an_abandoned_attempt_leaves_nothing,
            suite => a_staged_file_can_be_read_back_and_discarded,
            suite => rejects_are_one_line_each_and_no_file_without_them,
            suite => a_commit_that_does_not_fit_its_base_is_refused,
            crash => a_crash_at_any_fault_point_leaves_the_old_or_the_new_table,
            owners => an_attempt_of_a_living_process_is_left_alone,
            owners => an_attempt_on_another_host_lives_as_long_as_its_lease,
            owners => only_names_of_restlake_are_cleaned_up,
            owners => staged_files_that_were_taken_away_are_not_committed,
            owners => an_attempt_that_lost_a_file_is_abandoned_with_all_its_others,
            landing => a_writer_whose_attempt_is_being_deleted_finds_out_before_it_commits,
            landing => a_commit_that_is_never_answered_is_given_up,
            landing => a_renewal_that_hangs_holds_no_commit_up,
            landing => a_renewal_that_hangs_is_given_up_and_tried_again,
            quirks => a_store_that_overwrites_is_refused_before_anything_is_staged,
            quirks => a_run_that_waits_is_not_sent_home_by_a_store_that_fails_for_a_while,
            races => an_attempt_whose_record_comes_back_is_left_alone,
            races => an_attempt_without_a_record_is_cleaned_up,
            living => a_run_finds_who_works_on_the_table_and_since_when,
            living => of_two_runs_that_begin_at_once_exactly_one_goes_on,
            living => an_owner_on_another_host_is_living_as_long_as_its_lease_is_fresh,
            living => a_run_that_waits_goes_on_when_the_other_is_over,
            living => a_run_that_waits_ends_when_it_is_asked_to_stop,
            living => a_run_that_is_done_with_this_table_still_holds_it,
            held => a_run_that_died_after_its_commit_is_found_until_the_next_commit,
            held => a_run_that_ended_leaves_no_record,
            held => a_run_that_commits_twice_is_found_by_its_last_commit,
            held => a_held_claim_is_renewed_until_it_is_released,
            held => a_later_commit_left_in_doubt_is_not_one_of_a_run_that_died,
            held => what_a_run_leaves_that_did_not_end_well_is_found_while_its_process_lives,
            rebase => a_lost_append_is_redone_on_the_winners_version,
            rebase => a_rebase_that_cannot_be_done_gives_both_attempts_up,
            rebase => a_run_that_rebases_is_not_in_its_own_way,
            checkpoints => a_dead_run_is_resumed_from_its_checkpoints_and_nothing_is_lost_or_doubled,
            checkpoints => checkpoints_hold_as_far_as_they_are_unbroken,
            checkpoints => of_several_dead_runs_the_one_that_came_furthest_is_resumed,
            checkpoints => of_many_that_want_to_resume_one_does,
            checkpoints => a_run_that_lives_is_not_resumed,
            checkpoints => a_run_that_was_taken_for_dead_commits_nothing_once_another_resumes_it,
            checkpoints => a_run_that_gives_up_leaves_its_checkpoints,
            checkpoints => what_nobody_wants_to_resume_is_discarded,
            checkpoints => checkpoints_of_another_version_are_deleted,
            checkpoints => a_discarded_file_that_a_checkpoint_names_is_there_for_who_resumes,
            history => every_version_can_be_looked_at,
            history => the_last_hundred_runs_are_on_record,
            history => records_of_others_are_left_alone,
        }
    };
}

mod parquet {
    conformance!(PARQUET);
}

#[cfg(feature = "delta")]
mod delta;
#[cfg(feature = "delta")]
pub use delta::DELTA;

/// What follows from the log and the order of a commit's steps.
mod parquet_log {
    on_every_store! {
        PARQUET;
        suite => more_commits_than_a_full_list_covers_give_the_same_table,
        suite => a_log_that_cannot_be_read_is_told_with_the_object,
        crash => a_publication_that_fails_in_passing_is_tried_again,
        crash => an_append_that_is_not_published_says_what_the_same_command_does_and_keeps_its_files,
        crash => a_replace_that_is_not_published_may_run_again,
        crash => every_fault_point_before_the_commit_gives_the_old_table_and_every_other_the_new_one,
        races => an_attempt_that_commits_and_dies_while_it_is_judged_is_published,
        races => the_first_files_of_another_first_run_are_not_foreign,
    }
}

#[tokio::test]
async fn a_commit_is_not_sent_again_once_another_run_has_taken_the_attempt_in_memory() {
    landing::a_commit_is_not_sent_again_once_another_run_has_taken_the_attempt(Lake::memory(PARQUET).await).await;
}

#[tokio::test]
async fn a_commit_is_not_sent_again_once_another_run_has_taken_the_attempt_on_disk() {
    landing::a_commit_is_not_sent_again_once_another_run_has_taken_the_attempt(Lake::local(PARQUET).await).await;
}

/// What may be on the wire when its sender is killed.
mod behind_a_network {
    mod parquet {
        #[tokio::test]
        async fn a_commit_that_arrives_after_its_sender_died_finds_its_files() {
            use super::super::*;
            landing::a_commit_that_arrives_after_its_sender_died_finds_its_files(Lake::s3(PARQUET).await).await;
        }

        #[tokio::test]
        async fn what_a_late_commit_would_name_goes_once_it_can_arrive_no_more() {
            use super::super::*;
            landing::what_a_late_commit_would_name_goes_once_it_can_arrive_no_more(Lake::s3(PARQUET).await).await;
        }
    }

    #[cfg(feature = "delta")]
    mod delta {
        #[tokio::test]
        async fn a_commit_that_arrives_after_its_sender_died_finds_its_files() {
            use super::super::*;
            landing::a_commit_that_arrives_after_its_sender_died_finds_its_files(Lake::s3(DELTA).await).await;
        }
    }
}

/// Hundreds of runs: too slow for a server, where the fault points above do.
#[tokio::test]
async fn a_process_killed_before_any_operation_leaves_the_old_or_the_new_table_in_memory() {
    crash::a_process_killed_before_any_operation_leaves_the_old_or_the_new_table(Lake::memory(PARQUET).await).await;
}

#[tokio::test]
async fn a_process_killed_before_any_operation_leaves_the_old_or_the_new_table_on_disk() {
    crash::a_process_killed_before_any_operation_leaves_the_old_or_the_new_table(Lake::local(PARQUET).await).await;
}

#[tokio::test]
async fn a_resuming_run_killed_before_any_operation_is_resumed_in_turn_in_memory() {
    checkpoints::a_resuming_run_killed_before_any_operation_is_resumed_in_turn(Lake::memory(PARQUET).await).await;
}

#[tokio::test]
async fn a_resuming_run_killed_before_any_operation_is_resumed_in_turn_on_disk() {
    checkpoints::a_resuming_run_killed_before_any_operation_is_resumed_in_turn(Lake::local(PARQUET).await).await;
}

#[tokio::test]
async fn a_process_killed_while_it_rebases_leaves_the_winners_table_or_its_own() {
    rebase::a_process_killed_while_it_rebases_leaves_the_winners_table_or_its_own(Lake::memory(PARQUET).await).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_sequence_of_commits_gives_the_table_that_a_naive_model_gives(
        runs in proptest::collection::vec((prop::bool::ANY, 0_usize..4), 0..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let lake = Lake::memory(PARQUET).await;
            let table = lake.open(&World::new()).await;
            let mut model = std::collections::BTreeMap::new();
            for (index, (replace, count)) in runs.iter().enumerate() {
                let operation = if *replace { Operation::Replace } else { Operation::Append };
                let _ = write(&*table, operation, *count, "run").await.unwrap();
                if *replace {
                    model.clear();
                }
                model.extend(files(index as u64 + 1, *count, "run").into_iter().map(|file| (file.path, file.content)));
            }
            assert_eq!(lake.data().await, model);
            assert_eq!(table.snapshot().await.unwrap().version, runs.len() as u64);
            assert_whole(&lake, &*table).await;
        });
    }
}
