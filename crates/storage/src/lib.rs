//! The write-ahead log, snapshot installation and the disk map
