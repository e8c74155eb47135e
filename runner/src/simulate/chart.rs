//! A picture of a simulation: requests that were let through and refused, and nodes that have the image, over policy time.

use std::{error::Error, time::Duration};

use plotters::prelude::{
    AreaSeries, BLACK, ChartBuilder, Color as _, IntoDrawingArea as _, LineSeries, PathElement, RGBColor, Rectangle,
    SVGBackend, SeriesLabelPosition, WHITE,
};
use testbed::duration;

use super::Simulation;

const SIZE: (u32, u32) = (960, 420);
const UNITS: [(&str, u64); 3] = [("h", 3_600_000), ("min", 60_000), ("s", 1000)];
/// Colours that can be told apart by those who do not see red and green as two.
const LET_THROUGH: RGBColor = RGBColor(0, 114, 178);
const REFUSED: RGBColor = RGBColor(213, 94, 0);
const PULLED: RGBColor = RGBColor(0, 0, 0);

/// The picture, as SVG.
pub(super) fn draw(simulation: &Simulation) -> Result<String, String> {
    let mut svg = String::new();
    paint(simulation, &mut svg).map_err(|error| error.to_string())?;
    Ok(svg)
}

#[expect(clippy::cast_precision_loss, reason = "a picture has fewer points than numbers have digits")]
fn paint(simulation: &Simulation, svg: &mut String) -> Result<(), Box<dyn Error>> {
    let Simulation { moments, moment_ms, n_nodes, .. } = simulation;
    let end_ms = moments.last().map_or(1, |moment| moment.at_ms + moment_ms);
    // Ticks are round numbers of the axis, so it has a unit of its own.
    let (unit, unit_ms) = UNITS.into_iter().find(|(_, unit_ms)| end_ms >= 2 * unit_ms).unwrap_or(("ms", 1));
    let at = |ms: u64| ms as f64 / unit_ms as f64;
    let end = at(end_ms);
    let top = moments.iter().map(|moment| moment.n_let_through.max(moment.n_refused)).max().unwrap_or(1).max(1) as f64;
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let title = format!("{n_nodes} nodes with {} at {}", simulation.client, simulation.registry);
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .right_y_label_area_size(56)
        .build_cartesian_2d(0.0..end, 0.0..top * 1.08)?
        .set_secondary_coord(0.0..end, 0.0..f64::from(*n_nodes) * 1.08);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .max_light_lines(0)
        .x_desc(format!("policy time in {unit}"))
        .y_desc(format!("requests in {}", duration::print(Duration::from_millis(*moment_ms))))
        .x_label_formatter(&|time| format!("{time}"))
        .y_label_formatter(&|n| format!("{n:.0}"))
        .draw()?;
    chart
        .configure_secondary_axes()
        .y_desc("nodes that have the image")
        .y_label_formatter(&|n| format!("{n:.0}"))
        .draw()?;
    let series = |count: fn(&super::Moment) -> u64| {
        // A step from the begin of each moment to its end, and zero where nothing happened.
        moments.iter().flat_map(move |moment| {
            let (begin, end) = (at(moment.at_ms), at(moment.at_ms + moment_ms));
            [(begin, 0.0), (begin, count(moment) as f64), (end, count(moment) as f64), (end, 0.0)]
        })
    };
    for (told, count, colour) in [
        ("let through", (|moment| moment.n_let_through) as fn(&super::Moment) -> u64, LET_THROUGH),
        ("refused", |moment| moment.n_refused, REFUSED),
    ] {
        let area = AreaSeries::new(series(count), 0.0, colour.mix(0.35)).border_style(colour);
        let key = move |(x, y)| Rectangle::new([(x, y - 5), (x + 14, y + 5)], colour.mix(0.6).filled());
        chart.draw_series(area)?.label(told).legend(key);
    }
    let mut n_pulled = 0;
    let pulled = moments.iter().map(|moment| {
        n_pulled += moment.n_pulled;
        (at(moment.at_ms + moment_ms), n_pulled as f64)
    });
    let pulled: Vec<_> = [(0.0, 0.0)].into_iter().chain(pulled).collect();
    let key = |(x, y)| PathElement::new([(x, y), (x + 14, y)], PULLED.stroke_width(2));
    chart
        .draw_secondary_series(LineSeries::new(pulled, PULLED.stroke_width(2)))?
        .label("nodes that have the image")
        .legend(key);
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    root.present()?;
    drop(chart);
    Ok(())
}
