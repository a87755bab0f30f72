//! Storage as its users meet it: crashes, failures, rot and full disks at every point.

mod crash;
mod failures;
mod model;
mod mutants;
mod refusals;
mod rot;
mod script;
mod view;
