"""Logs: one JSON object per line, for our own messages and for those of the libraries, on stderr."""

import logging
from typing import Literal

import structlog
from aiohttp.http_exceptions import HttpProcessingError

MOST_REMEMBERED = 50_000

LogFormat = Literal["json", "console"]


class FirstAttemptOnly(logging.Filter):
    """Drops kopf's report of every further attempt at a request: an API server that is away is one line, not many."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged."""
        message = record.getMessage()
        return not message.startswith("Request attempt #") or message.startswith("Request attempt #1 ")


class OwnFaultsOnly(logging.Filter):
    """Drops what the HTTP server says of malformed requests: a traceback each, and any pod can send them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged."""
        return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def configure_logs(log_format: LogFormat, level: str) -> None:
    """Sends everything through structlog's renderer."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer() if log_format == "json" else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.addFilter(FirstAttemptOnly())
    handler.addFilter(OwnFaultsOnly())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    # kopf tells of every step at INFO; what matters of it is a warning.
    logging.getLogger("kopf").setLevel(max(logging.WARNING, logging.getLogger().level))
    # That its own cleanup is cut short when we stop is what we ask for.
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
    logging.getLogger("asyncio").setLevel(logging.WARNING)


class ProblemLog:
    """Logs a trouble when it begins, when it changes and when it is over, not each time that it is met.

    Of many thousands the oldest are forgotten: most are about pods that are gone.
    """

    def __init__(self, logger: structlog.stdlib.BoundLogger) -> None:
        self._logger = logger
        self._current: dict[str, str] = {}

    def report(self, subject: str, trouble: str, *, traceback: bool = False) -> None:
        """Something is wrong with the subject, which belongs to one caller: another would settle what this one raised.

        Args:
            subject: what is wrong.
            trouble: how.
            traceback: whether the exception that is being handled is logged with its traceback.
        """
        if self._current.get(subject) != trouble:
            self._logger.warning(
                "trouble", subject=subject, trouble=trouble, **({"exc_info": True} if traceback else {})
            )
            self._current[subject] = trouble
            if len(self._current) > MOST_REMEMBERED:
                del self._current[next(iter(self._current))]

    def clear(self, subject: str) -> None:
        """Nothing is wrong with the subject (any more)."""
        if self._current.pop(subject, None):
            self._logger.info("recovered", subject=subject)
