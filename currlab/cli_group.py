"""What all commands of `currlab` share: errors of one sentence, and examples below the help."""

from __future__ import annotations

from typing import Any

import click

from currlab.errors import CurrlabError


class OneSentence(click.Group):
    """Errors end as one sentence on stderr; the traceback is for `--debug`."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except CurrlabError as error:
            self._end(ctx, error, f"Error: {error}", 2)
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            self._end(ctx, error, f"Unexpected error ({what}); currlab --debug shows where.", 1)

    def _end(self, ctx: click.Context, error: Exception, text: str, status: int) -> None:
        if ctx.params.get("debug"):
            raise error
        click.echo(" ".join(text.split()), err=True)
        ctx.exit(status)


def examples(*lines: str) -> str:
    """Examples below a command's help; the mark keeps click from joining the lines."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
