"""The command, a thin skin over the library: one file a subcommand, imported when it is called."""

from __future__ import annotations

import difflib
import gc
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import click

from caffe_bn_convert._version import __version__
from caffe_bn_convert.cli import signals, streams
from caffe_bn_convert.errors import ConversionError

INTERNAL, INTERRUPTED = 70, 130

COMMANDS: dict[str, tuple[str, str]] = {
    "convert": ("caffe_bn_convert.cli.convert", "Convert a Caffe net to ONNX (the default command)."),
    "verify": ("caffe_bn_convert.cli.verify", "Prove that an ONNX file computes what a Caffe net computes."),
    "deploy": ("caffe_bn_convert.cli.deploy", "Make a training prototxt one for deployment."),
    "inspect": ("caffe_bn_convert.cli.inspect", "Show what is in a net, its weights or an ONNX file."),
    "lint": ("caffe_bn_convert.cli.lint", "Look for mistakes in a net."),
    "layers": ("caffe_bn_convert.cli.layers", "List the layer types that can be converted."),
}

HELP = """Convert trained Caffe models to ONNX.

\b
    caffe-bn-convert deploy.prototxt weights.caffemodel -o out.onnx

With files instead of a command's name this is `convert`; `caffe-bn-convert convert --help` has its options.

\b
Exit codes:
  0  done
  1  verification failed: the ONNX file does not compute what Caffe computes
  2  usage
  3  an input file cannot be read
  4  a layer or parameter is not supported, or Caffe would refuse the net
  5  refused by a rule (--allow CODE takes what the rule offers)
  6  the execution provider that was asked for did not run, or lacks a kernel
  7  the output cannot be written
  8  over a resource limit
 70  internal error: please report it
130  interrupted
"""


class Commands(click.Group):
    """A group that imports a command when it is called, and takes anything else as arguments of ``convert``."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command's module."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The table, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``convert`` in front of what is no command."""
        own = 2 if args[:1] == ["--config"] else 1 if args[:1] == ["--no-config"] else 0
        rest = args[own:]
        if rest and rest[0] not in COMMANDS and rest[0] not in ("--help", "-h", "--version"):
            _refuse_misspelt(rest[0])
            rest = ["convert", *rest]
        with streams.written():  # --help
            return super().parse_args(ctx, [*args[:own], *rest])

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        with streams.written():
            return super().invoke(ctx)


def _refuse_misspelt(word: str) -> None:
    """``verfy`` is no prototxt."""
    if word.isalpha() and not Path(word).exists():
        near = difflib.get_close_matches(word, COMMANDS, n=1)
        meant = f'; did you mean "{near[0]}"?' if near else ""
        raise click.UsageError(f'"{word}" is neither a command nor a file{meant}')


@click.group(cls=Commands, help=HELP, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True)
@click.version_option(__version__, prog_name="caffe-bn-convert")
@click.option("--config", "path", type=click.Path(path_type=Path), metavar="FILE",
              help="Take options from this file.  [default: caffe-bn-convert.toml or pyproject.toml, here or above]")  # fmt: skip
@click.option("--no-config", is_flag=True, help="Take no options from a file.")
@click.pass_context
def commands(ctx: click.Context, /, path: Path | None, no_config: bool) -> None:  # noqa: FBT001  (click's way)
    """The whole command; its help is HELP."""
    name, group = ctx.invoked_subcommand, ctx.command
    assert isinstance(group, Commands)
    command = group.get_command(ctx, name) if name is not None else None
    if no_config or name is None or command is None:
        return
    from caffe_bn_convert import config
    from caffe_bn_convert.cli import configuration

    found = config.find() if path is None else config.read(path)
    configuration.check(found, COMMANDS, lambda each: group.get_command(ctx, each), name)
    ctx.default_map = {name: configuration.defaults(found, name, command, named=path is not None)}


def main(args: list[str] | None = None) -> None:
    """Run the command and exit with its documented code; asked to end, it takes its temporary files along."""
    streams.open_all()
    signals.install()
    gc.set_threshold(100_000)  # a short life with many small objects and hardly a cycle
    code = run(args)
    gc.freeze()  # what lives now lives to the end: no last look at every object
    sys.exit(code)


def run(args: list[str] | None = None) -> int:
    """Run the command; returns the exit code. Errors are printed for people, on stderr."""
    try:
        code = commands.main(args, prog_name="caffe-bn-convert", standalone_mode=False)
    except ConversionError as error:
        say(f"error: {error}")
        return error.exit_code
    except click.exceptions.Exit as stop:
        return int(stop.exit_code)
    except click.ClickException as error:
        error.show()
        return int(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        say("interrupted")
        return INTERRUPTED
    except Exception:  # a bug of ours: keep the traceback, say what to do
        import traceback

        traceback.print_exc()
        say("internal error: this is a bug in caffe-bn-convert, please report it with the lines above")
        return INTERNAL
    return code if isinstance(code, int) else 0


def say(text: str) -> None:
    """Words for people, on stderr; ASCII where the terminal knows nothing else, nothing that could command it."""
    text = "".join(c if c.isprintable() or c in "\n\t" or "\udc80" <= c <= "\udcff" else "\ufffd" for c in text)
    encoding = getattr(sys.stderr, "encoding", None) or "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.replace("×", "x").replace("→", "->").encode(encoding, "backslashreplace").decode(encoding)
    with suppress(OSError):  # nobody listens; that is no reason to stop
        click.echo(text, err=True)
