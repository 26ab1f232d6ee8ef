"""How a node class is named."""

import re

import pytest

from monopod.capacity.rules.node_class import InvalidNodeClass, NodeClass, parse_node_class, read_node_classes


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("EC2NodeClass/default", NodeClass("karpenter.k8s.aws", "EC2NodeClass", "default")),
        ("AKSNodeClass/a.b-c", NodeClass("karpenter.azure.com", "AKSNodeClass", "a.b-c")),
        ("NodeClass/default", NodeClass("eks.amazonaws.com", "NodeClass", "default")),
        ("OCINodeClass.oci.oraclecloud.com/x", NodeClass("oci.oraclecloud.com", "OCINodeClass", "x")),
        ("EC2NodeClass.example.com/x", NodeClass("example.com", "EC2NodeClass", "x")),
    ],
    ids=str,
)
def test_it_is_read_and_written_alike(text: str, found: NodeClass) -> None:
    assert parse_node_class(text) == found
    assert str(found) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "'' is no node class: write KIND/NAME, such as EC2NodeClass/default."),
        ("default", "is no node class"),
        ("EC2NodeClass/", "is no node class"),
        ("EC2NodeClass/Default", "is no node class"),
        ("EC2NodeClass/a/b", "is no node class"),
        ("ec2nodeclass/default", "is no node class"),
        ("OtherClass/x", "The API group of OtherClass isn't known here: write KIND.GROUP/NAME"),
        ("OtherClass./x", "isn't known here"),
        ("OtherClass.x_y/x", "isn't known here"),
        ("OtherClass.x/x", "isn't known here"),
    ],
)
def test_what_names_none_is_told(text: str, told: str) -> None:
    with pytest.raises(InvalidNodeClass, match=re.escape(told)):
        parse_node_class(text)


def test_node_pools_tell_theirs_once() -> None:
    reference = {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "default"}
    pool = {"spec": {"template": {"spec": {"nodeClassRef": reference}}}}
    other = {"spec": {"template": {"spec": {"nodeClassRef": {**reference, "name": "b"}}}}}
    assert [each.name for each in read_node_classes([other, pool, pool])] == ["b", "default"]
