//! Anonymous network namespaces.
//!
//! A namespace is held by a file descriptor of this process, never by a name in the file system. It ends with the last
//! of: the descriptor, the threads inside, the processes inside. The threads end with this process and the processes
//! are killed with it (`PR_SET_PDEATHSIG`), so nothing stays behind even after SIGKILL.
//!
//! `/sys` shows the namespace it was mounted in, whoever looks; `/proc/sys/net` shows the reader's own. Nothing in the
//! lab looks at `/sys/class/net` for that reason.

use std::{
    fs::File,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::process::CommandExt,
    },
    panic::resume_unwind,
    process::{Child, Command},
    sync::{LazyLock, mpsc},
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result};
use rustix::{
    process::{Signal, getpid, getppid, set_parent_process_death_signal},
    thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space},
};

use super::{Must, link};

/// A network namespace, its loopback up, IPv6 off and every IPv4 setting that the machine may have changed at the
/// kernel's default.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    fd: File,
}

impl Namespace {
    /// A new, empty namespace. The name is for messages and thread names only.
    #[track_caller]
    pub fn new(name: &str) -> Self {
        let fd = thread::scope(|scope| {
            scope
                .spawn(|| -> Result<File> {
                    // SAFETY: NEWNET moves this thread only and shares or unshares no descriptors.
                    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }
                        .context("unshare (the lab needs root)")?;

                    File::open("/proc/thread-self/ns/net").context("the new namespace")
                })
                .join()
                .unwrap_or_else(|panic| resume_unwind(panic))
        })
        .must("making a network namespace");
        let namespace = Self {
            name: name.to_owned(),
            fd,
        };

        namespace.settle();

        namespace
    }

    /// Whether this process may make namespaces, and the kernel's reason if it may not.
    pub fn possible() -> std::io::Result<()> {
        thread::scope(|scope| {
            scope
                .spawn(|| {
                    // SAFETY: NEWNET moves this thread only and shares or unshares no descriptors.
                    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }
                })
                .join()
                .unwrap_or_else(|panic| resume_unwind(panic))
        })?;

        Ok(())
    }

    /// Its name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `work` on a thread inside the namespace and waits for it. A panic inside goes on outside.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            scope
                .spawn(|| {
                    self.enter().must("entering a namespace");

                    work()
                })
                .join()
                .unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// Starts a thread inside the namespace and keeps the namespace alive as long as it runs.
    #[track_caller]
    pub fn spawn<T: Send + 'static>(
        &self,
        thread_name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let fd = self.fd.try_clone().must("another handle of the namespace");

        thread::Builder::new()
            .name(format!("{}:{thread_name}", self.name))
            .spawn(move || {
                enter(fd.as_fd()).must("entering a namespace");

                work()
            })
            .must("starting a thread")
    }

    /// Runs `work` inside the namespace with a connection to its routing tables, links and neighbours.
    pub fn netlink<T: Send>(
        &self,
        work: impl AsyncFnOnce(rtnetlink::Handle) -> Result<T> + Send,
    ) -> Result<T> {
        self.run(|| {
            // The socket belongs to the namespace of the thread that opens it, hence a runtime on this thread.
            tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .build()
                .context("a runtime for netlink")?
                .block_on(async {
                    let (connection, handle, _) =
                        rtnetlink::new_connection().context("a netlink socket")?;
                    let connection = tokio::spawn(connection);
                    let result = work(handle).await;

                    connection.abort();

                    result
                })
        })
    }

    /// Starts a process inside the namespace. It is killed when this process ends, in whatever way.
    #[track_caller]
    pub fn command(&self, mut command: Command) -> Child {
        let what = format!("starting {:?} in {}", command.get_program(), self.name);
        let fd = self.fd.try_clone().must("another handle of the namespace");
        let parent = getpid();
        let prepare = move || {
            move_into_link_name_space(fd.as_fd(), Some(LinkNameSpaceType::Network))?;
            set_parent_process_death_signal(Some(Signal::KILL))?;

            // The parent may have died before the line above.
            if getppid() == Some(parent) {
                Ok(())
            } else {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
        };

        // SAFETY: `prepare` runs between fork and exec and makes system calls only; the error is built without allocating.
        unsafe { command.pre_exec(prepare) };

        on_the_spawner(move || command.spawn()).must(&what)
    }

    /// Writes a setting of this namespace, e.g. `net/ipv4/ip_forward`.
    #[track_caller]
    pub fn sysctl(&self, key: &str, value: &str) {
        self.run(|| std::fs::write(format!("/proc/sys/{key}"), value))
            .must(&format!("setting {key} to {value} in {}", self.name));
    }

    fn enter(&self) -> Result<()> {
        enter(self.fd.as_fd())
    }

    /// Makes namespaces alike on every machine: IPv4 settings are inherited from the machine's own namespace.
    fn settle(&self) {
        for scope in ["all", "default"] {
            for setting in [
                "arp_accept",
                "arp_announce",
                "arp_filter",
                "arp_ignore",
                "promote_secondaries",
                "rp_filter",
            ] {
                self.sysctl(&format!("net/ipv4/conf/{scope}/{setting}"), "0");
            }
        }

        self.sysctl("net/ipv4/ip_forward", "0");
        self.ipv6(false);
        link::set_loopback_up(self).must("taking the loopback up");
    }

    /// Switches IPv6 on or off for every link, present and future. On, it waits for no duplicate address detection and
    /// listens to no router.
    #[track_caller]
    pub fn ipv6(&self, on: bool) {
        if !std::path::Path::new("/proc/sys/net/ipv6").exists() {
            assert!(!on, "this kernel has no IPv6");

            return;
        }

        for scope in ["all", "default"] {
            for (setting, value) in [
                ("accept_dad", "0"),
                ("accept_ra", "0"),
                ("router_solicitations", "0"),
                ("disable_ipv6", if on { "0" } else { "1" }),
            ] {
                self.sysctl(&format!("net/ipv6/conf/{scope}/{setting}"), value);
            }
        }
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn enter(namespace: BorrowedFd<'_>) -> Result<()> {
    move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network)).context("setns")
}

/// Runs `work` on the one thread that starts processes. The death signal of a process fires when the *thread* that
/// started it ends, and a test's thread ends long before the test process does.
fn on_the_spawner<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    type Work = Box<dyn FnOnce() + Send>;

    static SPAWNER: LazyLock<mpsc::Sender<Work>> = LazyLock::new(|| {
        let (sender, works) = mpsc::channel::<Work>();

        thread::Builder::new()
            .name("spawner".to_owned())
            .spawn(move || works.iter().for_each(|work| work()))
            .must("starting the thread that starts processes");

        sender
    });

    let (sender, result) = mpsc::sync_channel(1);
    let work: Work = Box::new(move || drop(sender.send(work())));

    SPAWNER
        .send(work)
        .expect("the thread that starts processes never ends");
    result
        .recv()
        .must("waiting for the thread that starts processes")
}
