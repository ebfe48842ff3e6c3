//! From a config file, and the schema files it names, to a [`Config`].

use std::{
    collections::HashMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{
    check::check,
    defaults::merge,
    fields::{ROOT, SCHEMA},
    files::Files,
    interpolate::Interpolation,
    lake_only,
    parse::{Syntax, parse},
    problem::{Findings, Problem, Problems, Severity, SourceText},
    tree::{Kind, Place, Span, Value},
    view::Section,
};
use crate::{secret::Secret, suggestion::nearest, text_file};

/// Where a config comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file; its extension tells the format, its directory is what relative paths resolve against.
    File(PathBuf),
    /// What came on standard input: YAML or JSON. Paths resolve against the working directory.
    Stdin { text: String },
    /// A text of the program's own. Paths resolve against the working directory.
    Embedded { name: String, text: String, syntax: Syntax },
}

/// A config that could be read, though not all of it may be right.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// Keys that are accepted and have no effect.
    pub notes: Vec<Problem>,
    /// The config file, then the schema files it names.
    pub sources: Vec<SourceText>,
    /// What is wrong so far: `resolve` fails with these and its own.
    pub errors: Vec<Problem>,
}

/// The checked tree, and each resource with its defaults.
#[derive(Clone, Debug)]
pub struct Config {
    root: Value,
    resources: Vec<Value>,
    /// What the pipeline is called unless it has a name: the file's stem.
    pub default_name: String,
    /// What relative paths resolve against.
    pub directory: PathBuf,
    /// Contents of `${file:}`, and of files under telling names.
    pub secrets: Vec<Secret<String>>,
}

impl Config {
    pub(crate) fn root(&self) -> Section<'_> {
        Section::new(&ROOT, &self.root)
    }

    /// Every resource with what it takes from `resource_defaults`, in the order of the file; without those that are wrong as
    /// a whole.
    pub(crate) fn resources(&self) -> Vec<Section<'_>> {
        let table = ROOT.field("resources").and_then(|field| field.shape.table()).unwrap_or(&ROOT);
        self.resources.iter().map(|resource| Section::new(table, resource)).collect()
    }
}

