use crate::policy::State;
use ratatui::crossterm::event::{KeyCode, KeyModifiers};
use serde_json::json;

use super::{history::Rate, *};
use crate::{
    control::render::tests::{host, path, source},
    policy::PathState,
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn model() -> Model {
    Model::new("/run/failover/control.sock".into())
}

pub(crate) fn press(model: &mut Model, code: KeyCode) -> Effect {
    model.update(Input::Key(KeyEvent::new(code, KeyModifiers::NONE)), SECOND)
}

pub(crate) fn asking(name: &str) -> SourceStatus {
    let mut down = path(1, PathState::Down, State::AwaitingApproval);
    down.consecutive_missed = 3;
    let cause = "3 of 3 heartbeats missed";
    source(name, State::AwaitingApproval, cause, vec![down])
}

pub(crate) fn healthy(name: &str) -> SourceStatus {
    let up = path(2, PathState::Up, State::Healthy);
    source(name, State::Healthy, "source answers", vec![up])
}

pub(crate) fn seen(sources: Vec<SourceStatus>) -> Input {
    Input::Status(Box::new(host(sources)))
}

pub(crate) fn event(at: &str, text: &str) -> Event {
    serde_json::from_value(json!({"at": at, "source": "web1", "event": "error", "text": text}))
        .unwrap()
}

pub(crate) fn gone() -> Input {
    Input::Gone(Loss {
        nobody: true,
        why: "no daemon at /run/failover/control.sock".to_owned(),
    })
}

fn said(model: &Model) -> &Answer {
    &model.said.as_ref().expect("something was said").answer
}

#[test]
fn a_command_is_asked_once_it_is_confirmed() {
    let mut model = model();
    model.update(seen(vec![healthy("db1"), asking("web1")]), SECOND);

    let pressed = press(&mut model, KeyCode::Char('a'));
    let confirmed = press(&mut model, KeyCode::Char('y'));

    let source = "web1".to_owned();
    assert_eq!(pressed, Effect::Nothing);
    assert_eq!(confirmed, Effect::Ask(1, Request::Approve { source }));
}

#[test]
fn any_other_key_than_yes_asks_nothing() {
    for no in [
        KeyCode::Char('n'),
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Char('q'),
    ] {
        let mut model = model();
        model.update(seen(vec![asking("web1")]), SECOND);
        press(&mut model, KeyCode::Char('a'));

        let effect = press(&mut model, no);

        assert_eq!(effect, Effect::Nothing, "{no:?}");
        assert!(model.over.is_none() && model.running.is_empty());
    }
}

#[test]
fn the_selected_source_is_answered_for_first() {
    let mut model = model();
    model.update(seen(vec![asking("db1"), asking("web1")]), SECOND);
    press(&mut model, KeyCode::Down);

    let prompts: Vec<_> = model.prompts().iter().map(|prompt| prompt.source).collect();

    assert_eq!(prompts, ["web1", "db1"]);
}

#[test]
fn nothing_is_approved_that_does_not_wait_for_it() {
    let mut model = model();
    model.update(seen(vec![healthy("web1")]), SECOND);

    press(&mut model, KeyCode::Char('a'));

    assert!(model.over.is_none());
    assert_eq!(
        *said(&model),
        Answer::NotDone("no source is awaiting approval".to_owned())
    );
}

#[test]
fn a_takeover_of_a_source_that_answers_says_so_to_person_and_daemon() {
    let mut model = model();
    model.update(seen(vec![healthy("web1")]), SECOND);
    press(&mut model, KeyCode::Char('t'));
    let Some(Over::Confirm(verb, target)) = model.over.clone() else {
        panic!("no question");
    };

    let effect = press(&mut model, KeyCode::Char('y'));

    let question = (verb.question)(&target);
    assert!(question.starts_with("web1 answers"), "{question}");
    let request = Request::Takeover {
        source: "web1".to_owned(),
        path: None,
        even_if_healthy: true,
    };
    assert_eq!(effect, Effect::Ask(1, request));
}

#[test]
fn of_a_source_whose_paths_fail_over_by_themselves_the_selected_one_is_taken() {
    let mut model = model();
    let paths = vec![
        path(1, PathState::Up, State::Healthy),
        path(2, PathState::Down, State::Failed),
    ];
    let web1 = source("web1", State::Failed, "declined", paths);
    model.update(seen(vec![web1]), SECOND);
    press(&mut model, KeyCode::Down);
    press(&mut model, KeyCode::Char('t'));

    let effect = press(&mut model, KeyCode::Char('y'));

    let request = Request::Takeover {
        source: "web1".to_owned(),
        path: Some(1),
        even_if_healthy: false,
    };
    assert_eq!(effect, Effect::Ask(1, request));
}

#[test]
fn answers_find_their_command_also_out_of_order() {
    let mut model = model();
    model.update(seen(vec![asking("web1")]), SECOND);
    for key in ['a', 'y', 'f', 'y'] {
        press(&mut model, KeyCode::Char(key));
    }
    assert_eq!(model.running.len(), 2);

    let refused = Answer::NotDone("web1 is not taken over".to_owned());
    model.update(Input::Answer(2, refused.clone()), 2 * SECOND);

    assert_eq!(*said(&model), refused);
    let running: Vec<_> = model.running.iter().map(|one| one.what.as_str()).collect();
    assert_eq!(running, ["approve web1"]);
}

#[test]
fn the_same_command_is_not_asked_twice_at_once() {
    let mut model = model();
    model.update(seen(vec![asking("web1")]), SECOND);
    press(&mut model, KeyCode::Char('a'));
    press(&mut model, KeyCode::Char('y'));
    press(&mut model, KeyCode::Char('a'));

    let again = press(&mut model, KeyCode::Char('y'));

    assert_eq!(again, Effect::Nothing);
    assert_eq!(model.running.len(), 1);
}

#[test]
fn a_daemon_that_is_gone_is_asked_nothing_and_takes_back_its_prompt() {
    let mut model = model();
    model.update(seen(vec![asking("web1")]), SECOND);
    press(&mut model, KeyCode::Char('a'));

    model.update(gone(), 2 * SECOND);
    let confirmed = press(&mut model, KeyCode::Char('y'));
    press(&mut model, KeyCode::Char('t'));

    assert_eq!(confirmed, Effect::Nothing);
    assert!(model.over.is_none() && model.prompts().is_empty());
    assert_eq!(
        *said(&model),
        Answer::NotDone("no takeover: the daemon is gone".to_owned())
    );
}

#[test]
fn a_daemon_is_gone_since_the_first_time_it_did_not_answer() {
    let mut model = model();
    model.update(gone(), SECOND);
    model.update(gone(), 5 * SECOND);
    assert!(matches!(model.daemon, Daemon::Gone(_, since) if since == SECOND));

    model.update(seen(vec![asking("web1")]), 6 * SECOND);

    assert_eq!(model.daemon, Daemon::Here);
    assert_eq!(model.prompts().len(), 1);
}

#[test]
fn the_selection_follows_its_path_through_a_changed_configuration() {
    let mut model = model();
    model.update(seen(vec![healthy("db1"), healthy("web1")]), SECOND);
    press(&mut model, KeyCode::Down);
    let all = vec![healthy("app1"), healthy("db1"), healthy("web1")];

    model.update(seen(all), 2 * SECOND);
    let followed = model.selected_row();
    model.update(seen(vec![healthy("app1")]), 3 * SECOND);

    assert_eq!(followed, 2);
    assert_eq!(model.selected_row(), 0);
    assert_eq!(model.selected, Some(("app1".to_owned(), 0)));
}

#[test]
fn packet_rates_come_from_two_statuses_and_begin_anew_with_a_takeover() {
    let mut model = model();
    let mut status = |at: u32, packets| {
        let mut down = path(1, PathState::Down, State::TakenOver);
        down.addresses[0].packets = packets;
        down.addresses[0].bytes = packets * 100;
        let web1 = source("web1", State::TakenOver, "approved", vec![down]);
        model.update(seen(vec![web1]), at * SECOND);
        model.history.rate(&("web1".to_owned(), 0), "10.0.1.10/24")
    };

    let rates = [status(1, 100), status(2, 300), status(3, 20), status(5, 20)];

    let rate = |packets, bits| Some(Rate { packets, bits });
    assert_eq!(rates, [None, rate(200.0, 160_000.0), None, rate(0.0, 0.0)]);
}

#[test]
fn who_reads_past_events_stays_there_while_new_ones_come() {
    let mut model = model();
    let old = (0..30).map(|_| event("2026-05-01T03:12:45Z", "old"));
    model.update(Input::Events(old.collect()), SECOND);
    press(&mut model, KeyCode::PageUp);

    model.update(Input::Event(event("2026-05-01T03:12:46Z", "new")), SECOND);
    let scrolled = model.scrolled;
    press(&mut model, KeyCode::End);

    assert_eq!((scrolled, model.scrolled), (11, 0));
}

#[test]
fn ctrl_c_ends_whatever_is_on_the_screen() {
    let mut model = model();
    model.update(seen(vec![asking("web1")]), SECOND);
    press(&mut model, KeyCode::Char('a'));
    let key = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);

    assert_eq!(model.update(Input::Key(key), SECOND), Effect::End);
}

#[test]
fn no_two_commands_share_a_key() {
    use crate::top::verbs::VERBS;

    for (index, verb) in VERBS.iter().enumerate() {
        assert!(!"qejk?y".contains(verb.key), "{}", verb.name);
        assert!(VERBS[..index].iter().all(|other| other.key != verb.key));
    }
}
