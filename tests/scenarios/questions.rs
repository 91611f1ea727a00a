//! Questions at a terminal that are not answered.

use failover_tests::lab::terminal::Size;
use rustix::process::Signal;

use crate::pair::{PATIENCE, Pair, automatic, state};

const USUAL: Size = (24, 80);

#[test]
fn a_signal_in_the_middle_of_a_question_gives_the_terminal_back_and_nothing_is_done() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&automatic("10ms", 3));

    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        let mut asking = target.on_terminal(&["takeover", "web1"], USUAL);
        asking.wait_for(PATIENCE, "the question", |screen| {
            screen.contains("Take the addresses of web1 over all the same?")
        });
        asking.signal(signal);

        assert_eq!(asking.wait_for_end(PATIENCE).code(), Some(code));
    }
    assert_eq!(state(&target.status(), "web1"), "healthy");
}
