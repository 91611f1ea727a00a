//! What fails over together.

use super::bench::{Bench, MS};
use crate::{
    config::Trigger,
    policy::{Action, Command, Input, PathId, PathState::*, Policy, State, UnitId},
};

#[test]
fn with_all_one_path_of_two_makes_a_suspect() {
    let mut bench = Bench::healthy(2, |_| {});

    let one = bench.path(0, Down);
    let cause = bench.cause().to_owned();
    let both = bench.path(1, Down);

    assert_eq!(one, ["healthy->suspect"]);
    assert_eq!(cause, "no answer from 10.0.0.10");
    assert_eq!(both, ["suspect->failed", "disarm", "failed->taking-over"]);
}

#[test]
fn with_any_one_path_of_two_is_enough() {
    let mut bench = Bench::healthy(2, |source| source.trigger = Trigger::Any);

    let words = bench.path(1, Down);

    assert_eq!(words, ["healthy->failed", "disarm", "failed->taking-over"]);
    assert_eq!(bench.cause(), "3 of 3 heartbeats missed on 10.0.1.10");
}

#[test]
fn with_path_each_path_is_a_unit_of_its_own() {
    let mut bench = Bench::new(2, |source| source.trigger = Trigger::Path);
    let units: Vec<_> = bench.policy.units().collect();
    bench.path(0, Up);
    bench.path(1, Up);

    let words = bench.path(1, Down);

    assert_eq!(
        units,
        [0, 1].map(|path| UnitId {
            source: 0,
            path: Some(path)
        })
    );
    assert_eq!(words, ["healthy->failed", "disarm", "failed->taking-over"]);
    assert_eq!(bench.policy.state(units[0]), Some(State::Healthy));
    assert_eq!(bench.policy.state(units[1]), Some(State::TakingOver));
}

#[test]
fn a_command_for_a_unit_that_does_not_exist_says_how_to_name_one() {
    let mut whole = Bench::new(2, |_| {});
    let mut by_path = Bench::new(2, |source| source.trigger = Trigger::Path);

    whole.unit = UnitId {
        source: 0,
        path: Some(0),
    };
    by_path.unit = UnitId {
        source: 0,
        path: None,
    };
    let ask = |bench: &mut Bench| {
        let input = Input::Command {
            unit: bench.unit,
            command: Command::Takeover,
        };
        bench.policy.handle(input, 0).unwrap_err().to_string()
    };

    assert_eq!(
        ask(&mut whole),
        "web1 fails over as a whole: leave out --path"
    );
    assert_eq!(
        ask(&mut by_path),
        "web1 fails over path by path: name one with --path"
    );
}

#[test]
fn sources_do_not_disturb_each_other() {
    let mut policy = Policy::new(&[
        super::bench::source("web1", 1),
        super::bench::source("web2", 1),
    ]);
    let up = |source| Input::Path {
        path: PathId { source, path: 0 },
        state: Up,
        missed: 0,
        refused: 0,
    };
    policy.handle(up(0), MS).unwrap();
    policy.handle(up(1), MS).unwrap();

    let actions = policy
        .handle(
            Input::Path {
                path: PathId { source: 1, path: 0 },
                state: Down,
                missed: 3,
                refused: 0,
            },
            2 * MS,
        )
        .unwrap();

    let web2 = UnitId {
        source: 1,
        path: None,
    };
    assert!(actions.contains(&Action::Arm {
        unit: web2,
        armed: false
    }));
    assert_eq!(
        policy.state(UnitId {
            source: 0,
            path: None
        }),
        Some(State::Healthy)
    );
    assert_eq!(policy.since(web2), Some(2 * MS));
}
