"""What every block of a runcard has in common."""

from pydantic import BaseModel, ConfigDict


class Block(BaseModel):
    """A mapping of the runcard: immutable, and no key but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")
