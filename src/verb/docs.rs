//! The reference, compiled in: what a machine without the repository, or a container, can read.

use crate::{cli::DocsArgs, failure::Failure, output::print};

const PAGES: [(&str, &str); 2] = [
    (
        "configuration",
        include_str!("../../docs/reference/configuration.md"),
    ),
    ("commands", include_str!("../../docs/reference/commands.md")),
];

/// What stands under a heading of the second level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Section<'a> {
    page: &'a str,
    title: &'a str,
    text: &'a str,
}

pub(crate) fn run(args: DocsArgs) -> Result<(), Failure> {
    let sections: Vec<_> = PAGES
        .iter()
        .flat_map(|(page, text)| sections(page, text))
        .collect();
    let text = match args.section.join(" ") {
        wanted if wanted.is_empty() => contents(&sections),
        wanted => {
            let found = find(&sections, &wanted);
            if found.is_empty() {
                return Err(Failure::section_unknown(&wanted));
            }
            found
        }
    };
    print(text.as_bytes())
}

fn sections<'a>(page: &'a str, text: &'a str) -> impl Iterator<Item = Section<'a>> {
    // A fence has the configuration's comments in it, which look like headings of the first level.
    let parts = text.split("\n## ").skip(1);
    parts.map(move |part| {
        let (title, text) = part.split_once('\n').unwrap_or((part, ""));
        Section { page, title, text }
    })
}

impl Section<'_> {
    /// As it is asked for: without marks, and a command without the program.
    fn name(&self) -> String {
        let name = self.title.replace('`', "").to_lowercase();
        match name.strip_prefix("minicloud ") {
            Some(verb) => verb.to_owned(),
            None => name,
        }
    }

    /// Whether it is what is asked for, or a part of that: `launch_templates` has all of
    /// `launch_templates.NAME.process` in it.
    fn is_of(&self, wanted: &str) -> bool {
        let name = self.name();
        let rest = name.strip_prefix(wanted);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

fn find(sections: &[Section<'_>], wanted: &str) -> String {
    let wanted = wanted.to_lowercase();
    let of_page = sections.iter().filter(|section| section.page == wanted);
    let by_name = sections.iter().filter(|section| section.is_of(&wanted));
    of_page
        .chain(by_name)
        .map(|section| format!("## {}\n{}\n\n", section.title, section.text.trim_end()))
        .collect()
}

fn contents(sections: &[Section<'_>]) -> String {
    let mut contents = "minicloud docs SECTION prints one of these, or a whole page:\n".to_owned();
    for (page, _) in PAGES {
        contents.push_str(&format!("\n{page}\n"));
        let mut names: Vec<_> = sections
            .iter()
            .filter(|section| section.page == page)
            .map(|section| section.name())
            .collect();
        // What is under a key comes with it.
        names.retain(|name| !name.contains(".name.") && !name.contains("[]"));
        for name in names {
            let name = name.strip_suffix(".name").unwrap_or(&name);
            contents.push_str(&format!("  {name}\n"));
        }
    }
    contents
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Section<'static>> {
        PAGES
            .iter()
            .flat_map(|(page, text)| sections(page, text))
            .collect()
    }

    #[test]
    fn key_comes_with_what_is_under_it() {
        let found = find(&all(), "launch_templates");
        assert!(found.contains("## `launch_templates.NAME`\n"), "{found}");
        assert!(found.contains("## `launch_templates.NAME.process`\n"));
        assert!(!found.contains("auto_scaling_groups"), "{found}");
    }

    #[test]
    fn commands_errors_and_pages_are_found() {
        assert!(find(&all(), "scale").starts_with("## minicloud scale\n"));
        assert!(find(&all(), "Errors").contains("| 69 |"));
        assert!(find(&all(), "configuration").contains("## `host_headroom`\n"));
        assert_eq!(find(&all(), "nothing"), "");
    }

    #[test]
    fn contents_name_what_can_be_found() {
        let contents = contents(&all());
        let names = contents.lines().filter_map(|line| line.strip_prefix("  "));
        let mut count = 0;
        for name in names {
            assert!(!find(&all(), name).is_empty(), "{name}");
            count += 1;
        }
        assert!(count > 30, "{contents}");
    }
}
