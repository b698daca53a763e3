"""The command `mltu`: its subcommands, and how errors and Ctrl-C end it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from mltu import __version__
from mltu.utils.files import use_utf8_output

# In the order of `--help`; the command `read` is in the module `_read`.
_COMMANDS = (
    "read", "evaluate", "train", "export", "check", "pack", "synth", "info", "bench", "doctor",
)  # fmt: skip
_INTERRUPTED = 130  # the exit status of shells after Ctrl-C


class Commands(click.Group):
    """Imports commands when they are used, and prints errors of mltu as one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, but not the packages that it needs to run."""
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"mltu.cli._{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; expected errors end it with status 1, Ctrl-C with 130."""
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except (OSError, ValueError, RuntimeError, ImportError, MemoryError) as error:
            raise click.ClickException(_one_line(error)) from error
        except KeyboardInterrupt as error:
            click.echo(str(error) or "Interrupted.", err=True)
            raise click.exceptions.Exit(_INTERRUPTED) from None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mltu", message="%(prog)s %(version)s")
def commands() -> None:
    """Read text in images, and train your own readers.

    \b
    mltu read photos/*.png
    mltu train labels.csv --output run
    mltu evaluate run --report report.html

    `mltu COMMAND --help` shows the options of a command and an example.
    """


def main() -> None:
    """Run the command line."""
    use_utf8_output()
    commands(prog_name="mltu")


def _one_line(error: BaseException) -> str:
    """Return the text of an error on one line, unless it contains the output of a process."""
    text = str(error) or type(error).__name__
    return text if isinstance(error, RuntimeError) else " ".join(text.split())
