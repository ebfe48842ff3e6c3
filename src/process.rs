//! What the config does with records before they are decoded: `filter`, `map` and `yield_map`, as programs in jq.
//!
//! ```text
//! page ──record by record──► step ► step ► … ──► page of what came out
//!                              └► filtered
//! ```
//!
//! A record that a program fails on ends the run, or is a reject where the schema contract says `discard_row`. A program that
//! takes too long ends it in any case, and one that runs when the run is to stop is left.
//!
//! Records that no step changes keep the bytes that the API wrote, and every record that comes out knows the number of the one
//! it came from. A page that nothing is taken from or changed in stays the page that it was.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    environment::Environment,
    error::{ErrorKind, Failure},
    jq::{self, RunError, Value},
    json::{Document, Kind, Node, ScanError, SyntaxError},
    model::{Page, Reject},
    plan::{ProcessingStep, ResourcePlan, StepOperation},
    schema::DataTypeContract,
    secret::shortened,
};

/// What one program may take for one record, in real time: a processor does not follow a test's clock. Programs are counted;
/// this is for what takes long between two steps.
const LONGEST: Duration = Duration::from_secs(60);

/// Characters of a record that a reject shows as what was found.
const SHOWN: usize = 200;

/// The steps of one resource.
#[derive(Clone, Debug)]
pub struct Processor {
    resource: String,
    steps: Vec<ProcessingStep>,
    /// Whether a record that a program fails on is a reject.
    discards: bool,
    environment: Environment,
}

/// Why a page cannot be processed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    #[error("resource `{resource}`, page {page}, record {record}: `{step}` fails: {problem}")]
    Step { resource: String, page: u64, record: u64, step: String, problem: RunError },
    #[error("resource `{resource}`, page {page}, record {record}: `{step}` cannot read the record: {problem}")]
    Record { resource: String, page: u64, record: u64, step: String, problem: String },
    #[error("resource `{resource}`, page {page}: what `processing_steps` made of it is {problem}")]
    Page { resource: String, page: u64, problem: SyntaxError },
    #[error(
        "resource `{resource}`, page {page}, record {record}: what `processing_steps` make of the page takes more than {limit} bytes of memory, the third of `memory_limit` that one page may have"
    )]
    Memory { resource: String, page: u64, record: u64, limit: usize },
    #[error("resource `{resource}`, page {page}: no thread could be had for `processing_steps`")]
    Thread { resource: String, page: u64 },
    #[error("stopped on request while records were processed")]
    Interrupted,
}

impl Failure for ProcessError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Thread { .. } => ErrorKind::Transient,
            Self::Interrupted => ErrorKind::Interrupted,
            _ => ErrorKind::User,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::Memory { .. } => "memory_limit",
            _ => "processing_step",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Step { problem: RunError::Failed(_), .. } => {
                "let the program say what it does with such a record: `.a // 0`, `.a?`, `try … catch …`"
            }
            Self::Step { problem: RunError::Steps(_) | RunError::Depth | RunError::Time(_), .. } => {
                "does the program go on for ever? What takes that long is better done with the table"
            }
            Self::Step { problem: RunError::Size(_), .. } => {
                "does the program go on for ever? Make less of each record, or raise `memory_limit`"
            }
            Self::Memory { .. } => "make fewer or smaller records, ask for smaller pages, or raise `memory_limit`",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

impl Processor {
    pub fn new(resource: &ResourcePlan, environment: &Environment) -> Self {
        let discards = resource.contract.data_type == DataTypeContract::DiscardRow;
        Self {
            resource: resource.name.clone(),
            steps: resource.processing_steps.clone(),
            discards,
            environment: environment.clone(),
        }
    }

    /// Fails when the run was asked to stop. For work on records that waits for nothing.
    ///
    /// # Errors
    /// [`ProcessError::Interrupted`].
    pub fn check_running(&self) -> Result<(), ProcessError> {
        if self.environment.shutdown.is_cancelled() { Err(ProcessError::Interrupted) } else { Ok(()) }
    }

