//! Two hosts that stand in for the one that they watch, a client, and the network between them, on a virtual clock.
//!
//! Everything follows from one seed: configurations, what fails when and for how long, what administrators say, how long
//! each packet, hook and message takes. The policy, the judge and the verdict of the heartbeat thread, what ARP is taken for,
//! and who is taken for whom in a conflict are the real thing; the rest is a model that is as small as it can be.
//!
//! - [`draw`]: what the seed decides beforehand.
//! - [`network`], [`client`], [`world`]: what there is beside the targets, and the queue of what happens next.
//! - [`kernel`], [`heartbeat`], [`thread`], [`daemon`]: a target, from the inside out.
//! - [`checker`]: what must hold, seen from outside.
//!
//! `FAILOVER_SIM_SEED=N` runs one history and tells what happened in it; `FAILOVER_SIM_HISTORIES=N` runs so many.

mod checker;
mod client;
mod daemon;
mod draw;
mod heartbeat;
mod kernel;
mod network;
mod run;
mod thread;
mod world;
