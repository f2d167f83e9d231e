//! One contract for every provider, and what is particular to each.

mod contract;
mod docker;
mod docker_compose;
mod docker_foreign;
mod docker_harness;
mod fake;
mod harness;
mod process;

use self::harness::run;

/// The whole contract, as tests of the harness that `$harness` makes (`None`: cannot run here).
macro_rules! contract_tests {
    ([$($attribute:tt)*] $harness:expr) => {
        contract_tests!(@each [$($attribute)*] $harness;
            launch_shows_a_running_instance,
            second_launch_is_the_same_instance,
            interrupted_launch_leaves_one_instance,
            concurrent_launches_have_addresses_of_their_own,
            template_faults_are_told_from_others,
            environment_reaches_the_instance,
            ended_instance_is_listed_until_terminated,
            unknown_instance_terminates,
            polite_instance_ends_within_the_grace,
            deaf_instance_is_killed_after_the_grace,
            restart_adopts_what_runs,
            restart_sees_what_ended_meanwhile,
            strangers_are_left_alone,
            change_is_noticed,
            change_of_an_adopted_instance_is_noticed,
            command_streams_and_exits,
            command_reads_until_its_input_ends,
            command_in_a_terminal_knows_the_window,
            command_that_is_missing_is_told,
            command_needs_a_running_instance,
            command_ends_with_its_session,
            command_ends_with_its_instance,
            user_data_runs_before_the_command,
            failing_user_data_is_told,
            command_runs_in_its_folder,
            variables_survive_what_runs_before_the_command,
            cpu_quota_holds_a_burner,
            memory_limit_ends_what_exceeds_it,
            log_is_read_back_and_followed,
            unknown_instance_has_no_log,
        );
    };
    (@each $attributes:tt $harness:expr; $($name:ident),* $(,)?) => {
        $(contract_tests!(@one $attributes $harness; $name);)*
    };
    (@one [$($attribute:tt)*] $harness:expr; $name:ident) => {
        #[tokio::test($($attribute)*)]
        async fn $name() {
            if let Some(harness) = $harness {
                super::run(harness, async |harness| super::contract::$name(harness).await).await;
            }
        }
    };
}
use contract_tests;