    /// What the steps make of a page: its records are counted anew, and those that were taken out count as filtered.
    ///
    /// # Errors
    /// [`ProcessError`] where a program fails, or does not come to an end.
    pub fn process(&self, mut page: Page) -> Result<Page, ProcessError> {
        let Some(index) = page.records.filter(|_| !self.steps.is_empty()) else { return Ok(page) };
        let outcome = jq::on_own_stack(|| {
            let mut made = Made::new(&page);
            let records = page.document.node(index);
            for (record, number) in each(records).zip(0..) {
                made.number = number_of(&page, number);
                self.take_in(record.raw(), &mut made)?;
            }
            Ok(made.finish())
        });
        let finished = outcome.unwrap_or_else(|| Err(self.no_thread(&page)))?;
        if finished.filtered == 0 && finished.rejects.is_empty() && !self.changes() {
            return Ok(page);
        }
        let (most, text, (resource, number)) = (page.most(), finished.text.len(), (self.resource.clone(), page.number));
        let document = Document::parse_within(finished.text, &mut |tape| text.saturating_add(tape) <= most);
        let document = document.map_err(|(error, _)| match error {
            ScanError::Syntax(problem) => ProcessError::Page { resource, page: number, problem },
            ScanError::NoRoom => ProcessError::Memory { resource, page: number, record: page.count, limit: most },
        })?;
        let mut rejects = std::mem::take(&mut page.rejects);
        rejects.extend(finished.rejects);
        Ok(Page {
            number: page.number,
            list: page.list,
            repeats: finished.numbers.iter().filter(|number| page.is_repeated(**number)).count() as u64,
            pass: page.pass,
            records: Some(document.root().index()),
            document: Arc::new(document),
            count: finished.numbers.len() as u64,
            filtered: page.filtered + finished.filtered,
            duplicates: page.duplicates,
            rejects,
            numbers: Some(finished.numbers.into()),
            hold: page.hold,
        })
    }

    /// Whether any step makes other records than those that came.
    fn changes(&self) -> bool {
        self.steps.iter().any(|step| step.operation != StepOperation::Filter)
    }

    /// Takes one record through all steps; what came of it before one failed goes as well, where the record is a reject.
    fn take_in(&self, raw: &[u8], made: &mut Made) -> Result<(), ProcessError> {
        let before = (made.text.len(), made.numbers.len(), made.filtered);
        match self.apply(&self.steps, Record { raw: Some(raw), value: None }, made) {
            Err(error) if self.discards && error.is_of_record() => {
                made.text.truncate(before.0);
                made.numbers.truncate(before.1);
                made.filtered = before.2;
                let reject = self.reject(raw, made, &error);
                made.reject_bytes += reject.memory();
                made.rejects.push(reject);
                self.check_memory(made.reject_bytes, made)
            }
            outcome => outcome,
        }
    }

    fn reject(&self, raw: &[u8], made: &Made, error: &ProcessError) -> Reject {
        let text = String::from_utf8_lossy(raw);
        let (step, reason) = match error {
            ProcessError::Step { step, problem, .. } => (step.as_str(), problem.to_string()),
            ProcessError::Record { step, problem, .. } => (step.as_str(), problem.clone()),
            _ => ("", error.to_string()),
        };
        Reject {
            resource: self.resource.clone(),
            page: made.page,
            record: made.number,
            path: "$".to_owned(),
            column: step.to_owned(),
            expected: "a record that the step can process".to_owned(),
            found: shortened(&text, SHOWN),
            reason,
            row: serde_json::from_slice(raw).unwrap_or_else(|_| serde_json::Value::String(text.into_owned())),
        }
    }

    /// Why a program has to stop that began at `began`.
    fn watch(&self, began: Instant) -> Option<RunError> {
        if self.environment.shutdown.is_cancelled() {
            return Some(RunError::Stopped);
        }
        (began.elapsed() > LONGEST).then_some(RunError::Time(LONGEST))
    }

