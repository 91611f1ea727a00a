//! The socket's place in the file system.

use super::*;

#[tokio::test]
async fn a_clean_end_writes_the_last_reply_and_removes_the_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.sock");
    let server = Server::bind(&path).unwrap();
    let stop = CancellationToken::new();
    let (calls, mut asked) = mpsc::channel::<Call>(1);
    let serving = tokio::spawn(server.serve(calls, EventLog::open(None), stop.clone()));
    let mut client = Peer(BufReader::new(UnixStream::connect(&path).await.unwrap()));

    client.send(b"{\"request\":\"stop\"}\n").await;
    let call = asked.recv().await.unwrap();
    stop.cancel();
    call.reply.send(Reply::Done("ends".to_owned())).unwrap();

    assert_eq!(client.reply().await, Reply::Done("ends".to_owned()));
    assert_eq!(client.line().await, "");
    timeout(PATIENCE, serving).await.unwrap().unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn a_client_that_goes_before_its_answer_leaves_its_seat() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.sock");
    let limits = Limits {
        clients: 1,
        ..Limits::default()
    };
    let server = Server::bind_with(&path, limits).unwrap();
    let stop = CancellationToken::new();
    let (calls, mut asked) = mpsc::channel::<Call>(4);
    let serving = tokio::spawn(server.serve(calls, EventLog::open(None), stop.clone()));
    let request = b"{\"request\":\"approve\",\"source\":\"web1\"}\n";
    let mut client = Peer(BufReader::new(UnixStream::connect(&path).await.unwrap()));
    client.send(request).await;
    // It takes its time, as a failback does.
    let mut call = asked.recv().await.unwrap();

    drop(client);
    timeout(PATIENCE, call.reply.closed()).await.unwrap();

    let mut next = UnixStream::connect(&path).await.unwrap();
    next.write_all(request).await.unwrap();
    // Whose answer comes after it has said that it will ask no more.
    next.shutdown().await.unwrap();
    let mut next = Peer(BufReader::new(next));
    let call = timeout(PATIENCE, asked.recv()).await.unwrap().unwrap();
    tokio::time::sleep(3 * connection::LOOK).await;
    call.reply.send(Reply::Done("yes".to_owned())).unwrap();
    assert_eq!(next.reply().await, Reply::Done("yes".to_owned()));
    stop.cancel();
    timeout(PATIENCE, serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_socket_is_closed_to_others() {
    let lab = Lab::start(Limits::default());

    let mode = fs::metadata(lab.socket()).unwrap().permissions().mode();

    assert_eq!(mode & 0o7777, 0o660);
}

#[tokio::test]
async fn a_second_daemon_is_refused_and_the_first_goes_on() {
    let lab = Lab::start(Limits::default());

    let second = Server::bind(&lab.socket());

    let error = second.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("another failover daemon answers at"),
        "{error}"
    );
    lab.still_answers().await;
}

#[tokio::test]
async fn the_socket_of_a_dead_daemon_is_replaced() {
    let lab = Lab::start(Limits::default());
    lab.serving.abort();
    while !lab.serving.is_finished() {
        tokio::task::yield_now().await;
    }
    assert!(lab.socket().exists());

    let server = Server::bind(&lab.socket());

    assert!(server.is_ok(), "{server:?}");
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.sock");
    fs::write(&path, "precious").unwrap();

    let error = Server::bind(&path).unwrap_err();

    assert!(matches!(error, BindError::NotASocket(_)), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn a_socket_that_another_daemon_has_put_in_place_is_not_removed() {
    let lab = Lab::start(Limits::default());
    fs::remove_file(lab.socket()).unwrap();
    let second = Server::bind(&lab.socket()).unwrap();

    lab.stop.cancel();
    timeout(PATIENCE, lab.serving).await.unwrap().unwrap();

    assert!(second.path.exists());
}
