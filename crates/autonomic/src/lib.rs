//! The daemon that tends memories: thermal decay, eviction and hints.
