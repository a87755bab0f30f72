//! The `quorate` command.

mod client;
mod client_flags;
mod code;
mod command;
mod connect;
mod demo;
mod diagnose;
mod environment;
mod etcdctl;
mod exit;
mod explain;
mod http_flags;
mod inspect;
mod lab;
mod logging;
mod output;
mod plain_http;
mod program;
mod refused;
mod serve;
mod serve_flags;
mod sim;
mod snapshot;
mod snapshot_restore;
mod snapshot_status;
mod survey;
mod usage;

use std::process::ExitCode;

/// Many small allocations on several threads are what a server does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    command::run()
}
