//! Bars by the hour, drawn here as SVG: it needs no script, and its colours are the style sheet's.
//!
//! Whoever can't see it has the same in the table that goes with it.

use maud::{Markup, html};

/// The drawing's own measures; browsers scale it.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 170.0;
/// The box that the bars stand in.
const LEFT: f64 = 40.0;
const RIGHT: f64 = WIDTH - 4.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = HEIGHT - 26.0;
/// What there is can be seen, however little it is.
const LEAST: f64 = 3.0;
/// The kind that whoever can't tell the colours apart knows by its stripes.
const STRIPED: &str = "failed";
/// How many bars lie between two labels of the axis.
const LABELLED: usize = 6;

/// One hour: what it is called in full and on the axis, and how much of each kind there is.
pub(crate) struct Bar<const KINDS: usize> {
    pub(crate) title: String,
    pub(crate) label: String,
    pub(crate) counts: [u64; KINDS],
}

/// What a plot says beside its bars.
pub(crate) struct Words<'a, const KINDS: usize> {
    /// In the page, each once.
    pub(crate) id: &'a str,
    pub(crate) title: &'a str,
    pub(crate) description: &'a str,
    /// Instead of bars, if there are none.
    pub(crate) nothing: &'a str,
    /// The kinds, from the foot of a bar up: class and word.
    pub(crate) kinds: [(&'static str, &'static str); KINDS],
}

/// A piece of a bar, within the box.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Piece {
    y: f64,
    height: f64,
}

/// The drawing, its legend, and the same as a table.
pub(crate) fn plot<const KINDS: usize>(words: &Words<'_, KINDS>, bars: &[Bar<KINDS>]) -> Markup {
    let Words { id, title, description, nothing, kinds } = words;
    let (title_id, description_id) = (format!("{id}-title"), format!("{id}-description"));
    let hatch = format!("url(#{id}-hatch)");
    html! {
        figure.plot {
            figcaption { strong { (title) } span.small { (description) } }
            (drawing(words, bars))
            @if KINDS > 1 {
                ul.legend aria-hidden="true" {
                    @for (class, word) in kinds {
                        li { svg width="12" height="12" viewBox="0 0 12 12" { rect class=(class) width="12" height="12" {} @if *class == STRIPED { rect fill=(hatch) width="12" height="12" {} } } " " (word) }
                    }
                }
            }
            details {
                summary { "As a table" }
                @if bars.iter().all(|bar| total(bar) == 0) { p { (nothing) } } @else {
                    div.scroll role="region" aria-labelledby=(title_id) aria-describedby=(description_id) tabindex="0" {
                        table {
                            thead { tr { th scope="col" { "Hour (UTC)" } @for (_, word) in kinds { th scope="col" { (word) } } } }
                            tbody {
                                @for bar in bars.iter().filter(|bar| total(bar) > 0) {
                                    tr { th scope="row" { (bar.title) } @for count in bar.counts { td { (count) } } }
                                }
                            }
                        }
                    }
                    p.hint { "Hours that are not here had none." }
                }
            }
        }
    }
}

