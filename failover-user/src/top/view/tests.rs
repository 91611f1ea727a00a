use ratatui::{
    Terminal,
    backend::TestBackend,
    buffer::Buffer,
    crossterm::event::KeyCode,
    style::{Color, Modifier},
};
use serde_json::json;

use super::*;
use crate::{
    control::{
        protocol::{AddressStatus, Event, SourceStatus},
        render::tests::{address, clock, path, source},
    },
    policy::{PathState, State},
    top::model::{
        Answer, Input,
        tests::{SECOND, asking, event, gone, healthy, model, press, seen},
    },
};

fn drawn(model: &Model, (width, height): (u16, u16), colour: bool) -> Buffer {
    let look = Look {
        clock: clock(),
        at: 10 * SECOND,
        colour,
    };
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, model, &look)).unwrap();
    terminal.backend().buffer().clone()
}

fn text(model: &Model, size: (u16, u16)) -> String {
    let buffer = drawn(model, size, true);
    let lines = buffer.content.chunks(usize::from(size.0)).map(|cells| {
        let line: String = cells.iter().map(|cell| cell.symbol()).collect();
        line.trim_end().to_owned() + "\n"
    });
    lines.collect()
}

macro_rules! shows {
    ($model:expr, $size:expr, $file:literal) => {
        let text = text(&$model, $size);
        assert_eq!(text, include_str!(concat!("expected/", $file)), "{text}");
    };
}

fn transition(at: &str, from: &str, to: &str, cause: &str) -> Event {
    let event = json!({"at": at, "source": "web1", "event": "transition", "from": from, "to": to, "cause": cause});
    serde_json::from_value(event).unwrap()
}

fn night() -> Input {
    Input::Events(vec![
        transition(
            "2026-05-01T03:10:40.090Z",
            "healthy",
            "suspect",
            "1 of 3 heartbeats missed",
        ),
        transition(
            "2026-05-01T03:10:40.110Z",
            "suspect",
            "awaiting-approval",
            "3 of 3 heartbeats missed",
        ),
        event(
            "2026-05-01T03:10:40.110Z",
            "the hook notify ended with code 1",
        ),
    ])
}

/// Two sources, of which one waits for an answer.
fn prompt() -> Model {
    let mut model = model();
    let mut near = healthy("db1");
    near.paths[0].near_misses = 4;
    near.paths[0].consecutive_missed = 1;
    near.paths[0].heartbeat = PathState::Missing;
    near.paths[0].state = State::Suspect;
    near.state = State::Suspect;
    model.update(night(), SECOND);
    model.update(seen(vec![near, asking("web1")]), SECOND);
    model
}

/// A source whose addresses are held, with traffic and round trips over time.
fn standing_in() -> Model {
    let mut model = model();
    model.update(night(), SECOND);
    for at in 1..9 {
        let mut down = path(1, PathState::Down, State::TakenOver);
        down.consecutive_missed = 3;
        down.addresses.push(AddressStatus {
            deliver: "forward 10.0.5.20".to_owned(),
            ..address(3, State::TakenOver)
        });
        for address in &mut down.addresses {
            address.packets += 1_234 * u64::from(at);
            address.bytes += 1_234_000 * u64::from(at);
        }
        let mut up = path(2, PathState::Up, State::TakenOver);
        up.rtt_ns.p50 += 300 * u64::from(at);
        let web1: SourceStatus = source("web1", State::TakenOver, "approved", vec![down, up]);
        model.update(seen(vec![web1, healthy("db1")]), at * SECOND);
    }
    model
}

fn many() -> Model {
    let mut model = model();
    let sources = (1..=40).map(|number| healthy(&format!("server{number}")));
    model.update(seen(sources.collect()), SECOND);
    for _ in 0..20 {
        press(&mut model, KeyCode::Down);
    }
    model
}

fn lost() -> Model {
    let mut model = prompt();
    model.update(gone(), 2 * SECOND);
    model
}

