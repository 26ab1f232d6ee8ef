"""The cluster's profiles, as one caller may see and change them: what EKS asks, in requests to the API server."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from monopod.api.names import EKS_TOKEN_LABEL
from monopod.aws.access.failures import fetch_existing, is_another, is_conflict, is_missing, translating
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
from monopod.kube.client.api import Api, ApiError, Json
from monopod.kube.objects.resources import PROFILES

_VERSION_PATH: Final = "/version"
_INVALID: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)


class Profiles:
    """The profiles, by their names on EKS. Methods raise `AwsError`, also where the API server refuses."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def fetch_version(self) -> Json:
        """What the API server says of itself."""
        with translating():
            return await self._api.get(_VERSION_PATH)

    async def list_names(self) -> list[str]:
        """The names of all, whoever created them."""
        with translating():
            listed = self._api.list_pages(PROFILES.list_path(), metadata_only=True)
            return [read_record(each).name async for each in listed]

    async def fetch(self, name: str) -> Json | None:
        """A profile; None if there is none of this name."""
        with translating():
            profile = await fetch_existing(self._api, _build_path(name))
        return profile if profile and read_record(profile).name == name else None

    async def create(self, profile: Json, params: Params, token: str | None) -> Json:
        """Creates a profile, or finds the one that the same request created before.

        Args:
            profile: the object.
            params: the request's.
            token: what its repetitions are known by, if it has any.
        """
        if token and (before := await self._find_repeated(token, params)):
            return before
        with translating():
            try:
                return await self._api.create(PROFILES.list_path(), profile)
            except ApiError as error:
                if beyond := translate_quota(error.message):
                    raise beyond from error
                if error.status in _INVALID:
                    raise translate_invalid(error.message, _read_causes(error), params) from error
                if not is_conflict(error):
                    raise
        # Perhaps by the same request, which was sent again before this one was answered.
        if token and (before := await self._find_repeated(token, params)):
            return before
        raise refuse_existing()

    async def delete(self, profile: Json) -> bool:
        """Deletes a profile; False if it's another by now."""
        with translating():
            try:
                await self._api.delete(PROFILES.path(profile["metadata"]["name"]), profile["metadata"]["uid"])
            except ApiError as error:
                if not is_conflict(error):
                    raise
                return False
        return True

    async def change_tags(self, profile: Json, patch: Json) -> bool:
        """Changes a profile's tags; False if it's gone, or another by now."""
        with translating():
            try:
                await self._api.merge(PROFILES.path(profile["metadata"]["name"]), patch)
            except ApiError as error:
                if is_another(error) or is_missing(error):
                    return False
                if error.status in _INVALID:
                    raise translate_tags(error.message, _read_causes(error)) from error
                raise
        return True

    async def _find_repeated(self, token: str, params: Params) -> Json | None:
        with translating():
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


def _read_causes(error: ApiError) -> Iterable[tuple[str, str]]:
    return ((cause.field, cause.message) for cause in error.causes)
