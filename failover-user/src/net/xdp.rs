//! Which XDP program a NIC carries, as the kernel tells it.

use anyhow::Context as _;
use futures::TryStreamExt as _;
use netlink_packet_route::link::{LinkAttribute, LinkXdp, XdpAttached};

/// How a NIC runs its XDP program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In the driver.
    Native,
    /// In the kernel's generic hook.
    Generic,
    /// On the NIC itself.
    Offloaded,
    /// More than one at once.
    Several,
}

impl Mode {
    /// Its name in `status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
            Self::Offloaded => "offloaded",
            Self::Several => "several",
        }
    }
}

/// A program on a NIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnNic {
    /// How it is run.
    pub mode: Mode,
    /// Its id; 0 if there are several.
    pub program: u32,
}

/// The program on a NIC, if there is one.
///
/// # Errors
/// There is no such NIC, or the kernel does not answer.
pub async fn on_nic(handle: &rtnetlink::Handle, index: u32) -> anyhow::Result<Option<OnNic>> {
    let message = handle
        .link()
        .get()
        .match_index(index)
        .execute()
        .try_next()
        .await
        .with_context(|| format!("cannot ask for the XDP program of NIC {index}"))?;
    Ok(message.and_then(|message| parse(&message.attributes)))
}

fn parse(attributes: &[LinkAttribute]) -> Option<OnNic> {
    let xdp = attributes.iter().find_map(|attribute| {
        if let LinkAttribute::Xdp(xdp) = attribute {
            Some(xdp)
        } else {
            None
        }
    })?;
    let (mut mode, mut program) = (None, 0);
    for attribute in xdp {
        if let LinkXdp::Attached(attached) = attribute {
            mode = match attached {
                XdpAttached::Driver => Some(Mode::Native),
                XdpAttached::SocketBuffer => Some(Mode::Generic),
                XdpAttached::Hardware => Some(Mode::Offloaded),
                XdpAttached::Multiple => Some(Mode::Several),
                // The enumeration is the library's and may grow.
                _ => None,
            };
        } else if let LinkXdp::ProgId(id) = attribute {
            program = *id;
        }
    }
    mode.map(|mode| OnNic { mode, program })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_native_program_is_recognised() {
        let attributes = [LinkAttribute::Xdp(vec![
            LinkXdp::Attached(XdpAttached::Driver),
            LinkXdp::ProgId(17),
        ])];

        assert_eq!(
            parse(&attributes),
            Some(OnNic {
                mode: Mode::Native,
                program: 17
            })
        );
    }

    #[test]
    fn a_nic_without_a_program_has_none() {
        let attributes = [LinkAttribute::Xdp(vec![LinkXdp::Attached(
            XdpAttached::None,
        )])];

        assert_eq!(parse(&attributes), None);
    }
}
