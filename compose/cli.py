# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The command line: `volme --help`."""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from compose.commands.words import EXIT_CODES, examples, exit_code
from models.errors import VolmeError

# In the order in which a newcomer needs them: command, module, name there.
_COMMANDS = {
    "up": ("compose.commands.serve", "up"),
    "run": ("compose.commands.serve", "run"),
    "portal": ("compose.commands.portal", "portal"),
    "status": ("compose.commands.look", "status"),
    "translate": ("compose.commands.translate", "translate"),
    "devices": ("compose.commands.devices", "devices"),
    "profiles": ("compose.commands.profiles", "profiles"),
    "codecs": ("compose.commands.codecs", "codecs"),
    "dead-letters": ("compose.commands.dead_letters", "dead_letters"),
    "journal": ("compose.commands.journal", "journal"),
    "replay": ("compose.commands.replay", "replay"),
    "subscriptions": ("compose.commands.subscriptions", "subscriptions"),
    "listen": ("compose.commands.look", "listen"),
}


class _OnDemand(click.Group):
    """A group whose commands are imported when they are asked for: each pays for its own parts alone."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - likewise
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(
    cls=_OnDemand,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
        "volme up                          try it: a whole platform with a simulated Hagen",
        "volme run --config city.toml      in production, with the operator's own parts",
        "volme translate uplink.json       what becomes of one message, step by step",
        "volme devices pending             which unknown devices have sent something",
    )
    + "\n\n\b\nExit codes:\n"
    + "\n".join(f"  {code:<4} {meaning}" for code, meaning in EXIT_CODES.items()),
)
@click.version_option(package_name="volme", prog_name="volme", message="%(prog)s %(version)s")
def volme() -> None:
    """Volme: a city's sensors into an NGSI-LD context broker."""


def main() -> None:
    """Run a command; show Volme's own errors as one sentence, without a trace."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without “ä” shows “?” instead of a trace
    try:
        # Without standalone mode, click returns the code of an `Exit`.
        code = volme(prog_name="volme", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:  # `volme … | head`: whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except VolmeError as error:
        click.echo(f"volme: {error}", err=True)
        sys.exit(exit_code(error))
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
