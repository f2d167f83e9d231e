mod simulation;

use proptest::prelude::*;

use self::simulation::{Op, Simulation};
use super::*;

fn instance() -> InstanceId {
    InstanceId::parse(b"i-0123abcd").unwrap()
}

/// pid, ppid, own, reaped; the pid is the start, too.
fn process((pid, ppid, own, reaped): (Pid, Pid, u64, u64)) -> Process {
    Process {
        pid,
        ppid,
        start: u64::from(pid),
        own,
        reaped,
        instance: instance(),
    }
}

/// The counter after each sample.
fn counted<const N: usize>(samples: [&[(Pid, Pid, u64, u64)]; N]) -> [u64; N] {
    let mut ledger = Ledger::default();
    samples.map(|sample| {
        ledger.record(sample.iter().copied().map(process).collect());
        ledger.ticks(&instance())
    })
}

#[test]
fn time_used_before_the_first_sample_counts() {
    assert_eq!(counted([&[(10, 1, 5, 2)], &[(10, 1, 9, 2)]]), [7, 11]);
}

#[test]
fn a_new_child_brings_what_it_has_used() {
    assert_eq!(
        counted([&[(10, 1, 5, 0)], &[(10, 1, 6, 0), (11, 10, 3, 0)]]),
        [5, 9]
    );
}

#[test]
fn a_reaped_child_is_not_counted_twice() {
    assert_eq!(
        counted([
            &[(10, 1, 0, 0), (11, 10, 100, 0)],
            // 4 more ticks between its last sample and its end.
            &[(10, 1, 1, 104)],
        ]),
        [100, 105]
    );
}

#[test]
fn a_child_between_two_samples_is_counted_when_reaped() {
    assert_eq!(counted([&[(10, 1, 0, 0)], &[(10, 1, 0, 30)]]), [0, 30]);
}

#[test]
fn a_chain_reaped_at_once_is_counted_once() {
    assert_eq!(
        counted([
            &[(10, 1, 0, 0), (11, 10, 5, 0), (12, 11, 50, 0)],
            &[(10, 1, 0, 57)],
        ]),
        [55, 57]
    );
}

#[test]
fn a_child_reaped_while_the_sample_is_read_is_counted_once() {
    assert_eq!(
        counted([
            &[(10, 1, 0, 0), (11, 10, 100, 0)],
            // The parent was read before it waited, the child after.
            &[(10, 1, 0, 0)],
            &[(10, 1, 0, 101)],
        ]),
        [100, 100, 101]
    );
}

#[test]
fn a_debt_passes_to_the_grandparent() {
    assert_eq!(
        counted([
            &[(10, 1, 0, 0), (11, 10, 0, 0), (12, 11, 100, 0)],
            &[(10, 1, 0, 0), (11, 10, 0, 0)],
            &[(10, 1, 0, 100)],
        ]),
        [100, 100, 100]
    );
}

#[test]
fn a_root_reaped_outside_does_not_lower_the_counter() {
    assert_eq!(
        counted([
            &[(10, 1, 90, 0), (11, 10, 10, 0)],
            &[(11, 1, 12, 0)],
            &[],
            &[(20, 1, 1, 0)],
        ]),
        [100, 102, 102, 103]
    );
}

#[test]
fn children_nobody_waits_for_hide_nothing_for_long() {
    assert_eq!(
        counted([
            &[(10, 1, 0, 0), (11, 10, 100, 0)],
            // Its parent ignores SIGCHLD, so the kernel reaps.
            &[(10, 1, 1, 0)],
            &[(10, 1, 2, 0)],
            &[(10, 1, 2, 7)],
        ]),
        [100, 101, 102, 109]
    );
}

#[test]
fn a_pid_used_again_is_another_process() {
    let mut ledger = Ledger::default();
    ledger.record(vec![process((10, 1, 50, 0))]);
    let mut other = process((10, 1, 3, 0));
    other.start = 77;
    ledger.record(vec![other]);
    assert_eq!(ledger.ticks(&instance()), 53);
}

#[test]
fn time_from_before_an_adoption_does_not_count() {
    let mut ledger = Ledger::default();
    ledger.adopt(process((10, 1, 50, 0)));
    ledger.record(vec![process((10, 1, 53, 0))]);
    assert_eq!(ledger.ticks(&instance()), 3);
}

#[test]
fn parents_in_a_circle_end() {
    assert_eq!(
        counted([&[(10, 11, 1, 0), (11, 10, 1, 0)], &[(12, 1, 1, 0)]]),
        [2, 3]
    );
}

#[test]
fn an_instance_long_gone_is_forgotten() {
    let mut ledger = Ledger::default();
    ledger.record(vec![process((10, 1, 5, 0))]);
    for _ in 0..=MEMORY_SAMPLES {
        ledger.record(Vec::new());
    }
    assert_eq!(ledger.ticks(&instance()), 0);
    assert!(ledger.accounts.is_empty());
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => Just(Op::Read),
        4 => (any::<usize>(), 1..50_u64).prop_map(|(who, ticks)| Op::Use { who, ticks }),
        3 => (any::<usize>(), prop::bool::weighted(0.1)).prop_map(|(who, ignores_children)| Op::Fork { who, ignores_children }),
        2 => any::<usize>().prop_map(|who| Op::Exit { who }),
        2 => any::<usize>().prop_map(|who| Op::Reap { who }),
        1 => Just(Op::ReadAll),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The simulation checks after every sample that the counter has not fallen, is not above
    /// the truth, and is below it by no more than the module's head allows.
    #[test]
    fn a_counter_stays_close_below_the_truth(ops in prop::collection::vec(any_op(), 0..200)) {
        let mut simulation = Simulation::new(instance());
        for op in ops {
            simulation.apply(op);
        }
        simulation.apply(Op::ReadAll);
        simulation.apply(Op::ReadAll);
        simulation.apply(Op::ReadAll);
        simulation.check_settled();
    }
}
