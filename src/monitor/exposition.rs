//! Metric families and the two texts that Prometheus reads: OpenMetrics 1.0, and the older text
//! format 0.0.4 for whoever does not ask for the first.

use std::fmt::{self, Display, Write};

/// What a family counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What only grows; the samples' names end in `_total`.
    Counter,
    /// What goes up and down.
    Gauge,
    /// How often what took how long: samples `_bucket`, `_sum` and `_count`.
    Histogram,
    /// A one whose labels tell something; the sample's name ends in `_info`.
    Info,
}

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What the name has beyond the family's, such as `_total`.
    pub suffix: &'static str,
    /// Label names and values.
    pub labels: Vec<(&'static str, String)>,
    /// The figure.
    pub value: f64,
}

/// Figures of one meaning.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// The name as OpenMetrics has it: without `_total` or `_info`, with the unit at its end.
    pub name: &'static str,
    /// What it counts.
    pub kind: Kind,
    /// The unit at the end of the name, or empty.
    pub unit: &'static str,
    /// One sentence, without its full stop.
    pub help: &'static str,
    /// The figures.
    pub samples: Vec<Sample>,
}

/// Which text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus text format 0.0.4.
    Plain,
}

impl Format {
    /// The one that an HTTP client's `Accept` asks for.
    pub fn accepted(accept: &str) -> Format {
        match accept.contains("application/openmetrics-text") {
            true => Format::OpenMetrics,
            false => Format::Plain,
        }
    }

    /// The media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

impl Family {
    /// A family without samples yet.
    pub fn new(name: &'static str, kind: Kind, unit: &'static str, help: &'static str) -> Family {
        Family { name, kind, unit, help, samples: Vec::new() }
    }

    /// Adds a figure, with the suffix that the kind has.
    pub fn with(mut self, labels: &[(&'static str, &str)], value: f64) -> Family {
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        self.add(suffix, labels, value);
        self
    }

    /// Adds a figure whose name ends in `suffix`.
    pub fn add(&mut self, suffix: &'static str, labels: &[(&'static str, &str)], value: f64) {
        let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.samples.push(Sample { suffix, labels, value });
    }

    /// Writes the family as text.
    pub fn write(&self, format: Format, out: &mut String) {
        let open = format == Format::OpenMetrics;
        // What the older format has no word for.
        let (kind, suffix) = match self.kind {
            Kind::Counter => ("counter", if open { "" } else { "_total" }),
            Kind::Gauge => ("gauge", ""),
            Kind::Histogram => ("histogram", ""),
            Kind::Info if open => ("info", ""),
            Kind::Info => ("gauge", "_info"),
        };
        let name = self.name;
        put(out, format_args!("# HELP {name}{suffix} {}.\n", self.help));
        put(out, format_args!("# TYPE {name}{suffix} {kind}\n"));
        if open && !self.unit.is_empty() {
            put(out, format_args!("# UNIT {name} {}\n", self.unit));
        }
        for sample in &self.samples {
            put(out, format_args!("{name}{}{} {}\n", sample.suffix, Labels(sample), sample.value));
        }
    }
}

fn put(out: &mut String, text: fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = out.write_fmt(text);
}

/// The labels of a sample in braces, or nothing.
struct Labels<'a>(&'a Sample);

impl Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.labels.iter().enumerate() {
            f.write_char(if index == 0 { '{' } else { ',' })?;
            let value = value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
            write!(f, "{name}=\"{value}\"")?;
        }
        if self.0.labels.is_empty() { Ok(()) } else { f.write_char('}') }
    }
}

/// All families as one text.
pub fn render(families: &[Family], format: Format) -> String {
    let mut out = String::new();
    families.iter().for_each(|family| family.write(format, &mut out));
    if format == Format::OpenMetrics {
        out.push_str("# EOF\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families() -> Vec<Family> {
        let queries = Family::new("beiand_queries", Kind::Counter, "", "Queries");
        let age = Family::new("beiand_age_seconds", Kind::Gauge, "seconds", "Age");
        vec![queries.with(&[("a", "x\"\\\n"), ("b", "y")], 3.0), age.with(&[], 0.25)]
    }

    #[test]
    fn open_metrics_have_units_an_end_and_counters_without_total_in_their_family_name() {
        assert_eq!(
            render(&families(), Format::OpenMetrics),
            "# HELP beiand_queries Queries.\n# TYPE beiand_queries counter\n\
             beiand_queries_total{a=\"x\\\"\\\\\\n\",b=\"y\"} 3\n\
             # HELP beiand_age_seconds Age.\n# TYPE beiand_age_seconds gauge\n\
             # UNIT beiand_age_seconds seconds\nbeiand_age_seconds 0.25\n# EOF\n"
        );
    }

    #[test]
    fn the_older_text_names_the_family_as_the_samples() {
        let text = render(&families(), Format::Plain);
        assert!(text.starts_with("# HELP beiand_queries_total Queries.\n"), "{text}");
        assert!(!text.contains("UNIT") && !text.contains("EOF"), "{text}");
    }
}