fn drawing<const KINDS: usize>(words: &Words<'_, KINDS>, bars: &[Bar<KINDS>]) -> Markup {
    let Words { id, title, description, nothing, kinds } = words;
    let (title_id, description_id) = (format!("{id}-title"), format!("{id}-description"));
    let most = bars.iter().map(total).max().unwrap_or(0);
    let top = scale(most);
    let step = (RIGHT - LEFT) / bars.len().max(1) as f64;
    let hatch = format!("{id}-hatch");
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-labelledby={ (title_id) " " (description_id) } {
            title id=(title_id) { (title) }
            desc id=(description_id) { (description) }
            defs {
                pattern id=(hatch) width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    rect class="stripe" width="1" height="4" {}
                }
            }
            @for (share, value) in [(0.0, 0), (0.5, top / 2), (1.0, top)] {
                // Half of an odd number is no line.
                @if share != 0.5 || top.is_multiple_of(2) {
                    @let y = round(BOTTOM - share * (BOTTOM - TOP));
                    line class="grid" x1=(LEFT) x2=(RIGHT) y1=(y) y2=(y) {}
                    text x=(LEFT - 5.0) y=(y + 4.0) text-anchor="end" { (short(value)) }
                }
            }
            @for (number, bar) in bars.iter().enumerate() {
                @let x = LEFT + number as f64 * step;
                @if number % LABELLED == 0 {
                    line class="grid" x1=(round(x)) x2=(round(x)) y1=(BOTTOM) y2=(BOTTOM + 5.0) {}
                    text x=(round(x)) y=(BOTTOM + 18.0) { (bar.label) }
                }
                @if total(bar) > 0 {
                    g {
                        title { (described(bar, kinds)) }
                        @for ((class, _), piece) in kinds.iter().zip(pieces(bar.counts, top)) {
                            @if piece.height > 0.0 {
                                @let (x, width) = (round(x + step * 0.1), round(step * 0.8));
                                rect class=(class) x=(x) width=(width) y=(round(piece.y)) height=(round(piece.height)) {}
                                @if *class == STRIPED {
                                    rect fill={ "url(#" (hatch) ")" } x=(x) width=(width) y=(round(piece.y)) height=(round(piece.height)) {}
                                }
                            }
                        }
                    }
                }
            }
            @if most == 0 {
                text x=((LEFT + RIGHT) / 2.0) y=((TOP + BOTTOM) / 2.0) text-anchor="middle" { (nothing) }
            }
        }
    }
}

fn described<const KINDS: usize>(bar: &Bar<KINDS>, kinds: &[(&str, &str); KINDS]) -> String {
    let counts =
        kinds.iter().zip(bar.counts).map(|((_, word), count)| format!("{count} {}", word.to_lowercase()));
    format!("{} UTC: {}", bar.title, counts.collect::<Vec<_>>().join(", "))
}

fn total<const KINDS: usize>(bar: &Bar<KINDS>) -> u64 {
    bar.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
}

/// Where the axis ends: 1, 2 or 5 with noughts behind, and not less than the most that there is.
fn scale(most: u64) -> u64 {
    let mut power: u64 = 1;
    loop {
        for digit in [1, 2, 5] {
            match power.checked_mul(digit) {
                Some(top) if top >= most => return top,
                Some(_) => {}
                None => return u64::MAX,
            }
        }
        power = power.saturating_mul(10);
    }
}

/// The pieces of a bar on top of one another. All that there is of each kind is seen, and nothing leaves the box.
fn pieces<const KINDS: usize>(counts: [u64; KINDS], top: u64) -> [Piece; KINDS] {
    let room = BOTTOM - TOP;
    let wanted = counts.map(|count| match count {
        0 => 0.0,
        count => (count as f64 / top.max(1) as f64 * room).max(LEAST),
    });
    let sum: f64 = wanted.iter().sum();
    let shrink = if sum > room { room / sum } else { 1.0 };
    let mut y = BOTTOM;
    wanted.map(|height| {
        y -= height * shrink;
        Piece { y, height: height * shrink }
    })
}

/// A number that fits beside the axis.
fn short(number: u64) -> String {
    let units = [
        (1_000_000_000_000_000_000, "E"),
        (1_000_000_000_000_000, "P"),
        (1_000_000_000_000, "T"),
        (1_000_000_000, "G"),
        (1_000_000, "M"),
        (1_000, "k"),
    ];
    let unit = units.into_iter().find(|(size, _)| number >= *size);
    let Some((size, unit)) = unit else { return number.to_string() };
    // 2.5 k, but 25 k.
    match (number / size, number % size * 10 / size) {
        (whole @ 0..10, tenths @ 1..) => format!("{whole}.{tenths}{unit}"),
        (whole, _) => format!("{whole}{unit}"),
    }
}

