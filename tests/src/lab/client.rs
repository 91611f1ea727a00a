//! A UDP client that asks a [`super::Service`] at a fixed rate and keeps every request.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use super::{
    Host, Must, Report,
    clock::{self, now_ns, sleep_until, wait_until},
    report::{Answer, Request},
    service,
};

/// How long [`Client::wait_for_answer_by`] waits.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long answers to the last requests may take.
const LINGER: Duration = Duration::from_millis(200);

/// Octets of a request: what it is to be recognised by, then its sequence number.
const REQUEST: usize = 16;

/// Marks requests as the lab's.
const MAGIC: [u8; 8] = *b"lab-ask\n";

/// A running client.
#[derive(Debug)]
pub struct Client {
    stop_sending: Arc<AtomicBool>,
    stop_receiving: Arc<AtomicBool>,
    log: Arc<Log>,
    sender: Option<JoinHandle<()>>,
    receiver: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Log {
    /// When each request was sent.
    sent: Mutex<Vec<u64>>,
    /// Sequence number, time and host of each answer, in the order they came.
    answers: Mutex<Vec<(u64, Answer)>>,
    unsendable: AtomicU64,
}

impl Client {
    /// Asks `service` (`ADDRESS:PORT`) from `host`, `per_second` times a second, until it is finished or dropped.
    #[track_caller]
    pub fn start(host: &Host, service: &str, per_second: u64) -> Self {
        let service: SocketAddr = service.parse().must(service);
        let any = match service {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = host
            .run(|| service::socket(SocketAddr::new(any, 0)))
            .must("a client");
        let socket = Arc::new(socket);
        let log = Arc::new(Log::default());
        let stop_sending = Arc::new(AtomicBool::new(false));
        let stop_receiving = Arc::new(AtomicBool::new(false));

        let receiver = {
            let (socket, log, stop) = (
                Arc::clone(&socket),
                Arc::clone(&log),
                Arc::clone(&stop_receiving),
            );

            host.namespace().spawn("answers", move || {
                clock::run_first();
                receive(&socket, service, &log, &stop);
            })
        };
        let sender = {
            let (log, stop) = (Arc::clone(&log), Arc::clone(&stop_sending));
            let interval_ns = 1_000_000_000 / per_second;

            host.namespace().spawn("requests", move || {
                clock::run_first();
                send(&socket, service, interval_ns, &log, &stop);
            })
        };

        Self {
            stop_sending,
            stop_receiving,
            log,
            sender: Some(sender),
            receiver: Some(receiver),
        }
    }

    /// Waits until `host` gives an answer after `after_ns`, and returns when the client had it.
    #[track_caller]
    pub fn wait_for_answer_by(&self, host: &str, after_ns: u64) -> u64 {
        let mut seen = 0;
        let mut found = None;
        let answered = wait_until(ANSWER_TIMEOUT, || {
            let answers = lock(&self.log.answers);
            let new = &answers[seen..];

            found = new
                .iter()
                .map(|(_, answer)| answer)
                .find(|answer| &*answer.by == host && answer.at_ns > after_ns)
                .map(|answer| answer.at_ns);
            seen = answers.len();

            found.is_some()
        });

        match found {
            Some(at_ns) if answered => at_ns,
            _ => panic!(
                "no answer by {host} within {ANSWER_TIMEOUT:?}; so far: {:?}",
                self.report().timeline()
            ),
        }
    }

    /// The answers behind the first `seen`, in the order they came; `seen` then counts them too.
    pub fn news(&self, seen: &mut usize) -> Vec<Answer> {
        let answers = lock(&self.log.answers);
        let new = answers[*seen..]
            .iter()
            .map(|(_, answer)| answer.clone())
            .collect();

        *seen = answers.len();

        new
    }

    /// What it has seen so far. Requests on their way count as unanswered.
    pub fn report(&self) -> Report {
        // The answers first: each then belongs to a request that is known.
        let answers = lock(&self.log.answers).clone();
        let mut report = Report {
            requests: lock(&self.log.sent)
                .iter()
                .map(|sent_ns| Request {
                    sent_ns: *sent_ns,
                    answer: None,
                })
                .collect(),
            duplicates: 0,
            unsendable: self.log.unsendable.load(Ordering::Relaxed),
        };

        for (sequence, answer) in answers {
            let request = usize::try_from(sequence)
                .ok()
                .and_then(|sequence| report.requests.get_mut(sequence))
                .expect("an answer to a request that was sent");

            if request.answer.is_none() {
                request.answer = Some(answer);
            } else {
                report.duplicates += 1;
            }
        }

        report
    }

    /// Stops asking, waits for the answers that are on their way, and returns everything.
    #[track_caller]
    pub fn finish(mut self) -> Report {
        self.stop_sending.store(true, Ordering::Relaxed);
        join(&mut self.sender).must("the client's requests");

        wait_until(LINGER, || {
            lock(&self.log.answers).len() >= lock(&self.log.sent).len()
        });
        self.stop_receiving.store(true, Ordering::Relaxed);
        join(&mut self.receiver).must("the client's answers");

        self.report()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stop_sending.store(true, Ordering::Relaxed);
        self.stop_receiving.store(true, Ordering::Relaxed);

        // A panic in there has been printed, and this may be the way out of another.
        drop(join(&mut self.sender));
        drop(join(&mut self.receiver));
    }
}

fn join(thread: &mut Option<JoinHandle<()>>) -> anyhow::Result<()> {
    thread
        .take()
        .map_or(Ok(()), JoinHandle::join)
        .map_err(|_| anyhow::anyhow!("its thread panicked"))
}

fn send(socket: &UdpSocket, service: SocketAddr, interval_ns: u64, log: &Log, stop: &AtomicBool) {
    let start = now_ns();
    let mut request = [0; REQUEST];

    request[..8].copy_from_slice(&MAGIC);

    for sequence in 0.. {
        // Absolute times: a late request does not delay those after it.
        sleep_until(start + sequence * interval_ns);

        if stop.load(Ordering::Relaxed) {
            return;
        }

        request[8..].copy_from_slice(&sequence.to_be_bytes());
        lock(&log.sent).push(now_ns());

        if socket.send_to(&request, service).is_err() {
            log.unsendable.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn receive(socket: &UdpSocket, service: SocketAddr, log: &Log, stop: &AtomicBool) {
    let mut buffer = [0; 2048];
    let mut names: Vec<Arc<str>> = Vec::new();

    while !stop.load(Ordering::Relaxed) {
        let (length, from) = match socket.recv_from(&mut buffer) {
            Ok(answer) => answer,
            Err(error) if service::is_nothing(&error) => continue,
            Err(error) => panic!("the client cannot receive: {error}"),
        };
        let at_ns = now_ns();
        let (request, name) = buffer[..length]
            .split_at_checked(REQUEST)
            .expect("a whole answer");
        let (magic, sequence) = request.split_at(8);
        let name = std::str::from_utf8(name).expect("a host name");

        assert_eq!(
            from, service,
            "an answer from an address that was not asked"
        );
        assert_eq!(magic, MAGIC, "an answer to something else");

        let by = match names.iter().find(|known| &***known == name) {
            Some(known) => Arc::clone(known),
            None => {
                names.push(name.into());

                name.into()
            }
        };
        let sequence = u64::from_be_bytes(sequence.try_into().expect("eight octets"));

        lock(&log.answers).push((sequence, Answer { at_ns, by }));
    }
}

/// The value, also after a panic elsewhere: lists that are only appended to are never in between.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
