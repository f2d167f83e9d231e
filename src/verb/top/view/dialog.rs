use ratatui::{
    Frame,
    layout::{Constraint, Flex, Layout, Rect},
    text::{Line, Span},
    widgets::{Block, Clear, Padding, Paragraph},
};

use super::{Scene, text};
use crate::{
    output::Tone,
    verb::top::{
        dialog::{Dialog, Processes, Question},
        form::CapacityForm,
        keys::KEYS,
    },
};

const WIDTH: u16 = 74;

/// In the middle, before what is shown.
pub(super) fn draw(frame: &mut Frame<'_>, scene: Scene<'_>, area: Rect) {
    let (title, lines) = match &scene.model.dialog {
        None => return,
        Some(Dialog::Help) => (" Help ", help(scene)),
        Some(Dialog::Capacity(form)) => (" Scale ", capacity(scene, form)),
        Some(Dialog::Processes(of)) => (" Processes ", processes(scene, of)),
        Some(Dialog::Question(question)) => (" Sure? ", asked(scene, question)),
    };
    let height = u16::try_from(lines.len() + 4).unwrap_or(u16::MAX);
    let [middle] = Layout::vertical([Constraint::Length(height)])
        .flex(Flex::Center)
        .areas(area);
    let [place] = Layout::horizontal([Constraint::Length(WIDTH)])
        .flex(Flex::Center)
        .areas(middle);
    let block = Block::bordered().title(title).padding(Padding::uniform(1));
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(block), place);
}

fn asked(Scene { theme, .. }: Scene<'_>, question: &Question) -> Vec<Line<'static>> {
    let text = text::wrap(&question.text, usize::from(WIDTH) - 4, 3);
    let mut lines: Vec<_> = text
        .into_iter()
        .map(|line| Line::styled(line, theme.heading()))
        .collect();
    lines.push(Line::default());
    for choice in &question.choices {
        lines.push(Line::from(vec![
            Span::styled(format!(" {} ", choice.key), theme.selected()),
            Span::raw(format!(" {}", choice.text)),
        ]));
    }
    lines.push(Line::styled(
        "any other key: no, nothing is done",
        theme.of(Tone::Faint),
    ));
    lines
}

fn processes(Scene { theme, .. }: Scene<'_>, processes: &Processes) -> Vec<Line<'static>> {
    let rows = processes.all.iter().zip(1..);
    let rows = rows.map(|((process, is_suspended), number)| {
        let state = match is_suspended {
            true => Span::styled("suspended", theme.of(Tone::Bad)),
            false => Span::styled("goes on", theme.of(Tone::Faint)),
        };
        Line::from(vec![
            Span::styled(format!(" {number} "), theme.selected()),
            Span::raw(format!(" {:<18} ", process.as_str())),
            state,
        ])
    });
    let all = [
        (" a ", " suspend all"),
        (" n ", " resume all, and suspend none"),
    ];
    let all = all
        .map(|(key, what)| Line::from(vec![Span::styled(key, theme.selected()), Span::raw(what)]));
    let hint = "a number suspends or resumes, and asks once more; any other key leaves";
    let hint = Line::styled(hint, theme.of(Tone::Faint));
    rows.chain(all).chain([Line::default(), hint]).collect()
}

fn capacity(Scene { theme, .. }: Scene<'_>, form: &CapacityForm) -> Vec<Line<'static>> {
    let group = text::cut(&form.group, usize::from(WIDTH) - 20);
    let mut lines = vec![
        Line::styled(format!("Capacity of {group}"), theme.heading()),
        Line::default(),
    ];
    for (index, field) in form.fields.iter().enumerate() {
        let is_here = index == form.at;
        let style = if is_here {
            theme.selected()
        } else {
            theme.of(Tone::Plain)
        };
        lines.push(Line::from(vec![
            Span::raw(format!(
                "{} {:>8} ",
                if is_here { "▸" } else { " " },
                field.name
            )),
            Span::styled(format!(" {:<10} ", field.text), style),
        ]));
    }
    lines.push(Line::default());
    lines.push(match &form.fault {
        Some(fault) => Line::styled(format!("! {fault}"), theme.of(Tone::Bad)),
        None => Line::styled(
            "digits change it, Tab goes on, Enter asks once more, Esc leaves",
            theme.of(Tone::Faint),
        ),
    });
    lines
}

fn help(Scene { theme, .. }: Scene<'_>) -> Vec<Line<'static>> {
    let keys = KEYS.iter().map(|key| {
        Line::from(vec![
            Span::styled(format!("{:>5} ", key.name), theme.heading()),
            Span::raw(key.long),
        ])
    });
    let signs = [
        "",
        "capacity: ⠒ in service, ╌ desired, · min and max",
        "          + launched, - terminated, ! failed, * anything else",
        "CPU:      ⠒ on average, ╌ what it is kept near",
        "requests: ⠒ all, 3 4 5 those answered with 3xx, 4xx, 5xx",
        "groups:   █ in service, ▒ still wanted, · room up to max",
        "",
        "any key leaves this page",
    ];
    keys.chain(signs.map(Line::raw)).collect()
}
