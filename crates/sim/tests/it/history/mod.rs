//! Clients and the checks of what they are told.

mod clients;
mod flaws;
mod known;
mod observed;
mod register;
mod search;
mod service;
