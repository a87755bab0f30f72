//! The `quorate` command.

mod command;
mod connect;
mod demo;
mod environment;
mod exit;
mod http_flags;
mod kv;
mod lab;
mod logging;
mod output;
mod refused;
mod serve;
mod serve_flags;
mod sim;

use std::process::ExitCode;

/// Many small allocations on several threads are what a server does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    command::run()
}
