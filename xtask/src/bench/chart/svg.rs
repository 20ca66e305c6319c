//! Horizontal bars as an SVG picture.
//!
//! The picture brings its own background, so that its text is legible wherever it is shown, and
//! turns dark with the reader's system. It uses no font, script or file from elsewhere.

use std::fmt::Write;

/// What is drawn.
#[derive(Debug, PartialEq)]
pub(super) struct Picture {
    pub(super) title: String,
    /// What a bar's length means.
    pub(super) unit: String,
    /// Where and when the figures come from.
    pub(super) note: String,
    pub(super) groups: Vec<Group>,
    /// A value that a line is drawn at, through all bars.
    pub(super) mark: Option<f64>,
}

/// Bars under a heading.
#[derive(Debug, PartialEq)]
pub(super) struct Group {
    pub(super) heading: String,
    pub(super) bars: Vec<Bar>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) value: f64,
    /// The value as it is written behind the bar.
    pub(super) label: String,
    /// Whether the bar is highlighted.
    pub(super) ours: bool,
}

/// Width of a README on a laptop; the picture shrinks with narrower ones.
const WIDTH: f64 = 760.0;
/// Space between the picture's border and what is drawn.
const MARGIN: f64 = 24.0;
/// Room for a label behind the longest bar.
const LABEL_ROOM: f64 = 90.0;
/// Mean width of a character of the names, with room to spare in any sans-serif font.
const CHARACTER: f64 = 7.5;
/// Height of a bar.
const BAR: f64 = 18.0;
/// Height of a bar and the gap below it.
const ROW: f64 = 24.0;
/// Height of a group's heading.
const HEADING: f64 = 26.0;
/// Space between two groups.
const GAP: f64 = 14.0;
/// Where the first group begins: below title and unit.
const TOP: f64 = 76.0;
/// Height of the note at the bottom.
const BOTTOM: f64 = 42.0;

/// Colours of light and dark, with a contrast of at least 4.5 to 1 for all that is to be read. The
/// outline of a label keeps the mark from running through it.
const STYLE: &str = "\
text{font:13px -apple-system,BlinkMacSystemFont,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2328}\
.title{font-size:17px;font-weight:600}.strong{font-weight:600}\
.muted{font-size:12px;fill:#59636e}\
.label{paint-order:stroke;stroke:#ffffff;stroke-width:5px}\
.card{fill:#ffffff;stroke:#d1d9e0}.bar,.ours{rx:2px}\
.bar{fill:#b4bcc5}.ours{fill:#0969da}\
.mark{stroke:#59636e;stroke-dasharray:3 3}\
@media(prefers-color-scheme:dark){\
text{fill:#f0f6fc}.muted{fill:#9198a1}.label{stroke:#0d1117}\
.card{fill:#0d1117;stroke:#3d444d}.bar{fill:#545d68}.ours{fill:#4493f8}\
.mark{stroke:#9198a1}}";

/// Draws the picture.
pub(super) fn render(picture: &Picture) -> String {
    let bars = || picture.groups.iter().flat_map(|group| &group.bars);
    let longest_name = bars().map(|bar| bar.name.chars().count()).max().unwrap_or(0);
    let left = MARGIN + longest_name as f64 * CHARACTER + 10.0;
    let most = bars().map(|bar| bar.value).chain(picture.mark).fold(f64::MIN_POSITIVE, f64::max);
    let scale = (WIDTH - MARGIN - LABEL_ROOM - left) / most;

    let mut y = TOP;
    let mut groups = String::new();
    for group in &picture.groups {
        draw_group(&mut groups, group, left, scale, &mut y);
    }
    let end = y - GAP;
    let height = end + BOTTOM;

    let title = escape(&picture.title);
    let (inner_width, inner_height) = (WIDTH - 1.0, height - 1.0);
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"
 viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}">
<title>{title}</title>
<style>{STYLE}</style>
<rect class="card" x="0.5" y="0.5" width="{inner_width}" height="{inner_height}" rx="6"/>
"#
    );
    text(&mut svg, "title", MARGIN, 38.0, &picture.title);
    text(&mut svg, "muted", MARGIN, 59.0, &picture.unit);
    text(&mut svg, "muted", MARGIN, height - 18.0, &picture.note);
    if let Some(mark) = picture.mark {
        let x = left + mark * scale;
        let _ =
            writeln!(svg, r#"<line class="mark" x1="{x:.1}" y1="{TOP}" x2="{x:.1}" y2="{end}"/>"#);
    }
    svg + &groups + "</svg>\n"
}

