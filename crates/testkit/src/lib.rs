//! What tests need: builders, a real control plane, conditions with a deadline.
