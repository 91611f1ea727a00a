//! The policy on a virtual clock, a sentence of its description per test.

mod adopting;
mod asking;
mod automatic;
mod bench;
mod conflicts;
mod drilling;
mod elsewhere;
mod giving_back;
mod giving_back_by_itself;
mod handshake;
mod holding;
mod holds;
mod hooks;
mod inquiring;
mod isolation;
mod reconfiguring;
mod releasing;
mod remembering;
mod replaying;
mod simulation;
mod source_holds;
mod units;
mod waiting_to_give_back;
mod walk;
mod watched;
mod world;
