//! The front door: admission, memory look-up, routing, fallback and streaming.
