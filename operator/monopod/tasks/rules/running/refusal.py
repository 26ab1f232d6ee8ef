"""A request to run a task that AWS refuses; those of ours say what Monopod hasn't."""

from typing import Final

INVALID: Final = "InvalidParameterException"
UNSUPPORTED: Final = "UnsupportedFeatureException"
PLATFORM: Final = "PlatformUnknownException"


class Refusal(ValueError):
    """Nothing is run.

    Attributes:
        code: AWS's code of the error.
        message: what a person reads.
    """

    def __init__(self, message: str, code: str = INVALID) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def refuse_unavailable(member: str, advice: str) -> Refusal:
    """What Fargate takes and Monopod hasn't: it would be stored and ignored."""
    return Refusal(f"{member} is not supported by Monopod: {advice}", UNSUPPORTED)
