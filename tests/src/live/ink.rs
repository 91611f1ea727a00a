//! What pictures are drawn with.

use anyhow::{Result, anyhow};
use plotters::{
    backend::SVGBackend,
    coord::Shift,
    drawing::DrawingArea,
    style::{
        FontTransform, IntoFont as _, RGBColor, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

/// What is to be read.
pub(crate) const INK: RGBColor = RGBColor(0x1f, 0x29, 0x33);
/// What may be overlooked.
pub(crate) const FAINT: RGBColor = RGBColor(0x6b, 0x74, 0x80);
/// Lines of a grid.
pub(crate) const RULE: RGBColor = RGBColor(0xd5, 0xda, 0xe0);
/// Behind something.
pub(crate) const LANE: RGBColor = RGBColor(0xf4, 0xf6, 0xf8);

// Colours that also differ to those who see few of them.
pub(crate) const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xb2);
pub(crate) const ORANGE: RGBColor = RGBColor(0xe6, 0x9f, 0x00);
pub(crate) const GREEN: RGBColor = RGBColor(0x00, 0x9e, 0x73);
pub(crate) const PURPLE: RGBColor = RGBColor(0x8a, 0x4f, 0xb0);
pub(crate) const RED: RGBColor = RGBColor(0xd1, 0x1f, 0x2d);

/// A picture that is being drawn.
pub(crate) type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Text of this size in pixels, its place the upper left corner.
pub(crate) fn plain(pixels: i32, colour: RGBColor) -> TextStyle<'static> {
    style(pixels, colour, plotters::style::FontStyle::Normal)
}

/// The same, bold.
pub(crate) fn bold(pixels: i32, colour: RGBColor) -> TextStyle<'static> {
    style(pixels, colour, plotters::style::FontStyle::Bold)
}

fn style(pixels: i32, colour: RGBColor, weight: plotters::style::FontStyle) -> TextStyle<'static> {
    // The back end writes a font size that is smaller by this factor.
    let size = f64::from(pixels) * 1.24;

    ("DejaVu Sans, Verdana, sans-serif", size, weight)
        .into_font()
        .transform(FontTransform::None)
        .color(&colour)
        .pos(Pos::new(HPos::Left, VPos::Top))
}

/// Writes text.
pub(crate) fn text(
    canvas: &Canvas<'_>,
    text: &str,
    at: (i32, i32),
    style: &TextStyle<'_>,
) -> Result<()> {
    canvas.draw_text(text, style, at).map_err(drawing)
}

/// What went wrong with the back end.
pub(crate) fn drawing(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("drawing the picture: {error}")
}
