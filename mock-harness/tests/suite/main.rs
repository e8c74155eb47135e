//! The platform over a real socket: tables of requests and their whole answers.

mod access;
mod account_config;
mod connectors;
mod delegates;
mod executions;
mod expressions;
mod lists;
mod pipelines;
mod rate_limit;
mod reading;
mod resolution;
mod rig;
mod secrets;
mod situations;
mod test_connection;
mod test_connection_rows;
