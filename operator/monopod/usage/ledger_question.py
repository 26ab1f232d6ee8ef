"""Asks the ledger what the pods of each profile cost: the first of its replicas that answers."""

import asyncio
import socket
from functools import partial
from typing import Final

from yarl import URL

from monopod.kube.client.api import Api
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.usage.ledger_identity import verify_identity
from monopod.usage.options import UsageOptions
from monopod.usage.replica import Replica, ReplicaTrouble, open_session
from monopod.usage.rules.profile_cost import PROFILES_PATH, InvalidAnswer, ProfileCosts, read_costs

REQUEST_SECONDS: Final = 20.0
MOST_BYTES: Final = 16 * 1024 * 1024


class LedgerTrouble(Exception):
    """The ledger gave no answer that can be used; the message says why."""


class LedgerQuestion:
    """Asks one ledger.

    Args:
        api: the API server, with the right to create TokenReviews.
        options: where the ledger is, its account, and the token.
        clock: tells the time.
    """

    def __init__(self, api: Api, options: UsageOptions, clock: Clock = SYSTEM_CLOCK) -> None:
        self._verify = partial(verify_identity, api, options.account_of_ledger)
        self._options = options
        self._clock = clock

    async def ask(self) -> ProfileCosts:
        """Returns what the first replica answers that does.

        Raises:
            LedgerTrouble: none can be reached, or each refuses, answers something else, or is another.
        """
        troubles = []
        async with open_session(REQUEST_SECONDS) as session:
            for address in await self._resolve():
                url = URL.build(scheme="https", host=address, port=self._options.ledger_port)
                replica = Replica(str(url), self._options.ledger_token, self._verify)
                try:
                    answer = await replica.ask(session, PROFILES_PATH, {}, MOST_BYTES)
                    return read_costs(answer, self._clock.now())
                except (ReplicaTrouble, InvalidAnswer) as trouble:
                    troubles.append(f"{address}: {trouble}")
        raise LedgerTrouble("; ".join(troubles))

    async def _resolve(self) -> list[str]:
        name, port = self._options.ledger, self._options.ledger_port
        try:
            found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise LedgerTrouble(f"{name} has no address: {error}") from error
        return sorted({str(address[0]) for *_, address in found})
