//! The fence on the way out of NICs: a tcx link on each, pinned like those of the data plane.

use anyhow::{Context as _, anyhow, bail, ensure};
use aya::{
    Ebpf,
    programs::{
        LinkOrder, SchedClassifier, TcAttachType,
        links::{FdLink, PinnedLink},
        tc::{SchedClassifierLink, TcAttachOptions},
    },
    util::KernelVersion,
};
use failover_ebpf::abi::program;

use super::{pins::Pins, program::os_error};

/// The first kernel with tcx links.
const TCX: KernelVersion = KernelVersion::new(6, 6, 0);

/// The program.
pub(super) fn classifier(ebpf: &mut Ebpf) -> anyhow::Result<&mut SchedClassifier> {
    let name = program::EGRESS;
    let Some(program) = ebpf.program_mut(name) else {
        bail!("the eBPF object has no program `{name}`")
    };
    program
        .try_into()
        .with_context(|| format!("`{name}` is no tc program"))
}

/// Puts the fence on a NIC, in place of an earlier instance of ours if there is one.
pub(super) fn attach(ebpf: &mut Ebpf, pins: &Pins, nic: &str) -> anyhow::Result<()> {
    let kernel =
        KernelVersion::current().map_err(|error| anyhow!("the kernel's version: {error}"))?;
    ensure!(
        kernel >= TCX,
        "`identity` needs Linux 6.6 or later (tcx links, for the fence): remove `identity` and `self_fence` from [reflector], or run a newer kernel",
    );
    // A pinned link may be of a NIC that had this name before and goes on under another one: it is given up, and then there
    // is none to adopt.
    for _ in 0..2 {
        if !adopt(ebpf, pins, nic)? {
            attach_new(ebpf, pins, nic)?;
        }
        if is_on(ebpf, nic)? {
            return Ok(());
        }
        let path = pins.fence(nic);
        std::fs::remove_file(&path)
            .with_context(|| format!("{} cannot be removed", path.display()))?;
    }
    bail!("{nic} does not carry the fence although it was attached")
}

/// Swaps the program of a pinned link. `false`: there is none that is of any use.
fn adopt(ebpf: &mut Ebpf, pins: &Pins, nic: &str) -> anyhow::Result<bool> {
    let path = pins.fence(nic);
    if !path.exists() {
        return Ok(false);
    }
    let pinned =
        PinnedLink::from_pin(&path).with_context(|| format!("{} is no link", path.display()))?;
    let link = SchedClassifierLink::try_from(FdLink::from(pinned))
        .with_context(|| format!("{} is no tcx link", path.display()))?;
    let program = classifier(ebpf)?;
    match program.attach_to_link(link) {
        Ok(id) => {
            // The pin keeps the link.
            drop(
                program
                    .take_link(id)
                    .with_context(|| format!("the fence of {nic}"))?,
            );
            Ok(true)
        }
        // The NIC that it was attached to is gone; the name may belong to a new one.
        Err(error) if os_error(&error) == Some(libc::ENOLINK) => {
            std::fs::remove_file(&path)
                .with_context(|| format!("{} cannot be removed", path.display()))?;
            Ok(false)
        }
        Err(error) => Err(error).with_context(|| format!("the fence on {nic} cannot be replaced")),
    }
}

fn attach_new(ebpf: &mut Ebpf, pins: &Pins, nic: &str) -> anyhow::Result<()> {
    let path = pins.fence(nic);
    let program = classifier(ebpf)?;
    // In front of whatever else is there: what it keeps in, nobody has to see.
    let options = TcAttachOptions::TcxOrder(LinkOrder::first());
    let id = program
        .attach_with_options(nic, TcAttachType::Egress, options)
        .with_context(|| format!("the fence cannot be attached to {nic}"))?;
    let link =
        FdLink::try_from(program.take_link(id)?).map_err(|_| anyhow!("{nic} takes no tcx link"))?;
    link.pin(&path)
        .with_context(|| format!("the fence of {nic} cannot be pinned at {}", path.display()))?;
    Ok(())
}

/// Whether our program is on the way out of a NIC.
fn is_on(ebpf: &mut Ebpf, nic: &str) -> anyhow::Result<bool> {
    let ours = classifier(ebpf)?
        .info()
        .context("asking for the fence")?
        .id();
    let (_, programs) = SchedClassifier::query_tcx(nic, TcAttachType::Egress)
        .with_context(|| format!("asking what is on the way out of {nic}"))?;
    Ok(programs.iter().any(|program| program.id() == ours))
}
