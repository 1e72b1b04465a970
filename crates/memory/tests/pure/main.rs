//! What needs no Redis: keys and temperature.

mod heat;
mod key;
