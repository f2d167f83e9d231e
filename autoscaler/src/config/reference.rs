//! docs/reference/configuration.md, written from the tables that the reader itself goes by.

use std::{collections::HashSet, fmt::Write as _};

use super::{
    EXAMPLE, EXAMPLE_WITH_RULES, Pace,
    defaults::Defaults,
    file::ROOT,
    schema::{Absent, Key, Section},
};

const HEAD: &str = "\
# minicloud.yaml

<!-- Written from the schema in autoscaler/src/config. After a change of it:
     MINICLOUD_BLESS=1 cargo test -p minicloud-autoscaler reference_page -->

The words are AWS's, in snake_case. The file is read strictly: an unknown key, a value of another
kind, a missing unit, a value out of range, a name that nothing bears and a key given twice are
each refused, all at once, with line, column and what to write instead (exit code 78). A file that
turns bad while minicloud runs changes nothing: the last good one stays in force.

- **Durations** are text with a unit: `100ms`, `30s`, `5m`, `2h`. **Sizes** as well: `512KiB`,
  `128MiB`, `1.5GiB`. **Rates**: `240B/s`. A bare number is refused where a unit is needed.
- **Names** have 1 to 64 letters, digits, `-` and `_`, a letter or digit first; those of security
  groups follow EC2's rule.
- **Text** that YAML reads as a number or as `true` or `false` needs quotes: `\"1.10\"`.
  So does text that begins with `*`, `#`, `{` or `[`, as hosts (`\"*.example.com\"`) and redirects
  (`\"#{host}\"`) may.
- **One of**: an `ACTION`, a condition and a transform are mappings with one key, which says what
  kind they are. `-` stands for the default of those.
- **Headings**: `NAME` is any name and `[]` any item of a list; `ACTION` is a listener's
  `default_action` and a rule's `action`, `PATTERNS` the long form of `host_header` and
  `path_pattern`, `REWRITE` what a transform holds, `ALARM` that of a policy and
  `CUSTOMIZED_METRIC` what a policy or an alarm may follow instead of `metric`.
- A default with two values is that of `pace: fast`, then that of `pace: aws`.
- Anchors, aliases and `<<` work. The file is UTF-8, one YAML document, up to 1 MiB.
- **Editors** complete and check it by the JSON Schema that `minicloud schema` prints and that is
  contrib/schema/minicloud.schema.json here. Most take it from a comment in the first line:
  `# yaml-language-server: $schema=./minicloud.schema.json`.
";

/// The reference page of the file, in Markdown.
pub(super) fn page() -> String {
    let mut page = format!(
        "{HEAD}\n## Example\n\n```yaml\n{EXAMPLE}```\n\n\
         ## A listener with rules\n\n```yaml\n{EXAMPLE_WITH_RULES}```\n"
    );
    write_section(&mut page, &ROOT, &mut HashSet::new());
    page
}

/// Writes a section and those below it, each once.
fn write_section(page: &mut String, section: &Section, written: &mut HashSet<&'static str>) {
    if !written.insert(section.place) {
        return;
    }
    let title = match section.place {
        "" => "The file".to_owned(),
        place => format!("`{place}`"),
    };
    *page += &format!("\n## {title}\n\n| key | value | default | meaning |\n|---|---|---|---|\n");
    for key in section.keys {
        *page += &row(key.name, key);
    }
    for child in section.keys.iter().filter_map(|key| key.form.child()) {
        write_section(page, child, written);
    }
}

/// A row of a table of keys.
pub(crate) fn row(name: &str, key: &Key) -> String {
    let mut row = String::new();
    let default = match &key.absent {
        Absent::Fault(_) => "**required**".to_owned(),
        Absent::Default(value) => (*value).to_owned(),
        Absent::OneOf => "-".to_owned(),
        Absent::ByPace(value) => by_pace(*value),
    };
    let cells = [
        format!("`{name}`"),
        key.form.to_string(),
        default,
        key.meaning.to_owned(),
    ];
    for cell in cells {
        write!(row, "| {cell} ").unwrap_or_default();
    }
    row + "|\n"
}

fn by_pace(value: fn(&Defaults) -> String) -> String {
    let [fast, aws] = [Pace::Fast, Pace::Aws].map(|pace| value(Defaults::of(pace)));
    match fast == aws {
        true => format!("`{fast}`"),
        false => format!("`{fast}`, `{aws}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_page_is_current() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../docs/reference/configuration.md"
        );
        if std::env::var_os("MINICLOUD_BLESS").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == page(),
            "docs/reference/configuration.md is out of date: MINICLOUD_BLESS=1 cargo test -p minicloud-autoscaler reference_page"
        );
    }

    #[test]
    fn renamed_keys_are_not_keys_themselves() {
        fn check(section: &Section) {
            for (old, fix) in section.renamed {
                assert!(section.key(old).is_none(), "{old} in {}", section.place);
                assert!(
                    section.key(fix).is_some() || fix.contains(' '),
                    "{fix} in {}",
                    section.place
                );
            }
            section
                .keys
                .iter()
                .filter_map(|key| key.form.child())
                .for_each(check);
        }
        check(&ROOT);
    }
}
