import pytest

from monopod.aws.logs.rules.pattern import read_pattern
from monopod.aws.wire.call import AwsError


@pytest.mark.parametrize(
    ("pattern", "message", "matches"),
    [
        ("", "anything", True),
        ("  ", "anything", True),
        ("ERROR", "[ERROR 400] BAD REQUEST", True),
        ("ERROR", "an error", False),
        ("ERROR REQUEST", "[ERROR 400] BAD REQUEST", True),
        ("ERROR REQUEST", "[ERROR 400]", False),
        ("?ERROR ?WARN", "a WARN", True),
        ("?ERROR ?WARN", "INFO", False),
        ("ERROR -REQUEST", "[ERROR 400] BAD REQUEST", False),
        ("ERROR -REQUEST", "[ERROR 400]", True),
        ("-DEBUG", "INFO", True),
        ('"INTERNAL SERVER ERROR"', "INTERNAL SERVER ERROR", True),
        ('"INTERNAL SERVER ERROR"', "INTERNAL ERROR SERVER", False),
        ('-"a b" c', "c a b", False),
        ('?"a-b" ?c', "x a-b", True),
        (r'"say \"hi\""', 'say "hi"', True),
        (r'"a\\b"', "a\\b", True),
        ("größe", "die größe", True),
    ],
)
def test_terms_are_found(pattern: str, message: str, matches: bool) -> None:
    assert read_pattern(pattern).matches(message) is matches


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("{ $.level = ERROR }", "Patterns for JSON aren't supported by Monopod"),
        ("[ip, user]", "Patterns for fields aren't supported by Monopod"),
        ("%ERROR.*%", "Regular expressions aren't supported by Monopod"),
        ("a ?%b%", "Regular expressions aren't supported by Monopod"),
        ("?a b", r"terms with \? can't be combined"),
        ("?a -b", r"terms with \? can't be combined"),
        ("a-b", "quotation marks"),
        ("a*", "quotation marks"),
        ('"open', "quotation marks"),
        ('"a""b"', "quotation marks"),
        ("- a", "quotation marks"),
        ("--a", "quotation marks"),
    ],
)
def test_what_isnt_built_or_no_pattern_is_refused(pattern: str, told: str) -> None:
    with pytest.raises(AwsError, match=told) as refused:
        read_pattern(pattern)
    assert refused.value.code == "InvalidParameterException"
