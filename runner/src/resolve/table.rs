//! What was resolved, for people: one table of all stages, then what fails, what is odd, and the sum.

use std::{collections::BTreeMap, fmt::Write as _};

use anstyle::{AnsiColor, Style};
use mock_harness::{ImageResolution, resolve::WarningCode};

use super::{ResolvedPipeline, ResolvedStage};

const BAD: Style = AnsiColor::Red.on_default().bold();
const ODD: Style = AnsiColor::Yellow.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const DIM: Style = Style::new().dimmed();
const STRONG: Style = Style::new().bold();

/// What is between two columns.
const GAP: &str = "  ";
const HEADINGS: [&str; 9] =
    ["stage", "container", "image", "pulled as", "connector", "because", "delegate", "as", "asks"];

/// A line of the table: cells, or a text across all of them.
enum Row {
    Cells([String; 9]),
    Across(Style, String),
}

/// The decisions about all stages, as wide as `width` columns if it can be; none is as wide as it gets.
pub fn render(pipelines: &[ResolvedPipeline], width: Option<usize>) -> String {
    let rows: Vec<_> = pipelines.iter().flat_map(rows_of).collect();
    let mut widths = HEADINGS.map(str::len);
    for row in &rows {
        let Row::Cells(cells) = row else { continue };
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let total = widths.iter().sum::<usize>() + GAP.len() * (HEADINGS.len() - 1);
    let mut text = String::new();
    if width.is_none_or(|width| total <= width) {
        render_wide(&rows, &widths, &mut text);
    } else {
        render_narrow(pipelines, &mut text);
    }
    render_warnings(pipelines, &mut text);
    render_sum(pipelines, &mut text);
    text
}

fn rows_of(pipeline: &ResolvedPipeline) -> Vec<Row> {
    let mut rows = vec![Row::Across(STRONG, heading(pipeline))];
    if pipeline.stages.is_empty() {
        rows.push(Row::Across(DIM, String::from("no stage needs containers")));
    }
    for stage in &pipeline.stages {
        let mut name = stage.resolution.stage.clone();
        for image in &stage.resolution.images {
            rows.push(Row::Cells(cells(std::mem::take(&mut name), stage, image)));
        }
        if let Some(error) = stage.resolution.error() {
            let error = one_line(&error);
            let name = if name.is_empty() { String::new() } else { format!("{name}{GAP}") };
            rows.push(Row::Across(BAD, format!("{name}fails: {error}")));
        } else if stage.resolution.images.is_empty() {
            rows.push(Row::Across(DIM, format!("{name}{GAP}pulls nothing that is known")));
        }
    }
    rows
}

fn heading(pipeline: &ResolvedPipeline) -> String {
    format!("{} ({})", pipeline.file, pipeline.pipeline)
}

fn cells(stage_name: String, stage: &ResolvedStage, image: &ImageResolution) -> [String; 9] {
    let dash = || String::from("-");
    [
        stage_name,
        image.container.clone(),
        image.before.clone(),
        pulled_as(image),
        image.connector.clone().unwrap_or_else(dash),
        because(stage, image),
        delegate(stage),
        image.credentials.to_string(),
        image.host.clone().unwrap_or_else(dash),
    ]
}

/// The name that is asked for, or that it is the same.
fn pulled_as(image: &ImageResolution) -> String {
    match &image.tried_first {
        Some(first) => format!("{first}, then unchanged"),
        None if image.after == image.before => String::from("unchanged"),
        None => image.after.clone(),
    }
}

fn because(stage: &ResolvedStage, image: &ImageResolution) -> String {
    match &stage.resolution.choice {
        Ok(choice) if image.internal => format!("{} (rule {})", image.because, choice.because.rule()),
        _ => String::from(image.because),
    }
}

fn delegate(stage: &ResolvedStage) -> String {
    match &stage.resolution.delegate {
        Ok(Some(delegate)) => delegate.clone(),
        Ok(None) => String::from("none"),
        Err(_) => String::from("fails"),
    }
}

fn render_wide(rows: &[Row], widths: &[usize; 9], text: &mut String) {
    let line = |cells: &[String; 9]| {
        let cells: Vec<_> = widths.iter().zip(cells).map(|(width, cell)| format!("{cell:<width$}")).collect();
        String::from(cells.join(GAP).trim_end())
    };
    let mut is_first = true;
    for row in rows {
        // Writing to a String does not fail.
        let _ = match row {
            Row::Across(style, across) if *style == STRONG => {
                let between = if is_first { "" } else { "\n" };
                let headings = line(&HEADINGS.map(String::from));
                writeln!(text, "{between}{style}{across}{style:#}\n{DIM}{headings}{DIM:#}")
            }
            Row::Across(style, across) => writeln!(text, "{style}{across}{style:#}"),
            Row::Cells(cells) => writeln!(text, "{}", line(cells)),
        };
        is_first = false;
    }
}

/// Stages as headings, and two lines for an image whose name changes.
fn render_narrow(pipelines: &[ResolvedPipeline], text: &mut String) {
    for (n, pipeline) in pipelines.iter().enumerate() {
        let between = if n == 0 { "" } else { "\n" };
        let _ = writeln!(text, "{between}{STRONG}{}{STRONG:#}", heading(pipeline));
        if pipeline.stages.is_empty() {
            let _ = writeln!(text, "  {DIM}no stage needs containers{DIM:#}");
        }
        for stage in &pipeline.stages {
            let resolution = &stage.resolution;
            let _ = write!(text, "\n  {STRONG}{}{STRONG:#} on {}", resolution.stage, resolution.infrastructure);
            if let Ok(choice) = &resolution.choice {
                let connector = choice.connector.as_deref().unwrap_or("no connector");
                let _ = write!(text, ": {connector}, {} (rule {})", choice.because, choice.because.rule());
                if let Ok(Some(delegate)) = &resolution.delegate {
                    let _ = write!(text, ", delegate {delegate}");
                }
            }
            text.push('\n');
            let longest = |of: fn(&ImageResolution) -> usize| resolution.images.iter().map(of).max().unwrap_or(0);
            let containers = longest(|image| image.container.chars().count());
            let images = longest(|image| image.before.chars().count());
            for image in &resolution.images {
                let ImageResolution { container, before, credentials, .. } = image;
                let host = image.host.as_deref().unwrap_or("-");
                let through = match &image.connector {
                    Some(connector) if !image.internal => format!(" through {connector}"),
                    _ => String::new(),
                };
                let _ =
                    writeln!(text, "    {container:<containers$}  {before:<images$}  {credentials} at {host}{through}");
                let pulled_as = pulled_as(image);
                if pulled_as != "unchanged" {
                    let _ = writeln!(text, "    {:<containers$}  {GOOD}-> {pulled_as}{GOOD:#}", "");
                }
            }
            if let Some(error) = resolution.error() {
                let _ = writeln!(text, "    {BAD}fails: {}{BAD:#}", one_line(&error));
            }
        }
    }
}

/// Each warning once, with the stages that it is about.
fn render_warnings(pipelines: &[ResolvedPipeline], text: &mut String) {
    let mut warnings: BTreeMap<(WarningCode, &str), Vec<String>> = BTreeMap::new();
    for pipeline in pipelines {
        for stage in &pipeline.stages {
            for warning in &stage.resolution.warnings {
                let place = format!("{}:{} ({})", pipeline.file, stage.line, stage.resolution.stage);
                warnings.entry((warning.code, &warning.message)).or_default().push(place);
            }
        }
    }
    for ((code, message), places) in warnings {
        const SHOWN: usize = 3;
        let more = places.len().saturating_sub(SHOWN);
        let mut told = places[..places.len().min(SHOWN)].join(", ");
        if more > 0 {
            let _ = write!(told, " and {more} more");
        }
        let _ = writeln!(text, "\n{ODD}warning[{code}]{ODD:#}: {message}\n  {DIM}at {told}{DIM:#}");
    }
}

fn render_sum(pipelines: &[ResolvedPipeline], text: &mut String) {
    let stages: Vec<_> = pipelines.iter().flat_map(|pipeline| &pipeline.stages).collect();
    if stages.is_empty() {
        return;
    }
    let mut hosts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for image in stages.iter().flat_map(|stage| &stage.resolution.images) {
        let (n, n_anonymous) = hosts.entry(image.host.as_deref().unwrap_or("nowhere")).or_default();
        *n += 1;
        *n_anonymous += usize::from(image.credentials == oci::Principal::Anonymous);
    }
    let n_images = hosts.values().map(|(n, _)| n).sum();
    let mut sum = format!("{} in {}", count(stages.len(), "stage"), count(pipelines.len(), "pipeline"));
    let _ = write!(sum, ", {}", count(n_images, "image"));
    let told: Vec<_> = hosts
        .iter()
        .map(|(host, (n, n_anonymous))| match n_anonymous {
            0 => format!("{n} from {host} with a login"),
            anonymous if anonymous == n => format!("{n} from {host} without a login"),
            anonymous => format!("{n} from {host}, {anonymous} of them without a login"),
        })
        .collect();
    if !told.is_empty() {
        let _ = write!(sum, ": {}", told.join(", "));
    }
    let n_failing = stages.iter().filter(|stage| stage.resolution.error().is_some()).count();
    let _ = writeln!(text, "\n{sum}");
    if n_failing > 0 {
        let verb = if n_failing == 1 { "fails" } else { "fail" };
        let _ = writeln!(text, "{BAD}{} {verb} before anything is pulled{BAD:#}", count(n_failing, "stage"));
    }
}

fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
