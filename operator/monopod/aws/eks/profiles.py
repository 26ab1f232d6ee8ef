"""The cluster's profiles, as one caller may see and change them: what EKS asks, in requests to the API server."""

import contextlib
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Final

from monopod.api.names import EKS_TOKEN_LABEL
from monopod.aws.access.failures import translate_failure
from monopod.aws.eks.rules.names import compute_object_name
from monopod.aws.eks.rules.record import hash_request, hash_token, read_record
from monopod.aws.eks.rules.refusals import (
    refuse_existing,
    refuse_repetition,
    translate_invalid,
    translate_quota,
    translate_tags,
)
from monopod.aws.wire.call import Params
from monopod.kube.client.api import Api, ApiError, ApiUnreachable, Json
from monopod.kube.objects.resources import PROFILES

_VERSION_PATH: Final = "/version"
_INVALID: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)


class Profiles:
    """The profiles, by their names on EKS. Methods raise `AwsError`, also where the API server refuses."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def fetch_version(self) -> Json:
        """What the API server says of itself."""
        with _translating():
            return await self._api.get(_VERSION_PATH)

    async def list_names(self) -> list[str]:
        """The names of all, whoever created them."""
        with _translating():
            listed = self._api.list_pages(PROFILES.list_path(), metadata_only=True)
            return [read_record(each).name async for each in listed]

    async def fetch(self, name: str) -> Json | None:
        """A profile; None if there is none of this name."""
        with _translating():
            try:
                profile = await self._api.get(_build_path(name))
            except ApiError as error:
                if _is_missing(error):
                    return None
                raise
        return profile if read_record(profile).name == name else None

    async def create(self, profile: Json, params: Params, token: str | None) -> Json:
        """Creates a profile, or finds the one that the same request created before.

        Args:
            profile: the object.
            params: the request's.
            token: what its repetitions are known by, if it has any.
        """
        if token and (before := await self._find_repeated(token, params)):
            return before
        with _translating():
            try:
                return await self._api.create(PROFILES.list_path(), profile)
            except ApiError as error:
                if beyond := translate_quota(error.message):
                    raise beyond from error
                if error.status in _INVALID:
                    raise translate_invalid(error.message, _read_causes(error), params) from error
                if error.status != HTTPStatus.CONFLICT:
                    raise
        # Perhaps by the same request, which was sent again before this one was answered.
        if token and (before := await self._find_repeated(token, params)):
            return before
        raise refuse_existing()

    async def delete(self, profile: Json) -> bool:
        """Deletes a profile; False if it's another by now."""
        with _translating():
            try:
                await self._api.delete(PROFILES.path(profile["metadata"]["name"]), profile["metadata"]["uid"])
            except ApiError as error:
                if error.status != HTTPStatus.CONFLICT:
                    raise
                return False
        return True

    async def change_tags(self, profile: Json, patch: Json) -> bool:
        """Changes a profile's tags; False if it's gone, or another by now."""
        with _translating():
            try:
                await self._api.merge(PROFILES.path(profile["metadata"]["name"]), patch)
            except ApiError as error:
                if _is_another(error) or _is_missing(error):
                    return False
                if error.status in _INVALID:
                    raise translate_tags(error.message, _read_causes(error)) from error
                raise
        return True

    async def _find_repeated(self, token: str, params: Params) -> Json | None:
        with _translating():
            try:
                query = {"labelSelector": f"{EKS_TOKEN_LABEL}={hash_token(token)}"}
                same = [each async for each in self._api.list_pages(PROFILES.list_path(), query)]
            except ApiError as error:
                # Whoever may create profiles and not see them has no repetitions.
                if error.status == HTTPStatus.FORBIDDEN:
                    return None
                raise
        known = (params["fargateProfileName"], hash_request(params))
        records = [(read_record(each), each) for each in same]
        found = next((each for record, each in records if (record.name, record.request) == known), None)
        if same and found is None:
            raise refuse_repetition()
        return found


def _build_path(name: str) -> str:
    return PROFILES.path(compute_object_name(name))


def _is_missing(error: ApiError) -> bool:
    return error.status == HTTPStatus.NOT_FOUND and not error.is_unserved


def _is_another(error: ApiError) -> bool:
    # What a patch would do to another object of the name: it would change its uid.
    return error.status == HTTPStatus.CONFLICT or any(cause.field == "metadata.uid" for cause in error.causes)


def _read_causes(error: ApiError) -> Iterable[tuple[str, str]]:
    return ((cause.field, cause.message) for cause in error.causes)


@contextlib.contextmanager
def _translating() -> Iterator[None]:
    try:
        yield
    except (ApiError, ApiUnreachable) as failure:
        raise translate_failure(failure) from failure
