//! Two hosts that stand in for the one that they watch, a client, and the network between them, on a virtual clock.
//!
//! Everything follows from one seed: configurations, what fails when and for how long, what administrators say, how long
//! each packet, hook and message takes. The policy, the judge and the verdict of the heartbeat thread, what ARP is taken for,
//! who is taken for whom in a conflict, and the custody of a source's addresses are the real thing; the rest is a model that is
//! as small as it can be.
//!
//! - [`draw`]: what the seed decides beforehand.
//! - [`events`], [`world`], [`troubles`]: what happens next.
//! - [`network`], [`client`], [`source`]: what there is beside the targets.
//! - [`kernel`], [`heartbeat`], [`thread`], [`taking`], [`daemon`], [`telling`], [`performing`]: a target, from the inside out.
//! - [`checker`]: what must hold, seen from outside; [`acts`] and [`handshake`] are parts of it, [`promise`] says in what time.
//!
//! `FAILOVER_SIM_SEED=N` runs one history and tells what happened in it; `FAILOVER_SIM_HISTORIES=N` runs so many.

mod acts;
mod checker;
mod client;
mod daemon;
mod draw;
mod events;
mod handshake;
mod heartbeat;
mod kernel;
mod network;
mod performing;
mod promise;
mod run;
mod source;
mod taking;
mod telling;
mod thread;
mod troubles;
mod world;
