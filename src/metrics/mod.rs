//! What Prometheus may read: each part declares its own metrics, and here is what concerns the
//! process, and the tests that hold for all of them: names, and the reference page.

mod build_info;
#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod lint;
#[cfg(test)]
mod page;

pub(crate) use build_info::register_build_info;