/// Draws a group's heading and bars from `y` on, and moves `y` below them.
fn draw_group(drawn: &mut String, group: &Group, left: f64, scale: f64, y: &mut f64) {
    text(drawn, "strong", MARGIN, *y + 15.0, &group.heading);
    *y += HEADING;
    for bar in &group.bars {
        let (fill, name, label) =
            if bar.ours { ("ours", "strong", "strong label") } else { ("bar", "", "label") };
        let baseline = *y + 13.5;
        text(drawn, name, MARGIN, baseline, &bar.name);
        // A bar that is shorter than a pixel would not be seen.
        let width = (bar.value * scale).max(1.0);
        let _ = writeln!(
            drawn,
            r#"<rect class="{fill}" x="{left:.1}" y="{y}" width="{width:.1}" height="{BAR}"/>"#
        );
        text(drawn, label, left + width + 8.0, baseline, &bar.label);
        *y += ROW;
    }
    *y += GAP;
}

fn text(drawn: &mut String, class: &str, x: f64, y: f64, text: &str) {
    let class = if class.is_empty() { String::new() } else { format!(r#" class="{class}""#) };
    let _ = writeln!(drawn, r#"<text{class} x="{x:.1}" y="{y:.1}">{}</text>"#, escape(text));
}

/// Writes text so that XML reads it as text, in an attribute too.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(name: &str, value: f64, ours: bool) -> Bar {
        Bar { name: name.to_owned(), value, label: format!("{value:.2}"), ours }
    }

    fn picture(bars: Vec<Bar>) -> Picture {
        Picture {
            title: "Echo <fast> & \"small\"".to_owned(),
            unit: "CPU".to_owned(),
            note: "here, now".to_owned(),
            groups: vec![Group { heading: "one case".to_owned(), bars }],
            mark: None,
        }
    }

    /// Returns the value of `attribute` in each line that has `mark`.
    fn values(svg: &str, mark: &str, attribute: &str) -> Vec<f64> {
        let start = format!(" {attribute}=\"");
        svg.lines()
            .filter(|line| line.contains(mark))
            .map(|line| {
                let value = line.split_once(&start).unwrap().1;
                value.split_once('"').unwrap().0.parse().unwrap()
            })
            .collect()
    }

    #[test]
    fn bars_are_as_long_as_their_values() {
        let svg = render(&picture(vec![bar("a", 1.0, true), bar("b", 4.0, false)]));
        let (ours, other) =
            (values(&svg, "\"ours\"", "width")[0], values(&svg, "\"bar\"", "width")[0]);
        assert!((other / ours - 4.0).abs() < 0.01, "{ours} {other}");
    }

    #[test]
    fn longest_bar_leaves_room_for_its_label() {
        let svg = render(&picture(vec![bar("a name of some length", 1e9, false)]));
        let (x, width) = (values(&svg, "\"bar\"", "x")[0], values(&svg, "\"bar\"", "width")[0]);
        assert!((x + width - (WIDTH - MARGIN - LABEL_ROOM)).abs() < 0.2, "{x} {width}");
    }

    #[test]
    fn mark_is_on_the_scale_of_the_bars() {
        let bars = vec![bar("a", 2.0, true)];
        let svg = render(&Picture { mark: Some(1.0), ..picture(bars) });
        let x = values(&svg, "\"ours\"", "x")[0];
        let width = values(&svg, "\"ours\"", "width")[0];
        let mark = values(&svg, "\"mark\"", "x1")[0];
        assert!((mark - (x + width / 2.0)).abs() < 0.2, "{x} {width} {mark}");
    }

    #[test]
    fn everything_drawn_lies_inside_the_picture() {
        let group = |name: &str| Group {
            heading: name.to_owned(),
            bars: vec![bar("a", 1.0, true), bar("b", 2.0, false)],
        };
        let groups = vec![group("first"), group("second")];
        let svg = render(&Picture { groups, ..picture(Vec::new()) });
        let height = values(&svg, "<svg", "height")[0];
        let lowest = values(&svg, "<text", "y").into_iter().fold(0.0, f64::max);
        assert!(lowest < height, "{lowest} {height}");
        let tops = values(&svg, "height=\"18\"", "y");
        assert!(tops.windows(2).all(|pair| pair[1] - pair[0] >= BAR), "{tops:?}");
    }

    #[test]
    fn text_is_escaped() {
        let svg = render(&picture(Vec::new()));
        assert!(svg.contains("Echo &lt;fast&gt; &amp; &quot;small&quot;"), "{svg}");
        assert!(!svg.contains("<fast>"));
    }

    #[test]
    fn light_and_dark_give_the_same_things_a_colour() {
        let (light, dark) = STYLE.split_once("@media(prefers-color-scheme:dark)").unwrap();
        for class in ["text{", ".muted{", ".label{", ".card{", ".bar{", ".ours{", ".mark{"] {
            assert!(light.contains(class) && dark.contains(class), "{class}");
        }
    }

    #[test]
    fn picture_without_bars_is_still_one() {
        let svg = render(&picture(Vec::new()));
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
