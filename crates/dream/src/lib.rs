//! Consolidation jobs of a dream worker: checkpointed and resumable.
