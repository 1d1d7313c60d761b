//! The host of an engine.
