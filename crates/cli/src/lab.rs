//! `quorate lab`: scenarios that are played on the simulator, told as stories, and checked.

use std::fmt::Write as _;

use clap::{Args, Subcommand, ValueEnum};
use quorate_sim::story::{self, Language, Seed, Story, width};

use crate::exit::Failure;
use crate::output;

/// The flags of `lab`.
#[derive(Args, Debug)]
pub(crate) struct LabFlags {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Tell a story, and check that it ends as it must
    Run(RunFlags),
    /// List the stories
    List(ListFlags),
}

/// The flags of `lab run`.
#[derive(Args, Debug)]
struct RunFlags {
    /// Names from `quorate lab list`, or `all`
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// The language it is told in
    #[arg(long, value_name = "LANGUAGE", default_value = "en")]
    lang: Tongue,
    /// The seed of its timings and other choices
    #[arg(long, default_value = "1")]
    seed: u64,
}

/// The flags of `lab list`.
#[derive(Args, Debug)]
struct ListFlags {
    /// The language of the titles
    #[arg(long, value_name = "LANGUAGE", default_value = "en")]
    lang: Tongue,
}

/// A language, by its tag.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Tongue {
    En,
    Zh,
}

impl Tongue {
    fn language(self) -> Language {
        match self {
            Self::En => Language::English,
            Self::Zh => Language::Chinese,
        }
    }
}

/// Does what the flags ask for.
pub(crate) fn run(flags: &LabFlags) -> Result<(), Failure> {
    match &flags.action {
        Action::Run(flags) => tell(flags),
        Action::List(flags) => list(flags),
    }
}

fn list(flags: &ListFlags) -> Result<(), Failure> {
    let language = flags.lang.language();
    let stories = story::all();
    let columns = stories.iter().map(|story| width(story.name)).max().unwrap_or(0);
    let mut listed = String::new();
    for story in stories {
        let title = story.title.in_language(language);
        // Writing to a string cannot fail.
        let _ = writeln!(listed, "{:columns$}  {title}", story.name);
    }
    output::flush(listed.as_bytes())
}

fn tell(flags: &RunFlags) -> Result<(), Failure> {
    let language = flags.lang.language();
    let mut broken = Vec::new();
    for (number, story) in chosen(&flags.names)?.into_iter().enumerate() {
        let tale = story.tell(Seed(flags.seed));
        let page = story.page(&tale, language);
        let gap = if number == 0 { "" } else { "\n" };
        output::flush(format!("{gap}{page}").as_bytes())?;
        if !tale.holds() {
            broken.push(story.name);
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    let names = broken.join(", ");
    Err(Failure::error(format!("did not end as it must with seed {}: {names}", flags.seed)))
}

fn chosen(names: &[String]) -> Result<Vec<&'static Story>, Failure> {
    let mut stories = Vec::new();
    for name in names {
        match story::find(name) {
            Some(story) => stories.push(story),
            None if name == "all" => stories.extend(story::all()),
            None => {
                let hint = "try: quorate lab list";
                return Err(Failure::usage(format!("there is no story called {name}\n{hint}")));
            }
        }
    }
    Ok(stories)
}
