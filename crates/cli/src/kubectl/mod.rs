//! The plugin: one folder or file a verb, one way to the API server ([`connect`]), one printer ([`printer`]).

mod caret;
mod clock;
mod connect;
mod dream;
mod plan;
mod printer;
mod query;
mod status;
mod stored;

use clap::{Parser, Subcommand};
use connect::Place;
use std::{
    fmt::{self, Display},
    process::ExitCode,
};
use tower::timeout::error::Elapsed;

/// Looks after CherokeeClusters
#[derive(Parser)]
#[command(name = "kubectl cherokee", bin_name = "kubectl cherokee", version = crate::VERSION.as_str())]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Who is awake where, why somebody waits, and what changes next
    Status(status::Args),
    /// What would be placed where: by a file, by a live cluster, or without any cluster
    Plan(plan::Args),
    /// Wake a dream worker outside its windows, or send it back to sleep
    Dream(dream::Args),
    /// Ask one question, and see who answered and how fast
    Query(query::Args),
}

/// Why a verb ended, for a person: names and numbers, and if there is one, the next step.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Fault {
    fn new(message: impl Display) -> Self {
        Self { message: message.to_string(), hint: None }
    }

    fn hint(self, hint: impl Display) -> Self {
        Self { hint: Some(hint.to_string()), ..self }
    }
}

/// As lines for stderr. Control characters are shown: the message may quote the cluster.
impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", caret::visible(&self.message))?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "\nhint: {}", caret::visible(hint)))
    }
}

impl From<kube::Error> for Fault {
    fn from(error: kube::Error) -> Self {
        match &error {
            kube::Error::Api(status) => Self::new(&status.message),
            kube::Error::SerdeError(error) => {
                Self::new(format!("the API server answers what this version of kubectl-cherokee cannot read: {error}"))
            }
            kube::Error::Service(error) if error.is::<Elapsed>() => {
                Self::new("the API server does not answer within the time of --request-timeout")
            }
            kube::Error::Service(error) => Self::new(format!("the API server does not answer: {}", causes(&**error))),
            _ => Self::new(format!("the API server does not answer: {}", causes(&error))),
        }
    }
}

/// An error and its causes as one line; one that repeats its cause adds nothing.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.ends_with(&said) {
            text += &format!(": {said}");
        }
        next = cause.source();
    }
    text
}

/// Does what was asked; the exit code is the verb's.
pub(crate) async fn run(args: Args) -> Result<ExitCode, Fault> {
    let place = args.place;
    match args.verb {
        Verb::Status(args) => status::run(&place, &args).await.map(|()| ExitCode::SUCCESS),
        Verb::Plan(args) => plan::run(&place, &args).await,
        Verb::Dream(args) => dream::run(&place, &args).await.map(|()| ExitCode::SUCCESS),
        Verb::Query(args) => query::run(&place, &args).await.map(|()| ExitCode::SUCCESS),
    }
}
