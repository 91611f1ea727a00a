//! Problems as a person wants to read them: the line of the file with a mark under the mistake.

use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Level, Renderer, Snippet};

use super::{
    problem::{Problem, Problems},
    text::SourceText,
};

/// Whether a report carries colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For files and pipes.
    Plain,
    /// For terminals (ANSI escapes).
    Coloured,
}

impl Problems {
    /// All problems with their lines of the file, without the closing line.
    pub fn report(&self, style: Style) -> String {
        let renderer = match style {
            Style::Plain => Renderer::plain(),
            Style::Coloured => Renderer::styled(),
        };
        let mut report = String::new();
        for problem in &self.list {
            report.push_str(&render(&self.source, problem, &renderer));
            report.push_str("\n\n");
        }
        report
    }
}

fn render(source: &SourceText, problem: &Problem, renderer: &Renderer) -> String {
    let title = Level::ERROR.primary_title(problem.title());
    let mut group = title.element(excerpt(source, &problem.span, |span| {
        AnnotationKind::Primary.span(span)
    }));
    if let Some(first) = &problem.first {
        group = group.element(excerpt(source, first, |span| {
            AnnotationKind::Context.span(span).label("first here")
        }));
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

/// The first line of `span`. Only that line is handed to the renderer, so that a long file costs no more than a short
/// one, and a value of many lines is not printed in full.
fn excerpt<'a>(
    source: &'a SourceText,
    span: &Range<usize>,
    annotate: impl Fn(Range<usize>) -> Annotation<'a>,
) -> Snippet<'a, Annotation<'a>> {
    let (number, _) = source.position(span.start);
    let line = source.line(number);
    let start = span.start.clamp(line.start, line.end) - line.start;
    let end = span.end.clamp(line.start + start, line.end) - line.start;
    Snippet::source(&source.text()[line])
        .line_start(number)
        .path(source.name())
        .annotation(annotate(start..end))
}
