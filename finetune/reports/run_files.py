"""The JSON files of a folder of ``finetune``, checked when they are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from skyreel.errors import FinetuneError

_MOST_BYTES = 100_000_000
Number = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
Name = Annotated[
    str, BeforeValidator(lambda name: str(name) if isinstance(name, int) else name, str | int)
]


class Run(BaseModel):
    """What the report uses of ``run.json``."""

    model_config = ConfigDict(extra="allow")

    per_class: tuple[Number, ...] = ()
    model: Annotated[str, Field(min_length=1)] = "Models"
    real: Annotated[str, Field(min_length=1)] = "real sequences"
    method: str | None = None
    homogenised: bool | None = None
    seconds: float | dict[str, float] | None = None
    selection: dict[str, Any] | None = Field(
        None, validation_alias=AliasChoices("selection", "showing")
    )


class DrawRecord(BaseModel):
    """One draw of ``draws.json``."""

    per_class: Number
    trial: Number
    training: list[Name] = Field(validation_alias=AliasChoices("training", "taught"))
    test: list[Name] = Field(validation_alias=AliasChoices("test", "tested"))


def read_run(path: Path) -> tuple[dict[str, Any], Run]:
    """``run.json`` as it is, and what is used of it.

    Raises
    ------
    FinetuneError
        It is missing or damaged.
    """
    found = _read(path)
    return found, _checked(TypeAdapter(Run), found, path)


def read_draws(path: Path) -> list[DrawRecord]:
    """``draws.json``.

    Raises
    ------
    FinetuneError
        It is missing or damaged, or has a draw twice.
    """
    draws = _checked(TypeAdapter(list[DrawRecord]), _read(path), path)
    if len({(draw.per_class, draw.trial) for draw in draws}) < len(draws):
        raise FinetuneError(f"{path} is damaged: a draw is in it twice. Run finetune again.")
    return draws


def _read(path):
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES:,} bytes")
        return json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise FinetuneError(
            f"{path} is missing or damaged ({getattr(error, 'strerror', None) or error}); give a "
            "folder that finetune has written."
        ) from None


def _checked(adapter, found, path):
    try:
        return adapter.validate_python(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "its content"
        raise FinetuneError(
            f"{path} is damaged: {where}: {first['msg']}. Run finetune again."
        ) from None
