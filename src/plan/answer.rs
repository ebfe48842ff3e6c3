//! How a resource's answers are read, and which of them are something else than a page.

use serde::Serialize;

use crate::schema::Naming;

#[derive(Clone, Debug, Default, Serialize)]
pub struct AnswerPlan {
    /// `None`: what the answer's `Content-Type` says, JSON if that says nothing else.
    pub format: Option<ResponseFormat>,
    /// The name of the charset of all answers, as WHATWG has it; `None`: what each answer declares.
    pub encoding: Option<&'static str>,
    /// The file to read of a ZIP archive; `None`: its only readable one.
    pub member: Option<String>,
    pub csv: CsvPlan,
    /// The first that an answer fits is done.
    pub actions: Vec<ResponseAction>,
    /// Asked for in `Accept`, where the config has no word of its own on that.
    pub accept: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseFormat {
    Json,
    /// A JSON value on each line.
    Ndjson,
    Csv,
}

/// How CSV becomes records: every cell is text, under the name of its column, but for the bools.
#[derive(Clone, Debug, Serialize)]
pub struct CsvPlan {
    /// `None`: the delimiter that the first rows agree on.
    pub delimiter: Option<u8>,
    /// `None`: quotes are letters like others.
    pub quote: Option<u8>,
    /// Whether the first row is one of names.
    pub header: bool,
    /// Names of the columns, in place of those of the header.
    pub columns: Vec<String>,
    /// Cells that are null.
    pub null_values: Vec<String>,
    /// Columns whose `true` and `false`, in whatever case, are bools: no text converts to one. By their names here, or by those
    /// that the convention makes of theirs. A part of the schema, and no setting.
    #[serde(skip)]
    pub bools: Vec<String>,
    #[serde(skip)]
    pub naming: Naming,
}

impl Default for CsvPlan {
    fn default() -> Self {
        let (columns, null_values, bools) = (Vec::new(), vec![String::new()], Vec::new());
        Self { delimiter: None, quote: Some(b'"'), header: true, columns, null_values, bools, naming: Naming::Direct }
    }
}

/// What an answer looks like, and what is done then. At least one of the conditions is set; all have to hold.
#[derive(Clone, Debug, Serialize)]
pub struct ResponseAction {
    pub status: Option<u16>,
    /// A part of the body.
    pub content: Option<String>,
    /// Set if the body has to be empty or only whitespace.
    pub empty: bool,
    pub action: Action,
    /// What the user is told.
    pub message: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The answer is a page, whatever its status and whatever it holds.
    Accept,
    /// The answer is a page without records, and counted.
    Ignore,
    /// The answer is a passing fault.
    Retry,
    Fail,
    /// The list is over, and well.
    Stop,
    /// The credentials have expired, whatever the status: the request is sent once more with new ones.
    RefreshToken,
}

impl Action {
    /// As the config calls it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Ignore => "ignore",
            Self::Retry => "retry",
            Self::Fail => "fail",
            Self::Stop => "stop",
            Self::RefreshToken => "refresh_token",
        }
    }
}

impl AnswerPlan {
    /// With the columns of bools.
    pub fn with_bools(mut self, bools: Vec<String>, naming: Naming) -> Self {
        (self.csv.bools, self.csv.naming) = (bools, naming);
        self
    }

    /// What is to be done with an answer. Answers of most resources are never searched.
    pub fn action(&self, status: u16, body: &[u8]) -> Option<&ResponseAction> {
        self.actions.iter().find(|rule| rule.is_for(status) && rule.is_in(body))
    }

    /// Whether an answer of this status has to be read to its end before it can be judged.
    pub fn reads_body_of(&self, status: u16) -> bool {
        let reads = |rule: &ResponseAction| rule.content.is_some() || rule.empty || rule.action == Action::Accept;
        self.actions.iter().any(|rule| rule.is_for(status) && reads(rule))
    }

    /// Whether a rule names this very status.
    pub fn names(&self, status: u16) -> bool {
        self.actions.iter().any(|rule| rule.status == Some(status))
    }
}

impl ResponseAction {
    fn is_for(&self, status: u16) -> bool {
        self.status.is_none_or(|wanted| wanted == status)
    }

    fn is_in(&self, body: &[u8]) -> bool {
        let is_empty = || body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body).trim_ascii().is_empty();
        (!self.empty || is_empty())
            && self.content.as_ref().is_none_or(|part| memchr::memmem::find(body, part.as_bytes()).is_some())
    }
}
