"""Marks that an update of a pod lacks come back: whoever replaces a pod's labels as a whole means only their own.

Clients that send a pod as they made it (a PUT), and controllers that adopt and release pods, know nothing of marks. To
refuse these updates would break them; a mark that is changed or forged is refused all the same (`marks`).
"""

from monopod.admission.marks import ANNOTATION_MARKS, LABEL_MARKS
from monopod.api.names import TASK_LABEL
from monopod.cel.expressions import quote, quote_all
from monopod.cel.json_patch import put_map_if_absent
from monopod.isolation.cel.groups import IS_GROUP

_IS_MARK = {
    "labels": f"(key in {quote_all((*LABEL_MARKS, TASK_LABEL))} || {IS_GROUP})",
    "annotations": f"key in {quote_all(ANNOTATION_MARKS)}",
}


def _find_missing(field: str) -> str:
    return f"""oldObject.metadata.?{field}.orValue({{}})
      .filter(key, {_IS_MARK[field]} && !(key in object.metadata.?{field}.orValue({{}})))"""


def _restore(field: str) -> str:
    return f"""
    {put_map_if_absent(f"/metadata/{field}", f"has(object.metadata.{field})")} +
    {_find_missing(field)}
      .map(key, JSONPatch{{
        op: 'add',
        path: '/metadata/{field}/' + jsonpatch.escapeKey(key),
        value: oldObject.metadata.{field}[key]
      }})"""


def build_missing(service_account: str) -> str:
    """Whether an update lacks marks that the pod has.

    Args:
        service_account: the operator's user name, which takes groups away from pods.
    """
    return f"""
    request.userInfo.username != {quote(service_account)} &&
      ({_find_missing("labels")}.size() > 0 ||
       {_find_missing("annotations")}.size() > 0)
    """


RESTORED = f"{_restore('labels')} +{_restore('annotations')}"
"""The operations on such an update."""
