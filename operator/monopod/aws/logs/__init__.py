"""CloudWatch Logs, as far as it is the logs of ECS tasks: they are read from the containers' own, and kept nowhere."""
