//! docs/reference/labels.md, written from the table that the reader itself goes by.

use super::{reader::PREFIX, schema::SECTION};
use crate::config::reference::row;

const HEAD: &str = "\
# Labels of a service that is adopted

<!-- Written from the table in autoscaler/src/adopt/labels. After a change of it:
     MINICLOUD_BLESS=1 cargo test -p minicloud-autoscaler labels_page -->

A Compose service with the label `minicloud.enable: \"true\"` becomes a group of its own; how is in
[adopt-a-service.md](../how-to/adopt-a-service.md). Each label is `minicloud.` and a name of this table.

They are read strictly: an unknown label, a value of another kind, a missing unit, a value out of
range and labels that contradict each other are each refused, all at once, with what to write
instead. The service then keeps its traffic and is not scaled. `minicloud validate compose.yaml`
says the same before anything runs.

- **Values** are text, as Compose wants them: `\"true\"`, `\"3\"`, `30s`. **Durations** have a unit:
  `100ms`, `30s`, `5m`, `2h`.
- A default with two values is that of `pace: fast`, then that of `pace: aws` in `minicloud.yaml`.
- **Windows** of `schedule` are days (`Mon`, `Mon-Fri`, `Sat,Sun`; none for every day), a span
  (`08:00-19:00`; `22:00-06:00` ends on the next day) and what holds in it (`min=`, `max=`,
  `desired=`). Windows do not overlap. One that has begun as the service is adopted counts from
  its next beginning.

| label | value | default | meaning |
|---|---|---|---|
";

/// The reference page of the labels, in Markdown.
pub(in crate::adopt) fn page() -> String {
    let mut page = HEAD.to_owned();
    for key in SECTION.keys {
        page += &row(&format!("{PREFIX}{}", key.name), key);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/labels.md");
        if std::env::var_os("MINICLOUD_BLESS").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == page(),
            "docs/reference/labels.md is out of date: MINICLOUD_BLESS=1 cargo test -p minicloud-autoscaler labels_page"
        );
    }
}