    /// Takes one record through the steps that are left.
    fn apply(&self, steps: &[ProcessingStep], mut record: Record<'_>, made: &mut Made) -> Result<(), ProcessError> {
        let Some((step, rest)) = steps.split_first() else { return self.keep(&record, made) };
        let input = record.value().map_err(|problem| ProcessError::Record {
            resource: self.resource.clone(),
            page: made.page,
            record: made.number,
            step: step.place.clone(),
            problem,
        })?;
        let is_one = step.operation != StepOperation::YieldMap;
        let (mut outputs, mut held) = (Vec::new(), 0_usize);
        let began = Instant::now();
        let run = step.program.run(input, made.most, &|| self.watch(began), |output| {
            held = held.saturating_add(output.weight()).saturating_add(size_of::<Value>());
            outputs.push(output);
            !is_one && held <= made.most
        });
        run.map_err(|problem| self.failed(&step.place, problem, made))?;
        self.check_memory(if is_one { 0 } else { held }, made)?;
        if step.operation == StepOperation::Filter {
            return match outputs.first().is_some_and(Value::is_true) {
                true => self.apply(rest, record, made),
                false => made.filter(),
            };
        }
        if is_one && outputs.is_empty() {
            return made.filter();
        }
        outputs.into_iter().try_for_each(|output| match output.is_null() {
            true => made.filter(),
            false => self.apply(rest, Record { raw: None, value: Some(output) }, made),
        })
    }

    fn keep(&self, record: &Record<'_>, made: &mut Made) -> Result<(), ProcessError> {
        made.begin();
        match (record.raw, &record.value) {
            (Some(raw), _) => made.text.extend_from_slice(raw),
            (None, Some(value)) => {
                self.check_memory(made.text.len().saturating_add(value.weight()), made)?;
                let written = value.write(&mut made.text);
                let last = self.steps.last().map_or("", |step| step.place.as_str());
                written.map_err(|problem| self.failed(last, problem, made))?;
            }
            (None, None) => {}
        }
        self.check_memory(made.text.len(), made)
    }

    fn check_memory(&self, bytes: usize, made: &Made) -> Result<(), ProcessError> {
        let limit = made.most;
        if bytes <= limit {
            return Ok(());
        }
        Err(ProcessError::Memory { resource: self.resource.clone(), page: made.page, record: made.number, limit })
    }

    fn failed(&self, step: &str, problem: RunError, made: &Made) -> ProcessError {
        if problem == RunError::Stopped {
            return ProcessError::Interrupted;
        }
        let (page, record) = (made.page, made.number);
        ProcessError::Step { resource: self.resource.clone(), page, record, step: step.to_owned(), problem }
    }

    fn no_thread(&self, page: &Page) -> ProcessError {
        ProcessError::Thread { resource: self.resource.clone(), page: page.number }
    }
}

impl ProcessError {
    /// Whether another run would come to the same, with the same record.
    fn is_of_record(&self) -> bool {
        match self {
            Self::Step { problem, .. } => !matches!(problem, RunError::Time(_)),
            Self::Record { .. } => true,
            _ => false,
        }
    }
}

/// The records of a page: the elements of an array, or the one object.
fn each(records: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let one = Some(records).filter(|records| records.kind() != Kind::Array);
    one.into_iter().chain(records.items())
}

/// The number of a record as the page came.
fn number_of(page: &Page, index: usize) -> u64 {
    let number = page.numbers.as_ref().and_then(|numbers| numbers.get(index)).copied();
    number.unwrap_or(index as u64 + 1)
}

/// A record on its way: the bytes that came, as long as nothing has changed it.
struct Record<'a> {
    raw: Option<&'a [u8]>,
    value: Option<Value>,
}

impl Record<'_> {
    /// Read when the first step asks for it.
    fn value(&mut self) -> Result<Value, String> {
        if let Some(value) = &self.value {
            return Ok(value.clone());
        }
        let value = Value::parse(self.raw.unwrap_or(b"null"))?;
        Ok(self.value.insert(value).clone())
    }
}

