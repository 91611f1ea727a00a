//! The policy on a virtual clock, a sentence of its description per test.

mod adopting;
mod asking;
mod automatic;
mod bench;
mod drilling;
mod giving_back;
mod holding;
mod isolation;
mod releasing;
mod replaying;
mod units;
mod walk;
mod watched;
mod world;
