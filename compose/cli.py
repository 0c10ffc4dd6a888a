# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The command line: `volme --help`."""

from __future__ import annotations

import sys

import click

from compose.commands.codecs import profiles, translate
from compose.commands.common import EXIT_CODES, exit_code
from compose.commands.dead_letters import dead_letters
from compose.commands.devices import devices
from compose.commands.look import listen, status
from compose.commands.serve import replay, run, up
from models.errors import VolmeError


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="\b\nExit codes:\n" + "\n".join(f"  {code}  {meaning}" for code, meaning in EXIT_CODES.items()),
)
@click.version_option(package_name="volme", prog_name="volme")
def volme() -> None:
    r"""Volme: a city's sensors into an NGSI-LD context broker.

    \b
    Try it:          volme up
    In production:   volme run --config city.toml
    """


for command in (up, run, translate, devices, dead_letters, status, profiles, replay, listen):
    volme.add_command(command)


def main() -> None:
    """Run a command; show Volme's own errors as one sentence, without a trace."""
    try:
        volme(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except VolmeError as error:
        click.echo(f"volme: {error}", err=True)
        sys.exit(exit_code(error))


if __name__ == "__main__":
    main()
