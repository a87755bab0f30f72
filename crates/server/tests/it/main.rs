//! Whole servers in one process: real sockets, threads and files, on ports the system chooses.

mod alarms;
mod cluster;
mod gateway;
mod http;
mod http2;
mod leasing;
mod locking;
mod metrics;
mod overload;
mod range_stream;
mod serving;
mod snapshot;
mod watching;
mod websocket;
