//! What is heard of addresses that are listened for, and conflicts about held ones.

use aya_ebpf::{helpers::bpf_ktime_get_ns, programs::XdpContext};
use failover_ebpf::{
    abi::{Claim, Heard, Ip, Rare, Tags},
    resolve::{self, Said},
    wire::eth::Mac,
};

use super::{held, maps, nics, rare, say};

/// Notes what another host says of an address that is listened for.
#[inline(always)]
pub(super) fn listen(said: &Said, tags: Tags, by: Mac) {
    if let Some(heard) = heard(said.address(), tags)
        && !nics::is_ours(by)
    {
        // SAFETY: the helper has no preconditions.
        said.note(heard, by, unsafe { bpf_ktime_get_ns() });
    }
}

/// Whether `by`, who has said that it has an address, contradicts us; `answers`: in answer to a question. User space and the log are told then.
#[inline(always)]
pub(super) fn is_conflict(
    ctx: &XdpContext,
    claimed: &Ip,
    tags: Tags,
    by: Mac,
    answers: bool,
    ingress: u32,
) -> bool {
    // One question after the other: the verifier does not let two pointers be asked at once whether they are there.
    if let Ok(held) = held::find(claimed, tags)
        && nics::managed(ingress).is_some()
        && resolve::is_conflict(by, held, answers, nics::is_ours)
    {
        tell(ctx, claimed, tags, &by, ingress);
        return true;
    }
    false
}

/// What was heard of an address, if it is listened for.
#[inline(always)]
fn heard(ip: &Ip, tags: Tags) -> Option<&'static mut Heard> {
    // SAFETY: user space replaces entries as a whole.
    let listened = unsafe { maps::LISTENED.get(ip) }?;
    if listened.tags != tags {
        return None;
    }
    let heard = maps::HEARD.get_ptr_mut(listened.slot)?;
    // SAFETY: the pointer is to an element of the map. Other CPUs may write it, too: then one of them is the latest.
    Some(unsafe { &mut *heard })
}

/// Tells user space and the log of a conflict. An address that is not listened for has no time of its own: it is told as
/// rarely as the log is.
#[inline(never)]
fn tell(ctx: &XdpContext, ip: &Ip, tags: Tags, by: &Mac, ingress: u32) -> u32 {
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    let logged = rare::due_at(Rare::Conflict, now);
    if logged {
        say::conflict(ctx, ip, by);
    }
    // Looked for once more: a pointer kept since then would be another state for the verifier to follow, all the way.
    match heard(ip, tags) {
        Some(heard) => {
            if resolve::tell_again(heard, now) && submit(resolve::claim(ip, *by, ingress, now)) {
                heard.told_ns = now;
            }
        }
        None => {
            if logged {
                submit(resolve::claim(ip, *by, ingress, now));
            }
        }
    }
    0
}

/// Whether there was room for a claim. Without any, the next frame tries again.
#[inline(always)]
fn submit(claim: Claim) -> bool {
    let Some(mut entry) = maps::CLAIMS.reserve::<Claim>(0) else {
        return false;
    };
    entry.write(claim);
    entry.submit(0);
    true
}
