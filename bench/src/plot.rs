//! The ratios as a bar chart.

use plotters::prelude::*;

use crate::report::Line;

/// An SVG with one bar per line: the ratio of our time to that of the other implementation.
pub(crate) fn ratios(lines: &[Line]) -> String {
    let mut svg = String::new();
    if draw(&mut svg, lines).is_err() {
        svg.clear();
    }
    svg
}

fn draw(svg: &mut String, lines: &[Line]) -> Result<(), Box<dyn std::error::Error>> {
    let height = u32::try_from(lines.len())? * 34 + 90;
    let root = SVGBackend::with_string(svg, (900, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let highest = lines.iter().map(Line::ratio).fold(1.0, f64::max);
    let rows = 0..lines.len().max(1);
    let mut chart = ChartBuilder::on(&root)
        .caption("time of a call, Go plugins = 1", ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(30)
        .y_label_area_size(290)
        .build_cartesian_2d(0.0..highest * 1.05, rows.into_segmented())?;
    let name = |row: &SegmentValue<usize>| match row {
        SegmentValue::CenterOf(row) | SegmentValue::Exact(row) => lines
            .get(*row)
            .map(|line| line.name.clone())
            .unwrap_or_default(),
        SegmentValue::Last => String::new(),
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(lines.len())
        .y_label_formatter(&name)
        .draw()?;
    chart.draw_series(lines.iter().enumerate().map(|(row, line)| {
        let corners = [
            (0.0, SegmentValue::Exact(row)),
            (line.ratio(), SegmentValue::Exact(row + 1)),
        ];
        let mut bar = Rectangle::new(corners, RGBColor(46, 110, 160).filled());
        bar.set_margin(5, 5, 0, 0);
        bar
    }))?;
    root.present()?;
    Ok(())
}
