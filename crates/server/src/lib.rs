//! The server: threads, sockets, files and clocks
