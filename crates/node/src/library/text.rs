//! The text of a flow, as it comes in and as it is kept.

use flow::check::Problem;
use flow::model::Flow;
use store::table::FlowFormat;

/// The text of a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FlowText {
    pub(crate) format: FlowFormat,
    pub(crate) text: String,
}

impl FlowText {
    pub(crate) fn toml(text: impl Into<String>) -> Self {
        Self { format: FlowFormat::Toml, text: text.into() }
    }

    /// Reads the flow that the text describes.
    pub(crate) fn read(&self) -> Result<Flow, Vec<Problem>> {
        match self.format {
            FlowFormat::Toml => flow::file::read(&self.text),
            FlowFormat::Json => flow::file::read_json(self.text.as_bytes()),
        }
    }

    /// The text as TOML. What TOML cannot say (a null in settings) is told.
    pub(crate) fn into_toml(self) -> Result<String, Vec<Problem>> {
        match self.format {
            FlowFormat::Toml => Ok(self.text),
            FlowFormat::Json => flow::file::write(&flow::file::read_json(self.text.as_bytes())?),
        }
    }

    /// The text as it is kept in place of `before`. One that came as JSON is written into the TOML that is there, whose
    /// comments and order stay; it is kept as JSON only where TOML cannot say it.
    pub(crate) fn kept(self, flow: &Flow, before: Option<&Self>) -> Self {
        if self.format == FlowFormat::Toml {
            return self;
        }
        let toml = before.filter(|before| before.format == FlowFormat::Toml).map_or("", |before| before.text.as_str());
        flow::file::update(toml, flow).map_or(self, Self::toml)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> FlowText {
        FlowText { format: FlowFormat::Json, text: text.to_owned() }
    }

    const TOML: &str = "# Reads the press.\nid = \"f\"\n\n[modules.show]\ntype = \"debug\" # for a while\n";

    #[test]
    fn json_keeps_the_comments_of_the_toml_that_it_replaces() {
        let before = FlowText::toml(TOML);
        let json = json(r#"{"id":"f","name":"Press","modules":{"show":{"type":"debug"}}}"#);
        let flow = json.read().unwrap();
        let kept = json.kept(&flow, Some(&before));
        assert_eq!(kept.read().unwrap(), flow);
        assert!(kept.text.contains("# Reads the press.") && kept.text.contains("# for a while"), "{}", kept.text);
    }

    #[test]
    fn what_toml_cannot_say_stays_json() {
        let json = json(r#"{"id":"f","modules":{"show":{"type":"debug","with":{"x":null}}}}"#);
        let flow = json.read().unwrap();
        assert_eq!(json.clone().kept(&flow, None), json);
        assert!(json.into_toml().is_err());
    }
}
