//! Clients and the checks of what they are told.

mod flaws;
mod known;
mod register;
mod service;