/// What has come out of a page so far.
struct Made {
    page: u64,
    /// Bytes that it may take.
    most: usize,
    /// Of the record at hand.
    number: u64,
    text: Vec<u8>,
    numbers: Vec<u64>,
    filtered: u64,
    rejects: Vec<Reject>,
    reject_bytes: usize,
}

/// The same at the end, in parts that may leave the thread.
struct Finished {
    text: Vec<u8>,
    numbers: Vec<u64>,
    filtered: u64,
    rejects: Vec<Reject>,
}

impl Made {
    fn new(page: &Page) -> Self {
        Self {
            page: page.number,
            most: page.most(),
            number: 0,
            text: vec![b'['],
            numbers: Vec::new(),
            filtered: 0,
            rejects: Vec::new(),
            reject_bytes: 0,
        }
    }

    fn begin(&mut self) {
        if !self.numbers.is_empty() {
            self.text.push(b',');
        }
        self.numbers.push(self.number);
    }

    fn filter(&mut self) -> Result<(), ProcessError> {
        self.filtered += 1;
        Ok(())
    }

    fn finish(mut self) -> Finished {
        self.text.push(b']');
        Finished { text: self.text, numbers: self.numbers, filtered: self.filtered, rejects: self.rejects }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn processor(steps: &[(StepOperation, &str)]) -> Processor {
        let step = |(index, &(operation, program)): (usize, &(StepOperation, &str))| ProcessingStep {
            place: format!("processing_steps[{index}]"),
            operation,
            program: program.parse().unwrap(),
        };
        let steps = steps.iter().enumerate().map(step).collect();
        let environment = Environment::default();
        Processor { resource: "items".to_owned(), steps, discards: false, environment }
    }

    fn page(text: &str) -> Page {
        let document = Arc::new(Document::parse(text.into()).unwrap());
        let count = document.root().items().count().max(1) as u64;
        Page::new(3, document, Some(0), count)
    }

    /// Text, count, filtered and the numbers of the records.
    fn process(steps: &[(StepOperation, &str)], text: &str) -> (String, u64, u64, Vec<u64>) {
        let page = processor(steps).process(page(text)).unwrap();
        let node = page.document.node(page.records.unwrap());
        let text = String::from_utf8_lossy(node.raw()).into_owned();
        (text, page.count, page.filtered, page.numbers.map(|numbers| numbers.to_vec()).unwrap_or_default())
    }

    use StepOperation::{Filter, Map, YieldMap};

    #[test]
    fn a_filter_keeps_records_as_the_api_wrote_them_and_counts_the_others() {
        let text = r#"[{"id": 1, "n":  0.10000000000000000001}, {"id": 2}, {"id": 3, "n": 1e400}]"#;
        let kept = r#"[{"id": 1, "n":  0.10000000000000000001},{"id": 3, "n": 1e400}]"#.to_owned();
        assert_eq!(process(&[(Filter, ".n"), (Filter, ".id > 0")], text), (kept, 2, 1, vec![1, 3]));
        assert_eq!(process(&[(Filter, ".id > 0")], text), (text.to_owned(), 3, 0, vec![]));
        assert_eq!(process(&[(Filter, "empty")], text).0, "[]");
    }

    #[test]
    fn a_map_takes_the_first_output_and_null_or_none_takes_the_record_out() {
        let text = r#"[{"id":1},{"id":2},{"id":3}]"#;
        let program = "if .id == 1 then {id, x: 0.50}, 7 elif .id == 2 then null else empty end";
        assert_eq!(process(&[(Map, program)], text), (r#"[{"id":1,"x":0.50}]"#.to_owned(), 1, 2, vec![1]));
    }

    #[test]
    fn every_output_of_a_yield_map_is_a_record_with_the_number_of_its_source() {
        let text = r#"[{"a":[{"i":1},{"i":2}]},{"a":[]},{"a":[{"i":3},null]}]"#;
        let expected = (r#"[{"i":1},{"i":2},{"i":3}]"#.to_owned(), 3, 1, vec![1, 1, 3]);
        assert_eq!(process(&[(YieldMap, ".a[]")], text), expected);
        let filtered = process(&[(YieldMap, ".a[]"), (Filter, ".i? != 2")], text);
        assert_eq!(filtered, (r#"[{"i":1},{"i":3}]"#.to_owned(), 2, 2, vec![1, 3]));
        assert_eq!(process(&[(YieldMap, ".a")], text).0, r#"[[{"i":1},{"i":2}],[],[{"i":3},null]]"#);
    }

    #[test]
    fn a_page_of_one_object_is_one_record_and_an_empty_one_stays() {
        assert_eq!(process(&[(Map, ".a")], r#"{"a":{"b":1}}"#), (r#"[{"b":1}]"#.to_owned(), 1, 0, vec![1]));
        let empty = Page { records: None, count: 0, ..page("null") };
        assert_eq!(processor(&[(Map, ".a")]).process(empty).unwrap().records, None);
    }

    #[test]
    fn numbers_of_records_that_were_taken_out_before_are_kept() {
        let before = Page { numbers: Some([4, 9].into()), filtered: 7, ..page(r#"[{"i":1},{"i":2}]"#) };
        let page = processor(&[(Filter, ".i == 2")]).process(before).unwrap();
        assert_eq!((page.filtered, page.numbers.unwrap().to_vec()), (8, vec![9]));
    }

    #[test]
    fn a_record_that_a_program_fails_on_is_a_reject_where_the_contract_says_so() {
        let discarding = Processor { discards: true, ..processor(&[(YieldMap, ".a[]"), (Map, "{b: (1 / .)}")]) };
        let page = discarding.process(page(r#"[{"a":[1,0]},{"a":7},{"a":[2]}]"#)).unwrap();
        assert_eq!(page.document.node(page.records.unwrap()).raw(), br#"[{"b":0.5}]"#);
        let told: Vec<_> = page.rejects.iter().map(|reject| (reject.record, reject.column.as_str())).collect();
        assert_eq!(told, [(1, "processing_steps[1]"), (2, "processing_steps[0]")]);
        assert_eq!((page.count, page.rejects[0].row.to_string()), (1, r#"{"a":[1,0]}"#.to_owned()));
        assert_eq!(page.rejects[1].reason, "cannot use 7 as iterable (array or object)");
    }

    #[test]
    fn a_program_that_runs_when_the_run_is_to_stop_is_left() {
        let discarding = Processor { discards: true, ..processor(&[(Filter, "last(range(infinite))")]) };
        discarding.environment.shutdown.cancel();
        let error = discarding.process(page("[{}]")).unwrap_err();
        assert_eq!(
            (&error, error.kind(), error.code()),
            (&ProcessError::Interrupted, ErrorKind::Interrupted, "interrupted")
        );
    }

    #[test]
    fn a_program_that_fails_is_told_with_its_place_and_its_record() {
        let fails = |steps: &[(StepOperation, &str)], text: &str| processor(steps).process(page(text)).unwrap_err();
        let error = fails(&[(Filter, "true"), (Map, ".n + 1")], r#"[{"n":1},{"n":"x"}]"#);
        assert_eq!(
            error.to_string(),
            r#"resource `items`, page 3, record 2: `processing_steps[1]` fails: cannot calculate "x" + 1"#
        );
        assert!(error.hint().is_some() && error.kind() == ErrorKind::User);
        let error = fails(&[(Map, "nan")], "[{}]");
        assert!(error.to_string().contains("its result NaN is no JSON"), "{error}");
        let error = fails(&[(Filter, ".a")], r#"[{"a":"\ud800"}]"#);
        assert!(matches!(error, ProcessError::Record { record: 1, .. }), "{error}");
    }
}
