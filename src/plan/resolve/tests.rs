//! Resolving, from the text of a config to its plan or to what is wrong with it.

mod auths;
mod families;
mod incremental;
mod keys;
mod lake_only;
mod merges;
mod problems;
mod requests;
mod values;

use serde_json::{Value, json};

use super::{Overrides, resolve};
use crate::{
    config::{Source, Syntax, load},
    plan::{AuthPlan, LoginBody, Plan, SessionPlan},
    secret::Secret,
};

/// A config without anything that could be left out.
fn base() -> Value {
    json!({
        "client": {"base_url": "https://api.example.com/v1", "paginator": {"type": "single_page"}},
        "resources": [{
            "name": "t",
            "primary_key": "id",
            "schema": {"columns": [
                {"name": "id", "type": "int64"},
                {"name": "s", "type": "string"},
                {"name": "d", "type": "decimal(10,2)"},
                {"name": "at", "type": "timestamp"},
                {"name": "tags", "type": "list<string>"},
                {"name": "renamed", "source": "api.field", "type": "date"},
            ]},
        }],
    })
}

/// Sets a value by JSON pointer; objects on the way are made, lists grow by one.
fn set(config: &mut Value, pointer: &str, value: Value) {
    let mut at = config;
    for key in pointer.split('/').skip(1) {
        at = match key.parse::<usize>() {
            Ok(index) => {
                if let Some(list) = at.as_array_mut().filter(|list| list.len() == index) {
                    list.push(Value::Null);
                }
                &mut at[index]
            }
            Err(_) => &mut at[key],
        };
    }
    *at = value;
}

/// The base config with these values set.
fn with(changes: &[(&str, Value)]) -> Value {
    let mut config = base();
    changes.iter().for_each(|(pointer, value)| set(&mut config, pointer, value.clone()));
    config
}

/// The plan, or the problems as lines.
fn plan_with(text: &str, overrides: &Overrides) -> Result<Plan, Vec<String>> {
    let source = Source::Embedded { name: "c.yaml".into(), text: text.into(), syntax: Syntax::Yaml };
    let variables = |name: &str| ["KEY", "BOT_TOKEN"].contains(&name).then(|| "from-env".to_owned());
    let loaded = load(source, &variables).map_err(|problems| vec![problems.to_string()])?;
    resolve(&loaded, overrides).map_err(|problems| problems.errors().map(ToString::to_string).collect())
}

fn plan(config: &Value) -> Result<Plan, Vec<String>> {
    plan_with(&config.to_string(), &Overrides::default())
}

/// The problems of a config that has some, without their lines and columns.
fn problems(config: &Value) -> Vec<String> {
    let lines = plan(config).expect_err("the config should be wrong");
    lines.iter().map(|line| line.splitn(4, ':').nth(3).unwrap_or(line).trim().to_owned()).collect()
}

/// What a login sends.
fn login(
    session: &SessionPlan,
    exposed: &impl Fn(&[(String, Secret<String>)]) -> Vec<(String, String)>,
) -> Vec<(String, String)> {
    let mut sent = exposed(&session.headers);
    match &session.body {
        LoginBody::None => {}
        LoginBody::Json(json) => sent.push((String::new(), json.expose().to_string())),
        LoginBody::Form(fields) => sent.extend(exposed(fields)),
        LoginBody::Raw(text) => sent.push((String::new(), text.expose().clone())),
    }
    sent
}

/// All that a plan says, secrets included.
fn everything(plan: &Plan) -> String {
    let exposed = |pairs: &[(String, Secret<String>)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| (name.clone(), value.expose().clone())).collect()
    };
    let auth = match &plan.client.auth {
        AuthPlan::None | AuthPlan::JwtBearer(_) => Vec::new(),
        AuthPlan::ApiKey { api_key, .. } => vec![(String::new(), api_key.expose().clone())],
        AuthPlan::Bearer { token } => vec![(String::new(), token.expose().clone())],
        AuthPlan::HttpBasic { password, .. } => vec![(String::new(), password.expose().clone())],
        AuthPlan::ClientCredentials(grant) => exposed(&grant.client.request_data),
        AuthPlan::RefreshToken(grant) => exposed(&grant.client.request_data),
        AuthPlan::Session(session) => login(session, &exposed),
    };
    let auth = (auth, plan.client.tls.identity.as_ref().map(Secret::expose));
    let secrets: Vec<_> = plan.secrets.iter().map(|secret| secret.expose().clone()).collect();
    let rest = (auth, exposed(&plan.client.headers), exposed(&plan.destination.options), secrets);
    serde_json::to_string(&(plan, rest)).unwrap()
}
