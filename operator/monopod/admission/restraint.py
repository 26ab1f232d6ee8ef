"""What the operator may write, where RBAC can't say it: rights are on whole objects, whatever field or purpose.

A FargateProfile: its finalizer, and nothing else of the object but its status. A pod: as a trial, which stores nothing;
or in the place of a pod without a controller that it moved, and then none that reaches into its node, which no profile
would have taken. Namespaces: as trials. And nobody else writes the manifests from which it creates pods.
"""

from monopod.admission.cel import Validation, quote
from monopod.admission.size import INIT_CONTAINERS
from monopod.admission.support import ALL_CONTAINERS, CONFIGURES_SANDBOX, HOST_FIELDS, build_security_variables
from monopod.api.names import PROFILE_FINALIZER, RECREATED_ANNOTATION, STORED_POD_PLURAL


def _other_finalizers(profile: str) -> str:
    return f"{profile}.metadata.?finalizers.orValue([]).filter(name, name != {quote(PROFILE_FINALIZER)})"


_KEPT = ("spec", "metadata.?labels", "metadata.?annotations", "metadata.?ownerReferences")

ONLY_FINALIZER_CHANGED = Validation(
    "The rest of a profile is the administrator's.",
    "".join(f"object.{field} == oldObject.{field} &&\n" for field in _KEPT)
    + f"{_other_finalizers('object')}\n  == {_other_finalizers('oldObject')}",
    f"Monopod's operator may change nothing of a FargateProfile but its status and the finalizer {PROFILE_FINALIZER}.",
)

ONLY_TRIED = Validation(
    "Only a dry run.",
    "request.?dryRun.orValue(false)",
    "Monopod's operator may create namespaces only with dryRun=All, to try admission.",
)

_NOT_REALLY_CREATED = "request.operation != 'CREATE' || request.?dryRun.orValue(false)"

ONLY_RECREATED = Validation(
    "A dry run, or a pod that says in whose place it comes.",
    f"{_NOT_REALLY_CREATED} ||\n  {quote(RECREATED_ANNOTATION)} in object.metadata.?annotations.orValue({{}})",
    "Monopod's operator may create pods only with dryRun=All, to try admission, or with the annotation "
    f"{RECREATED_ANNOTATION}, in the place of a pod without a controller that it moved.",
)

HOST_ACCESS = (
    INIT_CONTAINERS,
    ALL_CONTAINERS,
    HOST_FIELDS,
    *build_security_variables("variables.allContainers"),
)

WITHOUT_HOST = Validation(
    "Whoever gets hold of the operator's token doesn't get hold of nodes.",
    f"""
    {_NOT_REALLY_CREATED} ||
      (variables.hostFields.size() == 0 && variables.securityFields.size() == 0 &&
       !object.spec.?volumes.orValue([]).exists(volume, has(volume.hostPath)) &&
       !object.metadata.?annotations.orValue({{}}).exists(key, {CONFIGURES_SANDBOX}))
    """,
    "Monopod's operator may create no pod that reaches into its node: no profile would have taken the pod in whose "
    "place it comes.",
)


STORED_POD_ROADS = (STORED_POD_PLURAL, f"{STORED_POD_PLURAL}/status")
"""Where a StoredPod could be written."""


def build_stored_by_operator(service_account: str) -> Validation:
    """Only the operator writes StoredPods, whatever rights others have."""
    return Validation(
        "The operator creates pods from them.",
        f"request.userInfo.username == {quote(service_account)}",
        "Only Monopod's operator creates and changes StoredPods. To bring a pod back use `kubectl fargate restore`, "
        "with -f for an edited manifest.",
    )
