//! The operator: observe, intent, plan, render, apply, report.
