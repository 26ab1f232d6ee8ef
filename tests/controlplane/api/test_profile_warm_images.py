"""What a real API server accepts as a FargateProfile's `spec.warmImages`, and what it refuses."""

import json
from typing import Any

import pytest

from tests.controlplane.builders import a_profile, create, refusals

REFUSED = {
    "more images than maxImages": (
        a_profile(warmImages={"images": ["a", "b"], "maxImages": 1}),
        "spec.warmImages.images: Invalid value: more images are listed than maxImages allows: list fewer, or raise",
    ),
    "more images than the default": (
        a_profile(warmImages={"images": [f"image-{number}" for number in range(11)]}),
        "spec.warmImages.images: Invalid value: more images are listed than maxImages allows",
    ),
    "21 images": (
        a_profile(warmImages={"images": [f"image-{number}" for number in range(21)], "maxImages": 20}),
        "spec.warmImages.images: Too many: 21: must have at most 20 items",
    ),
    "a maxImages of 21": (
        a_profile(warmImages={"maxImages": 21}),
        "spec.warmImages.maxImages: Invalid value: 21: spec.warmImages.maxImages in body should be less than or equal",
    ),
    "the same image twice": (
        a_profile(warmImages={"images": ["a", "a"]}),
        'spec.warmImages.images[1]: Duplicate value: "a"',
    ),
    "a name that is none": (
        a_profile(warmImages={"images": ["shop: 1"]}),
        'spec.warmImages.images[0]: Invalid value: "shop: 1": an image is named as in a pod\'s containers, such as',
    ),
    "secrets for images of workloads": (
        a_profile(warmImages={"fromWorkloads": True, "imagePullSecrets": [{"name": "key"}]}),
        "spec.warmImages.imagePullSecrets: Invalid value: imagePullSecrets are for the listed images",
    ),
}

ACCEPTED = {
    "images with secrets": {
        "images": ["registry.example.com:5000/shop@sha256:" + "a" * 64, "busybox"],
        "imagePullSecrets": [{"name": "key"}],
        "maxImages": 2,
        "fromWorkloads": True,
    },
    "those of workloads": {"fromWorkloads": True, "maxImages": 20},
}


@pytest.mark.parametrize(("profile", "reason"), REFUSED.values(), ids=REFUSED)
def test_warm_images_are_refused_for_one_reason_that_names_field_and_rule(
    installed: Any, profile: dict[str, Any], reason: str
) -> None:
    answer = create(installed, profile, "--dry-run=server")
    assert answer.returncode != 0
    assert refusals(answer.stderr)[0].startswith(reason)


@pytest.mark.parametrize("images", ACCEPTED.values(), ids=ACCEPTED)
def test_warm_images_are_accepted_as_they_are(installed: Any, images: dict[str, Any]) -> None:
    answer = create(installed, a_profile(warmImages=images), "--dry-run=server", "-o", "json")
    assert answer.stderr == ""
    assert json.loads(answer.stdout)["spec"]["warmImages"].items() >= images.items()
