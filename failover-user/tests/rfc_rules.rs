//! The list of RFC rules and the tests of the tree, held against each other.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const LIST: &str = "tests/rfc_rules.txt";
const WORDS: [&str; 4] = ["MUST", "MUST NOT", "SHOULD", "SHOULD NOT"];
/// Where tests are.
const PLACES: [&str; 4] = ["failover-ebpf", "failover-user", "tests", "xtask"];

fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().expect("the workspace").to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A line of the list.
#[derive(Debug)]
struct Rule {
    /// Such as `RFC 7880 7.2.3`.
    section: String,
    word: String,
    file: String,
    test: String,
}

fn rules() -> Vec<Rule> {
    let lines = read(&root().join(LIST));
    let lines = lines.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let fields: Vec<_> = line.split(" | ").collect();
            let [section, word, _, test] = fields[..] else {
                panic!("want section | word | rule | test: {line}");
            };
            let (file, test) = test.split_once("::").expect(line);
            Rule {
                section: section.to_owned(),
                word: word.to_owned(),
                file: file.to_owned(),
                test: test.to_owned(),
            }
        })
        .collect()
}

/// What stands in front of a test in its file: attributes and documentation.
fn head(source: &str, test: &str) -> Option<String> {
    let lines: Vec<_> = source.lines().map(str::trim).collect();
    let at = lines
        .iter()
        .position(|line| line.starts_with(&format!("fn {test}(")))?;
    let head = lines[..at].iter().rev();
    let head = head.take_while(|line| line.starts_with("#[") || line.starts_with("///"));
    Some(head.copied().collect::<Vec<_>>().join("\n"))
}

/// `rfc7880_7_2_3_` for `RFC 7880 7.2.3`.
fn prefix(section: &str) -> String {
    let lower = section.to_lowercase().replacen("rfc ", "rfc", 1);
    format!("{}_", lower.replace([' ', '.'], "_"))
}

#[test]
fn every_rule_is_shown_by_a_test_that_names_it() {
    let mut complaints = Vec::new();
    let rules = rules();
    for Rule {
        section,
        word,
        file,
        test,
    } in &rules
    {
        let source = read(&root().join(file));
        match head(&source, test) {
            None => complaints.push(format!("{section}: {file} has no {test}")),
            Some(head) if !head.contains("#[test]") => {
                complaints.push(format!("{section}: {test} is no test"));
            }
            Some(head) if head.contains("#[ignore") => {
                complaints.push(format!("{section}: {test} is not run"));
            }
            Some(head) if !head.contains(section) && !test.starts_with(&prefix(section)) => {
                complaints.push(format!("{section}: {test} does not name it"));
            }
            Some(_) => {}
        }
        if !WORDS.contains(&word.as_str()) {
            complaints.push(format!("{section}: {word} is no word of RFC 2119"));
        }
    }

    assert!(rules.len() > 50, "{} rules", rules.len());
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_test_that_is_named_for_an_rfc_is_listed() {
    let listed: BTreeSet<_> = rules().into_iter().map(|rule| rule.test).collect();
    let mut found = BTreeSet::new();
    for place in PLACES {
        collect(&root().join(place), &mut found);
    }

    let missing: Vec<_> = found.difference(&listed).collect();

    assert!(found.len() > 20, "{found:?}");
    assert!(missing.is_empty(), "not in {LIST}: {missing:?}");
}

/// Names of the functions in a directory that begin like those of tests that are named for an RFC.
fn collect(directory: &Path, into: &mut BTreeSet<String>) {
    let entries = fs::read_dir(directory).expect("a directory");
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = read(&path);
            let functions = source
                .lines()
                .filter_map(|line| line.trim().strip_prefix("fn rfc"));
            into.extend(functions.filter_map(|rest| {
                let (name, _) = rest.split_once('(')?;
                name.starts_with(|digit: char| digit.is_ascii_digit())
                    .then(|| format!("rfc{name}"))
            }));
        }
    }
}

#[test]
fn a_head_is_what_stands_right_in_front() {
    let source = "/// Of another.\nfn other() {}\n\n/// RFC 1 2.\n#[test]\nfn wanted() {}\n";

    assert_eq!(
        head(source, "wanted").as_deref(),
        Some("#[test]\n/// RFC 1 2.")
    );
    assert_eq!(head(source, "want"), None);
    assert_eq!(prefix("RFC 7880 7.2.3"), "rfc7880_7_2_3_");
}
