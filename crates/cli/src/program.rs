//! Commands about this program itself: `version` and `completion`.

use clap::{Args, Subcommand};
use clap_complete::Shell;

use crate::etcdctl;
use crate::exit::{Failure, Personality};
use crate::output;

/// The end of the help of `completion`.
const COMPLETION_NOTES: &str = "\
Examples:
  source <(quorate completion bash)
  quorate completion zsh > \"${fpath[1]}/_quorate\"
  quorate completion fish > ~/.config/fish/completions/quorate.fish
  quorate completion powershell | Out-String | Invoke-Expression";

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum ProgramCommand {
    /// Print the version
    Version,
    /// Print a script that completes commands and flags in a shell
    #[command(after_help = COMPLETION_NOTES)]
    Completion(CompletionFlags),
}

/// The flags of `completion`.
#[derive(Args, Debug)]
pub(crate) struct CompletionFlags {
    /// The shell
    shell: Shell,
}

impl ProgramCommand {
    /// Runs it. The command line is that which is to be completed.
    pub(crate) fn run(
        self,
        mut command_line: clap::Command,
        personality: Personality,
    ) -> Result<(), Failure> {
        match self {
            Self::Version => output::flush(version(personality).as_bytes()),
            Self::Completion(flags) => {
                let name = command_line.get_name().to_owned();
                let mut script = Vec::new();
                clap_complete::generate(flags.shell, &mut command_line, name, &mut script);
                output::flush(&script)
            }
        }
    }
}

fn version(personality: Personality) -> String {
    match personality {
        Personality::Quorate => format!("quorate {}\n", env!("CARGO_PKG_VERSION")),
        Personality::Etcdctl => {
            let version = etcdctl::VERSION;
            let (minor, _) = version.rsplit_once('.').expect("a version has parts");
            format!("etcdctl version: {version}\nAPI version: {minor}\n")
        }
    }
}
