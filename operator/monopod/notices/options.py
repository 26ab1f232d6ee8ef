"""The operator's options for notices."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from monopod.kube.options import Flag, Options
from monopod.notices.rules.envelopes import Origin


class NoticeOptions(Options):
    """Notices."""

    webhook_url: Annotated[str, Field(pattern=r"^(https?://.+)?$"), Flag("URL", default="none")] = ""
    """Where notices of interruptions, of scheduled terminations and of changes of ECS tasks are sent. Without one, and
    without one among the secrets, none are."""

    webhook_format: Literal["CloudEvents", "EventBridge"] = "CloudEvents"
    """Their form: CloudEvents 1.0 as JSON, or what EventBridge delivers."""

    webhook_secrets: Annotated[Path | None, Flag("DIRECTORY", default="none")] = None
    """A mounted Secret: `token`, which is sent as a bearer token; `ca.crt`, which the receiver's certificate is checked
    by; `url`, where the URL itself is a secret. Each may be missing, and is read again when it changes."""

    webhook_account: Annotated[str, Field(pattern="^[0-9]{12}$"), Flag("NUMBER")] = "000000000000"
    """The number of the account in EventBridge's form, twelve digits."""

    webhook_region: Annotated[str, Field(pattern="^[a-z0-9-]{1,64}$"), Flag("NAME")] = "us-east-1"
    """The region in EventBridge's form."""

    webhook_cluster: Annotated[str, Field(pattern="^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$"), Flag("NAME")] = "monopod"
    """What notices, and the events of scheduled terminations, call the cluster."""

    @property
    def notice_origin(self) -> Origin:
        """What notices say of where they come from."""
        return Origin(self.webhook_cluster, self.webhook_account, self.webhook_region)
