//! What holds of the workspace as a whole; see `tests/`. No code of its own.
