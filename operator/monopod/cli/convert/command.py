"""`kubectl fargate convert`: reads, converts, asks the schema, writes."""

from collections.abc import Sequence

import click

from monopod.cli.convert.conversion import convert
from monopod.cli.failure import UnreadableInput
from monopod.cli.input.documents import format_documents, read_all, show
from monopod.cli.input.manifests import refuse_twins
from monopod.cli.input.profiles import get_name, refuse_invalid


def convert_files(filenames: Sequence[str]) -> str:
    """The profiles of all files, as YAML; says on stderr what isn't in them.

    Raises:
        UnreadableInput: a file can't be read, or holds nothing to convert; the API server would refuse a profile; or
            two have one name.
    """
    found = []
    for name in dict.fromkeys(filenames):
        converted = [each for document in read_all(name) for each in convert(document)]
        if not converted:
            known = "eksctl's ClusterConfig, ACK's FargateProfile, Terraform's JSON, or the EKS API's"
            raise UnreadableInput(f"{show(name)} holds no Fargate profile of another tool's: {known}.")
        found += converted
    for each in found:
        refuse_invalid(each.profile)
    refuse_twins(get_name(each.profile) for each in found)
    for each in found:
        for note in each.notes:
            click.echo(f"Note: profile {get_name(each.profile)}: {note}.", err=True)
    return format_documents(each.profile for each in found)
