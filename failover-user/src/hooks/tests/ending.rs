use rustix::process::{Pid, Signal, kill_process};

use super::*;

/// Ignores SIGTERM, and so do its children and theirs.
const STUBBORN: &str = r#"
trap '' TERM
sh -c 'sleep 3600 & wait' &
sleep 3600 &
echo $$ > "$1/pid"
touch "$1/ready"
wait
"#;

#[tokio::test]
async fn who_hangs_gets_sigterm_and_all_its_children() {
    let place = Place::new();
    let text = r#"sleep 3600 & echo $$ > "$1/pid"; touch "$1/ready"; echo so far; wait"#;

    let outcome = run_into_timeout(&place, text).await;

    let error = outcome.error.unwrap();
    assert_eq!(error, "no answer within LIMIT: ended by SIGTERM");
    let group = place.number("pid").await;
    until(|| members(group).is_empty()).await;
}

#[tokio::test]
async fn who_ignores_sigterm_is_killed_and_all_its_children() {
    let place = Place::new();

    let outcome = run_into_timeout(&place, STUBBORN).await;

    let error = outcome.error.unwrap();
    assert_eq!(error, "no answer within LIMIT: ignored SIGTERM, killed");
    assert!(outcome.took >= GRACE, "{:?}", outcome.took);
    let group = place.number("pid").await;
    until(|| members(group).is_empty()).await;
}

#[tokio::test]
async fn children_that_ignore_sigterm_do_not_outlive_a_hook_that_obeys() {
    let place = Place::new();
    let text = r#"
        (trap '' TERM; echo $$ > "$1/pid"; touch "$1/ready"; sleep 3600; true) &
        wait"#;

    let outcome = run_into_timeout(&place, text).await;

    let error = outcome.error.unwrap();
    assert_eq!(error, "no answer within LIMIT: ended by SIGTERM");
    let group = place.number("pid").await;
    until(|| members(group).is_empty()).await;
}

#[tokio::test]
async fn what_a_hook_said_before_its_timeout_is_kept() {
    let place = Place::new();
    let text = r#"echo fencing; touch "$1/ready"; exec sleep 3600"#;

    let outcome = run_into_timeout(&place, text).await;

    assert_eq!(outcome.output, "fencing");
}

#[tokio::test]
async fn what_goes_on_in_the_background_is_neither_waited_for_nor_killed() {
    let place = Place::new();
    let program = place.script(r#"sleep 3600 & echo $! > "$1/pid"; echo started"#);

    let outcome = run(&program, HOUR, &facts()).await;

    assert_eq!((outcome.error, outcome.output.as_str()), (None, "started"));
    let background = place.number("pid").await;
    assert!(lives(background));
    kill_process(Pid::from_raw(background).unwrap(), Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_background_process_that_prints_endlessly_is_not_waited_for() {
    let place = Place::new();
    let program = place.script(r#"yes & echo $! > "$1/pid""#);

    let outcome = run(&program, HOUR, &facts()).await;

    assert_eq!(outcome.error, None);
    let background = place.number("pid").await;
    until(|| !lives(background)).await;
}

#[tokio::test]
async fn a_hook_that_fails_leaves_nothing_running() {
    let place = Place::new();
    let program = place.script(r#"sleep 3600 & echo $! > "$1/pid"; exit 1"#);

    let outcome = run(&program, HOUR, &facts()).await;

    assert_eq!(outcome.error.as_deref(), Some("exit code 1"));
    let background = place.number("pid").await;
    until(|| !lives(background)).await;
}

#[tokio::test]
async fn nothing_is_left_of_a_hook_that_was_given_up() {
    let place = Place::new();
    let program = place.script(STUBBORN);

    let running = tokio::spawn(async move { run(&program, HOUR, &facts()).await });
    let group = place.number("pid").await;
    running.abort();

    until(|| members(group).is_empty()).await;
    assert!(running.await.is_err_and(|error| error.is_cancelled()));
}

#[test]
fn a_daemon_that_ends_ends_its_hooks() {
    let place = Place::new();
    let program = place.script(r#"sleep 3600 & echo $$ > "$1/pid"; wait"#);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();

    let group = runtime.block_on(async {
        tokio::spawn(async move { run(&program, HOUR, &facts()).await });
        place.number("pid").await
    });
    drop(runtime);

    while members(group).into_iter().any(lives) {
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[tokio::test]
async fn hooks_that_ended_are_not_left_as_zombies() {
    let place = Place::new();
    let program = place.script(r#"echo $$ > "$1/pid""#);

    assert_eq!(run(&program, HOUR, &facts()).await.error, None);

    let pid = place.number("pid").await;
    until(|| state_and_group(pid).is_none()).await;
}
