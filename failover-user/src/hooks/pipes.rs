//! A hook's standard input, output and error.

use std::{convert::Infallible, future, io, os::fd::AsFd};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, ChildStderr, ChildStdin, ChildStdout},
};

use super::output::Tail;

/// Octets read at once.
const CHUNK: usize = 16 * 1024;
/// The most that a pipe holds (`pipe-max-size`): after the hook's end no more than this is its own.
const PIPE_MAX: usize = 1024 * 1024;

/// The daemon's ends.
#[derive(Debug)]
pub(super) struct Pipes {
    stdin: Option<ChildStdin>,
    stdout: Reader<ChildStdout>,
    stderr: Reader<ChildStderr>,
    /// What is still to be written.
    input: Vec<u8>,
    written: usize,
    printed: Printed,
}

/// What a hook printed.
#[derive(Debug, Default)]
pub(super) struct Printed {
    /// On both.
    pub(super) output: Tail,
    /// On standard error.
    pub(super) errors: Tail,
}

impl Pipes {
    /// Takes the pipes of `child`, whose standard input is to get `input`.
    pub(super) fn new(child: &mut Child, input: Vec<u8>) -> Self {
        Self {
            stdin: child.stdin.take(),
            stdout: Reader::new(child.stdout.take()),
            stderr: Reader::new(child.stderr.take()),
            input,
            written: 0,
            printed: Printed::default(),
        }
    }

    /// Writes and reads until it is dropped, which loses nothing.
    pub(super) async fn pump(&mut self) -> Infallible {
        loop {
            tokio::select! {
                closed = write(&mut self.stdin, &self.input, &mut self.written) => {
                    if closed {
                        self.stdin = None;
                    }
                }
                chunk = self.stdout.read() => self.printed.output.push(chunk),
                chunk = self.stderr.read() => {
                    self.printed.output.push(chunk);
                    self.printed.errors.push(chunk);
                }
            }
        }
    }

    /// Reads what is there, without waiting, and closes everything.
    pub(super) fn finish(mut self) -> Printed {
        self.stdout.drain(|chunk| self.printed.output.push(chunk));
        self.stderr.drain(|chunk| {
            self.printed.output.push(chunk);
            self.printed.errors.push(chunk);
        });
        self.printed
    }
}

/// Writes a piece. Whether there is no more to write; pending for ever once the pipe is closed.
async fn write(pipe: &mut Option<ChildStdin>, input: &[u8], written: &mut usize) -> bool {
    let Some(pipe) = pipe else {
        return future::pending().await;
    };
    match pipe.write(&input[*written..]).await {
        Ok(count) => {
            *written += count;
            *written == input.len()
        }
        // Nobody has to read it.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => true,
        Err(error) => {
            tracing::debug!(%error, "facts for a hook cannot be written");
            true
        }
    }
}

#[derive(Debug)]
struct Reader<P> {
    pipe: Option<P>,
    chunk: Vec<u8>,
}

impl<P: AsyncRead + AsFd + Unpin> Reader<P> {
    fn new(pipe: Option<P>) -> Self {
        Self {
            pipe,
            chunk: vec![0; CHUNK],
        }
    }

    /// The next piece; empty at the end, and pending for ever after it.
    async fn read(&mut self) -> &[u8] {
        let Some(pipe) = &mut self.pipe else {
            return future::pending().await;
        };
        let count = pipe.read(&mut self.chunk).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "what a hook prints cannot be read");
            0
        });
        if count == 0 {
            self.pipe = None;
        }
        &self.chunk[..count]
    }

    /// Asks the kernel itself: the runtime may not have heard yet of what came last.
    fn drain(&mut self, mut sink: impl FnMut(&[u8])) {
        let Some(pipe) = self.pipe.take() else {
            return;
        };
        let mut total = 0;
        while total < PIPE_MAX {
            match rustix::io::read(&pipe, &mut self.chunk[..]) {
                Ok(0) | Err(rustix::io::Errno::AGAIN) => return,
                Ok(count) => {
                    total += count;
                    sink(&self.chunk[..count]);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    tracing::debug!(%error, "what a hook prints cannot be read");
                    return;
                }
            }
        }
    }
}