fn confirming() -> Model {
    let mut model = prompt();
    press(&mut model, KeyCode::Char('t'));
    model
}

#[test]
fn a_prompt_on_every_screen() {
    shows!(prompt(), (80, 24), "prompt-80x24.txt");
    shows!(prompt(), (40, 10), "prompt-40x10.txt");
    shows!(prompt(), (200, 60), "prompt-200x60.txt");
}

#[test]
fn a_source_that_is_stood_in_for() {
    let mut second = standing_in();
    press(&mut second, KeyCode::Down);
    press(&mut second, KeyCode::Enter);

    shows!(standing_in(), (80, 24), "standing-in-80x24.txt");
    shows!(standing_in(), (40, 10), "standing-in-40x10.txt");
    shows!(standing_in(), (200, 60), "standing-in-200x60.txt");
    shows!(second, (80, 24), "path-80x24.txt");
}

#[test]
fn a_daemon_that_is_gone() {
    let mut never = model();
    never.update(gone(), SECOND);

    shows!(lost(), (80, 24), "gone-80x24.txt");
    shows!(lost(), (40, 10), "gone-40x10.txt");
    shows!(never, (80, 24), "never-80x24.txt");
}

#[test]
fn a_question_lies_over_everything() {
    shows!(confirming(), (80, 24), "question-80x24.txt");
    shows!(confirming(), (40, 10), "question-40x10.txt");
}

#[test]
fn keys_are_explained() {
    let mut model = prompt();
    press(&mut model, KeyCode::Char('?'));

    shows!(model, (80, 24), "help-80x24.txt");
}

#[test]
fn more_paths_than_lines() {
    shows!(many(), (80, 24), "many-80x24.txt");
}

#[test]
fn an_answer_and_a_command_on_its_way() {
    let mut model = prompt();
    for key in ['a', 'y', 'f', 'y'] {
        press(&mut model, KeyCode::Char(key));
    }
    let refused = "db1 is not taken over: there is nothing to give back";
    model.update(
        Input::Answer(2, Answer::NotDone(refused.to_owned())),
        8 * SECOND,
    );

    shows!(model, (80, 24), "answer-80x24.txt");
}

#[test]
fn no_screen_is_too_small_or_too_large() {
    let models = [
        model(),
        prompt(),
        standing_in(),
        many(),
        lost(),
        confirming(),
    ];
    for model in models {
        for focus in [KeyCode::Esc, KeyCode::Enter, KeyCode::Char('e')] {
            let mut model = model.clone();
            press(&mut model, focus);
            for width in (0..30).chain([79, 300]) {
                for height in (0..30).chain([100]) {
                    drawn(&model, (width, height), true);
                }
            }
        }
    }
}

#[test]
fn without_colours_there_is_none_and_a_prompt_stands_out_all_the_same() {
    for model in [prompt(), standing_in(), lost(), confirming()] {
        let buffer = drawn(&model, (80, 24), false);

        let colourless = buffer
            .content
            .iter()
            .all(|cell| (cell.fg, cell.bg) == (Color::Reset, Color::Reset));
        assert!(colourless);
    }
    let bar = &drawn(&prompt(), (80, 24), false)[(5, 1)];
    assert!(bar.modifier.contains(Modifier::REVERSED), "{bar:?}");
}

#[test]
fn nothing_in_an_event_reaches_the_terminal_as_a_command() {
    let mut model = model();
    let hostile = json!({"at": "\u{1b}[2J", "source": "\u{1b}]0;x", "event": "\u{7}", "k\u{1b}": "\u{1b}[31m\u{9b}2J"});
    model.update(
        Input::Event(serde_json::from_value(hostile).unwrap()),
        SECOND,
    );

    let text = text(&model, (80, 24));

    let control = |c: char| c.is_control() && c != '\n';
    assert!(!text.chars().any(control), "{text:?}");
}
