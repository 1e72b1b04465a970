//! The programs: kubectl-cherokee and the multi-call binary.
