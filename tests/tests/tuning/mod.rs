//! The plugin `tuning`: black-box tests.

mod allow_list;
mod check;
mod garbage;
mod hostile_files;
mod interoperation;
mod killed;
mod lifecycle;
mod node;
mod refusals;
mod status;
mod sysctls;