/// Reads a config and the schema files it names.
///
/// `variables` looks up environment variables. Fails where a file cannot be read or is no document of its format; whatever
/// else is wrong is in [`Loaded::errors`].
pub fn load(source: Source, variables: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Problems> {
    load_with(source, variables, |_, _| ())
}

/// [`load`] for who only looks at tables: what requests alone need may lack its variables and files, and is left out then. The plan
/// of such a config is no plan for a run.
pub fn load_lake(source: Source, variables: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Problems> {
    load_with(source, variables, lake_only::leave_out)
}

/// `prepare` changes the tree before it is filled in.
fn load_with(
    source: Source,
    variables: &dyn Fn(&str) -> Option<String>,
    prepare: fn(&mut Value, &mut Interpolation<'_>),
) -> Result<Loaded, Problems> {
    let mut findings = Findings::default();
    let Some((mut root, directory)) = read(&source, &mut findings) else { return Err(findings.into_problems()) };
    let mut interpolation = Interpolation::new(variables, &directory);
    prepare(&mut root, &mut interpolation);
    interpolation.fill(&mut root, &mut findings);
    let secrets = interpolation.secrets;
    check(&mut root, &ROOT, &mut findings);
    let mut files = Files { directory: &directory, findings: &mut findings, secrets };
    files.insert(&mut root, &ROOT);
    let secrets = files.secrets;
    SchemaFiles { directory: &directory, read: HashMap::new(), findings: &mut findings }.insert(&mut root);
    let defaults = root.get("resource_defaults");
    let written = root.get("resources").map_or(&[][..], Value::items);
    let resources = written.iter().filter(|item| !item.is_broken()).map(|item| merge(defaults, item)).collect();
    let config = Config { resources, root, default_name: source.stem(), directory, secrets };
    Ok(Loaded::new(config, findings))
}

impl Loaded {
    fn new(config: Config, findings: Findings) -> Self {
        let Problems { problems, sources } = findings.into_problems();
        let (errors, notes) = problems.into_iter().partition(|problem| problem.severity == Severity::Error);
        Self { config, notes, sources, errors }
    }
}

impl Source {
    fn stem(&self) -> String {
        let stem = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        match self {
            Self::File(path) => stem(path),
            Self::Stdin { .. } => None,
            Self::Embedded { name, .. } => stem(Path::new(name)),
        }
        .unwrap_or_else(|| "stdin".to_owned())
    }
}

/// The tree of the config itself, and the directory that its paths resolve against.
fn read(source: &Source, findings: &mut Findings) -> Option<(Value, PathBuf)> {
    match source {
        Source::File(path) => {
            let directory = path.parent().unwrap_or(Path::new("")).to_owned();
            Some((read_file(path, findings)?, directory))
        }
        Source::Stdin { text } => {
            let index = findings.add_source("<stdin>".into(), text.clone());
            Some((parse(findings, index, Syntax::Yaml)?, PathBuf::new()))
        }
        Source::Embedded { name, text, syntax } => {
            let index = findings.add_source(name.clone(), text.clone());
            Some((parse(findings, index, *syntax)?, PathBuf::new()))
        }
    }
}

fn read_file(path: &Path, findings: &mut Findings) -> Option<Value> {
    let name = path.display().to_string();
    let problem = match (Syntax::of(path), text_file::read(path, text_file::LARGEST_CONFIG)) {
        (Some(syntax), Ok(text)) => {
            let index = findings.add_source(name, text);
            return parse(findings, index, syntax);
        }
        (_, Err(error)) if error.kind() == ErrorKind::NotFound => not_found(path),
        (_, Err(error)) => (format!("the file cannot be read: {error}"), None),
        (None, Ok(_)) => {
            let help = "name it .yaml, .yml, .json or .toml".to_owned();
            ("the file's extension does not tell its format".to_owned(), Some(help))
        }
    };
    let source = findings.add_source(name, String::new());
    let place = Place { span: Span { source, start: 0, end: 0 }, path: String::new() };
    findings.error(&place, problem.0, problem.1);
    None
}

/// Returns the message with the absolute path, and a hint with the file that was meant.
fn not_found(path: &Path) -> (String, Option<String>) {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let directory = whole.parent().unwrap_or(Path::new("/"));
    let names: Vec<String> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| Syntax::of(path).is_some())
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect();
    let written = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let message = match directory.is_dir() {
        true => format!("the file is not there: looked for {}", whole.display()),
        false => format!("the file is not there: looked for {}, and its directory is missing too", whole.display()),
    };
    let help = match nearest(written, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{}`?", path.with_file_name(near).display()),
        None => "name the config file, e.g. `restlake run configs/export.yaml`; `restlake demo` exports from a built-in API \
                 without one".to_owned(),
    };
    (message, Some(help))
}

/// Puts the content of schema files where their paths stood; each file is read once.
struct SchemaFiles<'a> {
    directory: &'a Path,
    read: HashMap<PathBuf, Option<Value>>,
    findings: &'a mut Findings,
}

impl SchemaFiles<'_> {
    fn insert(&mut self, root: &mut Value) {
        if let Some(defaults) = root.get_mut("resource_defaults") {
            self.resource(defaults);
        }
        if let Some(Kind::List(resources)) = root.get_mut("resources").map(|resources| &mut resources.kind) {
            resources.iter_mut().for_each(|resource| self.resource(resource));
        }
    }

    fn resource(&mut self, resource: &mut Value) {
        let Some(schema) = resource.get_mut("schema") else { return };
        let Some(path) = schema.as_text().map(|path| self.directory.join(path)) else { return };
        match self.file(path, &schema.place) {
            Some(read) => *schema = read,
            None => schema.kind = Kind::Broken,
        }
    }

    fn file(&mut self, path: PathBuf, named_at: &Place) -> Option<Value> {
        if let Some(read) = self.read.get(&path) {
            return read.clone();
        }
        if !path.exists() {
            let message = format!("the schema file {} cannot be read: it is not there", path.display());
            self.findings.error(named_at, message, Some("the path is relative to the config file".into()));
            return None;
        }
        let tree = read_file(&path, self.findings).map(|mut tree| {
            check(&mut tree, &SCHEMA, self.findings);
            tree
        });
        self.read.insert(path, tree.clone());
        tree
    }
}
