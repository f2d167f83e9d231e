//! What Prometheus may read: each part declares its own metrics, and here is what concerns the
//! process, and the tests that hold for all of them: names, the reference page, and the
//! dashboard and alerts in `contrib`.

mod build_info;
#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod contrib;
#[cfg(test)]
mod lint;
#[cfg(test)]
mod page;
#[cfg(test)]
mod promql;

pub(crate) use build_info::register_build_info;
