//! What keys do.

use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{Daemon, Effect, Focus, Model, Over, Row, Running};
use crate::top::verbs::{On, Target, VERBS, Verb};

/// Events that a page key moves by.
const PAGE: usize = 10;

/// Keys that are no command of the daemon, and what they do.
pub(crate) const HELP: &[(&str, &str)] = &[
    ("up down", "select a path"),
    ("Enter", "the selected path on the whole screen, and back"),
    ("e", "the events on the whole screen, and back"),
    ("PgUp PgDn End", "earlier, later, latest events"),
    ("Esc", "clear the last answer; back"),
    ("q", "end"),
];

impl Model {
    pub(super) fn key(&mut self, key: KeyEvent, at: Duration) -> Effect {
        if key.kind == KeyEventKind::Release {
            return Effect::Nothing;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if control && key.code == KeyCode::Char('c') {
            return Effect::End;
        }
        if control || key.modifiers.contains(KeyModifiers::ALT) {
            return Effect::Nothing;
        }
        match self.over.take() {
            Some(Over::Confirm(verb, target)) => {
                if matches!(key.code, KeyCode::Char('y' | 'Y')) {
                    return self.ask(verb, &target, at);
                }
                self.remark("not confirmed, nothing was done", at);
                Effect::Nothing
            }
            Some(Over::Help) => Effect::Nothing,
            None => self.free_key(key.code, at),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "keys without a meaning do nothing"
    )]
    fn free_key(&mut self, code: KeyCode, at: Duration) -> Effect {
        match code {
            KeyCode::Char('q') => return Effect::End,
            KeyCode::Char('?') => self.over = Some(Over::Help),
            KeyCode::Up | KeyCode::Char('k') => self.select(|row| row.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.select(|row| row + 1),
            KeyCode::Enter => self.toggle(Focus::Path),
            KeyCode::Char('e') => self.toggle(Focus::Log),
            KeyCode::PageUp => self.scroll(|scrolled| scrolled + PAGE),
            KeyCode::PageDown => self.scroll(|scrolled| scrolled.saturating_sub(PAGE)),
            KeyCode::End => self.scroll(|_| 0),
            KeyCode::Esc if self.said.is_some() => self.said = None,
            KeyCode::Esc => self.focus = Focus::All,
            KeyCode::Char(key) => {
                if let Some(verb) = VERBS.iter().find(|verb| verb.key == key) {
                    self.confirm(verb, at);
                }
            }
            _ => {}
        }
        Effect::Nothing
    }

    fn select(&mut self, to: impl Fn(usize) -> usize) {
        let last = self.rows().len().saturating_sub(1);
        let row = to(self.selected_row()).min(last);
        self.selected = self.rows().get(row).map(Row::key);
    }

    fn toggle(&mut self, focus: Focus) {
        self.focus = if self.focus == focus {
            Focus::All
        } else {
            focus
        };
    }

    fn scroll(&mut self, to: impl Fn(usize) -> usize) {
        self.scrolled = to(self.scrolled).min(self.events.len().saturating_sub(1));
    }

    fn confirm(&mut self, verb: &'static Verb, at: Duration) {
        if self.daemon != Daemon::Here {
            return self.remark(&format!("no {}: the daemon is gone", verb.name), at);
        }
        match self.target(verb.on) {
            Some(target) => {
                self.said = None;
                self.over = Some(Over::Confirm(verb, target));
            }
            None => {
                let nothing = match verb.on {
                    On::Selected => "no source is configured",
                    On::Prompt => "no source is awaiting approval",
                };
                self.remark(nothing, at);
            }
        }
    }

    fn target(&self, on: On) -> Option<Target> {
        let rows = self.rows();
        let row = match on {
            On::Selected => rows.get(self.selected_row()),
            On::Prompt => {
                let source = self.prompts().first()?.source;
                rows.iter().find(|row| row.source.name == source)
            }
        }?;
        Some(Target::new(row.source, row.index))
    }

    fn ask(&mut self, verb: &'static Verb, target: &Target, at: Duration) -> Effect {
        let request = (verb.request)(target);
        if self
            .running
            .iter()
            .any(|running| running.request == request)
        {
            self.remark("the daemon is at it already", at);
            return Effect::Nothing;
        }
        self.asked += 1;
        self.running.push(Running {
            id: self.asked,
            request: request.clone(),
            what: format!("{} {}", verb.name, target.source),
            since: at,
        });
        Effect::Ask(self.asked, request)
    }
}
