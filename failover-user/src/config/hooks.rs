//! `[source.hooks]`, and `[defaults.hooks]`, which sets them for every source.

use std::{ops::RangeInclusive, time::Duration};

use toml::de::DeValue;

use super::{
    inventory::Named,
    item::Item,
    keys::Kind,
    problem::Complaint,
    reader::{Collector, Section},
    types::{Hooks, OnError},
};

/// `timeout` can be this at most.
pub const LONGEST_HOOK: Duration = Duration::from_secs(60 * 60);

/// `timeout` can be this.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=LONGEST_HOOK;

const ON_ERROR: &[(&str, OnError)] = &[("abort", OnError::Abort), ("continue", OnError::Continue)];

/// A program and its arguments.
type Command = Vec<String>;

/// What one table sets; `None`: not set there, or refused.
#[derive(Clone, Default)]
pub(super) struct HookSettings {
    before_takeover: Option<Command>,
    after_takeover: Option<Command>,
    before_failback: Option<Command>,
    after_failback: Option<Command>,
    notify: Option<Command>,
    timeout: Option<Duration>,
    on_error: Option<OnError>,
}

impl HookSettings {
    /// Reads a table of `kind`, which is one of the two that have hooks.
    pub(super) fn read(item: &Item<'_>, kind: Kind, out: &mut Collector) -> Self {
        let header = kind.title().trim_matches(['[', ']']);
        let Some(entries) = item.table(header, out) else {
            return Self::default();
        };
        let section = Section::open(kind, entries, item.place.clone(), out);
        let mut hook = |key| command(&section.get(key)?, key, out);
        Self {
            before_takeover: hook("before_takeover"),
            after_takeover: hook("after_takeover"),
            before_failback: hook("before_failback"),
            after_failback: hook("after_failback"),
            notify: hook("notify"),
            timeout: section
                .get("timeout")
                .and_then(|item| item.duration(TIMEOUT, out)),
            on_error: section
                .get("on_error")
                .and_then(|item| item.choice(ON_ERROR, out)),
        }
    }

    /// Takes from `defaults` each key that is not set here.
    pub(super) fn or(self, defaults: &Self) -> Self {
        let or = |own: Option<Command>, other: &Option<Command>| own.or_else(|| other.clone());
        Self {
            before_takeover: or(self.before_takeover, &defaults.before_takeover),
            after_takeover: or(self.after_takeover, &defaults.after_takeover),
            before_failback: or(self.before_failback, &defaults.before_failback),
            after_failback: or(self.after_failback, &defaults.after_failback),
            notify: or(self.notify, &defaults.notify),
            timeout: self.timeout.or(defaults.timeout),
            on_error: self.on_error.or(defaults.on_error),
        }
    }

    /// The hooks of a source.
    pub(super) fn finish(self) -> Hooks {
        let default = Hooks::default();
        Hooks {
            before_takeover: self.before_takeover,
            after_takeover: self.after_takeover,
            before_failback: self.before_failback,
            after_failback: self.after_failback,
            notify: self.notify,
            timeout: self.timeout.unwrap_or(default.timeout),
            on_error: self.on_error.unwrap_or(default.on_error),
        }
    }
}

/// `["/usr/local/bin/fence", "web1"]`
pub(super) fn command(item: &Item<'_>, key: &str, out: &mut Collector) -> Option<Command> {
    let expected = "a list of a program and its arguments";
    let example = format!("{key} = [\"/usr/local/bin/{key}\"]");
    if let DeValue::String(line) = item.value {
        let complaint = item.wrong_type(expected);
        let help = format!("write it as a list: `{key} = {}`", as_list(line));
        out.complain(&item.place, complaint.help(help));
        return None;
    }
    let members = item.list(expected, &example, out)?;
    let Some((program, arguments)) = members.split_first() else {
        let complaint = Complaint::new("the list is empty");
        let help = format!("write `{example}`, or remove the key");
        out.miss(&item.place, complaint.help(help));
        return None;
    };
    let path = program.parsed("a program's path", "/usr/local/bin/fence", check_path, out);
    if let Some(path) = &path {
        out.inventory.programs.push(Named {
            at: program.place.clone(),
            name: path.clone(),
        });
    }
    let arguments: Vec<_> = arguments
        .iter()
        .map(|item| item.parsed("an argument", "web1", check_argument, out))
        .collect();
    std::iter::once(path).chain(arguments).collect()
}

/// What a command line is as a list. One that needs a shell is given to one.
fn as_list(line: &str) -> String {
    let shell = line.contains(|c: char| c.is_control() || "\"'\\$`|&;<>()*?[]{}~#!".contains(c));
    let words: Vec<&str> = if shell {
        vec!["/bin/sh", "-c", line]
    } else {
        line.split_whitespace().collect()
    };
    if words.is_empty() {
        return "[\"/usr/local/bin/fence\"]".to_owned();
    }
    format!("{words:?}")
}

fn check_path(path: &str) -> Result<String, Complaint> {
    let path = check_argument(path)?;
    if path.starts_with('/') && !path.ends_with('/') {
        return Ok(path);
    }
    let shown = path.escape_debug();
    let complaint = Complaint::new(format!("\"{shown}\" is not the absolute path of a program"));
    Err(complaint.help("write it in full, such as \"/usr/local/bin/fence\"; it is not looked up"))
}

fn check_argument(text: &str) -> Result<String, Complaint> {
    if text.contains('\0') {
        let complaint = Complaint::new("a program cannot be given a NUL character");
        return Err(complaint.help("remove `\\u0000`"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_answered_with_its_list() {
        for (line, list) in [
            ("/bin/page me", r#"["/bin/page", "me"]"#),
            ("  /bin/page  ", r#"["/bin/page"]"#),
            ("", r#"["/usr/local/bin/fence"]"#),
            ("a | b", r#"["/bin/sh", "-c", "a | b"]"#),
            ("a \"b c\"", r#"["/bin/sh", "-c", "a \"b c\""]"#),
        ] {
            assert_eq!(as_list(line), list);
        }
    }

    #[test]
    fn each_key_that_a_source_sets_goes_before_the_default() {
        let own = HookSettings {
            notify: Some(vec!["/own".to_owned()]),
            timeout: Some(Duration::from_secs(1)),
            ..HookSettings::default()
        };
        let defaults = HookSettings {
            notify: Some(vec!["/default".to_owned()]),
            before_takeover: Some(vec!["/fence".to_owned()]),
            timeout: Some(Duration::from_secs(2)),
            on_error: Some(OnError::Continue),
            ..HookSettings::default()
        };

        let hooks = own.or(&defaults).finish();

        assert_eq!(
            hooks,
            Hooks {
                before_takeover: Some(vec!["/fence".to_owned()]),
                notify: Some(vec!["/own".to_owned()]),
                timeout: Duration::from_secs(1),
                on_error: OnError::Continue,
                ..Hooks::default()
            }
        );
    }
}
