//! The eBPF program as user space sees it.

mod object;

pub use object::object;
