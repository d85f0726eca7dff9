"""The configuration file's part in the command: options that are not typed come from it."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import click

from caffe_bn_convert.errors import UsageError, Where

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from caffe_bn_convert.config import Config


_CODE = "plugin"
"""The option that runs code. A folder that somebody downloaded must not be able to give it."""


def defaults(config: Config, name: str, command: click.Command, *, named: bool) -> dict[str, Any]:
    """What the file says for a command, by the names that click has for its parameters.

    Paths in the file count from the file's folder. A single value will do where an option is repeatable.

    Args:
        config: the file.
        name: the command's name.
        command: the command.
        named: whether the user named the file, instead of being in a folder that has one.

    Raises:
        UsageError: the command has no such option, or the option runs code and nobody named the file.
    """
    known = parameters(command)
    given = config.command(name, known)
    if _CODE in given and not named:
        raise UsageError(
            f'"{_CODE}" runs code, which a file that was merely found cannot ask for',
            hint=f"type --{_CODE}, or name the file with --config",
            where=Where(file=str(config.path)),
        )
    return {known[key].name or key: _value(known[key], value, config) for key, value in given.items()}


def parameters(command: click.Command) -> dict[str, click.Parameter]:
    """A command's options and arguments, by their long names with underscores."""
    found: dict[str, click.Parameter] = {}
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            found[str(parameter.name)] = parameter
        for option in (*parameter.opts, *parameter.secondary_opts):
            if option.startswith("--"):
                found[option[2:].replace("-", "_")] = parameter
    return found


def check(config: Config, commands: Collection[str], get: Callable[[str], click.Command | None], name: str) -> None:
    """Refuse what no command knows: tables that are no command's, and options at the top that none has.

    Args:
        config: the file.
        commands: the names of all commands.
        get: imports a command.
        name: the command that is called; others are imported only where it does not know an option.

    Raises:
        UsageError: with what was probably meant.
    """
    tables = [key for key, value in config.table.items() if isinstance(value, dict)]
    options = [key.replace("-", "_") for key, value in config.table.items() if not isinstance(value, dict)]
    for table in tables:
        if table not in commands:
            raise _unknown(f'there is no command "{table}"', table, commands, config.path)
    called = get(name)
    strange = [key for key in options if called is None or key not in parameters(called)]
    if not strange:
        return
    everything = {key for each in commands if (command := get(each)) is not None for key in parameters(command)}
    for key in strange:
        if key not in everything:
            raise _unknown(f'no command has an option "{key}"', key, everything, config.path)


def _unknown(what: str, word: str, known: Collection[str], path: Path | None) -> UsageError:
    near = difflib.get_close_matches(word, known, n=1)
    hint = f'did you mean "{near[0]}"?' if near else None
    return UsageError(what, hint=hint, where=Where(file=str(path) if path is not None else None))


def _value(parameter: click.Parameter, value: Any, config: Config) -> Any:
    if getattr(parameter, "multiple", False):
        return [_single(parameter, each, config) for each in (value if isinstance(value, list) else [value])]
    return _single(parameter, value, config)


def _single(parameter: click.Parameter, value: Any, config: Config) -> Any:
    if isinstance(parameter.type, click.Path) and isinstance(value, str) and config.path is not None:
        return str(config.path.parent / value)
    return value
