//! The policy on a virtual clock, a sentence of its description per test.

mod adopting;
mod asking;
mod automatic;
mod bench;
mod conflicts;
mod drilling;
mod elsewhere;
mod giving_back;
mod handshake;
mod holding;
mod holds;
mod hooks;
mod isolation;
mod reconfiguring;
mod releasing;
mod remembering;
mod replaying;
mod serving;
mod simulation;
mod source_holds;
mod units;
mod walk;
mod watched;
mod world;
