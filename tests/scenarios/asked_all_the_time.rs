//! Clients that ask for the status without a pause.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
};

use failover_tests::lab::clock;

use crate::pair::{PATIENCE, Pair, automatic, events, run};

const CLIENTS: usize = 16;

/// A status of so many addresses takes the daemon longer than the client.
fn many() -> String {
    let both = "\"10.0.0.10/24\", { ip = \"10.0.0.11/24\", target_nic = \"ens2\" }";
    let addresses: Vec<_> = (101..=250).map(|n| format!("\"10.0.0.{n}/24\"")).collect();
    automatic("10ms", 3).replace(both, &addresses.join(", "))
}

/// Asks ahead, so that the next request is there before the last one is answered, until the stream is shut down.
fn ask_without_end(stream: &UnixStream, answers: &Arc<AtomicUsize>) -> [JoinHandle<()>; 2] {
    let [mut questions, replies] = [(), ()].map(|()| stream.try_clone().expect("a stream"));
    let answers = Arc::clone(answers);
    let asks = thread::spawn(
        move || {
            while questions.write_all(b"{\"request\":\"status\"}\n").is_ok() {}
        },
    );
    let reads = thread::spawn(move || {
        for _ in BufReader::new(replies).lines().map_while(Result::ok) {
            answers.fetch_add(1, Relaxed);
        }
    });
    [asks, reads]
}

#[test]
fn whoever_asks_for_the_status_all_the_time_keeps_the_daemon_from_nothing() {
    let pair = Pair::new();
    let (_source, target) = pair.start(&many());
    let answers = Arc::new(AtomicUsize::new(0));
    let streams: Vec<_> = (0..CLIENTS)
        .map(|_| UnixStream::connect(target.socket()).expect("a socket"))
        .collect();
    let clients: Vec<_> = streams
        .iter()
        .flat_map(|stream| ask_without_end(stream, &answers))
        .collect();
    let asked = clock::wait_until(PATIENCE, || answers.load(Relaxed) > 10 * CLIENTS);

    run(&target, &["takeover", "web1", "--yes"], 0);
    pair.target_nics[0].remove_address("10.0.0.200");
    let back = clock::wait_until(PATIENCE, || pair.target_nics[0].has_address("10.0.0.200"));
    // They are due by the clock, which has the least to say.
    let announced = clock::wait_until(PATIENCE, || events(&target, "announced").len() >= 2);
    for stream in streams {
        stream.shutdown(Shutdown::Both).expect("an end");
    }
    for client in clients {
        client.join().expect("no panic");
    }

    assert!(asked && back && announced, "{asked} {back} {announced}");
}
