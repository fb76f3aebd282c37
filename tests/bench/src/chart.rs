//! Charts, as SVG.

use plotters::prelude::*;

/// One line of a chart: its name, and its points.
pub struct Line<'a> {
    /// As the legend names it.
    pub name: &'a str,
    /// Where it goes.
    pub points: Vec<(f64, f64)>,
}

/// Lines over axes that both begin at nothing.
pub fn line_chart(title: &str, across: &str, up: &str, lines: &[Line<'_>]) -> String {
    let most = |of: fn(&(f64, f64)) -> f64| {
        lines.iter().flat_map(|line| &line.points).map(of).fold(0.0, f64::max) * 1.05
    };
    let (right, top) = (most(|point| point.0), most(|point| point.1));
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (720, 400)).into_drawing_area();
        root.fill(&WHITE).unwrap();
        let mut chart = ChartBuilder::on(&root)
            .caption(title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..right, 0.0..top)
            .unwrap();
        chart.configure_mesh().x_desc(across).y_desc(up).light_line_style(WHITE).draw().unwrap();
        for (at, line) in lines.iter().enumerate() {
            let color = Palette99::pick(at).to_rgba();
            let style = color.stroke_width(2);
            chart
                .draw_series(LineSeries::new(line.points.iter().copied(), style))
                .unwrap()
                .label(line.name)
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], style));
            let dot = |point: &(f64, f64)| Circle::new(*point, 3, color.filled());
            chart.draw_series(line.points.iter().map(dot)).unwrap();
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.2))
            .draw()
            .unwrap();
        root.present().unwrap();
    }
    svg
}
