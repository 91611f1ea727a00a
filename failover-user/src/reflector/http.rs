//! As much of HTTP/1.1 (RFC 9112) as a health check needs: one GET, and the status of its answer. Pure.

use std::net::SocketAddr;

/// Octets in which a status line has to come to its end.
pub(super) const LINE_MAX: usize = 8192;

/// A GET of `path` at `to`.
pub(super) fn request(to: SocketAddr, path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {to}\r\nUser-Agent: failover/{}\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// What the octets received so far say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// More have to come.
    Unfinished,
    /// This status.
    Status(u16),
    /// No HTTP.
    Nonsense,
}

/// The status of an answer (RFC 9112 4: `HTTP/1.1 200 OK`).
pub(super) fn answer(received: &[u8]) -> Answer {
    let Some(end) = received.iter().position(|octet| *octet == b'\n') else {
        return if received.len() >= LINE_MAX {
            Answer::Nonsense
        } else {
            Answer::Unfinished
        };
    };
    let line = received[..end]
        .strip_suffix(b"\r")
        .unwrap_or(&received[..end]);
    let mut words = line.split(|octet| *octet == b' ');
    let version = words.next().unwrap_or_default();
    let status = words.next().and_then(|word| std::str::from_utf8(word).ok());
    let three = |word: &&str| word.len() == 3 && word.bytes().all(|b| b.is_ascii_digit());
    match status.filter(three).and_then(|word| word.parse().ok()) {
        Some(status) if version.starts_with(b"HTTP/1.") => Answer::Status(status),
        Some(_) | None => Answer::Nonsense,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_read_from_the_first_line() {
        for (text, status) in [
            ("HTTP/1.1 200 OK\r\n", 200),
            ("HTTP/1.0 503 Service Unavailable\r\nX: y\r\n\r\nbody", 503),
            ("HTTP/1.1 302 \n", 302),
            ("HTTP/1.1 204\r\n", 204),
        ] {
            assert_eq!(answer(text.as_bytes()), Answer::Status(status), "{text}");
        }
    }

    #[test]
    fn half_a_line_is_waited_for_but_not_for_ever() {
        assert_eq!(answer(b""), Answer::Unfinished);
        assert_eq!(answer(b"HTTP/1.1 200 OK"), Answer::Unfinished);
        assert_eq!(answer(&[b'a'; LINE_MAX]), Answer::Nonsense);
    }

    #[test]
    fn what_is_no_http_is_no_answer() {
        for text in [
            "SSH-2.0-OpenSSH_9\r\n",
            "HTTP/2 200\r\n",
            "HTTP/1.1\r\n",
            "HTTP/1.1 2000 OK\r\n",
            "HTTP/1.1 +20 OK\r\n",
            "\n",
        ] {
            assert_eq!(answer(text.as_bytes()), Answer::Nonsense, "{text}");
        }
    }

    #[test]
    fn a_request_names_host_and_path_and_closes() {
        let text = request("127.0.0.1:8080".parse().unwrap(), "/health?x=1");

        assert!(text.starts_with("GET /health?x=1 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"));
        assert!(text.ends_with("Connection: close\r\n\r\n"));
    }
}
