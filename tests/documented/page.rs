//! The commands that a page of Markdown shows: fenced blocks of `sh` and `console`.

/// A fenced block.
#[derive(Debug)]
pub(crate) struct Block {
    /// Of the fence, from 1.
    pub(crate) line: usize,
    /// What stands after the fence; empty where nothing does.
    pub(crate) language: String,
    pub(crate) mark: Mark,
    pub(crate) text: String,
}

/// What the comment before a block says of where it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// There is none: wherever the page runs.
    Everywhere,
    /// `<!-- processes -->`
    Processes,
    /// `<!-- Docker -->`
    Docker,
    /// `<!-- not run: REASON -->`
    NotRun(String),
    /// `<!-- file: NAME -->`: what the commands after it find under this name.
    File(String),
}

/// One command of a block, and what the page says that it prints.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) command: String,
    /// None where the page shows no output.
    pub(crate) output: Option<String>,
}

impl Block {
    pub(crate) fn has_commands(&self) -> bool {
        matches!(self.language.as_str(), "sh" | "console")
    }

    /// `sh` is one script; in `console` each line after `$ ` is a command, and what follows it
    /// is its output.
    pub(crate) fn steps(&self) -> Vec<Step> {
        if self.language == "sh" {
            return vec![Step {
                command: self.text.clone(),
                output: None,
            }];
        }
        let mut steps: Vec<Step> = Vec::new();
        for line in self.text.lines() {
            match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(Step {
                    command: command.to_owned(),
                    output: None,
                }),
                (None, Some(step)) => {
                    let output = step.output.get_or_insert_default();
                    output.push_str(line);
                    output.push('\n');
                }
                (None, None) => panic!("line {}: output of no command", self.line),
            }
        }
        steps
    }
}

/// Every fenced block of a page, in its order.
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    let mut mark = Mark::Everywhere;
    for (index, line) in page.lines().enumerate() {
        match (open.take(), line.strip_prefix("```")) {
            (Some(block), Some("")) => blocks.push(block),
            (Some(mut block), _) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, Some(language)) => {
                open = Some(Block {
                    line: index + 1,
                    language: language.to_owned(),
                    mark: std::mem::replace(&mut mark, Mark::Everywhere),
                    text: String::new(),
                });
            }
            // A comment speaks of what follows it at once.
            (None, None) if !line.is_empty() => mark = mark_of(line),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block without end");
    blocks
}

fn mark_of(line: &str) -> Mark {
    let comment = line.strip_prefix("<!-- ");
    match comment.and_then(|comment| comment.strip_suffix(" -->")) {
        Some("processes") => Mark::Processes,
        Some("Docker") => Mark::Docker,
        Some(comment) => match comment.split_once(": ") {
            Some(("not run", reason)) => Mark::NotRun(reason.to_owned()),
            Some(("file", name)) => Mark::File(name.to_owned()),
            _ => Mark::Everywhere,
        },
        None => Mark::Everywhere,
    }
}