/// As exact as anyone can see.
fn round(length: f64) -> f64 {
    (length * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: Words<'_, 2> = Words {
        id: "x",
        title: "Refreshes",
        description: "By the hour",
        nothing: "There were none",
        kinds: [("refreshed", "Refreshed"), ("failed", "Failed")],
    };

    fn bars(counts: &[[u64; 2]]) -> Vec<Bar<2>> {
        let bar = |(number, counts): (usize, &[u64; 2])| Bar {
            title: format!("{number}:00"),
            label: format!("{number}:00"),
            counts: *counts,
        };
        counts.iter().enumerate().map(bar).collect()
    }

    fn attribute(tag: &str, name: &str) -> f64 {
        let value = tag.split_once(&format!(" {name}=\"")).unwrap().1.split('"').next().unwrap();
        value.parse().unwrap()
    }

    /// The bars of a drawing: every `rect` with a class of its own and a place.
    fn drawn(counts: &[[u64; 2]]) -> Vec<[f64; 4]> {
        let text = drawing(&WORDS, &bars(counts)).into_string();
        let tags = text.split("<rect").skip(1).filter_map(|rest| rest.split('>').next());
        let bars = tags.filter(|tag| tag.contains(" x=") && tag.contains(" class="));
        bars.map(|tag| ["x", "width", "y", "height"].map(|name| attribute(tag, name))).collect()
    }

    #[test]
    fn no_bar_leaves_the_box_and_none_that_there_is_is_invisible() {
        let many: Vec<_> = (0..24).map(|hour| [hour * hour * 977, 24 - hour]).collect();
        let cases: [&[[u64; 2]]; 8] = [
            &[[1, 0]],
            &[[0, 1]],
            &[[1, 1]],
            &[[u64::MAX, u64::MAX]],
            &[[u64::MAX, 1], [1, u64::MAX], [0, 0]],
            &[[1_000_000_000, 1], [0, 1]],
            &[[999, 1], [1000, 1], [1001, 0]],
            &many,
        ];
        for counts in cases {
            let drawn = drawn(counts);
            let kinds = counts.iter().flatten().filter(|count| **count > 0).count();
            assert_eq!(drawn.len(), kinds, "{counts:?}");
            for [x, width, y, height] in drawn {
                assert!(x >= LEFT && x + width <= RIGHT + 0.01, "{x} {width} of {counts:?}");
                assert!(y >= TOP - 0.01 && y + height <= BOTTOM + 0.01, "{y} {height} of {counts:?}");
                assert!(height > LEAST / 2.0 - 0.01 && width > 0.0, "{width} {height} of {counts:?}");
            }
        }
    }

    #[test]
    fn without_anything_the_plot_says_so_and_has_no_bars() {
        for counts in [&[][..], &[[0, 0]], &[[0, 0]; 24]] {
            assert!(drawn(counts).is_empty());
            let text = plot(&WORDS, &bars(counts)).into_string();
            assert_eq!(text.matches("There were none").count(), 2);
            assert!(!text.contains("NaN") && !text.contains("inf"));
        }
    }

    #[test]
    fn the_table_says_what_the_bars_say() {
        let text = plot(&WORDS, &bars(&[[3, 1], [0, 0], [12, 0]])).into_string();
        assert!(text.contains("<th scope=\"row\">0:00</th><td>3</td><td>1</td>"));
        assert!(text.contains("<th scope=\"row\">2:00</th><td>12</td><td>0</td>"));
        assert!(!text.contains("<th scope=\"row\">1:00</th>"));
        assert!(text.contains("<title>0:00 UTC: 3 refreshed, 1 failed</title>"));
    }

    #[test]
    fn the_axis_ends_at_a_round_number_that_holds_everything() {
        let cases = [(0, 1), (1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (21, 50), (999, 1000), (1001, 2000)];
        for (most, top) in cases {
            assert_eq!(scale(most), top);
        }
        assert_eq!(scale(u64::MAX), u64::MAX);
    }

    #[test]
    fn a_number_fits_beside_the_axis() {
        let cases =
            [(0, "0"), (999, "999"), (1000, "1k"), (2500, "2.5k"), (25_000, "25k"), (1_000_000, "1M")];
        for (number, text) in cases {
            assert_eq!(short(number), text);
        }
        assert!(short(u64::MAX).len() <= 6);
    }
}
