//! The program: loaded once, attached to NICs by pinned links, swapped in place on the next start.

use std::{io, path::Path};

use anyhow::{Context as _, anyhow, bail};
use aya::{
    Ebpf, EbpfLoader,
    programs::{
        ProgramError, SchedClassifier, Xdp, XdpMode as Attach,
        links::{FdLink, PinnedLink},
        loaded_programs,
        xdp::{XdpLink, XdpLinkId},
    },
};
use failover_ebpf::abi::program;

use super::{egress, object, pins::Pins, shape};
use crate::{config::XdpMode, net::xdp::OnNic};

/// The loaded object.
pub struct Program {
    ebpf: Ebpf,
    pins: Pins,
}

impl Program {
    /// Loads the program on the maps that are pinned, or pins new ones.
    pub fn load(pins: &Pins) -> anyhow::Result<Self> {
        pins.prepare()?;
        shape::check(pins)?;
        let mut ebpf = EbpfLoader::new()
            .default_map_pin_directory(pins.maps())
            .load(object()?)
            .context("the eBPF object cannot be loaded: root (or CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON) is needed")?;
        egress::classifier(&mut ebpf)?
            .load()
            .map_err(|error| refused(program::EGRESS, error))?;
        for name in [program::FAILOVER, program::PASS] {
            xdp(&mut ebpf, name)?
                .load()
                .map_err(|error| refused(name, error))?;
        }
        Ok(Self {
            ebpf,
            pins: pins.clone(),
        })
    }

    /// Puts the program on a NIC, in place of an earlier instance of ours if there is one. `current` is what the NIC
    /// carries now.
    pub fn attach(
        &mut self,
        nic: &str,
        index: u32,
        mode: XdpMode,
        current: Option<OnNic>,
    ) -> anyhow::Result<()> {
        if self.adopt(nic)? {
            return Ok(());
        }
        if let Some(current) = current {
            return Err(occupied(nic, current));
        }
        match mode {
            XdpMode::Native => self.attach_new(nic, index, Attach::Driver),
            XdpMode::Generic => self.attach_new(nic, index, Attach::Skb),
            XdpMode::Auto => {
                let Err(error) = self.attach_new(nic, index, Attach::Driver) else {
                    return Ok(());
                };
                self.attach_new(nic, index, Attach::Skb)?;
                tracing::warn!(nic, reason = %format!("{error:#}"), "no native XDP on this NIC: generic XDP, which is slower");
                Ok(())
            }
        }
    }

    /// The kernel's number of the loaded program.
    pub fn id(&mut self) -> anyhow::Result<u32> {
        let program = xdp(&mut self.ebpf, program::FAILOVER)?;
        Ok(program.info().context("asking for the program")?.id())
    }

    /// Takes the program off a NIC.
    pub fn detach(&mut self, nic: &str) -> anyhow::Result<()> {
        remove_link(&self.pins.link(nic))
    }

    /// Puts the fence on a NIC's way out, in place of an earlier instance of ours if there is one.
    pub fn fence(&mut self, nic: &str) -> anyhow::Result<()> {
        egress::attach(&mut self.ebpf, &self.pins, nic)
    }

    /// Takes the fence off a NIC's way out.
    pub fn unfence(&mut self, nic: &str) -> anyhow::Result<()> {
        remove_link(&self.pins.fence(nic))
    }

    /// The loaded object, for the log reader and for tests.
    pub fn ebpf(&mut self) -> &mut Ebpf {
        &mut self.ebpf
    }

    /// The fence, for tests.
    pub fn egress(&mut self) -> anyhow::Result<&mut SchedClassifier> {
        egress::classifier(&mut self.ebpf)
    }

    /// A program of the object, for tests.
    pub fn xdp(&mut self, name: &str) -> anyhow::Result<&mut Xdp> {
        xdp(&mut self.ebpf, name)
    }

