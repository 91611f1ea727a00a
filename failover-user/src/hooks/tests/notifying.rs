use tokio::sync::mpsc::UnboundedReceiver;

use super::*;

/// Notes its cause, and waits for the file `go` if the cause says so.
const NOTE: &str = r#"
echo "$FAILOVER_SOURCE $FAILOVER_CAUSE" >> "$1/told"
if [ "$FAILOVER_CAUSE" = wait ]; then
    until [ -e "$1/go" ]; do sleep 0.01; done
fi
"#;

fn about(source: &str, cause: impl ToString) -> Facts {
    Facts {
        hook: policy::Hook::Notify,
        source: source.to_owned(),
        cause: cause.to_string(),
        ..facts()
    }
}

fn told(place: &Place) -> Vec<String> {
    let told = fs::read_to_string(place.path("told")).unwrap_or_default();
    told.lines().map(str::to_owned).collect()
}

/// Source and cause of the next report, which must be of a hook that succeeded.
async fn ran(reports: &mut UnboundedReceiver<Notified>) -> (String, String) {
    match reports.recv().await.unwrap() {
        Notified::Ran { facts, outcome } => {
            assert_eq!(outcome.error, None);
            (facts.source, facts.cause)
        }
        Notified::Dropped { facts } => panic!("dropped: {facts:?}"),
    }
}

#[tokio::test]
async fn notifications_are_run_in_the_order_given() {
    let place = Place::new();
    let program = place.script(&format!("sleep 0.0$((9 - FAILOVER_CAUSE))\n{NOTE}"));
    let (notifier, mut reports) = Notifier::new();

    for number in 0..8 {
        notifier.notify(program.clone(), HOUR, about("web1", number));
    }

    for number in 0..8 {
        let expected = ("web1".to_owned(), number.to_string());
        assert_eq!(ran(&mut reports).await, expected);
    }
    let expected: Vec<String> = (0..8).map(|number| format!("web1 {number}")).collect();
    assert_eq!(told(&place), expected);
}

#[tokio::test]
async fn the_oldest_that_waits_is_dropped_when_too_many_do() {
    let place = Place::new();
    let program = place.script(NOTE);
    let (notifier, mut reports) = Notifier::new();
    notifier.notify(program.clone(), HOUR, about("web1", "wait"));
    until(|| told(&place) == ["web1 wait"]).await;

    for number in 0..QUEUE + 3 {
        notifier.notify(program.clone(), HOUR, about("web1", number));
    }

    for number in 0..3 {
        let facts = about("web1", number);
        assert_eq!(reports.recv().await, Some(Notified::Dropped { facts }));
    }
    fs::write(place.path("go"), "").unwrap();
    assert_eq!(ran(&mut reports).await.1, "wait");
    for number in 3..QUEUE + 3 {
        assert_eq!(ran(&mut reports).await.1, number.to_string());
    }
    assert_eq!(told(&place).len(), 1 + QUEUE);
}

#[tokio::test]
async fn a_hook_that_hangs_delays_its_own_source_only() {
    let place = Place::new();
    let program = place.script(NOTE);
    let (notifier, mut reports) = Notifier::new();
    notifier.notify(program.clone(), HOUR, about("web1", "wait"));
    notifier.notify(program.clone(), HOUR, about("web1", "next"));
    until(|| told(&place) == ["web1 wait"]).await;

    notifier.notify(program.clone(), HOUR, about("web2", "one"));
    notifier.notify(program, HOUR, about("web2", "two"));

    for cause in ["one", "two"] {
        assert_eq!(
            ran(&mut reports).await,
            ("web2".to_owned(), cause.to_owned())
        );
    }
    assert_eq!(told(&place), ["web1 wait", "web2 one", "web2 two"]);
    fs::write(place.path("go"), "").unwrap();
    for cause in ["wait", "next"] {
        assert_eq!(
            ran(&mut reports).await,
            ("web1".to_owned(), cause.to_owned())
        );
    }
}

#[tokio::test]
async fn failure_is_reported_and_the_next_one_run() {
    let place = Place::new();
    let (notifier, mut reports) = Notifier::new();

    notifier.notify(vec!["/no/such/program".to_owned()], HOUR, about("web1", 1));
    notifier.notify(place.script(NOTE), HOUR, about("web1", 2));

    let Some(Notified::Ran { outcome, .. }) = reports.recv().await else {
        panic!("not run");
    };
    let error = outcome.error.unwrap();
    assert_eq!(error, "cannot be run: No such file or directory");
    assert_eq!(ran(&mut reports).await.1, "2");
}

#[tokio::test]
async fn finishing_runs_what_waits() {
    let place = Place::new();
    let program = place.script(NOTE);
    let (notifier, _reports) = Notifier::new();
    for number in 0..5 {
        notifier.notify(program.clone(), HOUR, about("web1", number));
    }

    assert!(notifier.finish(HOUR).await);

    assert_eq!(told(&place).len(), 5);
}

#[tokio::test]
async fn finishing_gives_up_what_hangs() {
    let place = Place::new();
    let program = place.script(r#"echo $$ > "$1/pid"; exec sleep 3600"#);
    let (notifier, _reports) = Notifier::new();
    notifier.notify(program, HOUR, about("web1", "wait"));
    let group = place.number("pid").await;

    assert!(!notifier.finish(Duration::from_millis(1)).await);

    until(|| members(group).is_empty()).await;
}
