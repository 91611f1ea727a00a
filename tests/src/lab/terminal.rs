//! A pseudo terminal with a program on it: what is on its screen, keys for it, another size.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use rustix::{
    process::{Pid, Signal, ioctl_tiocsctty, kill_process, setsid},
    pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{Termios, Winsize, tcgetattr, tcsetwinsize},
};

use super::{Must, Namespace, clock::wait_until};

/// Rows and columns.
pub type Size = (u16, u16);

/// A program on a terminal of its own. It is killed when dropped.
pub struct Terminal {
    child: Child,
    /// Our end: what a person types and sees.
    master: File,
    /// The program's end, kept to look at its settings.
    slave: OwnedFd,
    /// Its settings before the program had it.
    before: Termios,
    screen: Arc<Mutex<vt100::Parser>>,
}

impl Terminal {
    /// Starts `command` in `namespace`, on a terminal of this size that is its controlling one.
    #[track_caller]
    pub fn start(namespace: &Namespace, mut command: Command, size: Size) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let master = openpt(flags).must("a pseudo terminal");
        grantpt(&master).must("granting the pseudo terminal");
        unlockpt(&master).must("unlocking the pseudo terminal");
        let slave = ioctl_tiocgptpeer(&master, flags | OpenptFlags::CLOEXEC)
            .must("the program's end of the pseudo terminal");
        tcsetwinsize(&master, winsize(size)).must("the size of the terminal");
        let before = tcgetattr(&slave).must("the settings of the terminal");

        let end =
            |slave: &OwnedFd| Stdio::from(slave.try_clone().must("another handle of the terminal"));
        command
            .env("TERM", "xterm-256color")
            .env("LC_ALL", "C.UTF-8")
            .env_remove("NO_COLOR")
            .stdin(end(&slave))
            .stdout(end(&slave))
            .stderr(end(&slave));
        let control = || {
            setsid()?;
            // Standard input is the terminal.
            ioctl_tiocsctty(rustix::stdio::stdin())?;
            Ok(())
        };
        // SAFETY: `control` runs between fork and exec and makes system calls only.
        unsafe { command.pre_exec(control) };
        let child = namespace.command(command);

        let (rows, columns) = size;
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let master = File::from(master);
        let mut output = master.try_clone().must("another handle of the terminal");
        let shown = Arc::clone(&screen);
        thread::spawn(move || {
            let mut some = [0; 4096];
            // Once nobody has the other end, reading fails.
            while let Ok(length @ 1..) = output.read(&mut some) {
                let mut screen = shown.lock().unwrap_or_else(PoisonError::into_inner);
                screen.process(&some[..length]);
            }
        });
        Self {
            child,
            master,
            slave,
            before,
            screen,
        }
    }

    /// What is on the screen, line by line.
    pub fn text(&self) -> String {
        self.looked(|screen| screen.contents())
    }

    /// Types.
    #[track_caller]
    pub fn press(&mut self, keys: &str) {
        self.master
            .write_all(keys.as_bytes())
            .must("typing into the terminal");
    }

    /// Gives the terminal another size; the program hears of it by SIGWINCH.
    #[track_caller]
    pub fn resize(&self, size: Size) {
        let (rows, columns) = size;
        let mut screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        screen.screen_mut().set_size(rows, columns);
        tcsetwinsize(&self.master, winsize(size)).must("another size of the terminal");
    }

    /// Waits until the screen is as wanted; the screen is in the panic if it does not come to that.
    #[track_caller]
    pub fn wait_for(&self, patience: Duration, what: &str, wanted: impl Fn(&str) -> bool) {
        let seen = wait_until(patience, || wanted(&self.text()));

        assert!(seen, "not on the screen: {what}\n{}", self.text());
    }

    /// Sends the program a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).must("a signal for the program");
    }

    /// Whether the program has not ended.
    #[track_caller]
    pub fn runs(&mut self) -> bool {
        self.child
            .try_wait()
            .must("looking at the program")
            .is_none()
    }

    /// Waits for its end, and that it has given the terminal back as it was: the usual screen, the cursor, the settings.
    #[track_caller]
    pub fn wait_for_end(&mut self, patience: Duration) -> ExitStatus {
        let ended = wait_until(patience, || !self.runs());
        assert!(ended, "the program goes on:\n{}", self.text());
        let restored = wait_until(patience, || {
            self.looked(|screen| !screen.alternate_screen() && !screen.hide_cursor())
        });
        assert!(restored, "the terminal is not given back:\n{}", self.text());
        let after = tcgetattr(&self.slave).must("the settings of the terminal");
        let modes = |of: &Termios| (of.input_modes, of.output_modes, of.local_modes);
        assert_eq!(
            modes(&after),
            modes(&self.before),
            "settings of the terminal"
        );

        self.child.wait().must("waiting for the program")
    }

    fn looked<T>(&self, at: impl FnOnce(&vt100::Screen) -> T) -> T {
        at(self
            .screen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .screen())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            eprintln!("the screen at the end:\n{}", self.text());
        }
    }
}

fn winsize((rows, columns): Size) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}