    fn adopt(&mut self, nic: &str) -> anyhow::Result<bool> {
        let path = self.pins.link(nic);
        if !path.exists() {
            return Ok(false);
        }
        let pinned = PinnedLink::from_pin(&path)
            .with_context(|| format!("{} is no link", path.display()))?;
        let link = XdpLink::try_from(FdLink::from(pinned))
            .with_context(|| format!("{} is no XDP link", path.display()))?;
        let program = xdp(&mut self.ebpf, program::FAILOVER)?;
        match program.attach_to_link(link) {
            Ok(id) => {
                // The pin keeps the link; ours would detach it when it is dropped without the pin.
                drop(
                    program
                        .take_link(id)
                        .with_context(|| format!("the link of {nic}"))?,
                );
                Ok(true)
            }
            // The NIC that it was attached to is gone; the name may belong to a new one.
            Err(error) if os_error(&error) == Some(libc::ENOLINK) => {
                self.detach(nic)?;
                Ok(false)
            }
            Err(error) => {
                Err(error).with_context(|| format!("the program on {nic} cannot be replaced"))
            }
        }
    }

    fn attach_new(&mut self, nic: &str, index: u32, mode: Attach) -> anyhow::Result<()> {
        let path = self.pins.link(nic);
        let program = xdp(&mut self.ebpf, program::FAILOVER)?;
        let id: XdpLinkId = match program.attach_to_if_index(index, mode) {
            Ok(id) => id,
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("the program cannot be attached to {nic}"));
            }
        };
        let link = program.take_link(id)?;
        // Without a link (the library falls back to netlink when the kernel says EINVAL) nothing would survive the daemon.
        let link = FdLink::try_from(link)
            .map_err(|_| anyhow!("{nic} takes no XDP link in this mode (kernel 5.9 or later, and driver support, are needed)"))?;
        link.pin(&path)
            .with_context(|| format!("the link of {nic} cannot be pinned at {}", path.display()))?;
        Ok(())
    }
}

/// Removes a pinned link, and with it, as nobody else has it, what it keeps on a NIC.
fn remove_link(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("{} cannot be removed", path.display())),
    }
}

fn xdp<'a>(ebpf: &'a mut Ebpf, name: &str) -> anyhow::Result<&'a mut Xdp> {
    let Some(program) = ebpf.program_mut(name) else {
        bail!("the eBPF object has no program `{name}`")
    };
    program
        .try_into()
        .with_context(|| format!("`{name}` is no XDP program"))
}

/// The verifier explains itself over hundreds of lines; the last ones say what is wrong.
fn refused(name: &str, error: ProgramError) -> anyhow::Error {
    let ProgramError::LoadError {
        io_error,
        verifier_log,
    } = error
    else {
        return anyhow::Error::new(error)
            .context(format!("the kernel refuses the program `{name}`"));
    };
    let log = verifier_log.to_string();
    tracing::debug!(program = name, log, "verifier");
    let tail: Vec<&str> = log.lines().rev().take(4).collect();
    let tail = tail.into_iter().rev().collect::<Vec<_>>().join(" | ");
    anyhow!(
        "the kernel refuses the program `{name}`: {io_error}; the verifier's last words: {tail}"
    )
}

pub(super) fn os_error(error: &ProgramError) -> Option<i32> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = source {
        if let Some(io) = current.downcast_ref::<io::Error>() {
            return io.raw_os_error();
        }
        source = current.source();
    }
    None
}

fn occupied(nic: &str, current: OnNic) -> anyhow::Error {
    let name = loaded_programs()
        .filter_map(Result::ok)
        .find(|info| info.id() == current.program)
        .and_then(|info| info.name_as_str().map(str::to_owned))
        .unwrap_or_default();
    anyhow!(
        "{nic} carries another XDP program already (id {}, `{name}`): take it off first, for example with \
         `ip link set dev {nic} xdp off`",
        current.program,
    )
}
