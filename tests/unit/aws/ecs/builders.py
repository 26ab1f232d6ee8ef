"""Requests of ECS, and its objects as the API server has them."""

from monopod.aws.options import Account

ACCOUNT = Account("111122223333", "eu-central-1", "c1")
PREFIX = "arn:aws:ecs:eu-central-1:111122223333"
TASK = "0123456789abcdef0123456789abcdef"
