use super::{super::story::sample, *};

fn rectangles(svg: &str, colour: RGBColor) -> usize {
    let fill = format!("fill=\"#{:02X}{:02X}{:02X}\"", colour.0, colour.1, colour.2);

    svg.lines()
        .filter(|line| line.starts_with("<rect") && line.contains(&fill))
        .count()
}

/// One swatch in the legend.
const SWATCH: usize = 1;

#[test]
fn every_lost_request_is_a_red_tick() {
    let svg = svg(&sample::story()).unwrap();

    assert_eq!(rectangles(&svg, LOST), 30 + 31 + 32 + SWATCH);
}

#[test]
fn a_request_lost_in_the_failback_shows() {
    let mut story = sample::story();
    let before = rectangles(&svg(&story).unwrap(), LOST);
    story.lanes[0].report.requests[501].answer = None;

    let after = rectangles(&svg(&story).unwrap(), LOST);

    assert_eq!(after, before + 1);
}

#[test]
fn ticks_have_the_colour_of_who_answered() {
    let svg = svg(&sample::story()).unwrap();

    // Panels show whole requests on both sides of each change.
    for colour in [SOURCE, TARGET, STANDBY] {
        assert!(rectangles(&svg, colour) > 5, "{colour:?}");
    }
    assert_eq!(rectangles(&svg, OTHER), 0);
}

#[test]
fn each_panel_labels_its_own_instants() {
    let svg = svg(&sample::story()).unwrap();

    for label in [
        "cable pulled",
        "first miss, 8.00 ms",
        "verdict (3 missed), 28.00 ms",
        "announced, 28.40 ms",
        "failback asked for",
        "addresses off the NICs, 3.00 ms",
    ] {
        assert_eq!(svg.matches(&format!("\n{label}\n")).count(), 1, "{label}");
    }
    assert!(!svg.contains("heartbeats answered again"));
}

#[test]
fn requests_on_one_pixel_with_one_fate_are_one_tick() {
    let story = sample::story();
    let report = &story.lanes[0].report;
    let axis = axis::Axis {
        window: (sample::at(0), sample::at(600)),
        left: 0,
        right: 60,
    };

    let ticks = lanes::ticks(report, &axis);

    // 61 pixels, and a second fate on those where it changed.
    assert!((61..=64).contains(&ticks.len()), "{}", ticks.len());
}
