//! Nothing: what is shown is in `tests/`.
